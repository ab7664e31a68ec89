//! What sends requests on, and what reads numbers: to a Service, of a pod, at a port.
//!
//! Invariant: a port is one that its Service or its pod has.

use serde_yaml::Value;

use super::super::workload::matches;
use super::super::{Document, Folder, Tell};
use super::selected;
use crate::validate::{entries, items};

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
        let known = |one: &Value| {
            port.is_some_and(|port| one.get("name") == Some(port) || one.get("port") == Some(port))
        };
        if !found.items(&["spec", "ports"]).any(known) {
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
    let routed = items(value.get("backendRefs"));
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
    for (index, inner) in items(Some(value)).enumerate() {
        backends(folder, document, inner, &format!("{at}[{index}]"), tell);
    }
}

pub(super) fn pods_monitored(folder: &Folder, document: &Document, tell: Tell) {
    let pods = selected(folder, document, tell);
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
    let selector = document.selector();
    let services: Vec<&Document> = folder
        .of_kind("Service")
        .filter(|one| matches(&selector, &one.labels()))
        .collect();
    // The operator makes Services of its own, with the labels of its pods.
    if folder.taken(&selector).iter().any(|one| one.operated) {
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
            let mut ports = one.items(&["spec", "ports"]);
            ports.any(|one| one.get("name").and_then(Value::as_str) == Some(port))
        };
        if !services.is_empty() && !services.iter().any(has) {
            tell(
                document.at(&at),
                format!("no Service that it takes has the port `{port}`"),
            );
        }
    }
}

fn endpoints<'a>(
    document: &'a Document,
    field: &'a str,
) -> impl Iterator<Item = (String, &'a str)> {
    let list = document.items(&["spec", field]);
    list.enumerate().filter_map(move |(index, one)| {
        Some((
            format!("spec.{field}[{index}].port"),
            one.get("port")?.as_str()?,
        ))
    })
}
