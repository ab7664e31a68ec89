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
use crate::digest::hash;
use crate::plan::Plan;
use crate::spec::Spec;
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
pub(super) fn context(spec: &Spec) -> Value {
    let attributes = resource(spec).into_iter();
    let egress = identity_egress(spec).iter();
    context! {
        storage_classes => storage_classes(spec),
        environment => environment(spec),
        resource => attributes.map(|(name, value)| context! { name, value }).collect::<Vec<_>>(),
        identity_egress => egress.map(|(cidr, port)| context! { cidr => *cidr, port => *port }).collect::<Vec<_>>(),
        section => readme::section(spec),
        recipe => readme::context(spec),
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
fn class(spec: &Spec) -> Option<Class> {
    let (provisioner, parameters): (_, &[(&str, &str)]) = match spec.target.cloud()? {
        Cloud::Aws => (
            if spec.kubernetes.auto_mode {
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
fn storage_classes(spec: &Spec) -> Vec<Value> {
    let given = spec.kubernetes.storage_class.is_some();
    let Some(class) = class(spec).filter(|_| !given) else {
        return Vec::new();
    };
    let backup = spec.kubernetes.backup.as_ref();
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
                name => format!("{}-{suffix}", spec.name),
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
pub(super) fn storage_class(spec: &Spec) -> Option<String> {
    named_or(spec, DATA)
}

/// The storage class of volumes that go with their pod, likewise.
pub(super) fn scratch_class(spec: &Spec) -> Option<String> {
    named_or(spec, SCRATCH)
}

/// The SELinux level of all pods on Chroma's volume, where a node gives every pod its own: Bottlerocket,
/// and EKS Auto Mode, which runs on it. There a pod that comes second is refused the files, or takes them
/// from the first (bottlerocket-os/bottlerocket issue #2417). Nodes without SELinux do not look at it.
pub(super) fn selinux_level(spec: &Spec) -> Option<String> {
    let shared = spec.kubernetes.backup.is_some() && spec.target.cloud() == Some(Cloud::Aws);
    let of = hash(format!("{}/{}", spec.kubernetes.namespace, spec.name).as_bytes());
    let category = |digits| u16::from_str_radix(digits, 16).unwrap_or_default() % 512;
    shared.then(|| format!("s0:c{},c{}", category(&of[..3]), 512 + category(&of[3..6])))
}

fn named_or(spec: &Spec, suffix: &str) -> Option<String> {
    let given = spec.kubernetes.storage_class.as_ref();
    let made = spec.target.cloud();
    given
        .map(ToString::to_string)
        .or_else(|| made.map(|_| format!("{}-{suffix}", spec.name)))
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
fn identity_egress(spec: &Spec) -> &'static [(&'static str, u16)] {
    match spec.tracing.backends().find_map(Backend::cloud) {
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
fn load_balancer(spec: &Spec) -> Option<Value> {
    let cloud = spec
        .target
        .cloud()
        .filter(|_| spec.kubernetes.internal_load_balancer)?;
    let Some(Peer::Range(range)) = &spec.machine.allow_from else {
        return None; // a problem by then
    };
    let (class, annotations): (_, &[(&str, &str)]) = match cloud {
        // With no class, a cluster without a controller makes one that the world can reach.
        Cloud::Aws => (
            Some(if spec.kubernetes.auto_mode {
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
    let mut all = super::component::texts(&spec.kubernetes.annotations);
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
pub(super) fn add(plan: &mut Plan, spec: &Spec, base: &Value) -> Result<()> {
    if let Some(load_balancer) = load_balancer(spec) {
        let context = context! { load_balancer, ..base.clone() };
        templates::add(plan, &context, &["load-balancer.yaml"])?;
    }
    if let Some(store) = store::context(spec) {
        let context = context! { store, ..base.clone() };
        templates::add(plan, &context, &["secrets.yaml"])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
