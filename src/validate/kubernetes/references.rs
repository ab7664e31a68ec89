//! ConfigMaps, Secrets, Services, claims and accounts to which a manifest refers and that no file
//! of the folder declares.
//!
//! An Ingress's certificates and the Secrets for pulling images are always outside.

use serde_yaml::Value;

use super::declared::Declared;
use super::document::Document;
use super::pods::Pod;
use crate::problem::Problem;
use crate::validate::names::missing;
use crate::validate::yaml::{entries, items, text};

/// Returns a problem for every reference of a document that does not resolve.
pub(super) fn check(document: &Document, declared: &Declared) -> Vec<Problem> {
    let mut references = References {
        declared,
        problems: Vec::new(),
    };
    if let Some(pod) = Pod::of(document) {
        references.in_pod(pod.spec, pod.path);
    }
    match document.kind.as_str() {
        "StatefulSet" => {
            let name = document.text(&["spec", "serviceName"]);
            references.add("spec.serviceName", "Service", name, &[]);
        }
        "Ingress" | "HTTPRoute" | "GRPCRoute" => references.of_route(&document.tree, ""),
        _ => {}
    }
    references.problems
}

struct References<'a> {
    declared: &'a Declared,
    problems: Vec<Problem>,
}

impl References<'_> {
    /// Adds a problem if a named resource or one of its keys is missing.
    fn add(&mut self, at: &str, kind: &str, name: &str, keys: &[&str]) {
        if name.is_empty() || self.declared.is_built_in(kind, name) {
            return; // the decoder reports required fields
        }
        self.problems
            .extend(missing(at, kind, name, self.declared.of_kind(kind)));
        let at = format!("{at}: {kind} `{name}`");
        if let Some(known) = self.declared.keys(kind, name) {
            let known = || known.iter().map(String::as_str);
            let missing = keys
                .iter()
                .filter_map(|key| missing(&at, "key", key, known()));
            self.problems.extend(missing);
        }
    }

    /// Adds the references in a pod's specification, at any depth.
    fn in_pod(&mut self, value: &Value, path: &str) {
        // The OpenTelemetry Operator's resource also contains the collector's configuration.
        for (key, inner) in entries(Some(value)).filter(|(key, _)| *key != "config") {
            let at = format!("{path}.{key}");
            match key {
                "configMap" | "configMapRef" | "configMapKeyRef" => {
                    self.keyed(&at, "ConfigMap", inner)
                }
                "secret" | "secretRef" | "secretKeyRef" => self.keyed(&at, "Secret", inner),
                "persistentVolumeClaim" => {
                    let name = text(inner.get("claimName"));
                    self.add(&at, "PersistentVolumeClaim", name, &[]);
                }
                "serviceAccountName" | "serviceAccount" => {
                    self.add(&at, "ServiceAccount", text(Some(inner)), &[]);
                }
                _ => self.in_pod(inner, &at),
            }
        }
        for (index, inner) in items(Some(value)).enumerate() {
            self.in_pod(inner, &format!("{path}[{index}]"));
        }
    }

    fn keyed(&mut self, at: &str, kind: &str, reference: &Value) {
        let name = text(reference.get("name").or(reference.get("secretName")));
        let is_optional = reference.get("optional").and_then(Value::as_bool) == Some(true);
        if !is_optional || self.declared.of_kind(kind).any(|other| other == name) {
            let files = items(reference.get("items")).map(|item| text(item.get("key")));
            let keys = files
                .chain([text(reference.get("key"))])
                .filter(|key| !key.is_empty());
            self.add(at, kind, name, &keys.collect::<Vec<_>>());
        }
    }

    /// Adds the Services to which an Ingress (`service`) or a route (`backendRefs`) sends.
    fn of_route(&mut self, value: &Value, path: &str) {
        for (key, inner) in entries(Some(value)).filter(|(key, _)| *key != "metadata") {
            let at = format!("{path}.{key}");
            let at = at.trim_start_matches('.');
            match key {
                "service" => self.add(at, "Service", text(inner.get("name")), &[]),
                "backendRefs" => items(Some(inner)).for_each(|one| {
                    let is_own = one.get("namespace").is_none();
                    let is_service = one.get("kind").is_none_or(|kind| kind == "Service");
                    if is_own && is_service {
                        self.add(at, "Service", text(one.get("name")), &[]);
                    }
                }),
                _ => self.of_route(inner, at),
            }
        }
        for (index, inner) in items(Some(value)).enumerate() {
            self.of_route(inner, &format!("{path}[{index}]"));
        }
    }
}
