//! The memory that a machine needs, and the clouds' machine types by memory.
//!
//! Invariant: the default machine type, the check of `machine.type`, the description of the
//! parameter and the boot script all use [`MachineMemory`].

use crate::backend::Backend;
use crate::values::Memory;

/// A machine type and its nominal memory.
#[derive(Debug, Clone, Copy)]
pub struct MachineType {
    /// The cloud's name.
    pub name: &'static str,
    /// Nominal memory.
    pub memory: Memory,
}

/// Properties of a target's machines.
#[derive(Debug)]
pub struct MachineInfo {
    /// Machine types, the smallest first; the default is the first one that is large enough.
    pub types: &'static [MachineType],
    /// Memory of the system and the cloud's agents.
    pub system: Memory,
}

impl MachineInfo {
    /// Returns the smallest machine type with this nominal memory in MiB.
    pub fn fitting(&self, mebibytes: u64) -> Option<MachineType> {
        let mut types = self.types.iter();
        types
            .find(|one| one.memory.as_mebibytes() >= mebibytes)
            .copied()
    }
}

/// The part of the nominal memory that a machine's kernel, firmware and hypervisor keep, in percent.
/// Machines with 4 GiB report 3.7 to 3.9 GiB; Karpenter reckons with 7.5 %
/// (`VM_MEMORY_OVERHEAD_PERCENT`, <https://karpenter.sh/docs/reference/settings/>).
const KEPT_PERCENT: u64 = 8;

/// Memory on a machine, in MiB.
#[derive(Debug, Clone, Copy)]
pub struct MachineMemory {
    /// Minimum for Chroma.
    pub chroma: u64,
    /// Memory of the collector, of backends next to it, of the proxy, of backups, and of the system.
    pub others: u64,
}

impl MachineMemory {
    /// Computes the needs of a deployment.
    pub fn new<'a>(
        chroma: Memory,
        collector: Memory,
        backends: impl Iterator<Item = &'a Backend>,
        more: impl Iterator<Item = Memory>,
        system: Memory,
    ) -> Self {
        let services = backends.filter_map(|backend| Some(backend.service.as_ref()?.memory));
        let others = services.chain(more).chain([collector, system]);
        Self {
            chroma: chroma.as_mebibytes(),
            others: others.map(Memory::as_mebibytes).sum(),
        }
    }

    /// Returns the least nominal memory of a machine.
    pub fn nominal(self) -> u64 {
        ((self.chroma + self.others) * 100).div_ceil(100 - KEPT_PERCENT)
    }
}

const fn of(name: &'static str, gibibytes: u64) -> MachineType {
    MachineType {
        name,
        memory: Memory::mebibytes(gibibytes << 10),
    }
}

/// Machines in AWS, all x86-64, on which the tests run.
pub(super) const AWS: MachineInfo = MachineInfo {
    types: &[
        of("t3.medium", 4),
        of("t3.large", 8),
        of("r7i.large", 16),
        of("r7i.xlarge", 32),
        of("r7i.2xlarge", 64),
        of("r7i.4xlarge", 128),
        of("r7i.8xlarge", 256),
        of("r7i.12xlarge", 384),
        of("r7i.16xlarge", 512),
    ],
    system: Memory::mebibytes(384),
};

/// Machines in Google Cloud, all with Persistent Disk.
pub(super) const GCP: MachineInfo = MachineInfo {
    types: &[
        of("e2-medium", 4),
        of("e2-standard-2", 8),
        of("e2-highmem-2", 16),
        of("e2-highmem-4", 32),
        of("e2-highmem-8", 64),
        of("e2-highmem-16", 128),
        of("n2-highmem-32", 256),
        of("n2-highmem-48", 384),
        of("n2-highmem-64", 512),
    ],
    system: Memory::mebibytes(512), // including Google's agents
};

/// Machines in Azure.
pub(super) const AZURE: MachineInfo = MachineInfo {
    types: &[
        of("Standard_B2s_v2", 8),
        of("Standard_E2s_v5", 16),
        of("Standard_E4s_v5", 32),
        of("Standard_E8s_v5", 64),
        of("Standard_E16s_v5", 128),
        of("Standard_E20s_v5", 160),
        of("Standard_E32s_v5", 256),
        of("Standard_E48s_v5", 384),
        of("Standard_E64s_v5", 512),
    ],
    system: Memory::mebibytes(640), // including the agents of Azure and Azure Monitor; not measured
};
