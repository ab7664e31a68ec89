//! Decodes each document as its Kubernetes type, encodes it again, and compares.
//!
//! Invariant: decoding drops unknown fields and encoding adds required ones, so a difference in
//! either direction is a mistake.

use k8s_openapi::Resource;
use k8s_openapi::api::{
    apps::v1 as apps, autoscaling::v1 as autoscaling_v1, autoscaling::v2 as autoscaling_v2,
    batch::v1 as batch, core::v1 as core, networking::v1 as networking, policy::v1 as policy,
    rbac::v1 as rbac, scheduling::v1 as scheduling, storage::v1 as storage,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::document::Document;
use crate::problem::{Problem, nearest};

/// Decodes a document as one type and encodes it again.
type RoundTrip = fn(&Value) -> Result<Value, Problem>;

/// The types of Kubernetes: apiVersion, kind, and the function that decodes it.
const TYPES: [(&str, &str, RoundTrip); 27] = [
    of::<apps::DaemonSet>(),
    of::<apps::Deployment>(),
    of::<apps::StatefulSet>(),
    of::<autoscaling_v1::HorizontalPodAutoscaler>(),
    of::<autoscaling_v2::HorizontalPodAutoscaler>(),
    of::<batch::CronJob>(),
    of::<batch::Job>(),
    of::<core::ConfigMap>(),
    of::<core::LimitRange>(),
    of::<core::Namespace>(),
    of::<core::PersistentVolume>(),
    of::<core::PersistentVolumeClaim>(),
    of::<core::Pod>(),
    of::<core::ResourceQuota>(),
    of::<core::Secret>(),
    of::<core::Service>(),
    of::<core::ServiceAccount>(),
    of::<networking::Ingress>(),
    of::<networking::IngressClass>(),
    of::<networking::NetworkPolicy>(),
    of::<policy::PodDisruptionBudget>(),
    of::<rbac::ClusterRole>(),
    of::<rbac::ClusterRoleBinding>(),
    of::<rbac::Role>(),
    of::<rbac::RoleBinding>(),
    of::<scheduling::PriorityClass>(),
    of::<storage::StorageClass>(),
];

const fn of<T: Resource + DeserializeOwned + Serialize>() -> (&'static str, &'static str, RoundTrip)
{
    (T::API_VERSION, T::KIND, round_trip::<T>)
}

fn round_trip<T: DeserializeOwned + Serialize>(tree: &Value) -> Result<Value, Problem> {
    let decoded: T = serde_path_to_error::deserialize(tree.clone()).map_err(|error| {
        let (path, message) = (error.path().to_string(), error.inner().to_string());
        Problem::new(path, format!("cannot decode: {message}"))
    })?;
    let cannot = |error| Problem::new("", format!("cannot encode: {error}"));
    serde_yaml::to_value(decoded).map_err(cannot)
}

/// Returns the problems of a document's fields: names, types, and missing ones. `None` for a kind
/// without a type.
pub(super) fn check(document: &Document) -> Option<Vec<Problem>> {
    let (version, kind) = (document.api_version.as_str(), document.kind.as_str());
    let known = TYPES
        .iter()
        .find(|known| (known.0, known.1) == (version, kind));
    let Some((_, _, read)) = known else {
        return misspelt(version, kind).map(|problem| vec![problem]);
    };
    let problems = decoded(&document.tree, *read).into_iter();
    Some(problems.map(|problem| with_hint(problem, kind)).collect())
}

/// Returns a problem for a kind of Kubernetes in a group or version that does not have it.
fn misspelt(version: &str, kind: &str) -> Option<Problem> {
    let group = |version: &str| version.split('/').next().map(str::to_owned);
    let problem = Problem::new("apiVersion", format!("`{version}` has no kind `{kind}`"));
    if let Some((right, ..)) = TYPES.iter().find(|known| known.1 == kind) {
        // Third-party groups contain a dot, and may have a kind of the same name.
        let is_own = !version.contains('.') || group(version) == group(right);
        return is_own.then(|| problem.hint(format!("use `{right}`")));
    }
    let kinds = TYPES.iter().filter(|known| known.0 == version);
    let kinds: Vec<String> = kinds.map(|known| known.1.to_owned()).collect();
    nearest(kind, &kinds).map(|near| problem.hint(format!("did you mean `{near}`?")))
}

/// Adds the command that shows the known fields.
fn with_hint(problem: Problem, kind: &str) -> Problem {
    let parent = problem.at.rsplit_once('.').map_or("", |(parent, _)| parent);
    let names = parent.split('.').filter_map(|part| part.split('[').next());
    let path = names.filter(|name| !name.is_empty());
    let path = path.fold(kind.to_lowercase(), |path, name| path + "." + name);
    problem.hint(format!("see `kubectl explain {path}`"))
}

fn decoded(tree: &Value, read: RoundTrip) -> Vec<Problem> {
    let tree = quantities_as_text(tree, false);
    match read(&tree) {
        Err(problem) => vec![problem],
        Ok(encoded) => {
            let mut problems = Vec::new();
            difference(&tree, &encoded, "", &mut problems);
            problems
        }
    }
}

/// Fields whose values are quantities.
const AMOUNTS: [&str; 4] = ["requests", "limits", "hard", "capacity"];

/// Converts quantities to text, as the types require; Kubernetes also accepts numbers: `cpu: 2`.
fn quantities_as_text(value: &Value, quantities: bool) -> Value {
    match value {
        Value::Number(number) if quantities => Value::String(number.to_string()),
        Value::Sequence(list) => list
            .iter()
            .map(|one| quantities_as_text(one, false))
            .collect(),
        Value::Mapping(map) => {
            let entries = map.iter().map(|(key, value)| {
                let name = key.as_str().unwrap_or_default();
                let inside = AMOUNTS.contains(&name) || quantities && !value.is_mapping();
                (key.clone(), quantities_as_text(value, inside))
            });
            Value::Mapping(entries.collect())
        }
        other => other.clone(),
    }
}

fn difference(given: &Value, encoded: &Value, at: &str, problems: &mut Vec<Problem>) {
    match (given, encoded) {
        (Value::Mapping(given), Value::Mapping(encoded)) => {
            for (key, value) in given {
                let at = below(at, key);
                match encoded.get(key) {
                    Some(other) => difference(value, other, &at, problems),
                    None if value.is_null() => {}
                    None => problems.push(Problem::new(at, "unknown field")),
                }
            }
            // A document inside another, such as a claim's template, needs no apiVersion and kind.
            let inner = |key: &Value| !at.is_empty() && (key == "apiVersion" || key == "kind");
            let added = encoded
                .keys()
                .filter(|key| !given.contains_key(*key) && !inner(key));
            let problem = |key| Problem::new(below(at, key), "required field is missing");
            problems.extend(added.map(problem));
        }
        (Value::Sequence(given), Value::Sequence(encoded)) if given.len() == encoded.len() => {
            for (index, (given, encoded)) in given.iter().zip(encoded).enumerate() {
                difference(given, encoded, &format!("{at}[{index}]"), problems);
            }
        }
        _ if given == encoded || is_nothing(given) && is_nothing(encoded) => {}
        _ => problems.push(Problem::new(at, "decoded as another value")),
    }
}

/// `null`, an empty list and an empty mapping are equivalent to a missing field.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Sequence(list) => list.is_empty(),
        Value::Mapping(map) => map.values().all(is_nothing),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Returns the path of a key; a key with dots, as in labels and files, is in brackets.
fn below(at: &str, key: &Value) -> String {
    let key = key.as_str().unwrap_or("?");
    match (at, key.contains('.')) {
        ("", _) => key.to_owned(),
        (at, true) => format!("{at}[{key}]"),
        (at, false) => format!("{at}.{key}"),
    }
}
