//! Resources that changed files no longer contain: `kubectl apply` does not delete them.
//!
//! Invariant: a resource with data is never named, because those are in `keep.yaml`.

use std::collections::BTreeSet;

use serde::Deserialize as _;
use serde_yaml::{Deserializer, Value};

use crate::plan::{Change, Plan};

/// Files that are applied by hand and must not be in a kustomization.
pub(super) const BY_HAND: [&str; 2] = ["keep.yaml", "restore.yaml"];

/// Returns the command that deletes the resources which the files before the changes contain and the
/// plan does not.
pub fn leftovers(changes: &[Change], plan: &Plan) -> Option<String> {
    let manifest =
        |path: &str| path.ends_with(".yaml") && !path.contains('/') && !BY_HAND.contains(&path);
    let before = changes.iter().filter(|change| manifest(&change.path));
    let before = before.filter_map(|change| change.before.as_deref());
    let before: BTreeSet<Resource> = before.flat_map(resources).collect();
    let files = plan.files.iter().filter(|(path, _)| manifest(path));
    let after: BTreeSet<Resource> = files.flat_map(|(_, text)| resources(text)).collect();
    // A renamed deployment is a second one, which keeps the first.
    let namespace = &after.first()?.namespace;
    let is_same = |one: &&Resource| &one.namespace == namespace;
    let kept = |kind: &str| before.intersection(&after).any(|one| one.kind == kind);
    let gone: Vec<String> = before
        .difference(&after)
        .filter(is_same)
        .map(|one| format!("{}/{}", one.kind, one.name))
        .collect();
    let database = changes.iter().any(|change| change.path == "chroma.yaml");
    if gone.is_empty() || (database && !kept("statefulset")) {
        return None;
    }
    let gone = gone.join(" ");
    Some(format!(
        "kubectl delete --ignore-not-found --namespace {namespace} {gone}"
    ))
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Resource {
    namespace: String,
    kind: String,
    name: String,
}

/// Returns the resources of a manifest that have a namespace.
fn resources(text: &str) -> Vec<Resource> {
    let documents = Deserializer::from_str(text).map(Value::deserialize);
    let resource = |document: Value| {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let metadata = document.get("metadata")?;
        Some(Resource {
            namespace: text(metadata.get("namespace")?)?,
            kind: text(document.get("kind")?)?.to_lowercase(),
            name: text(metadata.get("name")?)?,
        })
    };
    documents.flatten().filter_map(resource).collect()
}
