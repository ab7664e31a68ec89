//! Chroma: one pod on a volume that outlives it, its configuration, its allowed clients.
//!
//! Invariant: a change of the configuration replaces the pod; no change replaces the volume.

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::{Server, variable};
use minijinja::Value;
use serde::Serialize;

use super::component::{self, BACKUP, ComponentTemplate, texts};
use super::ephemeral_storage::EphemeralStorage;
use super::secret_keys::SecretKey;
use super::template::{self, ClusterTemplate};
use super::templates;
use super::{cloud, secret_keys};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::{Change, Plan};
use crate::render::{as_is, render, values_of};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Chroma, Image, Spec};
use crate::targets::common;
use crate::values::Memory;

/// MiB of `/tmp`. SQLite has its temporary files on the volume (`SQLITE_TMPDIR`).
const TMP: u64 = 1024;

/// Adds `keep.yaml` and `chroma.yaml`.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let Chroma {
        version, memory, ..
    } = &deployment.spec.chroma;
    let config = if version.server() == Server::Rust {
        Some(render("chroma/config.yaml.j2", &values_of(base))?)
    } else {
        None
    };
    let variables = variables(deployment);
    let checksum = component::checksum(&format!("{config:?}{variables:?}"));
    let input = DatabaseTemplate {
        base,
        config,
        variables,
        pod_annotations: pod_annotations(deployment, checksum),
        namespace_labels: namespace_labels(deployment),
        keys: secret_keys::of(deployment, Container::Chroma),
        memory: memory.quantity(),
        // 0.x writes its log next to its program.
        ephemeral: EphemeralStorage::new(
            deployment,
            64,
            if version.server() == Server::Rust {
                TMP
            } else {
                2 * TMP
            },
        ),
        tmp: Memory::mebibytes(TMP).quantity(),
        disk: deployment.spec.machine.disk.quantity(),
        storage_class: cloud::storage_class(deployment),
        selinux_level: cloud::selinux_level(deployment),
        backup_disk: backup_disk(deployment),
        backup: BACKUP.template(deployment, &version.to_string()),
        // A server that is not ready must not be restarted.
        liveness_path: version.health_path().replace("healthcheck", "heartbeat"),
        headless: component::headless(deployment),
        callers: callers(deployment),
        receivers: Receivers::new(deployment),
    };
    let context = values_of(input);
    if template::keeps(deployment) {
        templates::add(plan, &context, &["keep.yaml"])?;
    }
    templates::add(plan, &context, &["chroma.yaml"])
}

/// Input of `keep.yaml` and `chroma.yaml`.
#[derive(Serialize)]
struct DatabaseTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    /// Chroma's configuration; `None` for 0.x.
    config: Option<String>,
    /// The variables of Chroma's container that are not secret.
    variables: BTreeMap<String, String>,
    pod_annotations: BTreeMap<String, String>,
    namespace_labels: BTreeMap<String, String>,
    /// The keys that Chroma reads.
    keys: Vec<SecretKey>,
    memory: String,
    ephemeral: EphemeralStorage,
    /// The size of `/tmp`.
    tmp: String,
    disk: String,
    storage_class: Option<String>,
    selinux_level: Option<String>,
    /// The size of the claim for backups.
    backup_disk: Option<String>,
    backup: ComponentTemplate,
    liveness_path: String,
    /// The Service that names the pod.
    headless: String,
    /// The pods that may connect to Chroma, one per line; empty for all.
    callers: Vec<Value>,
    receivers: Receivers,
}

/// Destination of Chroma's spans: the collector's pods, or any address with `mode: none`.
#[derive(Serialize)]
struct Receivers {
    labels: Option<BTreeMap<String, String>>,
    port: u16,
}

impl Receivers {
    fn new(deployment: &Deployment) -> Self {
        let Spec {
            collector, tracing, ..
        } = &deployment.spec;
        match (collector.mode, &tracing.endpoint) {
            (CollectorMode::None, Some(endpoint)) => Self {
                labels: None,
                port: endpoint.port(),
            },
            _ => Self {
                labels: Some(component::receivers(deployment)),
                port: 4317,
            },
        }
    }
}

