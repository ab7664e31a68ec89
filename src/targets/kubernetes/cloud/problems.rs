//! Problems of a valid spec that a cloud's cluster cannot deploy.
//!
//! Invariant: manifests cannot ask for values when they are deployed, so every value that they
//! require is reported here as missing, by its key.

use super::managed::ManagedKubernetes;
use super::rows::managed;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::targets::kubernetes::secret_keys;
use crate::targets::machine::patterns;

/// Returns the problems that are specific to a cloud's cluster.
pub(in crate::targets::kubernetes) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = managed(deployment.spec.target)
        .map_or(Vec::new(), |managed| (managed.names)(&deployment.spec));
    problems.extend(missing(deployment));
    problems.extend(secrets(deployment));
    problems
}

/// Returns problems for missing values that something else in the spec needs.
fn missing(deployment: &Deployment) -> Vec<Problem> {
    let (at, machine) = (&deployment.spec.kubernetes, &deployment.spec.machine);
    let (cloud, managed) = (
        deployment.spec.target.cloud(),
        managed(deployment.spec.target),
    );
    let mut problems = Vec::new();
    let mut backends = deployment.spec.tracing.backends();
    let backend = backends.find(|one| one.cloud() == cloud);
    problems.extend(
        managed
            .zip(backend)
            .and_then(|(managed, one)| (managed.missing_for_backend)(&one.name, at, machine)),
    );
    let mut missing = |key: &str, message: &str, hint: &str| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    let range = machine.allowed_ranges().next().is_some();
    if cloud.is_some() && at.internal_load_balancer && !range {
        missing(
            "machine.allow_from",
            "required, because `kubernetes.internal_load_balancer` allows only these clients",
            "use an address range such as `10.0.0.0/16`; Chroma itself has no authentication",
        );
    }
    let from_store = !machine.secrets.is_empty();
    if from_store && at.secret_store.is_none() && cloud.is_none() {
        missing(
            "kubernetes.secret_store",
            "required, because `machine.secrets` names secrets in a store",
            "use the name of a ClusterSecretStore, or `SecretStore/NAME`",
        );
    }
    let managed = managed.filter(|_| from_store);
    problems.extend(managed.and_then(|managed| (managed.missing_for_identity)(at)));
    problems
}

/// Returns the problems of `machine.secrets`: all keys must come from a store, or none. In a store
/// that the spec names, a secret may have any name.
fn secrets(deployment: &Deployment) -> Vec<Problem> {
    let named = &deployment.spec.machine.secrets;
    if named.is_empty() {
        return Vec::new();
    }
    let all = secret_keys::all(deployment);
    let known: Vec<String> = all.iter().map(|one| one.variable.clone()).collect();
    let own = managed(deployment.spec.target);
    let own = own.filter(|_| deployment.spec.kubernetes.secret_store.is_none());
    let mut problems =
        patterns::secrets(deployment, &known, own.map(|managed| managed.secret_name));
    if problems.is_empty() {
        problems.extend(own.and_then(|managed| scattered(deployment, managed)));
        let forgotten = all
            .iter()
            .filter(|key| key.required && !named.contains_key(&key.variable));
        problems.extend(forgotten.map(|key| {
            let message = format!("required: {}; the other keys come from a store", key.what);
            let hint = "name all keys in `machine.secrets`, or none to read them from `.env`";
            Problem::new(format!("machine.secrets.{}", key.variable), message).hint(hint)
        }));
    }
    problems
}

/// Returns a problem if the secrets are in different places; a store has one place.
fn scattered(deployment: &Deployment, managed: &ManagedKubernetes) -> Option<Problem> {
    let mut named = deployment.spec.machine.secrets.iter();
    let first = (managed.secret_place)(named.next()?.1.as_str());
    let (variable, other) =
        named.find(|(_, name)| (managed.secret_place)(name.as_str()) != first)?;
    let other = (managed.secret_place)(other.as_str());
    let message = format!("the secret is in `{other}`, but the first one is in `{first}`");
    let key = format!("machine.secrets.{variable}");
    Some(Problem::new(key, message).hint("store all secrets in one region, project or vault"))
}
