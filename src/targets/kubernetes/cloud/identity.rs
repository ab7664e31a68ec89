//! The identity by which pods send to a cloud's backend.

use super::managed::ManagedKubernetes;
use super::rows::managed;
use crate::backend::Backend;
use crate::spec::kubernetes::Kubernetes;
use crate::spec::{Target, Tracing};

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

/// Returns the annotation by which the cloud identifies an account, if the spec names an identity.
pub(in crate::targets::kubernetes) fn identity_annotation(
    target: Target,
    cluster: &Kubernetes,
) -> Option<(String, String)> {
    let name = managed(target)?.identity_annotation?;
    let identity = cluster.identity.as_ref()?;
    Some((name.to_owned(), identity.as_str().to_owned()))
}
