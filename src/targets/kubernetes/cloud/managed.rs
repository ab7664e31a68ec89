//! A cloud's managed Kubernetes as data: EKS, GKE and AKS, one row and one file each.
//!
//! Invariant: no field needs another question about the cloud.

use serde_json::Value as Json;

use crate::problem::Problem;
use crate::spec::kubernetes::Kubernetes;
use crate::spec::{Machine, Spec};
use crate::targets::machine::patterns::SecretName;
use crate::values::CloudName;

/// The properties of a cloud's managed Kubernetes.
pub(in crate::targets::kubernetes) struct ManagedKubernetes {
    /// The CSI driver of the standard block storage.
    pub(in crate::targets::kubernetes) provisioner: ByMode,
    /// The parameters of its storage class.
    pub(in crate::targets::kubernetes) disk_parameters: &'static [(&'static str, &'static str)],
    /// The class of an internal load balancer. `None` for the cluster's default.
    pub(in crate::targets::kubernetes) load_balancer_class: Option<ByMode>,
    /// The annotations of an internal load balancer.
    pub(in crate::targets::kubernetes) load_balancer_annotations:
        &'static [(&'static str, &'static str)],
    /// The addresses of a node's own DNS.
    pub(in crate::targets::kubernetes) dns_address: ByMode,
    /// `cloud.provider` and `cloud.platform`, as the collector's detectors set them.
    pub(in crate::targets::kubernetes) provider: &'static str,
    pub(in crate::targets::kubernetes) platform: &'static str,
    /// Returns `cloud.account.id`.
    pub(in crate::targets::kubernetes) account: fn(&Machine) -> Option<&CloudName>,
    /// Splits the cluster's location into a region and a zone.
    pub(in crate::targets::kubernetes) location: fn(&str) -> (&str, Option<&str>),
    /// The addresses that provide a pod's identity.
    pub(in crate::targets::kubernetes) identity_egress: &'static [(&'static str, u16)],
    /// Those of pods with IPv6 addresses.
    pub(in crate::targets::kubernetes) identity_egress_ipv6: &'static [(&'static str, u16)],
    /// True if a node may give each pod its own SELinux level.
    pub(in crate::targets::kubernetes) isolates_volumes: bool,
    /// True if the limit of ephemeral storage may be lowered to the request (GKE Autopilot).
    pub(in crate::targets::kubernetes) request_is_ephemeral_limit: bool,
    /// The template of the README's section.
    pub(in crate::targets::kubernetes) readme_section: &'static str,
    /// The names of secrets in the store.
    pub(in crate::targets::kubernetes) secret_name: &'static SecretName,
    /// Returns the place of a secret, which all secrets of a store share: region, project, vault.
    pub(in crate::targets::kubernetes) secret_place: fn(&str) -> &str,
    /// Returns the store's key of a secret.
    pub(in crate::targets::kubernetes) secret_key: fn(&str) -> &str,
    /// The annotation by which the cloud identifies a ServiceAccount. `None` if it uses the name.
    pub(in crate::targets::kubernetes) identity_annotation: Option<&'static str>,
    /// The label by which the cloud gives a pod the identity of its account. `None` if it needs
    /// none; the annotation is then only for the account that reads the store.
    pub(in crate::targets::kubernetes) identity_label: Option<(&'static str, &'static str)>,
    /// Returns `spec.provider` of a SecretStore; null values are removed.
    pub(in crate::targets::kubernetes) secret_provider: fn(&Spec, StoreAccess) -> Json,
    /// Returns problems for names that the cloud does not accept.
    pub(in crate::targets::kubernetes) names: fn(&Spec) -> Vec<Problem>,
    /// Returns the problem of a missing or unsupported location for the named backend.
    pub(in crate::targets::kubernetes) missing_for_backend: MissingForBackend,
    /// Returns the problem of an identity without the key that it belongs to.
    pub(in crate::targets::kubernetes) missing_for_identity: fn(&Kubernetes) -> Option<Problem>,
}

/// Returns the problem of a missing value that the named backend requires.
type MissingForBackend = fn(backend: &str, &Kubernetes, &Machine) -> Option<Problem>;

/// A value that differs in EKS Auto Mode.
pub(in crate::targets::kubernetes) struct ByMode {
    pub(super) usual: &'static str,
    pub(super) auto_mode: &'static str,
}

impl ByMode {
    /// A value that does not depend on the mode.
    pub(super) const fn always(value: &'static str) -> Self {
        Self {
            usual: value,
            auto_mode: value,
        }
    }

    /// Returns the value for a cluster.
    pub(in crate::targets::kubernetes) fn of(&self, cluster: &Kubernetes) -> &'static str {
        if cluster.auto_mode {
            self.auto_mode
        } else {
            self.usual
        }
    }
}

/// A node's own DNS has a link-local address (NodeLocal DNSCache 169.254.20.10, kubespray 169.254.25.10,
/// Cloud DNS on GKE 169.254.169.254, LocalDNS on AKS 169.254.10.10).
pub(in crate::targets::kubernetes) const LINK_LOCAL: &str = "169.254.0.0/16";

/// The place of a store, and the account that reads it.
pub(in crate::targets::kubernetes) struct StoreAccess<'a> {
    /// Region, project or vault.
    pub(super) place: &'a str,
    /// A reference to the ServiceAccount, if the deployment has its own.
    pub(super) account: Option<Json>,
}
