//! What is EKS's, GKE's and AKS's own: disks, load balancers, identities instead of keys, secret stores.
//!
//! Invariant: a cluster of one's own gets nothing of it, and no manifest's template asks which cloud it
//! is for.

mod problems;
mod readme;
mod registry;
mod store;

use std::collections::BTreeMap;

use serde::Serialize;

use self::readme::CloudSection;
use crate::backend::Backend;
use crate::collector::surroundings::PlaceAttribute;
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::spec::kubernetes::{BackupPlace, Kubernetes};
use crate::spec::{Spec, Target, Tracing};
use crate::values::Cloud;

pub(super) use problems::problems;
pub(super) use store::SecretStore;

/// What every template reads of the cloud.
#[derive(Serialize)]
pub(super) struct CloudTemplate {
    /// The storage classes to make.
    storage_classes: Vec<StorageClass>,
    /// Variables of the collector that name the place, for the backend.
    environment: BTreeMap<&'static str, String>,
    /// Attributes of every span that say where the cluster is.
    pub(super) resource: Vec<PlaceAttribute>,
    /// Who hands out the collector's identity, where a backend wants one.
    identity_egress: Vec<Egress>,
    /// The template of the README's section.
    section: Option<&'static str>,
    recipe: CloudSection,
}

/// An address that pods may connect to.
#[derive(Serialize)]
struct Egress {
    cidr: &'static str,
    port: u16,
}

impl CloudTemplate {
    /// Of a deployment.
    pub(super) fn new(deployment: &Deployment) -> Self {
        let attributes = resource(&deployment.spec).into_iter();
        let egress = identity_egress(&deployment.spec.tracing).iter();
        Self {
            storage_classes: storage_classes(&deployment.spec),
            environment: environment(&deployment.spec),
            resource: attributes
                .map(|(name, value)| PlaceAttribute {
                    name,
                    value: value.to_owned(),
                })
                .collect(),
            identity_egress: egress.map(|&(cidr, port)| Egress { cidr, port }).collect(),
            section: readme::section(deployment.spec.target.cloud()),
            recipe: CloudSection::new(deployment),
        }
    }
}

/// A storage class.
#[derive(Serialize)]
struct StorageClass {
    name: String,
    /// What it is for, for a comment.
    what: &'static str,
    provisioner: &'static str,
    parameters: BTreeMap<&'static str, &'static str>,
    /// What becomes of a disk whose claim is deleted.
    reclaim: &'static str,
}

/// What ends the name of the storage class of volumes that are kept.
const DATA: &str = "data";

/// What ends the name of that of volumes that go with their pod.
const SCRATCH: &str = "scratch";

/// A kind of disk.
struct Class {
    provisioner: &'static str,
    parameters: &'static [(&'static str, &'static str)],
}

/// The cloud's block storage of the usual kind, as its CSI driver names it.
fn class(target: Target, cluster: &Kubernetes) -> Option<Class> {
    let (provisioner, parameters): (_, &[(&str, &str)]) = match target.cloud()? {
        Cloud::Aws => (
            if cluster.auto_mode {
                "ebs.csi.eks.amazonaws.com"
            } else {
                "ebs.csi.aws.com"
            },
            &[("encrypted", "true"), ("type", "gp3")],
        ),
        Cloud::Gcp => ("pd.csi.storage.gke.io", &[("type", "pd-balanced")]),
        Cloud::Azure => ("disk.csi.azure.com", &[("skuName", "Premium_LRS")]),
    };
    Some(Class {
        provisioner,
        parameters,
    })
}

/// The storage classes to make, where the spec names none: one for what is kept, and where backups go to a
/// bucket one for what they are packed on, which would else leave a disk behind each time.
fn storage_classes(spec: &Spec) -> Vec<StorageClass> {
    let Spec {
        kubernetes: cluster,
        target,
        name,
        ..
    } = spec;
    let given = cluster.storage_class.is_some();
    let Some(class) = class(*target, cluster).filter(|_| !given) else {
        return Vec::new();
    };
    let backup = cluster.backup.as_ref();
    let packed = backup.is_some_and(|backup| matches!(backup.place, BackupPlace::Bucket { .. }));
    let made = |suffix: &str, reclaim, what| StorageClass {
        name: format!("{name}-{suffix}"),
        what,
        provisioner: class.provisioner,
        parameters: class.parameters.iter().copied().collect(),
        reclaim,
    };
    let kept = "A volume's disk stays when its claim is deleted. Classes cannot be changed.";
    let scratch = "Where a backup is packed before it is sent: the disk goes with the pod.";
    let mut classes = vec![made(DATA, "Retain", kept)];
    if packed {
        classes.push(made(SCRATCH, "Delete", scratch));
    }
    classes
}