/// Returns annotations of the pod. They keep the Cluster Autoscaler from evicting it to save machines,
/// but not an operator from draining or upgrading a node. Karpenter's annotation would also keep it
/// from replacing an outdated node. The operator's own annotations override them.
fn pod_annotations(deployment: &Deployment, checksum: String) -> BTreeMap<String, String> {
    let stays = ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false");
    let mut annotations = BTreeMap::from([(stays.0.to_owned(), stays.1.to_owned())]);
    annotations.extend(texts(&deployment.spec.kubernetes.annotations));
    annotations.insert("checksum/config".to_owned(), checksum);
    annotations
}

fn namespace_labels(deployment: &Deployment) -> BTreeMap<String, String> {
    let (key, level) = ("pod-security.kubernetes.io/enforce", "restricted");
    let mut labels = component::own_labels(deployment);
    labels.insert(key.to_owned(), level.to_owned());
    labels
}

/// Returns the size of the claim for backups, if they are stored on one.
pub(super) fn backup_disk(deployment: &Deployment) -> Option<String> {
    let disk = deployment.spec.backup.as_ref()?.place.disk()?;
    Some(disk.quantity())
}

/// Returns the allowed clients of Chroma as peers of a policy, one per line. Empty for all: a route
/// from outside then ends at Chroma itself, and the pods behind it are unknown here.
fn callers(deployment: &Deployment) -> Vec<Value> {
    let exposure = deployment.spec.kubernetes.exposure.as_ref();
    if exposure.is_some_and(|one| !one.token) {
        return Vec::new();
    }
    let mut callers = component::neighbours(deployment);
    let ranges = deployment.spec.machine.allowed_ranges();
    callers.extend(ranges.map(|range| as_is(format!("ipBlock: {{cidr: \"{range}\"}}"))));
    callers
}

/// Returns the variables of Chroma's container that are not secret.
fn variables(deployment: &Deployment) -> BTreeMap<String, String> {
    let tracing = &deployment.spec.tracing;
    let name = tracing.service_name.as_str();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    match deployment.spec.chroma.image {
        Image::Wrapped | Image::Published => variables.extend([
            (
                variable::ENDPOINT.to_owned(),
                deployment.chroma_endpoint.clone(),
            ),
            (variable::SERVICE_NAME.to_owned(), name.to_owned()),
            (
                variable::GRANULARITY.to_owned(),
                tracing.granularity.to_string(),
            ),
        ]),
        Image::Stock => {
            let translated = deployment.translated_variables(name, tracing.granularity);
            variables.extend(
                translated
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value)),
            );
        }
    }
    let server = deployment.server_variables.iter();
    let server = server.map(|(name, value)| ((*name).to_owned(), value.clone()));
    let own = deployment.own_variables();
    let own = own.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    variables.extend(server.chain(own));
    variables
}

/// Returns notes on the effect of a changed `chroma.yaml` on the data.
pub(super) fn notes(change: &Change) -> Vec<String> {
    if change.path != "chroma.yaml" {
        return Vec::new();
    }
    let changed = |start: &str| {
        let value = |text: String| text.trim_end_matches('}').to_owned();
        let (before, after) = change.behind(start)?;
        Some((value(before), value(after)))
    };
    let moved = common::version_note(change, "create a backup first");
    // The name is also the default of the namespace, so one note is enough.
    let old = "starts with an empty volume; the old deployment runs until you delete it";
    let renamed = changed("app.kubernetes.io/instance: ")
        .map(|(before, after)| format!("`{before}` is now named `{after}` and {old}"));
    let moved_there = || {
        let (before, after) = changed("namespace: ")?;
        Some(format!(
            "the namespace changes from `{before}` to `{after}`, where Chroma {old}"
        ))
    };
    let renamed = renamed.or_else(moved_there);
    let resized = changed("resources: {requests: {storage: ").map(|(before, after)| {
        format!("the volume changes from {before} to {after}, which Kubernetes rejects for a StatefulSet; see README.md, \"Grow the volume\"")
    });
    let class = |text: &Option<String>| {
        let text = text.as_deref()?;
        let class = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("storageClassName: "));
        Some(class.map_or("the default".to_owned(), |class| format!("`{class}`")))
    };
    let classes = class(&change.before).zip(class(&change.after));
    let reclassed = classes.filter(|(before, after)| before != after);
    let reclassed = reclassed.map(|(before, after)| {
        format!("the storage class changes from {before} to {after}, which Kubernetes rejects for an existing volume; create a backup and restore it to a new deployment")
    });
    moved
        .into_iter()
        .chain(renamed)
        .chain(resized)
        .chain(reclassed)
        .collect()
}

#[cfg(test)]
mod tests;
