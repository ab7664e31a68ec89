//! What makes pods, whatever its kind, in one form.
//!
//! Invariant: the pods that the OpenTelemetry Operator makes are checked as those that we write.

mod operated;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::Document;

/// One pod template.
pub(super) struct Workload {
    /// The document, as findings say it.
    at: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// Where the pod's spec is in the document.
    path: String,
    pub(super) template: PodTemplateSpec,
    /// What it takes for its own pods. Absent where Kubernetes makes that up.
    pub(super) selector: Option<LabelSelector>,
    /// Claims that each of its pods gets, by the name of the volume.
    pub(super) claims: Vec<PersistentVolumeClaim>,
    pub(super) replicas: Option<i64>,
    /// Whether the OpenTelemetry Operator makes the pods.
    pub(super) operated: bool,
}

/// Whether a container runs before the others, once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Main,
    Before,
}

impl Workload {
    /// Where a path below the pod's spec is, as findings say it.
    pub(super) fn at(&self, path: &str) -> String {
        let Self {
            at,
            path: spec,
            operated,
            ..
        } = self;
        match path.strip_prefix("containers[0]") {
            Some(rest) if *operated => format!("{at}: {spec}{rest}"),
            _ if *operated && path == "securityContext" => {
                format!("{at}: {spec}.podSecurityContext")
            }
            _ if *operated && path == "serviceAccountName" => {
                format!("{at}: {spec}.serviceAccount")
            }
            _ => format!("{at}: {spec}.{path}"),
        }
    }

    /// Where a path of the document is, as findings say it.
    pub(super) fn of_document(&self, path: &str) -> String {
        match path {
            "" => self.at.clone(),
            path => format!("{}: {path}", self.at),
        }
    }

    /// Whether it is one that ends by itself.
    pub(super) fn ends(&self) -> bool {
        ["Job", "CronJob"].contains(&self.kind.as_str())
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let metadata = self.template.metadata.as_ref();
        metadata
            .and_then(|metadata| metadata.labels.clone())
            .unwrap_or_default()
    }

    /// The containers, each with its path below the pod's spec.
    pub(super) fn containers(&self) -> impl Iterator<Item = (String, Role, &Container)> {
        let spec = self.template.spec.as_ref();
        let before = spec
            .and_then(|spec| spec.init_containers.as_ref())
            .into_iter()
            .flatten();
        let main = spec.map(|spec| &spec.containers).into_iter().flatten();
        let path = |name: &'static str, index: usize| format!("{name}[{index}]");
        before
            .enumerate()
            .map(move |(index, one)| (path("initContainers", index), Role::Before, one))
            .chain(
                main.enumerate()
                    .map(move |(index, one)| (path("containers", index), Role::Main, one)),
            )
    }

    /// The number of a port of its containers, by number or by name.
    pub(super) fn port(&self, named: &str) -> Option<i32> {
        let ports = self
            .containers()
            .flat_map(|(_, _, one)| one.ports.iter().flatten());
        let mut ports = ports.filter(|port| {
            port.name.as_deref() == Some(named) || port.container_port.to_string() == named
        });
        ports.next().map(|port| port.container_port)
    }
}

/// What a selector takes.
pub(super) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let wanted = selector.match_labels.iter().flatten();
    let expressions = selector.match_expressions.iter().flatten();
    wanted
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().all(|one| {
            let value = labels.get(&one.key);
            let listed = || {
                value.is_some_and(|value| one.values.iter().flatten().any(|other| other == value))
            };
            match one.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

/// The pods of a document, if it makes any and can be read.
pub(super) fn of(document: &Document) -> Option<Workload> {
    let path: &[&str] = match document.kind.as_str() {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => &["spec", "template"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template"],
        "Pod" => &[],
        "OpenTelemetryCollector" => return operated::pods(document),
        _ => return None,
    };
    let template: PodTemplateSpec = match path {
        [] => {
            let parts = ["metadata", "spec"]
                .map(|key| Some((Value::from(key), document.tree.get(key)?.clone())));
            read(Value::Mapping(parts.into_iter().flatten().collect()))?
        }
        path => read(document.get(path)?.clone())?,
    };
    let get = |key: &str| document.get(&["spec", key]).cloned();
    Some(Workload {
        path: [path, &["spec"]].concat().join("."),
        template,
        selector: get("selector").and_then(read),
        claims: get("volumeClaimTemplates")
            .and_then(read)
            .unwrap_or_default(),
        replicas: get("replicas").and_then(|replicas| replicas.as_i64()),
        operated: false,
        ..named(document)
    })
}

fn named(document: &Document) -> Workload {
    Workload {
        at: document.at(""),
        kind: document.kind.clone(),
        name: document.name.clone(),
        path: String::new(),
        template: PodTemplateSpec::default(),
        selector: None,
        claims: Vec::new(),
        replicas: None,
        operated: false,
    }
}

fn read<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_yaml::from_value(super::decode::quantities_as_text(&value, false)).ok()
}
