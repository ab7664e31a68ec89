//! The components of a deployment: names, labels, selectors.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::Serialize;

use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::render::as_is;
use crate::spec::kubernetes::CollectorMode;
use crate::values::LabelKey;

/// A component of the deployment, as in its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component<'a> {
    /// Suffix of its workload's name, after the deployment's name; empty for the database.
    pub(super) suffix: &'a str,
    /// `app.kubernetes.io/name`: the program.
    pub(super) program: &'a str,
    /// `app.kubernetes.io/component`: its role.
    pub(super) role: &'static str,
}

/// Chroma.
pub(super) const DATABASE: Component<'static> = Component {
    suffix: "",
    program: "chroma",
    role: "database",
};

/// The collector that receives from Chroma and sends to the backend.
pub(super) const COLLECTOR: Component<'static> = Component {
    suffix: "otel-collector",
    program: "opentelemetry-collector",
    role: "collector",
};

/// In mode `tiered`, the collector that receives from Chroma and sends each trace to one member.
pub(super) const ROUTER: Component<'static> = Component {
    suffix: "otel-router",
    program: "opentelemetry-collector",
    role: "router",
};

/// In mode `tiered`, the collector that sends to the backend.
pub(super) const MEMBER: Component<'static> = Component {
    suffix: "otel-member",
    program: "opentelemetry-collector",
    role: "member",
};

/// Returns the component of a backend in the stack.
pub(super) fn backend(backend: &Backend) -> Component<'_> {
    let name = backend.name.as_str();
    Component {
        suffix: name,
        program: name,
        role: "backend",
    }
}

/// The proxy that requires a token.
pub(super) const PROXY: Component<'static> = Component {
    suffix: "proxy",
    program: "caddy",
    role: "proxy",
};

/// The backups.
pub(super) const BACKUP: Component<'static> = Component {
    suffix: "backup",
    program: "chroma-backup",
    role: "backup",
};

/// The restore.
pub(super) const RESTORE: Component<'static> = Component {
    suffix: "restore",
    program: BACKUP.program,
    role: "restore",
};

impl Component<'_> {
    /// Returns the name of its workload.
    pub(super) fn name(self, deployment: &Deployment) -> String {
        match self.suffix {
            "" => deployment.spec.name.to_string(),
            suffix => format!("{}-{suffix}", deployment.spec.name),
        }
    }

    /// Returns the labels that only its pods have.
    pub(super) fn selector(self, deployment: &Deployment) -> BTreeMap<String, String> {
        BTreeMap::from([
            label("name", self.program),
            label("instance", &deployment.spec.name.to_string()),
            label("component", self.role),
        ])
    }

    /// Returns the template input; `version` is the program's.
    pub(super) fn template(self, deployment: &Deployment, version: &str) -> ComponentTemplate {
        let selector = self.selector(deployment);
        let mut labels = own_labels(deployment);
        labels.extend(selector.clone());
        labels.extend([label("version", version)]);
        ComponentTemplate {
            name: self.name(deployment),
            labels,
            selector,
        }
    }
}

/// Template input of a component.
#[derive(Serialize)]
pub(super) struct ComponentTemplate {
    /// The name of its workload.
    name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The labels that only its pods have.
    selector: BTreeMap<String, String>,
}

/// Returns the labels that all pods that Chroma sends to share, for policies.
pub(super) fn receivers(deployment: &Deployment) -> BTreeMap<String, String> {
    match deployment.spec.collector.mode {
        CollectorMode::Tiered => collectors(deployment, ROUTER),
        CollectorMode::Gateway | CollectorMode::None => collectors(deployment, COLLECTOR),
    }
}

/// Returns the labels that all pods that send to the backend share, for policies.
pub(super) fn senders(deployment: &Deployment) -> BTreeMap<String, String> {
    match deployment.spec.collector.mode {
        CollectorMode::Gateway => collectors(deployment, COLLECTOR),
        CollectorMode::Tiered => collectors(deployment, MEMBER),
        CollectorMode::None => DATABASE.selector(deployment),
    }
}

/// Returns the labels of a collector's pods. Pods of the OpenTelemetry Operator have the program of
/// their resource and the Operator's own other labels (opentelemetry-operator 0.140,
/// `manifestutils.Labels`).
fn collectors(deployment: &Deployment, component: Component<'_>) -> BTreeMap<String, String> {
    if deployment.spec.collector.operator {
        BTreeMap::from([
            label("name", component.program),
            label("managed-by", "opentelemetry-operator"),
        ])
    } else {
        component.selector(deployment)
    }
}

/// Returns the labels of every object of every component: the spec's, and those of the deployment.
pub(super) fn own_labels(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut labels = texts(&deployment.spec.kubernetes.labels);
    labels.extend([
        label("part-of", "chroma"),
        label("managed-by", "chroma-otel-deploy"),
    ]);
    labels
}

fn label(name: &str, value: &str) -> (String, String) {
    (format!("app.kubernetes.io/{name}"), value.to_owned())
}

/// Returns a mapping of labels or annotations as text.
pub(super) fn texts(map: &BTreeMap<LabelKey, String>) -> BTreeMap<String, String> {
    let pairs = map.iter();
    pairs
        .map(|(key, value)| (key.as_str().to_owned(), value.clone()))
        .collect()
}

/// Returns peers of a policy: the pods of the own namespace, and of the namespaces that the spec
/// allows.
pub(super) fn neighbours(deployment: &Deployment) -> Vec<Value> {
    let namespaces = deployment.spec.kubernetes.allow_namespaces.iter();
    let namespaces = namespaces.map(|name| {
        format!("namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}")
    });
    let own = std::iter::once("podSelector: {}".to_owned());
    own.chain(namespaces).map(as_is).collect()
}

/// Returns the name of Chroma's Service. It is never `chroma`, which would set CHROMA_PORT in pods
/// of the namespace and stop Chroma 1.x.
pub(super) fn api(deployment: &Deployment) -> String {
    format!("{}-api", deployment.spec.name)
}

/// Returns the name of the Service that gives Chroma's pod a name in DNS.
pub(super) fn headless(deployment: &Deployment) -> String {
    format!("{}-headless", deployment.spec.name)
}

/// Returns the claim of Chroma's data.
pub(super) fn claim(deployment: &Deployment) -> String {
    format!("data-{}-0", DATABASE.name(deployment))
}

/// Returns the place of an image of Docker Hub: in the registry that mirrors it, if there is one.
pub(super) fn image(deployment: &Deployment, image: &str) -> String {
    let registry = deployment.spec.kubernetes.image_registry.as_ref();
    registry.map_or_else(|| image.to_owned(), |registry| registry.mirror_of(image))
}

/// Returns the checksum of a configuration, for the pods that read it.
pub(super) fn checksum(configuration: &str) -> String {
    hash(configuration.as_bytes())[..16].to_owned()
}
