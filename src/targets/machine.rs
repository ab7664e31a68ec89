//! What runs on a machine in a cloud: boot script, container units, configurations. The same for
//! every cloud, but for the functions in its own file `cloud` and the log driver.
//!
//! Invariant: no value that an operator sets later is in these files; they come in beside them, in
//! files of `NAME=value` that no shell reads.

pub(super) mod env_files;
pub(super) mod parameters;
pub(super) mod patterns;
mod ports;

use anyhow::Result;
use minijinja::value::{Serde, merge_maps};
use minijinja::{Value, context};

use self::patterns::SecretName;
use super::common;
use super::registry::{Source, repositories};
use super::secrets::{self, secrets};
use crate::backend::Backend;
use crate::collector::exporters::exact_endpoint;
use crate::collector::redact;
use crate::collector::surroundings::Surroundings;
use crate::image::Tags;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::render::{as_is, render};
use crate::spec::{Image, Resolved, Spec};
use crate::values::{Peer, in_place};

/// What is a cloud's own about the machines in it, for what runs on them and for the README.
pub(super) struct CloudMachine {
    /// Words for `docker run`: where the logs go.
    pub(super) log_options: &'static [&'static str],
    /// Whether the cloud's file decides on `${LOG_OPTIONS}` before each start of a container.
    pub(super) chooses_logs: bool,
    /// Detectors of the collector's resource, after the environment's.
    pub(super) detector: &'static str,
    /// Whom Chroma's container must not reach, because they hand out the machine's identity.
    pub(super) metadata_addresses: &'static [&'static str],
    /// Whether an alarm needs the machine's own word that Chroma answers: nobody else asks.
    pub(super) says_whether_chroma_answers: bool,
    /// What the system needs for itself, in MiB.
    pub(super) system_memory: u64,
    /// Whether the machine's processor is an Arm.
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
pub(super) fn needs(resolved: &Resolved, places: &[RequiredKey], secret: &str) -> Vec<Need> {
    let missing = places.iter().filter(|place| place.missing);
    let mut needs: Vec<Need> = missing
        .map(|place| Need {
            variable: format!("{} ({})", place.key, place.variable),
            what: place.what.to_owned(),
        })
        .collect();
    needs.extend(common::endpoint_need(&resolved.spec, "tracing.endpoint"));
    needs.extend(secrets::needs(resolved, secret));
    needs
}

/// What comes before a deployment that builds images.
pub(super) fn build_step(spec: &Spec) -> Option<String> {
    let builds = spec.chroma.image.is_built();
    builds.then(|| "build and push the images: README.md, \"Build\"".to_owned())
}

/// What another release of Chroma means for the data, of a file that begins with its version.
pub(super) fn version_note(change: &Change) -> Vec<String> {
    let note = common::version_note(change, "make a snapshot first");
    note.into_iter().collect()
}

