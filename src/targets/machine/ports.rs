//! Ports of the machine: those of the collector that are reachable from the network, and those
//! already in use.
//!
//! Invariant: a port is open only if the spec enables it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::collector::surroundings::Listen;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::Spec;

/// Ports for applications' spans, with their descriptions in security groups of AWS.
const OTLP: [(u16, &str); 2] = [
    (4317, "Spans of clients, over gRPC"),
    (4318, "Spans of clients, over HTTP"),
];

/// Ports for metrics, with their descriptions.
const METRICS: [(u16, &str); 2] = [
    (8888, "Metrics of the collector"),
    (8889, "Metrics of the requests and of Chroma"),
];

/// Address of Docker's bridge (`templates/machine/daemon.json.j2`).
pub(super) const BRIDGE: &str = "198.18.0.1";

/// Port of Chroma behind the proxy, on the bridge.
pub(super) const BEHIND_PROXY: u16 = 18000;

/// Port of the collector's health check, on the machine only.
const HEALTH: u16 = 13133;

/// The ports that the templates open and block.
#[derive(Serialize)]
pub(super) struct OpenPorts {
    /// Ports of the collector that are reachable from the network.
    collector_ports: Vec<Port>,
    /// Ports for spans of applications.
    otlp_ports: [u16; 2],
    /// Ports that Chroma's container must not reach.
    refused_ports: [u16; 3],
    /// True if the ports for spans are open.
    takes_spans: bool,
    /// True if the ports for metrics are open.
    shows_metrics: bool,
}

/// An open port.
#[derive(Serialize)]
struct Port {
    number: u16,
    /// Its description in a rule.
    what: &'static str,
}

impl OpenPorts {
    pub(super) fn new(deployment: &Deployment) -> Self {
        let Spec {
            clients, metrics, ..
        } = &deployment.spec;
        let (takes_spans, shows_metrics) = (!clients.is_empty(), metrics.monitoring);
        let otlp = OTLP.into_iter().filter(|_| takes_spans);
        let ports = otlp.chain(METRICS.into_iter().filter(|_| shows_metrics));
        Self {
            collector_ports: ports.map(|(number, what)| Port { number, what }).collect(),
            otlp_ports: OTLP.map(|(number, _)| number),
            refused_ports: [METRICS[0].0, METRICS[1].0, HEALTH],
            takes_spans,
            shows_metrics,
        }
    }
}

/// Returns the listen addresses of the collector.
pub(super) fn listen(deployment: &Deployment) -> Listen {
    Listen {
        // Docker's bridge only: a backend on this machine can use the same port.
        receivers: BRIDGE,
        local: if deployment.spec.metrics.monitoring {
            "0.0.0.0"
        } else {
            "127.0.0.1"
        },
    }
}

/// Returns a problem if another program on the machine uses Chroma's port.
pub(super) fn taken(deployment: &Deployment) -> Option<Problem> {
    let backends = deployment
        .backends_in_stack()
        .map(|(_, service, _)| service.ui_port);
    let has_proxy = deployment.spec.chroma.access.has_proxy();
    let behind = has_proxy.then_some(BEHIND_PROXY);
    let collectors = OTLP.iter().chain(&METRICS).map(|(number, _)| *number);
    let taken: BTreeSet<u16> = collectors
        .chain(backends)
        .chain([HEALTH, 22])
        .chain(behind)
        .collect();
    let port = deployment.spec.chroma.port;
    taken.contains(&port).then(|| {
        let message = format!("port `{port}` is already in use on the machine");
        Problem::new("chroma.port", message).hint("choose another port")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::deployment::sound;

    /// Returns the problems of a machine whose spec has these keys.
    fn problems(keys: &[(&'static str, Value)]) -> Vec<String> {
        let deployment = sound(&[&[("target", json!("gcp"))], keys].concat());
        let problems = crate::targets::problems(&deployment);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rejects_ports_that_are_in_use() {
        for port in [22, 4317, 4318, 8888, 8889, 13133] {
            let [problem] = &problems(&[("chroma.port", json!(port))])[..] else {
                panic!("{port}");
            };
            assert!(
                problem.starts_with(&format!("chroma.port: port `{port}` is")),
                "{problem}"
            );
        }
        let ui = ("chroma.port", json!(16686));
        assert_eq!(problems(std::slice::from_ref(&ui)), [""; 0]);
        let jaeger = ("tracing.backend", json!(["honeycomb", "jaeger"]));
        assert_eq!(problems(&[ui, jaeger]).len(), 1);
    }

    #[test]
    fn opens_ports_only_if_the_spec_enables_them() {
        let ports = |keys: &[(&'static str, Value)]| -> Vec<u16> {
            let deployment = sound(&[&[("target", json!("gcp"))], keys].concat());
            let open = super::OpenPorts::new(&deployment)
                .collector_ports
                .into_iter();
            let numbers = open.map(|port| port.number);
            numbers.collect()
        };
        let clients = ("clients", json!(["python"]));
        let monitoring = ("metrics", json!({ "monitoring": true }));
        assert_eq!(ports(&[]), [0_u16; 0]);
        assert_eq!(ports(std::slice::from_ref(&clients)), [4317, 4318]);
        assert_eq!(ports(std::slice::from_ref(&monitoring)), [8888, 8889]);
        assert_eq!(ports(&[clients, monitoring]), [4317, 4318, 8888, 8889]);
    }
}
