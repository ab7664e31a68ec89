//! Selection of the row of managed Kubernetes.
//!
//! Invariant: this function alone chooses a row.

use super::managed::ManagedKubernetes;
use super::{aks, eks, gke};
use crate::spec::target::{ClusterService, Target};

/// Returns the target's row. `None` for a cluster outside a cloud.
pub(in crate::targets::kubernetes) fn managed(
    target: Target,
) -> Option<&'static ManagedKubernetes> {
    let Target::Kubernetes(Some(service)) = target else {
        return None;
    };
    Some(match service {
        ClusterService::Eks => &eks::EKS,
        ClusterService::Gke => &gke::GKE,
        ClusterService::Aks => &aks::AKS,
    })
}
