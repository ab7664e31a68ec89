//! Files on a machine in a cloud: boot script, container units, configurations. They are the same
//! for every cloud, except the functions in the cloud's file `cloud` and the options of the log
//! driver.
//!
//! Invariant: these files contain no value that an operator can change later; such values are in
//! separate files of `NAME=value` lines, which no shell parses.

pub(super) mod env_files;
pub(super) mod parameters;
pub(super) mod patterns;
mod ports;
pub(super) mod sizes;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;

use self::patterns::SecretName;
use self::ports::{BEHIND_PROXY, BRIDGE, OpenPorts};
use super::backup_scripts::script;
use super::common::{self, Preparation};
use super::problems as shared;
use super::proxy::{self, Caddyfile};
use super::shared::{SharedTemplate, StackService};
use crate::backend::Backend;
use crate::collector::surroundings::Surroundings;
use crate::deployment::Deployment;
use crate::deployment::registry::{ImageSourceTemplate, repositories};
use crate::image::Tags;
use crate::plan::{Change, Need, NeedPlace, Plan};
use crate::problem::Problem;
use crate::render::{as_is, render, values_of};
use crate::spec::backup::{Backup, Bucket, ObjectStore, PYTHON, RCLONE};
use crate::spec::{Chroma, Image, Machine, Spec, default};
use crate::values::{CloudName, Peer, in_place};

/// Properties of a cloud's machines, for the files on them and for the README.
#[derive(Serialize)]
pub(super) struct CloudMachine {
    /// Arguments of `docker run` that choose the destination of logs.
    pub(super) log_options: &'static [&'static str],
    /// True if the cloud's file sets `${LOG_OPTIONS}` before each start of a container.
    pub(super) chooses_logs: bool,
    /// Resource detectors of the collector, after that of the environment.
    #[serde(skip)]
    pub(super) detector: &'static str,
    /// Addresses that Chroma's container must not reach, because they provide the machine's
    /// identity.
    pub(super) metadata_addresses: &'static [&'static str],
    /// True if the machine has to report Chroma's health for an alarm, because nothing else checks
    /// it.
    pub(super) says_whether_chroma_answers: bool,
    /// True if the cloud waits for the boot as long as the machine sends heartbeats.
    pub(super) sends_heartbeats: bool,
    /// Shell expression in the README that replaces a backend's placeholder.
    pub(super) place: &'static str,
}

/// A required key of the spec that locates the deployment, and whether it is missing.
pub(super) struct RequiredKey {
    pub(super) key: &'static str,
    /// The variable or parameter for it when deploying.
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

/// Returns the values that the operator still has to supply. `secret` describes the name of a
/// secret: `the ARN of …`.
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

/// Returns the step before the deployment if it builds images.
pub(super) fn build_step(deployment: &Deployment) -> Option<String> {
    let builds = deployment.spec.chroma.image.is_built();
    builds.then(|| "# build and push the images: README.md, \"Build\"".to_owned())
}

/// Returns a note on the effect of another Chroma release on the data, for a file that begins with
/// its version.
pub(super) fn version_note(change: &Change) -> Vec<String> {
    let note = common::version_note(change, "create a snapshot first");
    note.into_iter().collect()
}

/// Returns a note if the data disk, of these sizes in GiB, becomes smaller.
pub(super) fn disk_note(before: Option<&str>, after: Option<&str>) -> Option<String> {
    let (before, after): (u32, u32) = (before?.parse().ok()?, after?.parse().ok()?);
    (after < before).then(|| {
        format!("`machine.disk` changes from {before}GiB to {after}GiB, but the disk of an existing deployment can only grow: set it to {before}GiB or more")
    })
}

/// Returns the problems of a valid spec that no cloud can deploy.
pub(super) fn problems(deployment: &Deployment, secret: &SecretName) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !deployment.spec.chroma.version.traces() {
        let message = format!(
            "Chroma `{}` does not support tracing",
            deployment.spec.chroma.version
        );
        problems.push(Problem::new("chroma.version", message).hint("use 0.4.15 or newer"));
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
        let message = "contains a `\"` or a `\\`, which Chroma cannot parse unescaped";
        let hint = "use a name without these characters, or `image: wrapped`";
        problems.push(Problem::new("tracing.service_name", message).hint(hint));
    }
    problems
}

