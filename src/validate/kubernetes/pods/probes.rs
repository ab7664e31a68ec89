//! Probes: those that there must be, and what they ask.
//!
//! Invariant: a probe asks its own container, at a port that this has.

use k8s_openapi::api::core::v1::{Container, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::workload::{Role, Workload};
use crate::validate::Finding;

/// What is wrong with them.
pub(super) fn check(one: &Container, role: Role, workload: &Workload) -> Vec<Finding> {
    let mut findings = Vec::new();
    let probes = [
        ("livenessProbe", &one.liveness_probe),
        ("readinessProbe", &one.readiness_probe),
        ("startupProbe", &one.startup_probe),
    ];
    for (field, probe) in probes {
        let Some(probe) = probe else {
            // The operator makes them from its configuration; what starts slowly is known to us alone.
            let wanted = role == Role::Main
                && !workload.ends()
                && !workload.operated
                && field != "startupProbe";
            if wanted {
                findings.push((field.to_owned(), "is missing".to_owned()));
            }
            continue;
        };
        // The operator's probes have no port: it knows it from the configuration.
        if !workload.operated {
            findings.extend(probed(one, probe).map(|message| (field.to_owned(), message)));
        }
    }
    findings
}

fn probed(one: &Container, probe: &Probe) -> Option<String> {
    let http = probe.http_get.as_ref();
    if http.is_some_and(|get| get.host.is_some()) {
        return Some("asks another host, which `restricted` refuses".to_owned());
    }
    if http.is_some_and(|get| !get.path.as_deref().unwrap_or("/").starts_with('/')) {
        return Some("has a path that does not begin with `/`".to_owned());
    }
    let port = http
        .map(|get| &get.port)
        .or(probe.tcp_socket.as_ref().map(|socket| &socket.port));
    let named = probe.grpc.as_ref().map(|grpc| IntOrString::Int(grpc.port));
    let ways = [
        http.is_some(),
        probe.tcp_socket.is_some(),
        probe.grpc.is_some(),
        probe.exec.is_some(),
    ];
    if ways.into_iter().filter(|way| *way).count() != 1 {
        return Some("asks in no way or in more than one".to_owned());
    }
    let port = port.or(named.as_ref())?;
    let mut ports = one.ports.iter().flatten();
    let (known, shown) = match port {
        IntOrString::Int(number) => (
            ports.any(|port| port.container_port == *number),
            number.to_string(),
        ),
        IntOrString::String(name) => (
            ports.any(|port| port.name.as_deref() == Some(name)),
            name.clone(),
        ),
    };
    (!known).then(|| format!("asks port `{shown}`, which the container does not have"))
}