/// The storage class of volumes that are kept: the spec's, else on a cloud the one that is rendered.
/// Absent: the cluster's default.
pub(super) fn storage_class(deployment: &Deployment) -> Option<String> {
    named_or(deployment, DATA)
}

/// The storage class of volumes that go with their pod, likewise.
pub(super) fn scratch_class(deployment: &Deployment) -> Option<String> {
    named_or(deployment, SCRATCH)
}

/// The SELinux level of all pods on Chroma's volume, where a node gives every pod its own: Bottlerocket,
/// and EKS Auto Mode, which runs on it. There a pod that comes second is refused the files, or takes them
/// from the first (bottlerocket-os/bottlerocket issue #2417). Nodes without SELinux do not look at it.
pub(super) fn selinux_level(deployment: &Deployment) -> Option<String> {
    let shared = deployment.spec.kubernetes.backup.is_some()
        && deployment.spec.target.cloud() == Some(Cloud::Aws);
    let of = hash(
        format!(
            "{}/{}",
            deployment.spec.kubernetes.namespace, deployment.spec.name
        )
        .as_bytes(),
    );
    let category = |digits| u16::from_str_radix(digits, 16).unwrap_or_default() % 512;
    shared.then(|| format!("s0:c{},c{}", category(&of[..3]), 512 + category(&of[3..6])))
}

fn named_or(deployment: &Deployment, suffix: &str) -> Option<String> {
    let given = deployment.spec.kubernetes.storage_class.as_ref();
    let made = deployment.spec.target.cloud();
    given
        .map(ToString::to_string)
        .or_else(|| made.map(|_| format!("{}-{suffix}", deployment.spec.name)))
}

/// Variables of the collector that name the place, for the backend.
pub(super) fn environment(spec: &Spec) -> BTreeMap<&'static str, String> {
    let named = spec.target.cloud().and_then(Cloud::place).zip(spec.place());
    let pair = named.map(|(variable, place)| (variable.variable, place.to_owned()));
    pair.into_iter().collect()
}

/// Where the cluster is, in the names of OpenTelemetry's semantic conventions 1.40, as the collector's
/// detectors have them. No detector is asked: it would want the node's identity, or the API.
fn resource(spec: &Spec) -> BTreeMap<&'static str, &str> {
    let at = &spec.kubernetes;
    let Some(cloud) = spec.target.cloud() else {
        return BTreeMap::new();
    };
    let (provider, platform, account) = match cloud {
        Cloud::Aws => ("aws", "aws_eks", &None),
        Cloud::Gcp => ("gcp", "gcp_kubernetes_engine", &spec.machine.project),
        Cloud::Azure => ("azure", "azure.aks", &spec.machine.subscription),
    };
    let location = at.region.as_ref().map(|region| region.as_str());
    let (region, zone) = match location.map(|location| (location, location.rsplit_once('-'))) {
        // A zone of Google's is its region's name, and a letter.
        Some((zone, Some((region, letter)))) if cloud == Cloud::Gcp && letter.len() == 1 => {
            (Some(region), Some(zone))
        }
        _ => (location, None),
    };
    let named = [
        (
            "cloud.account.id",
            account.as_ref().map(|name| name.as_str()),
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
    let fixed = [("cloud.provider", provider), ("cloud.platform", platform)];
    fixed.into_iter().chain(named).collect()
}

/// Who hands out the collector's identity.
fn identity_egress(tracing: &Tracing) -> &'static [(&'static str, u16)] {
    match tracing.backends().find_map(Backend::cloud) {
        // EKS Pod Identity's agent, on every node.
        Some(Cloud::Aws) => &[("169.254.170.23/32", 80)],
        // GKE's metadata server: its address, and where the node's rules lead (GKE, "Workload Identity
        // Federation", "Network policy").
        Some(Cloud::Gcp) => &[("169.254.169.254/32", 80), ("169.254.169.252/32", 988)],
        Some(Cloud::Azure) | None => &[],
    }
}

#[cfg(test)]
mod tests;
