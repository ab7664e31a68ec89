//! The components of a deployment: names, labels, selectors.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use crate::backend::Backend;
use crate::digest::hash;
use crate::render::as_is;
use crate::spec::Spec;
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
    pub(super) fn name(self, spec: &Spec) -> String {
        match self.suffix {
            "" => spec.name.to_string(),
            suffix => format!("{}-{suffix}", spec.name),
        }
    }

    /// The labels that its pods alone have.
    pub(super) fn selector(self, spec: &Spec) -> BTreeMap<String, String> {
        BTreeMap::from([
            label("name", self.program),
            label("instance", &spec.name.to_string()),
            label("component", self.role),
        ])
    }

    /// What templates read of it: `name`, `labels`, `selector`.
    pub(super) fn context(self, spec: &Spec, version: &str) -> Value {
        let selector = self.selector(spec);
        let mut labels = own_labels(spec);
        labels.extend(selector.clone());
        labels.extend([label("version", version)]);
        context! { name => self.name(spec), labels, selector }
    }
}

/// The collector's pods that Chroma sends to, as policies know them: labels that all of them have.
pub(super) fn receivers(spec: &Spec) -> BTreeMap<String, String> {
    match spec.collector.mode {
        CollectorMode::Tiered => collectors(spec, ROUTER),
        CollectorMode::Gateway | CollectorMode::None => collectors(spec, COLLECTOR),
    }
}

/// The pods that send to the backend, likewise.
pub(super) fn senders(spec: &Spec) -> BTreeMap<String, String> {
    match spec.collector.mode {
        CollectorMode::Gateway => collectors(spec, COLLECTOR),
        CollectorMode::Tiered => collectors(spec, MEMBER),
        CollectorMode::None => DATABASE.selector(spec),
    }
}

/// Pods of a collector. The operator's carry the program of their resource, and its own word for
/// everything else (opentelemetry-operator 0.140, `manifestutils.Labels`).
fn collectors(spec: &Spec, component: Component<'_>) -> BTreeMap<String, String> {
    if spec.collector.operator {
        BTreeMap::from([
            label("name", component.program),
            label("managed-by", "opentelemetry-operator"),
        ])
    } else {
        component.selector(spec)
    }
}

/// The labels of every object, whatever component it is of: the spec's, and whose it is.
pub(super) fn own_labels(spec: &Spec) -> BTreeMap<String, String> {
    let mut labels = texts(&spec.kubernetes.labels);
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
pub(super) fn neighbours(spec: &Spec) -> Vec<Value> {
    let namespaces = spec.kubernetes.allow_namespaces.iter();
    let namespaces = namespaces.map(|name| {
        format!("namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}")
    });
    let own = std::iter::once("podSelector: {}".to_owned());
    own.chain(namespaces).map(as_is).collect()
}

/// Chroma's Service. Never `chroma`: of that name it would set CHROMA_PORT in pods beside it, which 1.x
/// dies of.
pub(super) fn api(spec: &Spec) -> String {
    format!("{}-api", spec.name)
}

/// The claim that Chroma's data is on.
pub(super) fn claim(spec: &Spec) -> String {
    format!("data-{}-0", DATABASE.name(spec))
}

/// What tells one configuration from another, on the pods that have read it.
pub(super) fn checksum(configuration: &str) -> String {
    hash(configuration.as_bytes())[..16].to_owned()
}
