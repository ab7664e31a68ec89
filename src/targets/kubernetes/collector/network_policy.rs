//! NetworkPolicies of the collector: allowed clients and destinations.
//!
//! Invariant: nothing is allowed that no component of the rendered configuration uses.

use std::collections::{BTreeMap, BTreeSet};

use chroma_otel_init::Endpoint;
use minijinja::Value;
use serde::Serialize;

use super::role::Role;
use crate::backend::Exporter;
use crate::deployment::Deployment;
use crate::render::{as_is, quoted};
use crate::targets::kubernetes::cloud::api_ports;
use crate::targets::kubernetes::component::{MEMBER, ROUTER, backend, neighbours};
use crate::values::in_place;

/// Returns the allowed senders of spans and metrics, one per line.
pub(super) fn callers(deployment: &Deployment, role: Role) -> Vec<Value> {
    if role == Role::Member {
        return vec![as_is(pods(&ROUTER.selector(deployment)))];
    }
    neighbours(deployment)
}

/// A rule of a policy.
#[derive(Serialize)]
pub(super) struct EgressRule {
    /// Its purpose, for a comment.
    what: &'static str,
    /// The rule as YAML.
    rule: Value,
}

/// Returns the allowed destinations, except DNS.
pub(super) fn egress(deployment: &Deployment, role: Role) -> Vec<EgressRule> {
    let rule = |what, rule: String| EgressRule {
        what,
        rule: as_is(rule),
    };
    let mut rules = Vec::new();
    if role != Role::Member {
        rules.push(rule(
            "the Kubernetes API, for the names of pods",
            ports(api_ports(deployment)),
        ));
    }
    if role == Role::Router {
        let members = pods(&MEMBER.selector(deployment));
        rules.push(rule("the members", to(&members, 4317)));
    } else {
        let to_backends = to_backends(deployment).into_iter();
        rules.extend(to_backends.map(|one| rule("the backend", one)));
    }
    rules
}

/// Returns the rules for exporting spans and metrics; none if they stay in the log.
fn to_backends(deployment: &Deployment) -> Vec<String> {
    let mut own = Vec::new();
    let mut elsewhere = BTreeSet::new();
    for (index, one) in deployment.spec.tracing.backends().enumerate() {
        let endpoint = match index {
            0 => deployment.collector.known_endpoint.clone(),
            _ => one
                .endpoint
                .as_deref()
                .and_then(|text| placed(deployment, text)),
        };
        let part = backend(one);
        match (&one.exporter, endpoint) {
            // The backend in the stack, unless the spec has another endpoint.
            (_, Some(endpoint))
                if one.service.is_some() && endpoint.host() == part.name(deployment) =>
            {
                own.push(to(&pods(&part.selector(deployment)), endpoint.port()));
            }
            (_, Some(endpoint)) => drop(elsewhere.insert(endpoint.port())),
            (Exporter::Debug, None) => {}
            (Exporter::Component(_), None) => drop(elsewhere.insert(443)),
            (_, None) => elsewhere.extend([443, 4317, 4318]),
        }
        let metrics = one
            .metrics
            .as_ref()
            .filter(|_| deployment.spec.metrics.to_backend);
        let metrics = metrics.and_then(|metrics| placed(deployment, metrics.endpoint.as_deref()?));
        elsewhere.extend(metrics.map(|endpoint| endpoint.port()));
    }
    if !elsewhere.is_empty() {
        own.push(ports(&elsewhere.into_iter().collect::<Vec<_>>()));
    }
    own
}

/// Returns a backend's endpoint in the place of the cluster.
fn placed(deployment: &Deployment, text: &str) -> Option<Endpoint> {
    in_place(text, deployment.spec.place().unwrap_or_default())
        .parse()
        .ok()
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

/// Returns a peer of a policy: the pods of this namespace with these labels.
fn pods(labels: &BTreeMap<String, String>) -> String {
    let labels = labels.iter();
    let labels: Vec<String> = labels
        .map(|(name, value)| format!("{name}: {}", quoted(value)))
        .collect();
    format!("podSelector: {{matchLabels: {{{}}}}}", labels.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::deployment::sound;

    /// Returns the rules for a spec with these values at their keys, without the labels.
    fn rules(keys: &[(&'static str, Value)]) -> Vec<String> {
        let rules = super::to_backends(&sound(keys)).into_iter();
        let own = |rule: String| match rule.split_once("app.kubernetes.io/name: ") {
            Some((_, rest)) => rest.replace(['"', '{', '}', '[', ']', ')'], ""),
            None => rule,
        };
        rules.map(own).collect()
    }

    fn cluster(backend: Value, more: &[(&'static str, Value)]) -> Vec<String> {
        let target = [
            ("target", json!("kubernetes")),
            ("tracing.backend", backend),
        ];
        rules(&[&target, more].concat())
    }

    #[test]
    fn allows_connections_to_every_backend_and_nothing_else() {
        assert_eq!(cluster(json!("debug"), &[]), Vec::<String>::new());
        assert_eq!(cluster(json!("jaeger"), &[]), ["jaeger, ports: port: 4317"]);
        assert_eq!(
            cluster(json!(["jaeger", "zipkin"]), &[]),
            ["jaeger, ports: port: 4317", "zipkin, ports: port: 9411"]
        );
        assert_eq!(
            cluster(json!("otlp"), &[]),
            ["{ports: [{port: 443}, {port: 4317}, {port: 4318}]}"],
            "the endpoint is not known yet"
        );
        let endpoint = [("tracing.endpoint", json!("http://traces.monitoring:14317"))];
        assert_eq!(
            cluster(json!(["otlp", "honeycomb", "jaeger"]), &endpoint),
            [
                "jaeger, ports: port: 4317",
                "{ports: [{port: 443}, {port: 14317}]}"
            ]
        );
    }

    #[test]
    fn allows_an_external_endpoint_of_a_stack_backend() {
        let elsewhere = json!("http://jaeger.monitoring:4318");
        let first = [("tracing.endpoint", elsewhere.clone())];
        assert_eq!(
            cluster(json!("jaeger"), &first),
            ["{ports: [{port: 4318}]}"]
        );
        let other = [("tracing.settings", json!({"jaeger.endpoint": elsewhere}))];
        assert_eq!(
            cluster(json!(["honeycomb", "jaeger"]), &other),
            ["{ports: [{port: 443}, {port: 4318}]}"]
        );
        let own = [("tracing.endpoint", json!("http://chroma-jaeger:4318"))];
        assert_eq!(
            cluster(json!("jaeger"), &own),
            ["jaeger, ports: port: 4318"]
        );
    }

    #[test]
    fn resolves_endpoints_in_the_place_of_the_cluster() {
        let keys = [
            ("target", json!("aws")),
            ("platform", json!("kubernetes")),
            ("kubernetes.region", json!("eu-central-1")),
            ("tracing.backend", json!(["datadog", "aws-xray"])),
        ];
        assert_eq!(rules(&keys), ["{ports: [{port: 443}]}"]);
    }
}