pub(super) struct MachineFile {
    pub(super) path: String,
    /// In the format of `chmod`: `000644`.
    pub(super) mode: &'static str,
    pub(super) text: String,
}

/// Input of `templates/machine`; `cloud` adds the cloud's own fields.
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
    memory: MemoryNeeds,
    /// The proxy that requires a token; none if clients need none.
    proxy: Option<ProxyTemplate>,
    /// Backups in a bucket; none without one.
    backup: Option<BackupTemplate<'a>>,
    /// Address of Chroma on the machine.
    chroma_address: String,
    /// `UID:GID` of Chroma's files.
    data_owner: &'static str,
    /// Command of the collector's container; empty without the entrypoint.
    collector_command: &'a [String],
    version_description: &'static str,
    machine_description: String,
    /// Minutes until Chroma must respond.
    start_minutes: u16,
    /// Permissions that the collector's identity needs.
    backend_permissions: BTreeSet<String>,
    images: &'a Tags,
    /// True if all outgoing traffic can use the cloud's private endpoints.
    in_cloud: bool,
    source: ImageSourceTemplate<'a>,
    /// The repositories of a registry that the deployment creates.
    repositories: Vec<String>,
    /// Names of secrets in the cloud's store, by variable.
    secret_names: BTreeMap<&'a str, &'a str>,
    registry: Option<String>,
    /// Steps that backends need once, before the deployment.
    prepare: Vec<Preparation>,
    /// The variable of the key for hashing names.
    names_key: Option<&'a str>,
    /// True if the collector's queue reports pending and lost traces; an exporter that retries from
    /// memory does not.
    watches_traces: bool,
    /// The endpoint, for a table.
    shown_endpoint: String,
    /// The allowed clients, for a sentence.
    machine_peers: String,
    /// Fields that only this cloud's templates read.
    #[serde(flatten)]
    pub(super) cloud: C,
}

/// The proxy in front of Chroma.
#[derive(Serialize)]
struct ProxyTemplate {
    image: String,
    /// Its port in the container.
    port: u16,
    memory_mib: u64,
}

/// Backups in a bucket.
#[derive(Serialize)]
struct BackupTemplate<'a> {
    python: String,
    rclone: String,
    bucket: &'a str,
    prefix: &'a str,
    /// Region of the bucket in AWS, unless it is that of the machine.
    region: Option<&'a str>,
    /// Storage account in Azure.
    account: &'a str,
    /// The schedule as cron's, and as systemd's.
    schedule: String,
    calendar: Vec<String>,
    keep: u16,
    keep_days: Option<u16>,
}

impl<'a> BackupTemplate<'a> {
    fn new(backup: &'a Backup, bucket: &'a Bucket) -> Self {
        let account = match &bucket.store {
            ObjectStore::Azure { account, .. } => account.as_str(),
            ObjectStore::Aws { .. } | ObjectStore::Gcp | ObjectStore::S3 { .. } => "",
        };
        Self {
            python: backup.image(PYTHON),
            rclone: backup.image(RCLONE),
            bucket: bucket.name.as_str(),
            prefix: bucket.prefix.as_str(),
            region: bucket.store.region().map(CloudName::as_str),
            account,
            schedule: backup.schedule.to_string(),
            calendar: backup.schedule.calendar(),
            keep: backup.keep,
            keep_days: backup.keep_days,
        }
    }
}

/// Memory in MiB.
#[derive(Serialize)]
struct MemoryNeeds {
    /// Minimum for Chroma.
    chroma_mib: u64,
    collector_mib: u64,
    /// The collector, the backends next to it, and the system.
    others_mib: u64,
}

