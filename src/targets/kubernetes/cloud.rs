//! What is EKS's, GKE's and AKS's own: disks, load balancers, identities instead of keys, secret stores.
//!
//! Invariant: a cluster of one's own gets nothing of it, and no manifest's template asks which cloud it
//! is for.

mod problems;
mod readme;
mod registry;
mod store;

use std::collections::BTreeMap;

use anyhow::Result;
use minijinja::{Value, context};

use super::templates;
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::plan::Plan;
use crate::spec::kubernetes::BackupPlace;
use crate::values::Peer;
use crate::{backend::Backend, values::Cloud};

pub(super) use problems::problems;

/// What every template reads, as `cloud`:
/// - `storage_classes`: those to make, each with `name`, `what`, `provisioner`, `parameters`, `reclaim`;
/// - `environment`: variables of the collector that name the place, for the backend;
/// - `resource`: `name` and `value` of the attributes of every span that say where the cluster is;
/// - `identity_egress`: `cidr` and `port` of who hands out the collector's identity, where the backend
///   wants one;
/// - `section`: none, or the README's template; `recipe`: what it reads.
pub(super) fn context(deployment: &Deployment) -> Value {
    let attributes = resource(deployment).into_iter();
    let egress = identity_egress(deployment).iter();
    context! {
        storage_classes => storage_classes(deployment),
        environment => environment(deployment),
        resource => attributes.map(|(name, value)| context! { name, value }).collect::<Vec<_>>(),
        identity_egress => egress.map(|(cidr, port)| context! { cidr => *cidr, port => *port }).collect::<Vec<_>>(),
        section => readme::section(deployment),
        recipe => readme::context(deployment),
    }
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
fn class(deployment: &Deployment) -> Option<Class> {
    let (provisioner, parameters): (_, &[(&str, &str)]) = match deployment.spec.target.cloud()? {
        Cloud::Aws => (
            if deployment.spec.kubernetes.auto_mode {
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
fn storage_classes(deployment: &Deployment) -> Vec<Value> {
    let given = deployment.spec.kubernetes.storage_class.is_some();
    let Some(class) = class(deployment).filter(|_| !given) else {
        return Vec::new();
    };
    let backup = deployment.spec.kubernetes.backup.as_ref();
    let packed = backup.is_some_and(|backup| matches!(backup.place, BackupPlace::Bucket { .. }));
    let kept = "A volume's disk stays when its claim is deleted. Classes cannot be changed.";
    let scratch = "Where a backup is packed before it is sent: the disk goes with the pod.";
    let classes = [
        (true, DATA, "Retain", kept),
        (packed, SCRATCH, "Delete", scratch),
    ];
    let wanted = classes.into_iter().filter(|(wanted, ..)| *wanted);
    wanted
        .map(|(_, suffix, reclaim, what)| {
            context! {
                name => format!("{}-{suffix}", deployment.spec.name),
                what,
                provisioner => class.provisioner,
                parameters => BTreeMap::from_iter(class.parameters.iter().copied()),
                reclaim,
            }
        })
        .collect()
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
pub(super) fn environment(deployment: &Deployment) -> BTreeMap<&'static str, String> {
    let named = deployment
        .spec
        .target
        .cloud()
        .and_then(Cloud::place)
        .zip(deployment.spec.place());
    let pair = named.map(|(variable, place)| (variable.variable, place.to_owned()));
    pair.into_iter().collect()
}

/// Where the cluster is, in the names of OpenTelemetry's semantic conventions 1.40, as the collector's
/// detectors have them. No detector is asked: it would want the node's identity, or the API.
fn resource(deployment: &Deployment) -> BTreeMap<&'static str, &str> {
    let at = &deployment.spec.kubernetes;
    let Some(cloud) = deployment.spec.target.cloud() else {
        return BTreeMap::new();
    };
    let (provider, platform, account) = match cloud {
        Cloud::Aws => ("aws", "aws_eks", &None),
        Cloud::Gcp => (
            "gcp",
            "gcp_kubernetes_engine",
            &deployment.spec.machine.project,
        ),
        Cloud::Azure => ("azure", "azure.aks", &deployment.spec.machine.subscription),
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
fn identity_egress(deployment: &Deployment) -> &'static [(&'static str, u16)] {
    match deployment.spec.tracing.backends().find_map(Backend::cloud) {
        // EKS Pod Identity's agent, on every node.
        Some(Cloud::Aws) => &[("169.254.170.23/32", 80)],
        // GKE's metadata server: its address, and where the node's rules lead (GKE, "Workload Identity
        // Federation", "Network policy").
        Some(Cloud::Gcp) => &[("169.254.169.254/32", 80), ("169.254.169.252/32", 988)],
        Some(Cloud::Azure) | None => &[],
    }
}

/// What makes a load balancer one inside of the cloud's network. On every cloud it sends to nodes that
/// have the pod, by the address of who asks: a NetworkPolicy can tell by it who may.
fn load_balancer(deployment: &Deployment) -> Option<Value> {
    let cloud = deployment
        .spec
        .target
        .cloud()
        .filter(|_| deployment.spec.kubernetes.internal_load_balancer)?;
    let Some(Peer::Range(range)) = &deployment.spec.machine.allow_from else {
        return None; // a problem by then
    };
    let (class, annotations): (_, &[(&str, &str)]) = match cloud {
        // With no class, a cluster without a controller makes one that the world can reach.
        Cloud::Aws => (
            Some(if deployment.spec.kubernetes.auto_mode {
                "eks.amazonaws.com/nlb"
            } else {
                "service.k8s.aws/nlb"
            }),
            &[
                (
                    "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type",
                    "instance",
                ),
                (
                    "service.beta.kubernetes.io/aws-load-balancer-scheme",
                    "internal",
                ),
            ],
        ),
        Cloud::Gcp => (
            None,
            &[("networking.gke.io/load-balancer-type", "Internal")],
        ),
        Cloud::Azure => (
            None,
            &[(
                "service.beta.kubernetes.io/azure-load-balancer-internal",
                "true",
            )],
        ),
    };
    let mut all = super::component::texts(&deployment.spec.kubernetes.annotations);
    all.extend(
        annotations
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    Some(context! { class, annotations => all, ranges => vec![range.clone()] })
}

/// Adds `load-balancer.yaml` and `secrets.yaml`, where the spec asks for them.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &Value) -> Result<()> {
    if let Some(load_balancer) = load_balancer(deployment) {
        let context = context! { load_balancer, ..base.clone() };
        templates::add(plan, &context, &["load-balancer.yaml"])?;
    }
    if let Some(store) = store::context(deployment) {
        let context = context! { store, ..base.clone() };
        templates::add(plan, &context, &["secrets.yaml"])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
