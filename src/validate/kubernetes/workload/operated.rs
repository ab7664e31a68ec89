//! The pods that the OpenTelemetry Operator makes of its resource.
//!
//! Invariant: nothing is made up here that the operator does not make.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_yaml::{Mapping, Value};

use super::{Workload, named, read};
use crate::validate::items;
use crate::validate::kubernetes::Document;

/// The pods (opentelemetry-operator 0.140,
/// `internal/manifests/manifestutils/labels.go`).
pub(super) fn pods(document: &Document) -> Option<Workload> {
    let spec = document.get(&["spec"])?.as_mapping()?;
    let keep = |names: &[&str]| -> Mapping {
        let entries = spec
            .iter()
            .filter(|(key, _)| key.as_str().is_some_and(|key| names.contains(&key)));
        entries
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let mut container = keep(&[
        "args",
        "env",
        "envFrom",
        "image",
        "imagePullPolicy",
        "livenessProbe",
        "ports",
        "readinessProbe",
        "resources",
        "securityContext",
        "startupProbe",
        "volumeMounts",
    ]);
    container.remove("args"); // a mapping there
    container.insert("name".into(), "otc-container".into());
    let mut pod = keep(&[
        "affinity",
        "initContainers",
        "nodeSelector",
        "priorityClassName",
        "terminationGracePeriodSeconds",
        "tolerations",
        "topologySpreadConstraints",
        "volumes",
    ]);
    for (name, theirs) in [
        ("securityContext", "podSecurityContext"),
        ("serviceAccountName", "serviceAccount"),
    ] {
        spec.get(theirs)
            .into_iter()
            .for_each(|value| drop(pod.insert(name.into(), value.clone())));
    }
    let mut containers = vec![Value::Mapping(ports_of_containers(container))];
    containers.extend(items(spec.get("additionalContainers")).cloned());
    pod.insert("containers".into(), containers.into());
    let template = Value::Mapping(Mapping::from_iter([("spec".into(), Value::Mapping(pod))]));
    let mut template: PodTemplateSpec = read(template)?;
    template.metadata.get_or_insert_default().labels = Some(labels(document));
    let get = |key: &str| spec.get(key).cloned();
    Some(Workload {
        path: "spec".to_owned(),
        template,
        selector: None,
        claims: get("volumeClaimTemplates")
            .and_then(read)
            .unwrap_or_default(),
        replicas: get("replicas").and_then(|replicas| replicas.as_i64()),
        operated: true,
        ..named(document)
    })
}

/// The labels that the operator gives them.
fn labels(document: &Document) -> BTreeMap<String, String> {
    let mut labels = document.labels();
    let name = "app.kubernetes.io/name".to_owned();
    labels
        .entry(name)
        .or_insert_with(|| format!("{}-collector", document.name));
    let instance = format!(
        "{}.{}",
        document.namespace().unwrap_or_default(),
        document.name
    );
    let own = [
        ("component", "opentelemetry-collector"),
        ("instance", &instance[..instance.len().min(63)]),
        ("managed-by", "opentelemetry-operator"),
        ("part-of", "opentelemetry"),
    ];
    labels.extend(own.map(|(name, value)| (format!("app.kubernetes.io/{name}"), value.to_owned())));
    labels
}

/// The operator's ports are a Service's.
fn ports_of_containers(mut container: Mapping) -> Mapping {
    let ports = container.remove("ports");
    let ports = items(ports.as_ref()).filter_map(|port| {
        let entry = |name: &str, value: &Value| (Value::from(name), value.clone());
        let pair = [
            entry("name", port.get("name")?),
            entry("containerPort", port.get("port")?),
        ];
        Some(Value::Mapping(Mapping::from_iter(pair)))
    });
    let ports: Vec<Value> = ports.collect();
    container.insert("ports".into(), ports.into());
    container
}
