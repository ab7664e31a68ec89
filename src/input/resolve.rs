//! Resolves the input to a spec: applies every default and checks every rule.
//!
//! Invariant: reading continues after a problem, so that all are reported at once; a spec is
//! returned only if there are none.

mod access;
mod backends;
mod backup;
mod chroma;
mod collector;
mod kubernetes;
mod machine;
mod reading;
mod signals;
mod size;
mod tracing;
mod unused;

use reading::Reading;

use super::file::Input;
use crate::backend::Backend;
use crate::problem::Problem;
use crate::spec::machine_size::MachineMemory;
use crate::spec::{Chroma, Collector, Resolved, Secrets, Spec, Target, Tracing, default};
use crate::values::{DnsLabel, Memory};

/// Resolves the input to a spec.
/// `environment` looks up a variable of this process; only secrets are read from it.
///
/// # Errors
/// Every problem of the input, in the order of the spec's keys.
pub fn resolve(
    input: Input,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, Vec<Problem>> {
    let mut reading = Reading {
        input,
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let mut secrets = Secrets::new();

    let target = reading.target();
    let name = reading.name();
    let chroma = reading.chroma(target, &mut secrets);
    let collector = reading.collector(target, chroma.image);
    let tracing = reading.tracing(
        target,
        &collector,
        &name,
        &chroma,
        &mut secrets,
        environment,
    );

    let format = reading.format(target);
    let backends: Vec<_> = tracing.iter().flat_map(Tracing::backends).collect();
    let archives = reading.input.spec.backup.as_ref();
    let archives = archives.is_some_and(|backup| backup.bucket.is_some());
    let memory = machine_memory(target, &chroma, &collector, &backends, archives);
    let machine = reading.machine(target, memory);
    let kubernetes = reading.kubernetes(&name);
    let backup = reading.backup(target, &name, machine.disk, kubernetes.region.as_ref());
    let metrics = reading.metrics(&backends);
    let clients = reading.clients();
    reading.note_unused(target, chroma.image, collector.mode);

    let mut problems = std::mem::take(&mut reading.input.problems);
    problems.append(&mut reading.problems);
    match (target, tracing) {
        (Some(target), Some(tracing)) if problems.is_empty() => {
            let spec = Spec {
                target,
                name,
                chroma,
                tracing,
                collector,
                format,
                machine,
                kubernetes,
                backup,
                metrics,
                clients,
            };
            Ok(Resolved {
                spec,
                secrets,
                notes: reading.notes,
                flags: reading.input.flags,
            })
        }
        _ => Err(problems),
    }
}

/// Returns the memory that a machine needs; the system needs none on other targets.
fn machine_memory(
    target: Option<Target>,
    chroma: &Chroma,
    collector: &Collector,
    backends: &[&Backend],
    archives: bool,
) -> MachineMemory {
    let machine = target.and_then(|target| target.info().machine);
    let proxy = chroma.access.has_proxy().then_some(default::PROXY_MEMORY);
    let backup = archives.then_some(default::BACKUP_MEMORY);
    MachineMemory::new(
        chroma.memory,
        collector.memory,
        backends.iter().copied(),
        proxy.into_iter().chain(backup).map(Memory::mebibytes),
        machine.map_or(Memory::mebibytes(0), |machine| machine.system),
    )
}

/// The longest name of a deployment: with `-keys`, it is a label of 63 characters.
const LONGEST_NAME: usize = 58;

impl Reading {
    fn name(&mut self) -> DnsLabel {
        let name: DnsLabel = self.parse("name", |file| &file.name, default::NAME);
        let length = name.to_string().len();
        if length <= LONGEST_NAME {
            return name;
        }
        self.wrong(
            "name",
            format!("`{name}` has {length} characters"),
            format!("use at most {LONGEST_NAME}, because names of resources begin with it"),
        );
        reading::sound(default::NAME)
    }

    fn target(&mut self) -> Option<Target> {
        let Some(name) = self.input.spec.target.clone() else {
            if !self.is_wrong("target") {
                let names = Target::names().join("`, `");
                let (at, more) = if self.input.has_file() {
                    (self.input.at("target"), "")
                } else {
                    (
                        "--target".to_owned(),
                        "; without it, run in the folder of a deployment, or use `--out` or `--spec`",
                    )
                };
                self.problems
                    .push(Problem::new(at, "is missing").hint(format!("one of `{names}`{more}")));
            }
            return None;
        };
        let platform = self.input.spec.platform.as_deref().map(str::trim);
        let target = Target::from_name(name.trim(), platform == Some("kubernetes"));
        if target.is_none() {
            let at = self.input.at("target");
            let problem = Problem::unknown(at, &name, &Target::names());
            self.problems.push(match other_name(name.trim()) {
                Some(meant) => problem.hint(format!("use `{meant}`")),
                None => problem,
            });
        }
        target
    }
}

/// Returns the target that is meant by another common name.
fn other_name(name: &str) -> Option<&'static str> {
    Some(match name {
        "compose" | "docker-compose" => "--target docker",
        "k8s" | "kube" | "helm" => "--target kubernetes",
        "eks" => "--target aws --platform kubernetes",
        "gke" => "--target gcp --platform kubernetes",
        "aks" => "--target azure --platform kubernetes",
        "ec2" => "--target aws",
        "gce" => "--target gcp",
        _ => return None,
    })
}
