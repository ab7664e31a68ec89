//! Who may connect to the collector, and where it may connect to, as NetworkPolicies say it.
//!
//! Invariant: nothing is open that a component of the rendered configuration does not use.

use std::collections::BTreeMap;

use minijinja::{Value, context};

use super::Role;
use crate::backend::Exporter;
use crate::render::{as_is, quoted};
use crate::spec::Spec;
use crate::target::context::known_endpoint;
use crate::target::kubernetes::context::{MEMBER, ROUTER, backend, neighbours};

/// Who may send spans and metrics, one a line.
pub(super) fn callers(spec: &Spec, role: Role) -> Vec<Value> {
    if role == Role::Member {
        return vec![as_is(pods(&ROUTER.selector(spec)))];
    }
    neighbours(spec)
}

/// Where it may connect to, besides names: `what`, and the `rule` as YAML.
pub(super) fn egress(spec: &Spec, role: Role) -> Vec<Value> {
    let rule = |what: &str, rule: String| context! { what, rule => as_is(rule) };
    let mut rules = Vec::new();
    if role != Role::Member {
        rules.push(rule(
            "Kubernetes' API, for the names of pods",
            ports(&[443, 6443]),
        ));
    }
    if role == Role::Router {
        let members = pods(&MEMBER.selector(spec));
        rules.push(rule("the members", to(&members, 4317)));
    } else if let Some(to_backend) = to_backend(spec) {
        rules.push(rule("the backend", to_backend));
    }
    rules
}

/// The rule that lets spans out; none where they stay in the log.
fn to_backend(spec: &Spec) -> Option<String> {
    let (backend_of, endpoint) = (&spec.tracing.backend, known_endpoint(spec));
    let port = endpoint.as_ref().map(|endpoint| endpoint.port());
    // The one in the stack, unless the spec says another endpoint.
    let own = backend_of
        .endpoint
        .as_deref()
        .and_then(|own| own.parse().ok());
    if backend_of.service.is_some() && endpoint == own {
        let pods = pods(&backend(spec).selector(spec));
        return Some(to(&pods, port?));
    }
    match (&backend_of.exporter, port) {
        (Exporter::Debug, _) => None,
        (_, Some(port)) => Some(ports(&[port])),
        (Exporter::Component(_), None) => Some(ports(&[443])),
        (_, None) => Some(ports(&[443, 4317, 4318])),
    }
}

fn ports(ports: &[u16]) -> String {
    let ports: Vec<String> = ports
        .iter()
        .map(|port| format!("{{port: {port}}}"))
        .collect();
    format!("{{ports: [{}]}}", ports.join(", "))
}

fn to(peer: &str, port: u16) -> String {
    format!("{{to: [{{{peer}}}], ports: [{{port: {port}}}]}}")
}

/// A peer of a policy: the pods of this namespace with these labels.
fn pods(labels: &BTreeMap<String, String>) -> String {
    let labels = labels.iter();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}: {}", quoted(value)))
        .collect();
    format!("podSelector: {{matchLabels: {{{}}}}}", labels.join(", "))
}
