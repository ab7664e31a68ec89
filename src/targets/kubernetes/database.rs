//! Chroma: one pod on a volume that outlives it, its configuration, who may reach it.
//!
//! Invariant: a change of the configuration makes a new pod; nothing makes a new volume.

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::{Server, variable};
use minijinja::Value;
use serde::Serialize;

use super::component::{self, BACKUP, ComponentTemplate, texts};
use super::secret_keys::SecretKey;
use super::template::ClusterTemplate;
use super::templates;
use super::{cloud, secret_keys};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::{Change, Plan};
use crate::render::{as_is, render, values_of};
use crate::spec::kubernetes::{BackupPlace, CollectorMode};
use crate::spec::{Chroma, Image, Spec};
use crate::targets::common;
use crate::values::Peer;

/// Adds `keep.yaml` and `chroma.yaml`.
///
/// # Errors
/// A template is wrong: a bug.
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
    let template = DatabaseTemplate {
        base,
        config,
        variables,
        pod_annotations: pod_annotations(deployment, checksum),
        namespace_labels: namespace_labels(deployment),
        keys: secret_keys::of(deployment, Container::Chroma),
        memory: memory.quantity(),
        disk: deployment.spec.machine.disk.quantity(),
        storage_class: cloud::storage_class(deployment),
        selinux_level: cloud::selinux_level(deployment),
        backup_disk: backup_disk(deployment),
        backup: BACKUP.template(deployment, &version.to_string()),
        // Not ready is no reason to start it again.
        liveness_path: version.health_path().replace("healthcheck", "heartbeat"),
        callers: callers(deployment),
        receivers: Receivers::new(deployment),
    };
    let context = values_of(template);
    templates::add(plan, &context, &["keep.yaml", "chroma.yaml"])
}

/// What `keep.yaml` and `chroma.yaml` read.
#[derive(Serialize)]
struct DatabaseTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    /// Chroma's configuration; 0.x has none.
    config: Option<String>,
    /// The variables of Chroma's container that are no secrets.
    variables: BTreeMap<String, String>,
    pod_annotations: BTreeMap<String, String>,
    namespace_labels: BTreeMap<String, String>,
    /// The keys that Chroma reads.
    keys: Vec<SecretKey>,
    memory: String,
    disk: String,
    storage_class: Option<String>,
    selinux_level: Option<String>,
    /// The size of the claim that backups are kept on.
    backup_disk: Option<String>,
    backup: ComponentTemplate,
    liveness_path: String,
    /// The pods that may connect to Chroma, one a line; empty for everyone.
    callers: Vec<Value>,
    receivers: Receivers,
}

/// Where Chroma may send its spans: the collector's pods, or with `mode: none` any address.
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

/// Annotations of the pod. What moves pods to save machines leaves this one alone; who drains a node by
/// hand, or upgrades it, does not. The operator's own word for either wins.
fn pod_annotations(deployment: &Deployment, checksum: String) -> BTreeMap<String, String> {
    let stays = [
        ("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
        ("karpenter.sh/do-not-disrupt", "true"),
    ];
    let stays = stays.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut annotations = BTreeMap::from(stays);
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

/// Size of the claim that backups are kept on, if they are kept on one.
pub(super) fn backup_disk(deployment: &Deployment) -> Option<String> {
    match &deployment.spec.kubernetes.backup.as_ref()?.place {
        BackupPlace::Claim(size) => Some(size.quantity()),
        BackupPlace::Bucket { .. } => None,
    }
}

/// Who may connect to Chroma, as a policy names them, one a line; nothing for everyone: then a route
/// from outside ends at Chroma itself, and whose pods bring it nobody knows here.
fn callers(deployment: &Deployment) -> Vec<Value> {
    let exposure = deployment.spec.kubernetes.exposure.as_ref();
    if exposure.is_some_and(|one| !one.token) {
        return Vec::new();
    }
    let mut callers = component::neighbours(deployment);
    if let Some(Peer::Range(range)) = &deployment.spec.machine.allow_from {
        callers.push(as_is(format!("ipBlock: {{cidr: \"{range}\"}}")));
    }
    callers
}

/// The variables of Chroma's container that are no secrets.
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

/// What a change of `chroma.yaml` means for the data.
pub(super) fn notes(change: &Change) -> Vec<String> {
    if change.path != "chroma.yaml" {
        return Vec::new();
    }
    let changed = |start: &str| {
        let value = |text: String| text.trim_end_matches('}').to_owned();
        let (before, after) = change.behind(start)?;
        Some((value(before), value(after)))
    };
    let moved = common::version_note(change, "back it up first");
    // The name is the namespace's, too, unless the spec says otherwise: once is enough.
    let renamed = changed("app.kubernetes.io/instance: ").or_else(|| changed("namespace: "));
    let renamed = renamed.into_iter().map(|(before, after)| {
        format!("`{before}` is `{after}` now and starts with an empty volume; the old one goes on until you delete it")
    });
    let resized = changed("resources: {requests: {storage: ").map(|(before, after)| {
        format!("the volume goes from {before} to {after}: Kubernetes refuses that of a StatefulSet; README.md, \"Grow the volume\", says how")
    });
    let reclassed = changed("storageClassName: ").map(|(before, after)| {
        format!("the storage class goes from `{before}` to `{after}`: a volume keeps its own, so Kubernetes refuses that; back up, and restore to a new deployment")
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
