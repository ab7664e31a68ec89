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

/// A component of the deployment, as the labels name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component<'a> {
    /// What is appended to the deployment's name to name its workload; nothing for the database.
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

/// The collector that Chroma sends to; it sends to the backend.
pub(super) const COLLECTOR: Component<'static> = Component {
    suffix: "otel-collector",
    program: "opentelemetry-collector",
    role: "collector",
};

/// In mode `tiered`, what Chroma sends to: it passes each trace on to one member.
pub(super) const ROUTER: Component<'static> = Component {
    suffix: "otel-router",
    program: "opentelemetry-collector",
    role: "router",
};

/// In mode `tiered`, what sends to the backend.
pub(super) const MEMBER: Component<'static> = Component {
    suffix: "otel-member",
    program: "opentelemetry-collector",
    role: "member",
};

/// A backend that is part of the stack.
pub(super) fn backend(backend: &Backend) -> Component<'_> {
    let name = backend.name.as_str();
    Component {
        suffix: name,
        program: name,
        role: "backend",
    }
}

/// The proxy that asks for a token.
pub(super) const PROXY: Component<'static> = Component {
    suffix: "proxy",
    program: "caddy",
    role: "proxy",
};

/// What makes backups.
pub(super) const BACKUP: Component<'static> = Component {
    suffix: "backup",
    program: "chroma-backup",
    role: "backup",
};

impl Component<'_> {
    /// The name of its workload.
    pub(super) fn name(self, deployment: &Deployment) -> String {
        match self.suffix {
            "" => deployment.spec.name.to_string(),
            suffix => format!("{}-{suffix}", deployment.spec.name),
        }
    }

    /// The labels that its pods alone have.
    pub(super) fn selector(self, deployment: &Deployment) -> BTreeMap<String, String> {
        BTreeMap::from([
            label("name", self.program),
            label("instance", &deployment.spec.name.to_string()),
            label("component", self.role),
        ])
    }

    /// What templates read of it; `version` is its program's.
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

/// What templates read of a component.
#[derive(Serialize)]
pub(super) struct ComponentTemplate {
    /// The name of its workload.
    name: String,
    labels: BTreeMap<String, String>,
    /// The labels that its pods alone have.
    selector: BTreeMap<String, String>,
}

/// The collector's pods that Chroma sends to, as policies know them: labels that all of them have.
pub(super) fn receivers(deployment: &Deployment) -> BTreeMap<String, String> {
    match deployment.spec.collector.mode {
        CollectorMode::Tiered => collectors(deployment, ROUTER),
        CollectorMode::Gateway | CollectorMode::None => collectors(deployment, COLLECTOR),
    }
}

/// The pods that send to the backend, likewise.
pub(super) fn senders(deployment: &Deployment) -> BTreeMap<String, String> {
    match deployment.spec.collector.mode {
        CollectorMode::Gateway => collectors(deployment, COLLECTOR),
        CollectorMode::Tiered => collectors(deployment, MEMBER),
        CollectorMode::None => DATABASE.selector(deployment),
    }
}

/// Pods of a collector. The operator's carry the program of their resource, and its own word for
/// everything else (opentelemetry-operator 0.140, `manifestutils.Labels`).
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

/// The labels of every object, whatever component it is of: the spec's, and whose it is.
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

/// A mapping of labels or annotations, as text.
pub(super) fn texts(map: &BTreeMap<LabelKey, String>) -> BTreeMap<String, String> {
    let pairs = map.iter();
    pairs
        .map(|(key, value)| (key.as_str().to_owned(), value.clone()))
        .collect()
}

/// Peers of a policy: the pods of the own namespace, and those of the namespaces that the spec lets in.
pub(super) fn neighbours(deployment: &Deployment) -> Vec<Value> {
    let namespaces = deployment.spec.kubernetes.allow_namespaces.iter();
    let namespaces = namespaces.map(|name| {
        format!("namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}")
    });
    let own = std::iter::once("podSelector: {}".to_owned());
    own.chain(namespaces).map(as_is).collect()
}

/// Chroma's Service. Never `chroma`: of that name it would set CHROMA_PORT in pods beside it, which 1.x
/// dies of.
pub(super) fn api(deployment: &Deployment) -> String {
    format!("{}-api", deployment.spec.name)
}

/// The claim that Chroma's data is on.
pub(super) fn claim(deployment: &Deployment) -> String {
    format!("data-{}-0", DATABASE.name(deployment))
}

/// What tells one configuration from another, on the pods that have read it.
pub(super) fn checksum(configuration: &str) -> String {
    hash(configuration.as_bytes())[..16].to_owned()
}
