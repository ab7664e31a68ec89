//! What the templates in `templates/kubernetes` have in common: names, labels, images, pods.
//!
//! Invariant: every choice is made here and in the modules beside; the templates only place values.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use crate::backend::{Backend, Cloud};
use crate::render::{as_is, yaml};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::values::LabelKey;
use crate::spec::{Image, Spec};
use crate::target::context as shared;
use crate::target::image::Tags;
use crate::tree::hash;

/// A component of the deployment, as the labels name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// What is appended to the deployment's name to name its workload; nothing for the database.
    pub(super) suffix: &'a str,
    /// `app.kubernetes.io/name`: the program.
    pub(super) program: &'a str,
    /// `app.kubernetes.io/component`: its role.
    pub(super) role: &'static str,
}

/// Chroma.
pub(super) const DATABASE: Part<'static> = Part {
    suffix: "",
    program: "chroma",
    role: "database",
};

/// The collector that Chroma sends to; it sends to the backend.
pub(super) const COLLECTOR: Part<'static> = Part {
    suffix: "otel-collector",
    program: "opentelemetry-collector",
    role: "collector",
};

/// In mode `tiered`, what Chroma sends to: it passes each trace on to one member.
pub(super) const ROUTER: Part<'static> = Part {
    suffix: "otel-router",
    program: "opentelemetry-collector",
    role: "router",
};

/// In mode `tiered`, what sends to the backend.
pub(super) const MEMBER: Part<'static> = Part {
    suffix: "otel-member",
    program: "opentelemetry-collector",
    role: "member",
};

/// A backend that is part of the stack.
pub(super) fn backend(backend: &Backend) -> Part<'_> {
    let name = backend.name.as_str();
    Part {
        suffix: name,
        program: name,
        role: "backend",
    }
}

/// The proxy that asks for a token.
pub(super) const PROXY: Part<'static> = Part {
    suffix: "proxy",
    program: "caddy",
    role: "proxy",
};

/// What makes backups.
pub(super) const BACKUP: Part<'static> = Part {
    suffix: "backup",
    program: "chroma-backup",
    role: "backup",
};

impl Part<'_> {
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
fn collectors(spec: &Spec, part: Part<'_>) -> BTreeMap<String, String> {
    match spec.collector.operator {
        true => BTreeMap::from([
            label("name", part.program),
            label("managed-by", "opentelemetry-operator"),
        ]),
        false => part.selector(spec),
    }
}

/// The labels of every object, whatever part it is of: the spec's, and whose it is.
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

/// What every template reads.
pub(super) fn of(spec: &Spec, tags: &Tags) -> Value {
    let (cluster, version) = (&spec.kubernetes, spec.chroma.version);
    let (stock, own) = (shared::base_images(spec), tags.images(spec));
    let image = |made: Image, own: String, stock: String| match made {
        Image::Wrapped | Image::Published => own,
        Image::Stock => stock,
    };
    context! {
        namespace => cluster.namespace.to_string(),
        annotations => texts(&cluster.annotations),
        database => DATABASE.context(spec, &version.to_string()),
        api => api(spec),
        images => context! {
            chroma => image(spec.chroma.image, own.chroma, stock.chroma),
            collector => image(spec.collector.image, own.collector, stock.collector),
        },
        registry => spec.chroma.registry.as_ref().map(ToString::to_string),
        chroma_endpoint => shared::chroma_endpoint(spec),
        secret => cluster.secret.to_string(),
        pod => pod(spec),
        dns_address => dns_address(spec),
        cloud => super::cloud::context(spec),
        ..shared::of(spec)
    }
}

/// Where the DNS of a node listens, for pods that ask it and not the cluster's own pods: link-local, with an
/// address that each chooses for itself (NodeLocal DNSCache 169.254.20.10, kubespray's 169.254.25.10, Cloud
/// DNS on GKE 169.254.169.254, LocalDNS on AKS 169.254.10.10). EKS Auto Mode has it on the node, too, behind
/// an address that no document tells.
fn dns_address(spec: &Spec) -> &'static str {
    let auto_mode = spec.target.cloud() == Some(Cloud::Aws) && spec.kubernetes.auto_mode;
    if auto_mode {
        "0.0.0.0/0"
    } else {
        "169.254.0.0/16"
    }
}

/// What every pod's spec begins with, each a key and its value as YAML.
fn pod(spec: &Spec) -> Vec<Value> {
    let cluster = &spec.kubernetes;
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
