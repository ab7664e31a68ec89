//! The values that only a Secret has: who makes it, and who reads which key of it.
//!
//! Invariant: here are names; a container gets the keys that are its own and no other.

use anyhow::Result;
use minijinja::{Value, context};

use super::templates;
use crate::deployment::Deployment;
use crate::deployment::secrets::{Container, SecretVariable};
use crate::plan::{Need, Plan};
use crate::spec::kubernetes::CollectorMode;

/// Whether the operator makes the Secret; else the External Secrets Operator does, from a store.
pub(super) fn are_in_a_secret(deployment: &Deployment) -> bool {
    deployment.spec.machine.secrets.is_empty()
}

/// Every variable that the Secret has. Without a collector, Chroma sends the headers itself.
pub(super) fn all(deployment: &Deployment) -> Vec<SecretVariable> {
    let mut secrets = deployment.secrets.clone();
    if deployment.spec.collector.mode == CollectorMode::None {
        let of_collector = |secret: &&mut SecretVariable| secret.container == Container::Collector;
        for secret in secrets.iter_mut().filter(of_collector) {
            secret.container = Container::Chroma;
        }
    }
    secrets
}

/// The keys that a container reads, as templates place them: `variable`, `optional`.
pub(super) fn of(deployment: &Deployment, container: Container) -> Vec<Value> {
    let mut keys = all(deployment);
    // Out of a store comes what the spec names, and nothing that an operator might add.
    let comes = |key: &SecretVariable| {
        are_in_a_secret(deployment)
            || key.required
            || deployment.spec.machine.secrets.contains_key(&key.variable)
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
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &Value) -> Result<()> {
    let keys = told(&all(deployment));
    if keys.is_empty() || !are_in_a_secret(deployment) {
        return Ok(());
    }
    let escaped = deployment.spec.collector.image.has_entrypoint()
        || deployment.spec.collector.mode == CollectorMode::None;
    let context = context! {
        keys,
        command => command(deployment),
        // What passes any value on.
        instead => (!escaped).then_some(if deployment.spec.collector.operator { "a collector without `collector.operator`" } else { "`image: wrapped`" }),
        ..base.clone()
    };
    templates::add(plan, &context, &[".env.example", ".gitignore"])
}

/// The values that are still missing.
pub(super) fn needs(deployment: &Deployment) -> Vec<Need> {
    if !are_in_a_secret(deployment) {
        return deployment.missing_secrets("the name of a secret in the store");
    }
    let required = all(deployment).into_iter().filter(|key| key.required);
    required
        .filter(|key| !deployment.given.contains_key(&key.variable))
        .map(|key| Need {
            variable: key.variable,
            what: key.what,
        })
        .collect()
}

/// What comes after `gen` for the Secret: the command that makes it.
pub(super) fn step(deployment: &Deployment) -> Option<String> {
    let any = all(deployment).iter().any(|key| key.required) || !deployment.given.is_empty();
    (any && are_in_a_secret(deployment)).then(|| command(deployment))
}

/// The command that makes the Secret from `.env`, and again when a value in it has changed. Applied by
/// the server, or the values would stand in an annotation as well.
pub(super) fn command(deployment: &Deployment) -> String {
    let cluster = &deployment.spec.kubernetes;
    format!(
        "kubectl create secret generic {} --namespace {} --from-env-file .env --dry-run=client --output yaml | kubectl apply --server-side --filename -",
        cluster.secret, cluster.namespace
    )
}