/// What no cloud can have, of a spec that is sound otherwise.
pub(super) fn problems(spec: &Spec, secret: &SecretName) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !spec.chroma.version.traces() {
        let message = format!("`{}` cannot be traced", spec.chroma.version);
        problems.push(Problem::new("chroma.version", message).hint("take 0.4.15 or newer"));
    }
    problems.extend(ports::taken(spec));
    problems.extend(common::foreign_backend(spec));
    let known: Vec<String> = secrets(spec).into_iter().map(|one| one.variable).collect();
    problems.extend(patterns::secrets(spec, &known, Some(secret)));
    let stock = spec.chroma.image == Image::Stock;
    if stock && spec.tracing.service_name.as_str().contains(['"', '\\']) {
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

/// What the templates in `templates/machine` and the cloud's own read.
/// `own` is what only this cloud's templates read.
pub(super) fn context(spec: &Spec, tags: &Tags, cloud: &CloudMachine, own: Value) -> Value {
    let shared = common::of(spec);
    let part = |name: &str, more: Value| {
        let part = shared.get_attr(name).unwrap_or_default();
        merge_maps([part, more])
    };
    let wrapped = spec.chroma.image.has_entrypoint();
    context! {
        log_options => cloud.log_options.to_vec(),
        chooses_logs => cloud.chooses_logs,
        metadata_addresses => cloud.metadata_addresses.to_vec(),
        says_whether_chroma_answers => cloud.says_whether_chroma_answers,
        chroma => part("chroma", context! {
            least_memory_mib => spec.chroma.memory.as_mebibytes(),
            system_memory_mib => cloud.system_memory,
            data_owner => if wrapped { "10001:10001" } else { "0:0" },
        }),
        collector => part("collector", context! {
            memory_mib => spec.collector.memory.as_mebibytes(),
            command => if wrapped { common::collector_command(spec) } else { Vec::new() },
        }),
        ..merge_maps([shared, surroundings(spec, cloud), described(spec, tags, cloud), ports::context(spec), own])
    }
}

/// The collector is in the machine's network.
fn surroundings(spec: &Spec, cloud: &CloudMachine) -> Value {
    let version = as_is("\"${env:CHROMA_VERSION}\"");
    let detectors = vec!["env", cloud.detector, "system"];
    let listen = ports::listen(spec);
    Value::from(Serde(Surroundings::of_machine(version, listen, detectors)))
}

/// What the README and the parameters say of the machine, the images and the backend.
fn described(spec: &Spec, tags: &Tags, cloud: &CloudMachine) -> Value {
    let (tracing, source) = (&spec.tracing, Source::of(spec));
    context! {
        version_description => parameters::version_description(spec),
        machine_description => parameters::machine_description(spec),
        backend_permissions => common::permissions(spec).into_iter().collect::<Vec<_>>(),
        images => context! {
            chroma => tags.chroma.as_str(),
            collector => tags.collector.as_str(),
            platform => if cloud.arm { "linux/arm64" } else { "linux/amd64" },
        },
        // Then nothing leaves the cloud but what its own private endpoints can take.
        in_cloud => source.logs_in()
            && tracing.backends().all(|backend| backend.cloud().is_some()),
        source => source.in_template(),
        repositories => repositories(&spec.name.to_string()),
        registry => spec.chroma.registry.as_ref().map(ToString::to_string),
        prepare => common::prepare(spec, cloud.place),
        place => cloud.place,
        names_key => redact::key(spec).map(|key| key.variable),
        // Of one that tries by itself, from memory, nobody sees what waits or is lost.
        watches_traces => !tracing.backends().all(Backend::retries_itself),
        shown_endpoint => match exact_endpoint(spec) {
            Some(endpoint) => format!("`{}`", in_place(&endpoint, "REGION")),
            None => "not set yet".to_owned(),
        },
        machine_peers => match &spec.machine.allow_from {
            Some(Peer::Range(range)) => range.clone(),
            Some(Peer::SecurityGroup(group)) => group.as_str().to_owned(),
            None => "in the network".to_owned(),
        },
    }
}

/// The files that are the same on every machine of this deployment.
/// `folder` is the cloud's template folder, `context` that of [`context`].
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn files(spec: &Spec, folder: &str, context: &Value) -> Result<Vec<MachineFile>> {
    let mut files = Vec::new();
    let mut configurations = Plan::default();
    common::add_configurations(&mut configurations, spec, context)?;
    for (name, text) in configurations.files {
        files.push(MachineFile {
            path: format!("/etc/chroma-otel/{name}"),
            mode: "000644",
            text,
        });
    }
    let mut add = |template: String, path: &str, mode: &'static str| -> Result<()> {
        let text = render(&template, context)?;
        files.push(MachineFile {
            path: path.to_owned(),
            mode,
            text,
        });
        Ok(())
    };
    add(
        "machine/daemon.json.j2".into(),
        "/etc/docker/daemon.json",
        "000644",
    )?;
    add(
        format!("{folder}/cloud.sh.j2"),
        "/etc/chroma-otel/cloud",
        "000644",
    )?;
    for script in ["boot", "watch"] {
        add(
            format!("machine/{script}.sh.j2"),
            &format!("/etc/chroma-otel/{script}"),
            "000755",
        )?;
    }
    let units = vec![
        ("chroma-otel.service", "chroma-otel.service".to_owned()),
        (
            "chroma-otel-watch.service",
            "chroma-otel-watch.service".to_owned(),
        ),
        (
            "chroma-otel-watch.timer",
            "chroma-otel-watch.timer".to_owned(),
        ),
        (
            "otel-collector.service",
            "otel-collector.service".to_owned(),
        ),
        ("chroma.service", "chroma.service".to_owned()),
    ];
    for (template, name) in units {
        let path = format!("/etc/systemd/system/{name}");
        add(format!("machine/units/{template}.j2"), &path, "000644")?;
    }
    for service in context.get_attr("stack")?.try_iter()? {
        let name = service.get_attr("name")?;
        let context = context! { service, ..context.clone() };
        files.push(MachineFile {
            path: format!("/etc/systemd/system/{name}.service"),
            mode: "000644",
            text: render("machine/units/backend.service.j2", &context)?,
        });
    }
    Ok(files)
}
