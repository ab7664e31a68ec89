//! What sends requests on, and what reads numbers: to a Service, of a pod, at a port.
//!
//! Invariant: a port is one that its Service or its pod has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_yaml::Value;

use super::super::workload::{Workload, matches};
use super::super::{Document, Folder, Tell};
use super::selected;
use crate::validate::entries;

/// Services that an Ingress (`service: {name, port}`) or a route (`backendRefs`) sends to.
pub(super) fn backends(folder: &Folder, document: &Document, value: &Value, at: &str, tell: Tell) {
    let mut named = |service: &Value, port: Option<&Value>, at: &str| {
        let name = service
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(found) = folder.named("Service", name) else {
            return tell(document.at(at), format!("there is no Service `{name}`"));
        };
        let ports = found
            .get(&["spec", "ports"])
            .and_then(Value::as_sequence)
            .into_iter()
            .flatten();
        let known = |one: &Value| {
            port.is_some_and(|port| one.get("name") == Some(port) || one.get("port") == Some(port))
        };
        if !ports.into_iter().any(known) {
            tell(
                document.at(at),
                format!("Service `{name}` has no such port"),
            );
        }
    };
    if let Some(service) = value.get("service") {
        let port = service
            .get("port")
            .and_then(|port| port.get("name").or_else(|| port.get("number")));
        named(service, port, at);
    }
    let routed = value
        .get("backendRefs")
        .and_then(Value::as_sequence)
        .into_iter()
        .flatten();
    for (index, one) in routed
        .enumerate()
        .filter(|(_, one)| one.get("kind").is_none_or(|kind| kind == "Service"))
    {
        named(one, one.get("port"), &format!("{at}.backendRefs[{index}]"));
    }
    let below = |key: &str| {
        if at.is_empty() {
            key.to_owned()
        } else {
            format!("{at}.{key}")
        }
    };
    for (key, inner) in entries(Some(value)).filter(|(key, _)| *key != "metadata") {
        backends(folder, document, inner, &below(key), tell);
    }
    for (index, inner) in value.as_sequence().into_iter().flatten().enumerate() {
        backends(folder, document, inner, &format!("{at}[{index}]"), tell);
    }
}

pub(super) fn pods_monitored(folder: &Folder, document: &Document, tell: Tell) {
    selected(folder, document, &["spec", "selector"], tell);
    let selector: LabelSelector = selector(document);
    let pods: Vec<&Workload> = folder
        .workloads
        .iter()
        .filter(|one| matches(&selector, &one.labels()))
        .collect();
    for (at, port) in endpoints(document, "podMetricsEndpoints") {
        // The operator makes ports of the collector's configuration.
        if pods
            .iter()
            .all(|pod| pod.port(port).is_none() && !pod.operated)
        {
            tell(
                document.at(&at),
                format!("no pod that it takes has the port `{port}`"),
            );
        }
    }
}

pub(super) fn services_monitored(folder: &Folder, document: &Document, tell: Tell) {
    let selector = selector(document);
    let services: Vec<&Document> = folder
        .of_kind("Service")
        .filter(|one| matches(&selector, &one.labels()))
        .collect();
    // The operator makes Services of its own, with the labels of its pods.
    if folder
        .workloads
        .iter()
        .any(|one| one.operated && matches(&selector, &one.labels()))
    {
        return;
    }
    if services.is_empty() {
        tell(
            document.at("spec.selector"),
            "takes no Service of this folder".to_owned(),
        );
    }
    for (at, port) in endpoints(document, "endpoints") {
        let has = |one: &&Document| {
            let ports = one
                .get(&["spec", "ports"])
                .and_then(Value::as_sequence)
                .into_iter()
                .flatten();
            ports
                .into_iter()
                .any(|one| one.get("name").and_then(Value::as_str) == Some(port))
        };
        if !services.is_empty() && !services.iter().any(has) {
            tell(
                document.at(&at),
                format!("no Service that it takes has the port `{port}`"),
            );
        }
    }
}

fn selector(document: &Document) -> LabelSelector {
    let tree = document.get(&["spec", "selector"]).cloned();
    tree.and_then(|tree| serde_yaml::from_value(tree).ok())
        .unwrap_or_default()
}

fn endpoints<'a>(
    document: &'a Document,
    field: &'a str,
) -> impl Iterator<Item = (String, &'a str)> {
    let list = document
        .get(&["spec", field])
        .and_then(Value::as_sequence)
        .into_iter()
        .flatten();
    list.enumerate().filter_map(move |(index, one)| {
        Some((
            format!("spec.{field}[{index}].port"),
            one.get("port")?.as_str()?,
        ))
    })
}
