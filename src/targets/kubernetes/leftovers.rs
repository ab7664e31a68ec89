//! Commands for what `kubectl apply` leaves: resources that changed files no longer contain, and
//! resources whose change Kubernetes rejects.
//!
//! Invariant: a claim and a namespace are never named, because those are in `keep.yaml`, and volumes
//! of StatefulSets outlive them.

use std::collections::BTreeSet;

use super::commands::APPLY;
use super::immutable;
use super::manifest::{Resource, resources};
use crate::plan::{Change, Plan};

/// Files that are applied by hand and must not be in a kustomization.
pub(super) const BY_HAND: [&str; 2] = ["keep.yaml", "restore.yaml"];

/// Kinds of the OpenTelemetry Operator and the External Secrets Operator. They own the objects that
/// they create, and these can have the names of objects in the new files.
const OWNERS: [&str; 2] = ["externalsecret", "opentelemetrycollector"];

/// Commands before and after `kubectl apply`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Before all other steps.
    pub(super) before: Vec<String>,
    /// After the new files are applied, so that the collector's successor already runs.
    pub(super) after: Vec<String>,
}

impl Leftovers {
    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// Adds the commands to those that apply the new files. Returns the note for the operator.
    pub(in crate::targets) fn add_to(&self, steps: &mut Vec<String>) -> Option<&'static str> {
        if self.is_empty() {
            return None;
        }
        let applied = steps.iter().position(|step| step == APPLY);
        let after = applied.map_or(steps.len(), |place| place + 1);
        steps.splice(after..after, self.after.iter().cloned());
        let first = steps.iter().position(|step| step.starts_with("kubectl "));
        let before = first.unwrap_or_default();
        steps.splice(before..before, self.before.iter().cloned());
        Some(
            "`kubectl apply` does not delete the resources that the new files no longer contain: run all commands below, in this order",
        )
    }
}

/// Returns the commands that delete the resources which the files before the changes contain and the
/// plan does not, and those whose change is rejected.
pub fn leftovers(changes: &[Change], plan: &Plan) -> Leftovers {
    let manifest =
        |path: &str| path.ends_with(".yaml") && !path.contains('/') && !BY_HAND.contains(&path);
    let before = changes.iter().filter(|change| manifest(&change.path));
    let before = before.filter_map(|change| change.before.as_deref());
    let before: BTreeSet<Resource> = before.flat_map(resources).collect();
    let files = plan.files.iter().filter(|(path, _)| manifest(path));
    let after: BTreeSet<Resource> = files.flat_map(|(_, text)| resources(text)).collect();
    let Some(namespace) = after.iter().find_map(|one| one.namespace.as_deref()) else {
        return Leftovers::default();
    };
    // A renamed deployment is a second one, which keeps the first.
    let kept = |kind: &str| before.intersection(&after).any(|one| one.kind == kind);
    let database = changes.iter().any(|change| change.path == "chroma.yaml");
    if database && !kept("statefulset") {
        return Leftovers::default();
    }
    let is_ours = |one: &&Resource| one.namespace.as_deref().is_none_or(|own| own == namespace);
    let gone = before.difference(&after).filter(is_ours);
    // An operator that takes over also needs the names of what is gone.
    let is_owner = |one: &&Resource| OWNERS.contains(&one.kind.as_str());
    let arrives = after.difference(&before).any(|one| is_owner(&one));
    let (first, then): (Vec<_>, Vec<_>) = gone.partition(|one| arrives || is_owner(one));
    let delete = |how: &str, all: &[&Resource]| {
        let names: Vec<String> = all.iter().map(|one| one.reference()).collect();
        let names = names.join(" ");
        format!("kubectl delete --ignore-not-found{how} --namespace {namespace} {names}")
    };
    let mut leftovers = Leftovers::default();
    if !first.is_empty() {
        // Waits until the objects that they own are deleted as well.
        leftovers
            .before
            .push(delete(" --cascade=foreground", &first));
    }
    if !then.is_empty() {
        leftovers.after.push(delete("", &then));
    }
    leftovers.before.extend(immutable::commands(changes));
    leftovers
}
