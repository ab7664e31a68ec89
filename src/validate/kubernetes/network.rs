//! Who may speak with whom: every pod is closed in both directions, and what is opened is there.
//!
//! Invariant: a pod that no policy takes is open to the whole cluster, which is a finding.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::{Workload, matches};
use super::{Document, Folder, Tell};

/// Every policy, and every pod.
pub(super) fn check(folder: &Folder, tell: Tell) {
    let mut policies: Vec<(&Document, NetworkPolicySpec)> = Vec::new();
    for document in folder.of_kind("NetworkPolicy") {
        let read = document.typed::<NetworkPolicy>();
        policies.extend(
            read.and_then(|policy| policy.spec)
                .map(|spec| (document, spec)),
        );
    }
    for (document, spec) in &policies {
        policy(folder, document, spec, tell);
    }
    for workload in &folder.workloads {
        for direction in ["Ingress", "Egress"] {
            let closed = policies
                .iter()
                .any(|(_, spec)| is_of(spec, direction) && takes(spec, workload));
            if !closed {
                let message = format!(
                    "no NetworkPolicy of type {direction} takes its pods: they are open to all"
                );
                tell(workload.of_document(""), message);
            }
        }
    }
}

fn is_of(spec: &NetworkPolicySpec, direction: &str) -> bool {
    spec.policy_types
        .iter()
        .flatten()
        .any(|kind| kind == direction)
}

fn takes(spec: &NetworkPolicySpec, workload: &Workload) -> bool {
    spec.pod_selector
        .as_ref()
        .is_some_and(|selector| matches(selector, &workload.labels()))
}

fn policy(folder: &Folder, document: &Document, spec: &NetworkPolicySpec, tell: Tell) {
    let selector = spec.pod_selector.as_ref();
    let pods = selector.map_or_else(Vec::new, |selector| folder.taken(selector));
    if pods.is_empty() {
        tell(
            document.at("spec.podSelector"),
            "takes no pod of this folder".to_owned(),
        );
    }
    for (direction, given) in [
        ("Ingress", spec.ingress.is_some()),
        ("Egress", spec.egress.is_some()),
    ] {
        if given && !is_of(spec, direction) {
            tell(
                document.at("spec.policyTypes"),
                format!("does not name {direction}, which has rules"),
            );
        }
    }
    for (index, rule) in spec.ingress.iter().flatten().enumerate() {
        let at = format!("spec.ingress[{index}]");
        peers(
            folder,
            document,
            &format!("{at}.from"),
            rule.from.as_deref(),
            tell,
        );
        ports(document, &at, rule.ports.as_deref(), &pods, tell);
    }
    for (index, rule) in spec.egress.iter().flatten().enumerate() {
        let at = format!("spec.egress[{index}]");
        let own = peers(
            folder,
            document,
            &format!("{at}.to"),
            rule.to.as_deref(),
            tell,
        );
        // Of others, the ports are not known here.
        if let Some(own) = own {
            ports(document, &at, rule.ports.as_deref(), &own, tell);
        }
    }
}

/// The pods of the folder that are named, if only such are.
fn peers<'a>(
    folder: &'a Folder,
    document: &Document,
    at: &str,
    peers: Option<&[NetworkPolicyPeer]>,
    tell: Tell,
) -> Option<Vec<&'a Workload>> {
    let mut named = Some(Vec::new());
    for (index, peer) in peers.unwrap_or_default().iter().enumerate() {
        let at = document.at(&format!("{at}[{index}]"));
        let NetworkPolicyPeer {
            ip_block,
            namespace_selector,
            pod_selector,
        } = peer;
        if ip_block.is_some() && (namespace_selector.is_some() || pod_selector.is_some()) {
            tell(
                at.clone(),
                "has a range of addresses and a selector: one peer has one of them".to_owned(),
            );
        }
        let Some(selector) = pod_selector
            .as_ref()
            .filter(|_| namespace_selector.is_none())
        else {
            if peer == &NetworkPolicyPeer::default() {
                tell(at, "is empty".to_owned());
            }
            named = None;
            continue;
        };
        let is_any = selector.match_labels.is_none() && selector.match_expressions.is_none();
        let pods = folder.taken(selector);
        if pods.is_empty() && !is_any {
            tell(at, "takes no pod of this folder".to_owned());
        }
        match &mut named {
            Some(named) if !is_any => named.extend(pods),
            _ => named = None,
        }
    }
    named.filter(|named| !named.is_empty())
}

fn ports(
    document: &Document,
    at: &str,
    ports: Option<&[NetworkPolicyPort]>,
    pods: &[&Workload],
    tell: Tell,
) {
    for (index, port) in ports.unwrap_or_default().iter().enumerate() {
        let shown = match &port.port {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(name)) => name.clone(),
            None => continue,
        };
        let at = document.at(&format!("{at}.ports[{index}]"));
        if port
            .end_port
            .is_some_and(|end| shown.parse::<i32>().is_ok_and(|first| end < first))
        {
            tell(at.clone(), "ends before it begins".to_owned());
        }
        // The operator makes ports of the collector's configuration.
        let known = pods
            .iter()
            .any(|pod| pod.operated || pod.port(&shown).is_some());
        if !pods.is_empty() && !known && port.end_port.is_none() {
            tell(
                at,
                format!("no pod that it is about has the port `{shown}`"),
            );
        }
    }
}
