//! The values that only a Secret has: who makes it, and who reads which key of it.
//!
//! Invariant: here are names; a container gets the keys that are its own and no other.

use anyhow::Result;
use minijinja::{Value, context};

use super::templates;
use crate::plan::{Need, Plan};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Resolved, Spec};
use crate::targets::secrets::{Container, SecretVariable, secrets};

/// Whether the operator makes the Secret; else the External Secrets Operator does, from a store.
pub(super) fn are_in_a_secret(spec: &Spec) -> bool {
    spec.machine.secrets.is_empty()
}

/// Every variable that the Secret has. Without a collector, Chroma sends the headers itself.
pub(super) fn all(spec: &Spec) -> Vec<SecretVariable> {
    let mut secrets = secrets(spec);
    if spec.collector.mode == CollectorMode::None {
        let of_collector = |secret: &&mut SecretVariable| secret.container == Container::Collector;
        for secret in secrets.iter_mut().filter(of_collector) {
            secret.container = Container::Chroma;
        }
    }
    secrets
}

/// The keys that a container reads, as templates place them: `variable`, `optional`.
pub(super) fn of(spec: &Spec, container: Container) -> Vec<Value> {
    let mut keys = all(spec);
    // Out of a store comes what the spec names, and nothing that an operator might add.
    let comes = |key: &SecretVariable| {
        are_in_a_secret(spec) || key.required || spec.machine.secrets.contains_key(&key.variable)
    };
    keys.retain(|key| key.container == container && comes(key));
    let keys = keys.into_iter();
    keys.map(|key| context! { variable => key.variable, optional => !key.required })
        .collect()
}

/// The keys as texts for people place them: `variable`, `what`, `required`.
pub(super) fn told(keys: &[SecretVariable]) -> Vec<Value> {
    let keys = keys.iter();
    keys.map(|key| {
        context! { variable => key.variable.as_str(), what => key.what.as_str(), required => key.required }
    })
    .collect()
}

/// Adds `.env.example` and `.gitignore`, where the operator makes the Secret.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec, base: &Value) -> Result<()> {
    let keys = told(&all(spec));
    if keys.is_empty() || !are_in_a_secret(spec) {
        return Ok(());
    }
    let escaped =
        spec.collector.image.has_entrypoint() || spec.collector.mode == CollectorMode::None;
    let context = context! {
        keys,
        command => command(spec),
        // What passes any value on.
        instead => (!escaped).then_some(if spec.collector.operator { "a collector without `collector.operator`" } else { "`image: wrapped`" }),
        ..base.clone()
    };
    templates::add(plan, &context, &[".env.example", ".gitignore"])
}

/// The values that are still missing.
pub(super) fn needs(resolved: &Resolved) -> Vec<Need> {
    let spec = &resolved.spec;
    if !are_in_a_secret(spec) {
        return crate::targets::secrets::needs(resolved, "the name of a secret in the store");
    }
    let required = all(spec).into_iter().filter(|key| key.required);
    required
        .filter(|key| !resolved.secrets.contains_key(&key.variable))
        .map(|key| Need {
            variable: key.variable,
            what: key.what,
        })
        .collect()
}

/// What comes after `gen` for the Secret: the command that makes it.
pub(super) fn step(resolved: &Resolved) -> Option<String> {
    let spec = &resolved.spec;
    let any = all(spec).iter().any(|key| key.required) || !resolved.secrets.is_empty();
    (any && are_in_a_secret(spec)).then(|| command(spec))
}

/// The command that makes the Secret from `.env`, and again when a value in it has changed. Applied by
/// the server, or the values would stand in an annotation as well.
pub(super) fn command(spec: &Spec) -> String {
    let cluster = &spec.kubernetes;
    format!(
        "kubectl create secret generic {} --namespace {} --from-env-file .env --dry-run=client --output yaml | kubectl apply --server-side --filename -",
        cluster.secret, cluster.namespace
    )
}
