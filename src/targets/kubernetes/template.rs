//! Input that all templates in `templates/kubernetes` share: names, labels, images, pods.
//!
//! Invariant: every decision is made here and in the sibling modules; the templates only insert
//! values.

use std::collections::BTreeMap;
use std::net::IpAddr;

use minijinja::Value;
use serde::Serialize;

use super::cloud::{CloudTemplate, LINK_LOCAL, managed};
use super::component::{ComponentTemplate, DATABASE, api, texts};
use crate::deployment::Deployment;
use crate::image::Images;
use crate::render::{as_is, values_of, yaml};
use crate::spec::kubernetes::Kubernetes;
use crate::spec::{Format, Spec};
use crate::targets::shared::SharedTemplate;

/// The user of the built images.
const IDS: &str =
    "runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, fsGroupChangePolicy: OnRootMismatch, ";

/// Template input of every cluster.
#[derive(Serialize)]
pub(super) struct ClusterTemplate<'a> {
    #[serde(flatten)]
    shared: SharedTemplate<'a>,
    namespace: String,
    creates_namespace: bool,
    /// True if `keep.yaml` is rendered.
    keeps: bool,
    ipv6: bool,
    /// The spec's annotations of every object.
    annotations: BTreeMap<String, String>,
    database: ComponentTemplate,
    /// The name of Chroma's Service.
    api: String,
    pub(super) images: &'a Images,
    /// The spec's registry.
    registry: Option<String>,
    /// The endpoint for Chroma's traces.
    chroma_endpoint: &'a str,
    /// The name of the Secret with the keys.
    secret: String,
    /// The users and groups of every pod; empty if OpenShift chooses them.
    ids: &'static str,
    /// First lines of every pod's spec.
    pod: Vec<YamlLine>,
    /// The addresses of a node's own DNS, which pods may query instead of the cluster's DNS pods.
    dns_addresses: Vec<String>,
    pub(super) cloud: CloudTemplate,
}

/// A key and its value as YAML.
#[derive(Serialize)]
pub(super) struct YamlLine {
    pub(super) key: &'static str,
    pub(super) value: Value,
}

impl<'a> ClusterTemplate<'a> {
    /// Computes the input for a deployment.
    pub(super) fn new(deployment: &'a Deployment) -> Self {
        let Spec {
            kubernetes: cluster,
            chroma,
            ..
        } = &deployment.spec;
        Self {
            shared: SharedTemplate::new(deployment),
            namespace: cluster.namespace.to_string(),
            creates_namespace: cluster.create_namespace,
            keeps: keeps(deployment),
            ipv6: cluster.ipv6,
            annotations: texts(&cluster.annotations),
            database: DATABASE.template(deployment, &chroma.version.to_string()),
            api: api(deployment),
            images: &deployment.images.run,
            registry: chroma.registry.as_ref().map(ToString::to_string),
            chroma_endpoint: &deployment.chroma_endpoint,
            secret: cluster.secret.to_string(),
            ids: if cluster.openshift { "" } else { IDS },
            pod: pod(cluster),
            dns_addresses: dns_addresses(deployment),
            cloud: CloudTemplate::new(deployment),
        }
    }
}

/// Returns true if resources outlive the deployment, other than those that Kubernetes creates.
pub(super) fn keeps(deployment: &Deployment) -> bool {
    let cluster = &deployment.spec.kubernetes;
    if deployment.spec.format == Format::Helm {
        return cluster.create_namespace; // everything else is in the chart
    }
    let classes = managed(deployment.spec.target).is_some() && cluster.storage_class.is_none();
    let backup = deployment.spec.backup.as_ref();
    let disk = backup.and_then(|backup| backup.place.disk());
    cluster.create_namespace || classes || disk.is_some()
}

/// Returns the ranges of addresses that answer for the cluster's DNS pods.
fn dns_addresses(deployment: &Deployment) -> Vec<String> {
    let cluster = &deployment.spec.kubernetes;
    let node = managed(deployment.spec.target)
        .map_or(LINK_LOCAL, |managed| managed.dns_address.of(cluster));
    let everywhere = (node == "0.0.0.0/0" && cluster.ipv6).then(|| "::/0".to_owned());
    let own = cluster.dns_address.map(|address| match address {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(address) => format!("{address}/128"),
    });
    let node = std::iter::once(node.to_owned());
    node.chain(everywhere).chain(own).collect()
}

/// Returns the first lines of every pod's spec, each a key and its value as YAML.
fn pod(cluster: &Kubernetes) -> Vec<YamlLine> {
    let mut lines = Vec::new();
    let mut line = |key, value: Value| lines.push(YamlLine { key, value });
    if let Some(class) = &cluster.priority_class {
        line("priorityClassName", class.to_string().into());
    }
    if !cluster.image_pull_secrets.is_empty() {
        let secrets = cluster.image_pull_secrets.iter();
        let secrets = secrets.map(|name| BTreeMap::from([("name", name.to_string())]));
        line("imagePullSecrets", values_of(secrets.collect::<Vec<_>>()));
    }
    if !cluster.node_selector.is_empty() {
        line("nodeSelector", Value::from(texts(&cluster.node_selector)));
    }
    if !cluster.tolerations.is_empty() {
        let tolerations = cluster.tolerations.iter().map(|one| {
            let fields = one.fields.iter().map(|(name, value)| {
                let value = yaml(&Value::from(value.as_str())).unwrap_or_default();
                format!("{name}: {value}")
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        });
        let tolerations = tolerations.collect::<Vec<_>>().join(", ");
        line("tolerations", as_is(format!("[{tolerations}]")));
    }
    lines
}
