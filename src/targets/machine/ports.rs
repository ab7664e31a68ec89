//! Ports of the machine: those of the collector that the network reaches beside Chroma's, and those that are taken.
//!
//! Invariant: none is open that nobody asked for.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::collector::surroundings::Listen;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::Spec;

/// Where applications send their own spans, and what comes there, as a security group of AWS may describe it.
const OTLP: [(u16, &str); 2] = [
    (4317, "Spans of clients, over gRPC"),
    (4318, "Spans of clients, over HTTP"),
];

/// Where Prometheus finds metrics, likewise.
const METRICS: [(u16, &str); 2] = [
    (8888, "Metrics of the collector"),
    (8889, "Metrics of the requests and of Chroma"),
];

/// Where the collector says that it is well: on the machine alone.
const HEALTH: u16 = 13133;

/// The ports that the templates open and refuse.
#[derive(Serialize)]
pub(super) struct OpenPorts {
    /// Ports of the collector that the network reaches.
    collector_ports: Vec<Port>,
    /// Ports for spans of applications.
    otlp_ports: [u16; 2],
    /// Ports that Chroma's container must not reach.
    refused_ports: [u16; 3],
    /// Whether the ports for spans are open.
    takes_spans: bool,
    /// Whether the ports of metrics are open.
    shows_metrics: bool,
}

/// An open port.
#[derive(Serialize)]
struct Port {
    number: u16,
    /// What it is for, as a rule describes it.
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

/// The addresses that the collector listens on.
pub(super) fn listen(deployment: &Deployment) -> Listen {
    Listen {
        // Docker's bridge, and there alone: a backend on this machine may have the same port.
        receivers: "198.18.0.1",
        local: if deployment.spec.metrics.monitoring {
            "0.0.0.0"
        } else {
            "127.0.0.1"
        },
    }
}

/// A port for Chroma that something else on the machine has.
pub(super) fn taken(deployment: &Deployment) -> Option<Problem> {
    let backends = deployment
        .backends_in_stack()
        .map(|(_, service, _)| service.ui_port);
    let collectors = OTLP.iter().chain(&METRICS).map(|(number, _)| *number);
    let taken: BTreeSet<u16> = collectors.chain(backends).chain([HEALTH, 22]).collect();
    let port = deployment.spec.chroma.port;
    taken.contains(&port).then(|| {
        let message = format!("is `{port}`, which something else on the machine has");
        Problem::new("chroma.port", message).hint("take another one")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::deployment::sound;

    /// What is wrong with a machine whose spec has these keys.
    fn problems(keys: &[(&'static str, Value)]) -> Vec<String> {
        let deployment = sound(&[&[("target", json!("gcp"))], keys].concat());
        let problems = crate::targets::problems(&deployment);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn chroma_gets_no_port_that_is_taken() {
        for port in [22, 4317, 4318, 8888, 8889, 13133] {
            let [problem] = &problems(&[("chroma.port", json!(port))])[..] else {
                panic!("{port}");
            };
            assert!(
                problem.starts_with(&format!("chroma.port: is `{port}`")),
                "{problem}"
            );
        }
        let ui = ("chroma.port", json!(16686));
        assert_eq!(problems(std::slice::from_ref(&ui)), [""; 0]);
        let jaeger = ("tracing.backend", json!(["honeycomb", "jaeger"]));
        assert_eq!(problems(&[ui, jaeger]).len(), 1);
    }

    #[test]
    fn a_port_is_open_for_those_who_asked() {
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
