//! The identity by which pods send to a cloud's backend and store.

use super::managed::ManagedKubernetes;
use super::rows::managed;
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::spec::{Target, Tracing};
use crate::values::CloudName;

/// The longest name of a role in AWS.
const LONGEST_ROLE: usize = 64;

/// Returns the row of the cloud whose identity the collector needs.
pub(super) fn of_identity(target: Target, tracing: &Tracing) -> Option<&'static ManagedKubernetes> {
    let mut clouds = tracing.backends().map(Backend::cloud);
    managed(target).filter(|_| clouds.any(|cloud| cloud == target.cloud()))
}

/// Returns the label of pods that send to the backend by an identity that the spec names.
pub(in crate::targets::kubernetes) fn identity_label(
    target: Target,
    tracing: &Tracing,
) -> Option<(&'static str, &'static str)> {
    of_identity(target, tracing)?.identity_label
}

/// Returns the label of any pod that needs the identity of its account.
pub(in crate::targets::kubernetes) fn pod_identity(
    deployment: &Deployment,
) -> Option<(&'static str, &'static str)> {
    managed(deployment.spec.target)?.identity_label
}

/// Returns the annotation by which the cloud identifies an account, if the spec names an identity.
pub(in crate::targets::kubernetes) fn identity_annotation(
    target: Target,
    identity: Option<&CloudName>,
) -> Option<(String, String)> {
    let name = managed(target)?.identity_annotation?;
    Some((name.to_owned(), identity?.as_str().to_owned()))
}

/// Returns the name of a role in AWS, which all clusters of an account share.
pub(super) fn role(deployment: &Deployment, what: &str) -> String {
    let at = &deployment.spec.kubernetes;
    let mut parts = vec![deployment.spec.name.to_string()];
    parts.extend(Some(at.namespace.to_string()).filter(|namespace| *namespace != parts[0]));
    parts.extend(
        at.cluster
            .as_ref()
            .map(|cluster| cluster.as_str().to_owned()),
    );
    parts.push(what.to_owned());
    let name = parts.join("-");
    if name.len() <= LONGEST_ROLE {
        name
    } else {
        format!(
            "{}-{}",
            &name[..LONGEST_ROLE - 9],
            &hash(name.as_bytes())[..8]
        )
    }
}
