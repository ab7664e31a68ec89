//! Features of EKS, GKE and AKS: disks, load balancers, identities instead of keys, secret stores.
//!
//! Invariant: a cluster outside a cloud gets none of these, and no manifest's template depends on
//! the cloud.

mod aks;
mod backup_store;
mod eks;
mod gke;
mod identity;
mod managed;
mod problems;
mod readme;
mod registry;
mod rows;
mod store;

use std::collections::BTreeMap;

use serde::Serialize;

use self::readme::CloudSection;
use crate::collector::surroundings::PlaceAttribute;
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::spec::backup::Backup;
use crate::spec::kubernetes::Kubernetes;
use crate::spec::{Machine, Spec, Target};
use crate::values::Cloud;

use self::managed::ManagedKubernetes;
pub(super) use identity::{identity_annotation, identity_label, pod_identity};
pub(super) use managed::LINK_LOCAL;
pub(super) use problems::problems;
pub(super) use rows::managed;
pub(super) use store::SecretStore;

/// Template input for the cloud.
#[derive(Serialize)]
pub(super) struct CloudTemplate {
    /// The storage classes to create.
    storage_classes: Vec<StorageClass>,
    /// Variables of the collector that contain the place, for the backend.
    environment: BTreeMap<&'static str, String>,
    /// Attributes of every span for the location of the cluster.
    pub(super) resource: Vec<PlaceAttribute>,
    /// Addresses that provide the collector's identity if a backend needs one.
    identity_egress: Vec<Egress>,
    /// The template of the README's section.
    section: Option<&'static str>,
    recipe: CloudSection,
}

/// An address that pods may connect to.
#[derive(Serialize)]
pub(super) struct Egress {
    cidr: &'static str,
    port: u16,
}

impl CloudTemplate {
    /// Computes the input for a deployment.
    pub(super) fn new(deployment: &Deployment) -> Self {
        let Spec {
            target,
            machine,
            kubernetes,
            tracing,
            ..
        } = &deployment.spec;
        let attributes = resource(*target, machine, kubernetes).into_iter();
        Self {
            storage_classes: storage_classes(&deployment.spec),
            environment: environment(*target, deployment.spec.place()),
            resource: attributes
                .map(|(name, value)| PlaceAttribute {
                    name,
                    value: value.to_owned(),
                })
                .collect(),
            identity_egress: identity::of_identity(*target, tracing)
                .map_or_else(Vec::new, |managed| egress(managed, kubernetes)),
            section: managed(*target).map(|managed| managed.readme_section),
            recipe: CloudSection::new(deployment),
        }
    }
}

/// A storage class.
#[derive(Serialize)]
struct StorageClass {
    name: String,
    /// Its purpose, for a comment.
    what: &'static str,
    provisioner: &'static str,
    parameters: BTreeMap<&'static str, &'static str>,
    /// Reclaim policy: treatment of a disk whose claim is deleted.
    reclaim: &'static str,
}

/// Suffix of the storage class for volumes that are kept.
const DATA: &str = "data";

/// Suffix of the storage class for volumes that are deleted with their pod.
const SCRATCH: &str = "scratch";

/// Returns the storage classes to create unless the spec names one: one for volumes that are kept
/// and, if backups are sent to a bucket, one for scratch volumes, which would otherwise each leave
/// a disk.
fn storage_classes(spec: &Spec) -> Vec<StorageClass> {
    let (name, cluster) = (&spec.name, &spec.kubernetes);
    let given = cluster.storage_class.is_some();
    let Some(managed) = managed(spec.target).filter(|_| !given) else {
        return Vec::new();
    };
    let packed = spec
        .backup
        .as_ref()
        .is_some_and(|backup| backup.place.bucket().is_some());
    let made = |suffix: &str, reclaim, what| StorageClass {
        name: format!("{name}-{suffix}"),
        what,
        provisioner: managed.provisioner.of(cluster),
        parameters: managed.disk_parameters.iter().copied().collect(),
        reclaim,
    };
    let kept = "A volume's disk is kept when its claim is deleted. A class cannot be changed.";
    let scratch = "For packing a backup before it is sent: the disk is deleted with the pod.";
    let mut classes = vec![made(DATA, "Retain", kept)];
    if packed {
        classes.push(made(SCRATCH, "Delete", scratch));
    }
    classes
}

