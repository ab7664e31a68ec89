//! The rows of managed Kubernetes, by cloud.
//!
//! Invariant: these two functions alone choose a row.

use super::managed::ManagedKubernetes;
use super::{aks, eks, gke};
use crate::spec::Spec;
use crate::values::Cloud;

/// Returns the row of a cloud.
pub(in crate::targets::kubernetes) fn of(cloud: Cloud) -> &'static ManagedKubernetes {
    match cloud {
        Cloud::Aws => &eks::EKS,
        Cloud::Gcp => &gke::GKE,
        Cloud::Azure => &aks::AKS,
    }
}

/// Returns the row of the target's cloud.
pub(in crate::targets::kubernetes) fn managed(spec: &Spec) -> Option<&'static ManagedKubernetes> {
    spec.target.cloud().map(of)
}
