//! The identity by which pods send to a cloud's backend.

use super::managed::ManagedKubernetes;
use super::rows::managed;
use crate::backend::Backend;
use crate::spec::Spec;

/// Returns the row of the cloud whose identity the collector needs.
pub(super) fn of_identity(spec: &Spec) -> Option<&'static ManagedKubernetes> {
    let mut clouds = spec.tracing.backends().map(Backend::cloud);
    managed(spec.target).filter(|_| clouds.any(|cloud| cloud == spec.target.cloud()))
}

/// Returns the label of pods that send to the backend by an identity that the spec names.
pub(in crate::targets::kubernetes) fn identity_label(
    spec: &Spec,
) -> Option<(&'static str, &'static str)> {
    of_identity(spec)?.identity_label
}

/// Returns the annotation by which the cloud identifies an account, if the spec names an identity.
pub(in crate::targets::kubernetes) fn identity_annotation(spec: &Spec) -> Option<(String, String)> {
    let name = managed(spec.target)?.identity_annotation?;
    let identity = spec.kubernetes.identity.as_ref()?;
    Some((name.to_owned(), identity.as_str().to_owned()))
}