/// Returns the storage class of volumes that are kept: the spec's, or in a cloud the rendered one.
/// `None` for the cluster's default.
pub(super) fn storage_class(deployment: &Deployment) -> Option<String> {
    named_or(deployment, DATA)
}

/// Returns the storage class of volumes that are deleted with their pod. `None` for the cluster's
/// default.
pub(super) fn scratch_class(deployment: &Deployment) -> Option<String> {
    named_or(deployment, SCRATCH)
}

/// Returns the SELinux level of all pods that use Chroma's volume if there are several, for nodes that give each pod its
/// own: Bottlerocket, and EKS Auto Mode, which runs on it. There, a second pod cannot read the
/// files, or takes them from the first (bottlerocket-os/bottlerocket issue #2417). Nodes without
/// SELinux ignore it.
pub(super) fn selinux_level(deployment: &Deployment) -> Option<String> {
    let Spec {
        kubernetes,
        name,
        backup,
        ..
    } = &deployment.spec;
    let isolates = managed(deployment.spec.target).is_some_and(|managed| managed.isolates_volumes);
    let mounts = |backup: &Backup| backup.place.snapshot_class().is_none();
    let shared = backup.as_ref().is_some_and(mounts) && isolates;
    let category = |digits: &str| u16::from_str_radix(digits, 16).unwrap_or_default() % 512;
    shared.then(|| {
        let of = hash(format!("{}/{name}", kubernetes.namespace).as_bytes());
        format!("s0:c{},c{}", category(&of[..3]), 512 + category(&of[3..6]))
    })
}

/// Returns the ports of the API server: those of kubeadm and k3s, and outside of a cloud also those of
/// minikube and `MicroK8s`.
pub(super) fn api_ports(deployment: &Deployment) -> &'static [u16] {
    if deployment.spec.target.cloud().is_some() {
        &[443, 6443]
    } else {
        &[443, 6443, 8443, 16443]
    }
}

fn named_or(deployment: &Deployment, suffix: &str) -> Option<String> {
    let given = deployment.spec.kubernetes.storage_class.as_ref();
    let made = managed(deployment.spec.target);
    given
        .map(ToString::to_string)
        .or_else(|| made.map(|_| format!("{}-{suffix}", deployment.spec.name)))
}

/// Returns the variables of the collector that contain the place, for the backend.
pub(super) fn environment(target: Target, place: Option<&str>) -> BTreeMap<&'static str, String> {
    let named = target.cloud().and_then(Cloud::place).zip(place);
    let pair = named.map(|(variable, place)| (variable.variable, place.to_owned()));
    pair.into_iter().collect()
}

/// Returns the location of the cluster, as attributes of OpenTelemetry's semantic conventions 1.40
/// and of the collector's detectors. Detectors are not used, because they need the node's identity
/// or the API.
fn resource<'a>(
    target: Target,
    machine: &'a Machine,
    at: &'a Kubernetes,
) -> BTreeMap<&'static str, &'a str> {
    let Some(managed) = managed(target) else {
        return BTreeMap::new();
    };
    let location = at
        .region
        .as_ref()
        .map(|region| (managed.location)(region.as_str()));
    let (region, zone) = location.map_or((None, None), |(region, zone)| (Some(region), zone));
    let named = [
        (
            "cloud.account.id",
            (managed.account)(machine).map(|name| name.as_str()),
        ),
        ("cloud.availability_zone", zone),
        ("cloud.region", region),
        (
            "k8s.cluster.name",
            at.cluster.as_ref().map(|name| name.as_str()),
        ),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let fixed = [
        ("cloud.provider", managed.provider),
        ("cloud.platform", managed.platform),
    ];
    fixed.into_iter().chain(named).collect()
}

/// Returns the addresses that provide the identity of any pod.
pub(super) fn token_egress(deployment: &Deployment) -> Vec<Egress> {
    managed(deployment.spec.target).map_or_else(Vec::new, |managed| {
        egress(managed, &deployment.spec.kubernetes)
    })
}

fn egress(managed: &ManagedKubernetes, cluster: &Kubernetes) -> Vec<Egress> {
    let ipv6 = managed.identity_egress_ipv6.iter();
    let ipv6 = ipv6.filter(|_| cluster.ipv6);
    let addresses = managed.identity_egress.iter().chain(ipv6);
    addresses
        .map(|&(cidr, port)| Egress { cidr, port })
        .collect()
}

#[cfg(test)]
mod tests;