impl<'a, C: Serialize> MachineTemplate<'a, C> {
    /// Computes the fields for a deployment on a cloud's machine.
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
                chroma_mib: machine.memory.chroma,
                collector_mib: collector.memory.as_mebibytes(),
                others_mib: machine.memory.others,
            },
            proxy: chroma.access.has_proxy().then(|| ProxyTemplate {
                image: chroma.access.repository.tag(proxy::VERSION),
                port: proxy::PORT,
                memory_mib: default::PROXY_MEMORY,
            }),
            backup: env_files::in_bucket(deployment)
                .map(|(backup, bucket)| BackupTemplate::new(backup, bucket)),
            chroma_address: chroma_address(chroma),
            data_owner: if wrapped { "10001:10001" } else { "0:0" },
            collector_command: if wrapped { &facts.command } else { &[] },
            version_description: parameters::version_description(deployment),
            machine_description: sizes::description(deployment),
            start_minutes: machine.start_minutes,
            backend_permissions: common::permissions(deployment),
            images: &deployment.images.tags,
            in_cloud: (source.logs_in() || !wrapped)
                && deployment.mirrors.only_of_cloud
                && tracing
                    .backends()
                    .all(|backend| backend.cloud().is_some() || backend.service.is_some()),
            source: source.template(&deployment.mirrors),
            repositories: repositories(&name.to_string()),
            secret_names: machine
                .secrets
                .iter()
                .map(|(variable, name)| (variable.as_str(), name.as_str()))
                .collect(),
            registry: chroma.registry.as_ref().map(ToString::to_string),
            prepare: common::preparations(deployment, traits.place),
            names_key: facts.names_key.as_ref().map(|key| key.variable.as_str()),
            watches_traces: !tracing.backends().all(Backend::retries_itself),
            shown_endpoint: match &facts.exact_endpoint {
                Some(endpoint) => format!("`{}`", in_place(endpoint, "REGION")),
                None => "not set yet".to_owned(),
            },
            machine_peers: peers(machine),
            traits,
            cloud,
        }
    }
}

/// Returns the address at which Chroma is published: for everyone, or for the proxy.
fn chroma_address(chroma: &Chroma) -> String {
    if chroma.access.has_proxy() {
        format!("{BRIDGE}:{BEHIND_PROXY}")
    } else {
        format!("0.0.0.0:{}", chroma.port)
    }
}

/// Returns the configuration of the proxy; none if clients need no token.
fn caddyfile(deployment: &Deployment, traits: &CloudMachine) -> Result<Option<String>> {
    let chroma = &deployment.spec.chroma;
    if !chroma.access.has_proxy() {
        return Ok(None);
    }
    let balanced = !traits.says_whether_chroma_answers; // a load balancer checks it
    let path = chroma.version.health_path();
    let upstream = format!("chroma:{BEHIND_PROXY}");
    let file =
        Caddyfile::with_token(upstream, &chroma.cors_allow_origins).open(balanced.then_some(path));
    file.text().map(Some)
}

/// Returns the allowed clients for a sentence.
fn peers(machine: &Machine) -> String {
    let peers: Vec<&str> = machine.allow_from.iter().map(Peer::as_str).collect();
    if peers.is_empty() {
        "in the network".to_owned()
    } else {
        peers.join(", ")
    }
}

/// Input of a backend's unit.
#[derive(Serialize)]
struct BackendUnit<'a, C> {
    #[serde(flatten)]
    machine: &'a MachineTemplate<'a, C>,
    service: &'a StackService<'a>,
}

/// Returns the files that are the same on every machine of this deployment. `folder` is the cloud's
/// template folder.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
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
    let caddyfile = caddyfile(deployment, &template.traits)?;
    let proxied = caddyfile.is_some();
    files.extend(caddyfile.map(|text| MachineFile {
        path: "/etc/chroma-otel/Caddyfile".to_owned(),
        mode: "000644",
        text,
    }));
    let mut units = UNITS.to_vec();
    units.extend(proxied.then_some("proxy.service"));
    if template.backup.is_some() {
        units.extend(BACKUP_UNITS);
        files.extend(programs()?);
    }
    for name in units {
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

/// The units of backups.
const BACKUP_UNITS: [&str; 4] = [
    "chroma-otel-backup.service",
    "chroma-otel-backup.timer",
    "chroma-otel-restore@.service",
    "chroma-otel-repair.service",
];

/// The programs that these units run.
const PROGRAMS: [&str; 6] = [
    "archive.py",
    "backup.py",
    "send.sh",
    "fetch.sh",
    "restore.py",
    "repair.py",
];

fn programs() -> Result<Vec<MachineFile>> {
    let file = |name: &str| {
        anyhow::Ok(MachineFile {
            path: format!("/etc/chroma-otel/backup/{name}"),
            mode: "000644",
            text: script(name)?.to_owned(),
        })
    };
    PROGRAMS.into_iter().map(file).collect()
}

fn unit(name: &str, text: String) -> MachineFile {
    MachineFile {
        path: format!("/etc/systemd/system/{name}"),
        mode: "000644",
        text,
    }
}
