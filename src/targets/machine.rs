//! What runs on a machine in a cloud: boot script, container units, configurations. The same for
//! every cloud, but for the functions in its own file `cloud` and the log driver.
//!
//! Invariant: no value that an operator sets later is in these files; they come in beside them, in
//! files of `NAME=value` that no shell reads.

pub(super) mod env_files;
pub(super) mod parameters;
pub(super) mod patterns;
mod ports;

use std::collections::BTreeSet;

use anyhow::Result;
use serde::Serialize;

use self::patterns::SecretName;
use self::ports::OpenPorts;
use super::common::{self, Preparation};
use super::problems as shared;
use super::shared::{SharedTemplate, StackService};
use crate::backend::Backend;
use crate::collector::surroundings::Surroundings;
use crate::deployment::Deployment;
use crate::deployment::registry::{ImageSourceTemplate, repositories};
use crate::plan::{Change, Need, NeedPlace, Plan};
use crate::problem::Problem;
use crate::render::{as_is, render, values_of};
use crate::spec::{Image, Spec};
use crate::values::{Peer, in_place};

/// What is a cloud's own about the machines in it, for what runs on them and for the README.
#[derive(Serialize)]
pub(super) struct CloudMachine {
    /// Words for `docker run`: where the logs go.
    pub(super) log_options: &'static [&'static str],
    /// Whether the cloud's file decides on `${LOG_OPTIONS}` before each start of a container.
    pub(super) chooses_logs: bool,
    /// Detectors of the collector's resource, after the environment's.
    #[serde(skip)]
    pub(super) detector: &'static str,
    /// Whom Chroma's container must not reach, because they hand out the machine's identity.
    pub(super) metadata_addresses: &'static [&'static str],
    /// Whether an alarm needs the machine's own word that Chroma answers: nobody else asks.
    pub(super) says_whether_chroma_answers: bool,
    /// What the system needs for itself, in MiB.
    #[serde(skip)]
    pub(super) system_memory: u64,
    /// Whether the machine's processor is an Arm.
    #[serde(skip)]
    pub(super) arm: bool,
    /// What the shell of a reader of the README has for a backend's placeholder.
    pub(super) place: &'static str,
}

/// A key of the spec that says where, and whether it is not there.
pub(super) struct RequiredKey {
    pub(super) key: &'static str,
    /// What it is when deploying: a variable, a parameter.
    pub(super) variable: String,
    pub(super) what: &'static str,
    pub(super) missing: bool,
}

impl RequiredKey {
    pub(super) fn new<T>(
        key: &'static str,
        variable: impl Into<String>,
        what: &'static str,
        value: &Option<T>,
    ) -> Self {
        Self {
            key,
            variable: variable.into(),
            what,
            missing: value.is_none(),
        }
    }
}

/// What the operator still has to say. `secret` is what the spec takes for a secret: `the ARN of …`.
pub(super) fn needs(deployment: &Deployment, places: &[RequiredKey], secret: &str) -> Vec<Need> {
    let missing = places.iter().filter(|place| place.missing);
    let mut needs: Vec<Need> = missing
        .map(|place| Need {
            variable: format!("{} ({})", place.key, place.variable),
            what: place.what.to_owned(),
            place: NeedPlace::SpecOrDeployment,
        })
        .collect();
    needs.extend(common::endpoint_need(
        deployment,
        "tracing.endpoint",
        NeedPlace::SpecOrDeployment,
    ));
    needs.extend(deployment.missing_secrets(secret, NeedPlace::SpecOrDeployment));
    needs
}

/// What comes before a deployment that builds images.
pub(super) fn build_step(deployment: &Deployment) -> Option<String> {
    let builds = deployment.spec.chroma.image.is_built();
    builds.then(|| "# build and push the images: README.md, \"Build\"".to_owned())
}

/// What another release of Chroma means for the data, of a file that begins with its version.
pub(super) fn version_note(change: &Change) -> Vec<String> {
    let note = common::version_note(change, "make a snapshot first");
    note.into_iter().collect()
}

