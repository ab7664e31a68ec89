//! Input of `templates/gcp`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::module::places;
use super::{machine_types, patterns};
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::registry::Registry;
use crate::spec::Machine;
use crate::targets::machine::env_files;
use crate::values::CloudName;

/// Fields that only `templates/gcp` reads.
#[derive(Serialize)]
pub(super) struct GcpTemplate<'a> {
    /// Repositories of the spec, except that of `chroma.registry`.
    mirrors: BTreeSet<Repository<'a>>,
    /// Google services that the deployment needs, except Compute Engine and those for alarms.
    services: Vec<&'a str>,
    /// True if the spec lacks a required location.
    missing_places: bool,
    /// The command that waits until the machine reports the result of its boot.
    wait: String,
    /// The command that shows the logs.
    logs: String,
    /// The command that shows the collector's log.
    collector_log: String,
    machine: MachineDefaults<'a>,
    forms: Forms,
}

/// A repository of Artifact Registry.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Repository<'a> {
    project: &'a str,
    location: &'a str,
    repository: &'a str,
}

/// Defaults of the variables, and names for the README.
#[derive(Serialize)]
struct MachineDefaults<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    architecture: &'static str,
    project: Option<&'a str>,
    network: Option<&'a str>,
    zone: Option<&'a str>,
    image: Option<&'a str>,
    /// The project of the system image.
    image_project: &'a str,
    /// Labels of the spec.
    labels: BTreeMap<&'a str, &'a str>,
    /// The same for `gcloud --labels`, each with a comma before it.
    more_labels: String,
    kms_key: Option<&'a str>,
    network_project: Option<&'a str>,
    disk_gib: u64,
    snapshots: u16,
    log_days: u16,
}

/// Regular expressions of names.
#[derive(Serialize)]
struct Forms {
    machine_type: &'static str,
    project: &'static str,
    zone: &'static str,
    name: &'static str,
    name_or_blank: &'static str,
    channel_or_blank: &'static str,
    image: &'static str,
    kms_key: &'static str,
    label: &'static str,
    label_value: &'static str,
}

impl<'a> GcpTemplate<'a> {
    /// Computes the input for a deployment.
    pub(super) fn new(deployment: &'a Deployment) -> Self {
        let name = deployment.spec.name.to_string();
        Self {
            mirrors: mirrors(deployment),
            services: services(deployment),
            missing_places: places(&deployment.spec.machine)
                .iter()
                .any(|place| place.missing),
            wait: wait(&name, deployment.spec.machine.start_minutes),
            logs: logs(&name, ""),
            collector_log: logs(&name, "'jsonPayload.container.name:\"otel-collector\"' "),
            machine: MachineDefaults::new(&deployment.spec.machine),
            forms: Forms {
                machine_type: patterns::MACHINE_TYPE,
                project: patterns::PROJECT,
                zone: patterns::ZONE,
                name: patterns::NAME,
                name_or_blank: patterns::NAME_OR_BLANK,
                channel_or_blank: patterns::CHANNEL_OR_BLANK,
                image: patterns::IMAGE,
                kms_key: patterns::KMS_KEY,
                label: patterns::LABEL,
                label_value: patterns::LABEL_VALUE,
            },
        }
    }
}

impl<'a> MachineDefaults<'a> {
    fn new(machine: &'a Machine) -> Self {
        let text = |name: &'a Option<CloudName>| name.as_ref().map(CloudName::as_str);
        let arm = machine_types::is_arm(machine.kind.as_str());
        let organization = &machine.organization;
        let labels = organization.tags.iter();
        let labels: BTreeMap<_, _> = labels
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let more = labels
            .iter()
            .map(|(name, value)| format!(",{name}={value}"));
        Self {
            kind: machine.kind.as_str(),
            architecture: if arm { "arm64" } else { "x86_64" },
            project: text(&machine.project),
            network: text(&machine.network),
            zone: text(&machine.zone),
            image: text(&organization.image),
            image_project: text(&organization.image)
                .and_then(|image| image.split('/').nth(1))
                .unwrap_or("debian-cloud"),
            more_labels: more.collect(),
            labels,
            kms_key: text(&organization.kms_key),
            network_project: text(&organization.network_project),
            disk_gib: machine.disk.as_mebibytes() / 1024,
            snapshots: machine.snapshots,
            log_days: machine.log_days,
        }
    }
}

/// Returns the repositories of mirrors, each once.
fn mirrors(deployment: &Deployment) -> BTreeSet<Repository<'_>> {
    let given = deployment.image_source.given().and_then(repository);
    let mirrors = deployment.mirrors.of_cloud.iter().filter_map(repository);
    mirrors.filter(|one| Some(one) != given.as_ref()).collect()
}

fn repository(registry: &Registry) -> Option<Repository<'_>> {
    match registry {
        Registry::Artifact {
            project,
            location,
            repository,
            ..
        } => Some(Repository {
            project,
            location,
            repository,
        }),
        Registry::Elastic { .. } | Registry::Azure { .. } => None,
    }
}

/// Returns the command that waits until the machine reports the result of its boot; it fails unless
/// that is `healthy`.
fn wait(name: &str, minutes: u16) -> String {
    format!(
        "for _ in {{1..{}}}; do\n  \
         SAID=$(gcloud compute instances get-guest-attributes {name} --query-path chroma-otel/boot --format 'value(value)' 2>/dev/null)\n  \
         if [ -n \"$SAID\" ]; then break; fi\n  \
         sleep 10\n\
         done\n\
         echo \"${{SAID:-no report yet}}\"\n\
         [ \"$SAID\" = healthy ]",
        u32::from(minutes) * 6
    )
}

/// Returns the command that shows the logs of the last hour (`--freshness` is ignored with another
/// order) that match `filter`, which is empty or ends with a space.
fn logs(name: &str, filter: &str) -> String {
    format!(
        "zone=$(gcloud config get compute/zone)\n\
         gcloud logging read {filter}--bucket {}-logs --location \"${{zone%-*}}\" --view _AllLogs --freshness 1h --limit 100 \\\n  \
         --format 'value(timestamp, jsonPayload.container.name, jsonPayload.message, textPayload)'",
        name
    )
}

/// Returns the Google services that the deployment needs, except Compute Engine and those for
/// alarms.
fn services(deployment: &Deployment) -> Vec<&str> {
    let mut services = vec![
        "cloudresourcemanager.googleapis.com",
        "iam.googleapis.com",
        "iap.googleapis.com",
        "logging.googleapis.com",
    ];
    if deployment.logs_in() {
        services.push("artifactregistry.googleapis.com");
    }
    if !deployment.secrets.is_empty() {
        services.push("secretmanager.googleapis.com");
    }
    if env_files::in_bucket(deployment).is_some() {
        services.push("storage.googleapis.com");
    }
    let backends = deployment
        .spec
        .tracing
        .backends()
        .flat_map(Backend::services);
    services.extend(backends.map(String::as_str));
    services.sort_unstable();
    services.dedup();
    services
}
