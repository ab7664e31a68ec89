//! The values of the Secret: its source, and the keys that each container reads.
//!
//! Invariant: this module contains names only; a container gets its own keys and no others.

use serde::Serialize;

use crate::deployment::Deployment;
use crate::deployment::secrets::{Container, SecretVariable};
use crate::plan::{Need, NeedPlace};
use crate::spec::kubernetes::CollectorMode;

/// Returns true if the operator creates the Secret; otherwise the External Secrets Operator creates
/// it from a store.
pub(super) fn are_in_a_secret(deployment: &Deployment) -> bool {
    deployment.spec.machine.secrets.is_empty()
}

/// Returns every variable in the Secret. Without a collector, Chroma sends the headers itself.
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

/// A key that a container reads.
#[derive(Serialize)]
pub(super) struct SecretKey {
    variable: String,
    /// True if the container starts without it.
    optional: bool,
}

/// A key with its description.
#[derive(Serialize)]
pub(super) struct DescribedKey<'a> {
    variable: &'a str,
    what: &'a str,
    required: bool,
}

/// Returns the keys that a container reads.
pub(super) fn of(deployment: &Deployment, container: Container) -> Vec<SecretKey> {
    let mut keys = all(deployment);
    // A store provides the keys that the spec names, and none that an operator might add.
    let named = &deployment.spec.machine.secrets;
    let comes = |key: &SecretVariable| {
        are_in_a_secret(deployment) || key.required || named.contains_key(&key.variable)
    };
    keys.retain(|key| key.container == container && comes(key));
    let keys = keys.into_iter();
    keys.map(|key| SecretKey {
        variable: key.variable,
        optional: !key.required,
    })
    .collect()
}

/// Returns the keys with their descriptions.
pub(super) fn described(keys: &[SecretVariable]) -> Vec<DescribedKey<'_>> {
    let keys = keys.iter();
    keys.map(|key| DescribedKey {
        variable: &key.variable,
        what: &key.what,
        required: key.required,
    })
    .collect()
}

/// Returns the values that the operator still has to supply.
pub(super) fn needs(deployment: &Deployment) -> Vec<Need> {
    if !are_in_a_secret(deployment) {
        return deployment.missing_secrets("the name of a secret in the store", NeedPlace::Spec);
    }
    let required = all(deployment).into_iter().filter(|key| key.required);
    required
        .filter(|key| !deployment.given.contains_key(&key.variable))
        .map(|key| Need {
            variable: key.variable,
            what: key.what,
            place: NeedPlace::EnvFile,
        })
        .collect()
}

/// Returns the step after `gen` that creates the Secret.
pub(super) fn step(deployment: &Deployment) -> Option<String> {
    let any = all(deployment).iter().any(|key| key.required) || !deployment.given.is_empty();
    (any && are_in_a_secret(deployment)).then(|| command(deployment))
}

/// Returns the command that creates or updates the Secret from `.env`. It applies on the server,
/// because a client-side apply would copy the values to an annotation.
pub(super) fn command(deployment: &Deployment) -> String {
    let cluster = &deployment.spec.kubernetes;
    format!(
        "kubectl create secret generic {} --namespace {} --from-env-file .env --dry-run=client --output yaml | kubectl apply --server-side --filename -",
        cluster.secret, cluster.namespace
    )
}
