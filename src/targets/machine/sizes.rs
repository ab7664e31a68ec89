//! The memory of the machine: the check of `machine.type`, and the texts about it.

use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::targets::shared::list;

/// Returns a problem if the machine type is known to have too little memory. `known` returns the
/// memory of a type in MiB; the boot script checks a type whose memory is not known.
pub(in crate::targets) fn too_small(
    deployment: &Deployment,
    known: fn(&str) -> Option<u64>,
) -> Option<Problem> {
    let machine = &deployment.spec.machine;
    let (kind, needed) = (machine.kind.as_str(), machine.memory.nominal());
    let memory = known(kind).filter(|memory| *memory < needed)?;
    let memory = match memory {
        whole if whole % 1024 == 0 => format!("{} GiB", whole / 1024),
        part => format!("{part} MiB"),
    };
    let least = gibibytes(needed);
    let message = format!(
        "`{kind}` has {memory} of memory, but {} require {least} GiB",
        consumers(deployment)
    );
    let info = deployment.spec.target.info().machine?;
    let hint = match info.fitting(needed) {
        Some(fitting) => format!("use `{}` or another type", fitting.name),
        None => "use a type".to_owned(),
    };
    let hint = format!("{hint} with at least {least} GiB of memory");
    Some(Problem::new("machine.type", message).hint(hint))
}

/// Returns the description of the parameter for the machine type.
pub(in crate::targets) fn description(deployment: &Deployment) -> String {
    format!(
        "At least {} GiB of memory, for {}.",
        gibibytes(deployment.spec.machine.memory.nominal()),
        consumers(deployment)
    )
}

fn gibibytes(mebibytes: u64) -> u64 {
    mebibytes.div_ceil(1024)
}

/// Returns what needs the memory, for a sentence.
fn consumers(deployment: &Deployment) -> String {
    let services = deployment.backends_in_stack();
    let services = services.map(|(backend, ..)| backend.name.as_str());
    let before = ["Chroma", "the collector"].into_iter();
    list(before.chain(services).chain(["the system"]))
}

/// Asserts the memory of types in MiB; that of `unknown` is not known. The target's own types must be
/// among the known ones, in ascending order.
#[cfg(test)]
pub(in crate::targets) fn assert_memory(
    target: crate::spec::Target,
    memory: fn(&str) -> Option<u64>,
    known: &[(&str, u64)],
    unknown: &[&str],
) {
    let types = target
        .info()
        .machine
        .map_or(&[][..], |machine| machine.types);
    let own: Vec<_> = types
        .iter()
        .map(|one| (one.name, one.memory.as_mebibytes()))
        .collect();
    assert!(own.is_sorted_by_key(|(_, mebibytes)| *mebibytes) && !own.is_empty());
    for (kind, mebibytes) in known.iter().chain(&own) {
        assert_eq!(memory(kind), Some(*mebibytes), "{kind}");
    }
    for kind in unknown {
        assert_eq!(memory(kind), None, "{kind}");
    }
}