/// What no cloud can have, of a spec that is sound otherwise.
pub(super) fn problems(deployment: &Deployment, secret: &SecretName) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !deployment.spec.chroma.version.traces() {
        let message = format!("`{}` cannot be traced", deployment.spec.chroma.version);
        problems.push(Problem::new("chroma.version", message).hint("take 0.4.15 or newer"));
    }
    problems.extend(ports::taken(deployment));
    problems.extend(shared::foreign_backend(deployment));
    let known = deployment.secrets.iter().map(|one| one.variable.clone());
    let known: Vec<String> = known.collect();
    problems.extend(patterns::secrets(deployment, &known, Some(secret)));
    let stock = deployment.spec.chroma.image == Image::Stock;
    if stock
        && deployment
            .spec
            .tracing
            .service_name
            .as_str()
            .contains(['"', '\\'])
    {
        let message = "has a `\"` or a `\\` in it, which nobody escapes for Chroma";
        let hint = "leave it out, or use `image: wrapped`";
        problems.push(Problem::new("tracing.service_name", message).hint(hint));
    }
    problems
}

/// A file on the machine.
pub(super) struct MachineFile {
    pub(super) path: String,
    /// As `chmod` takes it, `000644`.
    pub(super) mode: &'static str,
    pub(super) text: String,
}

/// What the templates in `templates/machine` read, and with `cloud` the cloud's own.
#[derive(Serialize)]
pub(super) struct MachineTemplate<'a, C> {
    #[serde(flatten)]
    pub(super) shared: SharedTemplate<'a>,
    #[serde(flatten)]
    surroundings: Surroundings,
    #[serde(flatten)]
    ports: OpenPorts,
    #[serde(flatten)]
    traits: CloudMachine,
    /// What the containers and the system need.
    memory: MemoryNeeds,
    /// `UID:GID` of Chroma's files.
    data_owner: &'static str,
    /// What the collector's container runs; empty without the entrypoint.
    collector_command: &'a [String],
    version_description: &'static str,
    machine_description: String,
    /// What the collector's identity must be allowed.
    backend_permissions: BTreeSet<String>,
    images: ImageNames<'a>,
    /// Whether everything that leaves the machine can go through the cloud's private endpoints.
    in_cloud: bool,
    source: ImageSourceTemplate<'a>,
    /// The repositories of a registry that the recipe makes.
    repositories: Vec<String>,
    /// The spec's registry.
    registry: Option<String>,
    /// What the backends ask to have been done once.
    prepare: Vec<Preparation>,
    /// The variable of the key that names are hashed with.
    names_key: Option<&'a str>,
    /// Whether the collector's queue says what waits and what is lost: an exporter that retries from memory does not.
    watches_traces: bool,
    /// The endpoint, for a table.
    shown_endpoint: String,
    /// The allowed clients, for a sentence.
    machine_peers: &'a str,
    /// What only this cloud's templates read.
    #[serde(flatten)]
    pub(super) cloud: C,
}

/// Memory in MiB.
#[derive(Serialize)]
struct MemoryNeeds {
    /// What Chroma has at least.
    chroma_mib: u64,
    /// The collector's limit.
    collector_mib: u64,
    /// What the system needs for itself.
    system_mib: u64,
}

/// The images with the entrypoint, within a registry.
#[derive(Serialize)]
struct ImageNames<'a> {
    chroma: &'a str,
    collector: &'a str,
    /// The platform that they are built for.
    platform: &'static str,
}

