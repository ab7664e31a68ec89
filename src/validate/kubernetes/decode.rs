//! Every document read as its Kubernetes type, written again, and compared.
//!
//! Invariant: what the type does not know is dropped on the way, and what it must have is added; so
//! both directions of the difference are mistakes, each with its path.

mod others;

use std::fmt;

use k8s_openapi::Resource;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, Pod, ResourceQuota, Secret, Service,
    ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, IngressClass, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::Document;
use crate::validate::{Finding, entries};
use others::OTHERS;

/// Reads a document as one type and writes it again; else where it is something else, and what.
type RoundTrip = fn(&Value) -> Result<Value, Finding>;

/// What Kubernetes itself knows: apiVersion, kind, and how to read it.
const TYPES: [(&str, &str, RoundTrip); 25] = [
    of::<ClusterRole>(),
    of::<ClusterRoleBinding>(),
    of::<ConfigMap>(),
    of::<CronJob>(),
    of::<DaemonSet>(),
    of::<Deployment>(),
    of::<HorizontalPodAutoscaler>(),
    of::<Ingress>(),
    of::<IngressClass>(),
    of::<Job>(),
    of::<LimitRange>(),
    of::<Namespace>(),
    of::<NetworkPolicy>(),
    of::<PersistentVolumeClaim>(),
    of::<Pod>(),
    of::<PodDisruptionBudget>(),
    of::<PriorityClass>(),
    of::<ResourceQuota>(),
    of::<Role>(),
    of::<RoleBinding>(),
    of::<Secret>(),
    of::<Service>(),
    of::<ServiceAccount>(),
    of::<StatefulSet>(),
    of::<StorageClass>(),
];

const fn of<T: Resource + DeserializeOwned + Serialize>() -> (&'static str, &'static str, RoundTrip)
{
    (T::API_VERSION, T::KIND, round_trip::<T>)
}

fn round_trip<T: DeserializeOwned + Serialize>(tree: &Value) -> Result<Value, Finding> {
    let read: T = serde_path_to_error::deserialize(tree.clone()).map_err(|error| {
        (
            error.path().to_string(),
            format!("cannot be read: {}", error.inner()),
        )
    })?;
    serde_yaml::to_value(read)
        .map_err(|error| (String::new(), format!("cannot be written: {error}")))
}

/// What is wrong with the fields of a document: their names, their types, and what is missing.
pub(super) fn check(document: &Document) -> Vec<Finding> {
    let (version, kind) = (document.api_version.as_str(), document.kind.as_str());
    let mut versions = Vec::new();
    for (known, _, read) in TYPES.iter().filter(|known| known.1 == kind) {
        if *known == version {
            return typed(&document.tree, *read);
        }
        versions.push(*known);
    }
    for (known, _, fields) in OTHERS.iter().filter(|known| known.1 == kind) {
        if *known == version {
            return untyped(&document.tree, fields);
        }
        versions.push(*known);
    }
    let message = match versions.first() {
        Some(right) => format!("`{version}` has no {kind}: it is in `{right}`"),
        None => format!("`{kind}` of `{version}` is unknown here"),
    };
    vec![("apiVersion".to_owned(), message)]
}

fn typed(tree: &Value, read: RoundTrip) -> Vec<Finding> {
    let tree = quantities_as_text(tree, false);
    match read(&tree) {
        Err(finding) => vec![finding],
        Ok(written) => {
            let mut findings = Vec::new();
            difference(&tree, &written, "", &mut findings);
            findings
        }
    }
}

fn untyped(tree: &Value, fields: &[&str]) -> Vec<Finding> {
    let unknown = |known: &[&str], at: &str, value: Option<&Value>| {
        let names = entries(value).map(|(name, _)| name);
        let unknown = names.filter(|name| !known.contains(name));
        unknown
            .map(|name| (format!("{at}{name}"), NO_FIELD.to_owned()))
            .collect::<Vec<_>>()
    };
    let mut findings = unknown(&["apiVersion", "kind", "metadata", "spec"], "", Some(tree));
    findings.extend(unknown(fields, "spec.", tree.get("spec")));
    if tree.get("spec").is_none() {
        findings.push(("spec".to_owned(), MISSING.to_owned()));
    }
    findings
}

const NO_FIELD: &str = "there is no such field";
const MISSING: &str = "is missing";

/// Quantities are texts to the types, and numbers as well to Kubernetes: `cpu: 2`.
pub(super) fn quantities_as_text(value: &Value, quantities: bool) -> Value {
    match value {
        Value::Number(number) if quantities => Value::String(number.to_string()),
        Value::Sequence(list) => list
            .iter()
            .map(|one| quantities_as_text(one, false))
            .collect(),
        Value::Mapping(map) => {
            let entries = map.iter().map(|(key, value)| {
                let named = key
                    .as_str()
                    .is_some_and(|key| ["requests", "limits", "hard"].contains(&key));
                (
                    key.clone(),
                    quantities_as_text(value, named || (quantities && !value.is_mapping())),
                )
            });
            Value::Mapping(entries.collect())
        }
        other => other.clone(),
    }
}

/// `null` and an empty list or mapping say what saying nothing says.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Sequence(list) => list.is_empty(),
        Value::Mapping(map) => map.values().all(is_nothing),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn difference(given: &Value, written: &Value, at: &str, findings: &mut Vec<Finding>) {
    match (given, written) {
        (Value::Mapping(given), Value::Mapping(written)) => {
            for (key, value) in given {
                let at = Place { at, key };
                match written.get(key) {
                    Some(other) => difference(value, other, &at.to_string(), findings),
                    None if value.is_null() => {}
                    None => findings.push((at.to_string(), NO_FIELD.to_owned())),
                }
            }
            // A document inside of another, a claim's template, does without what it is.
            let inner = |key: &Value| {
                !at.is_empty() && ["apiVersion", "kind"].iter().any(|name| key == name)
            };
            let added = written
                .iter()
                .filter(|(key, _)| !given.contains_key(key) && !inner(key));
            findings
                .extend(added.map(|(key, _)| (Place { at, key }.to_string(), MISSING.to_owned())));
        }
        (Value::Sequence(given), Value::Sequence(written)) if given.len() == written.len() => {
            for (index, (given, written)) in given.iter().zip(written).enumerate() {
                difference(given, written, &format!("{at}[{index}]"), findings);
            }
        }
        _ if given == written || is_nothing(given) && is_nothing(written) => {}
        _ => findings.push((
            at.to_owned(),
            "is read as something else than what is written".to_owned(),
        )),
    }
}

/// A key below a path.
struct Place<'a> {
    at: &'a str,
    key: &'a Value,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_str().unwrap_or("?");
        // A name with dots in it, as labels and files have, is one key.
        match (self.at, key.contains('.')) {
            ("", _) => out.write_str(key),
            (at, true) => write!(out, "{at}[{key}]"),
            (at, false) => write!(out, "{at}.{key}"),
        }
    }
}
