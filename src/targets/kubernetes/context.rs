//! What the templates in `templates/kubernetes` have in common: names, labels, images, pods.
//!
//! Invariant: every choice is made here and in the modules beside; the templates only place values.

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::component::{DATABASE, api, texts};
use crate::deployment::Deployment;
use crate::render::{as_is, yaml};
use crate::targets::shared::SharedTemplate;
use crate::values::Cloud;

/// What every template reads.
pub(super) fn of(deployment: &Deployment) -> Value {
    let (cluster, version) = (&deployment.spec.kubernetes, deployment.spec.chroma.version);
    context! {
        namespace => cluster.namespace.to_string(),
        annotations => texts(&cluster.annotations),
        database => DATABASE.context(deployment, &version.to_string()),
        api => api(deployment),
        images => Value::from(Serde(&deployment.images.run)),
        registry => deployment.spec.chroma.registry.as_ref().map(ToString::to_string),
        chroma_endpoint => deployment.chroma_endpoint.clone(),
        secret => cluster.secret.to_string(),
        pod => pod(deployment),
        dns_address => dns_address(deployment),
        cloud => super::cloud::context(deployment),
        ..Value::from(Serde(SharedTemplate::new(deployment)))
    }
}

/// Where the DNS of a node listens, for pods that ask it and not the cluster's own pods: link-local, with an
/// address that each chooses for itself (NodeLocal DNSCache 169.254.20.10, kubespray's 169.254.25.10, Cloud
/// DNS on GKE 169.254.169.254, LocalDNS on AKS 169.254.10.10). EKS Auto Mode has it on the node, too, behind
/// an address that no document tells.
fn dns_address(deployment: &Deployment) -> &'static str {
    let auto_mode =
        deployment.spec.target.cloud() == Some(Cloud::Aws) && deployment.spec.kubernetes.auto_mode;
    if auto_mode {
        "0.0.0.0/0"
    } else {
        "169.254.0.0/16"
    }
}

/// What every pod's spec begins with, each a key and its value as YAML.
fn pod(deployment: &Deployment) -> Vec<Value> {
    let cluster = &deployment.spec.kubernetes;
    let mut lines = Vec::new();
    let mut line = |key: &str, value: Value| lines.push(context! { key, value });
    if let Some(class) = &cluster.priority_class {
        line("priorityClassName", class.to_string().into());
    }
    if !cluster.image_pull_secrets.is_empty() {
        let secrets = cluster.image_pull_secrets.iter();
        let secrets: Vec<Value> = secrets
            .map(|name| context! { name => name.to_string() })
            .collect();
        line("imagePullSecrets", secrets.into());
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