impl<'a, C: Serialize> MachineTemplate<'a, C> {
    /// Of a deployment on a cloud's machine.
    pub(super) fn new(deployment: &'a Deployment, traits: CloudMachine, cloud: C) -> Self {
        let Spec {
            name,
            chroma,
            tracing,
            collector,
            machine,
            ..
        } = &deployment.spec;
        let wrapped = chroma.image.has_entrypoint();
        let (facts, source) = (&deployment.collector, &deployment.image_source);
        Self {
            shared: SharedTemplate::new(deployment),
            surroundings: Surroundings::of_machine(
                as_is("\"${env:CHROMA_VERSION}\""),
                ports::listen(deployment),
                vec!["env", traits.detector, "system"],
            ),
            ports: OpenPorts::new(deployment),
            memory: MemoryNeeds {
                chroma_mib: chroma.memory.as_mebibytes(),
                collector_mib: collector.memory.as_mebibytes(),
                system_mib: traits.system_memory,
            },
            data_owner: if wrapped { "10001:10001" } else { "0:0" },
            collector_command: if wrapped { &facts.command } else { &[] },
            version_description: parameters::version_description(deployment),
            machine_description: parameters::machine_description(deployment),
            backend_permissions: common::permissions(deployment),
            images: ImageNames {
                chroma: &deployment.images.tags.chroma,
                collector: &deployment.images.tags.collector,
                platform: if traits.arm {
                    "linux/arm64"
                } else {
                    "linux/amd64"
                },
            },
            in_cloud: source.logs_in()
                && tracing.backends().all(|backend| backend.cloud().is_some()),
            source: source.template(),
            repositories: repositories(&name.to_string()),
            registry: chroma.registry.as_ref().map(ToString::to_string),
            prepare: common::preparations(deployment, traits.place),
            names_key: facts.names_key.as_ref().map(|key| key.variable.as_str()),
            watches_traces: !tracing.backends().all(Backend::retries_itself),
            shown_endpoint: match &facts.exact_endpoint {
                Some(endpoint) => format!("`{}`", in_place(endpoint, "REGION")),
                None => "not set yet".to_owned(),
            },
            machine_peers: match &machine.allow_from {
                Some(Peer::Range(range)) => range,
                Some(Peer::SecurityGroup(group)) => group.as_str(),
                None => "in the network",
            },
            traits,
            cloud,
        }
    }
}

/// What the unit of a backend reads.
#[derive(Serialize)]
struct BackendUnit<'a, C> {
    #[serde(flatten)]
    machine: &'a MachineTemplate<'a, C>,
    service: &'a StackService<'a>,
}

/// The files that are the same on every machine of this deployment. `folder` is the cloud's template
/// folder.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn files<C: Serialize>(
    deployment: &Deployment,
    folder: &str,
    template: &MachineTemplate<C>,
) -> Result<Vec<MachineFile>> {
    let context = values_of(template);
    let mut configurations = Plan::default();
    common::add_configurations(&mut configurations, deployment, &context)?;
    let configurations = configurations.files.into_iter();
    let mut files: Vec<MachineFile> = configurations
        .map(|(name, text)| MachineFile {
            path: format!("/etc/chroma-otel/{name}"),
            mode: "000644",
            text,
        })
        .collect();
    let cloud = format!("{folder}/cloud.sh.j2");
    let scripts = [
        (
            "machine/daemon.json.j2",
            "/etc/docker/daemon.json",
            "000644",
        ),
        (cloud.as_str(), "/etc/chroma-otel/cloud", "000644"),
        ("machine/boot.sh.j2", "/etc/chroma-otel/boot", "000755"),
        ("machine/watch.sh.j2", "/etc/chroma-otel/watch", "000755"),
    ];
    for (template, path, mode) in scripts {
        files.push(MachineFile {
            path: path.to_owned(),
            mode,
            text: render(template, &context)?,
        });
    }
    for name in UNITS {
        files.push(unit(
            name,
            render(&format!("machine/units/{name}.j2"), &context)?,
        ));
    }
    for service in &template.shared.stack {
        let unit_template = BackendUnit {
            machine: template,
            service,
        };
        let context = values_of(unit_template);
        let text = render("machine/units/backend.service.j2", &context)?;
        files.push(unit(&format!("{}.service", service.name), text));
    }
    Ok(files)
}

/// The units of every machine.
const UNITS: [&str; 5] = [
    "chroma-otel.service",
    "chroma-otel-watch.service",
    "chroma-otel-watch.timer",
    "otel-collector.service",
    "chroma.service",
];

fn unit(name: &str, text: String) -> MachineFile {
    MachineFile {
        path: format!("/etc/systemd/system/{name}"),
        mode: "000644",
        text,
    }
}
