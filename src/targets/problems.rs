//! Problems of a valid spec that several targets share.

use std::net::IpAddr;

use chroma_otel_init::{is_expanded, is_mapping};

use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Redact;
use crate::spec::{Image, Spec, Target};

/// Returns the problems that every target has.
pub(super) fn of_every_target(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = sampling(deployment);
    problems.extend(unchecked_names_key(deployment));
    problems.extend(own_endpoint(deployment));
    problems
}

/// Returns a problem if the collector would send to its own container or machine.
fn own_endpoint(deployment: &Deployment) -> Option<Problem> {
    let endpoint = deployment.spec.tracing.endpoint.as_ref()?;
    let host = endpoint.host().trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    let is_own = host == "localhost"
        || address.is_ok_and(|address| address.is_loopback() || address.is_unspecified())
        || is_own_service(deployment, host);
    let has_collector = deployment.spec.collector.mode != CollectorMode::None;
    (is_own && has_collector).then(|| {
        let message = format!("`{host}` is the collector itself, which sends to this endpoint");
        let hint = if deployment.spec.target == Target::Docker {
            "for a backend on this machine, use `http://host.docker.internal:PORT`; for one in another Compose project, its service name, with `collector.networks`"
        } else {
            "use the address or the name by which other machines reach the backend"
        };
        Problem::new("tracing.endpoint", message).hint(hint)
    })
}

/// Returns true for the name by which Chroma reaches the collector.
fn is_own_service(deployment: &Deployment, host: &str) -> bool {
    let Spec { name, target, .. } = &deployment.spec;
    if target.is_kubernetes() {
        let mut labels = host.split('.');
        let service = labels.next() == Some(&format!("{name}-otel-collector"));
        let namespace = deployment.spec.kubernetes.namespace.to_string();
        service && labels.next().is_none_or(|label| label == namespace)
    } else {
        host == "otel-collector"
    }
}

/// Returns a problem if the collector would change the value of a secret. Without the entrypoint,
/// nothing escapes what the collector expands, and a value in the form of a mapping stops it.
pub(super) fn expanded(deployment: &Deployment, variable: &str, value: &str) -> Option<Problem> {
    let message = if is_expanded(value) {
        "contains `${` or `$$`, which the collector would expand"
    } else if is_mapping(value) {
        "looks like a YAML mapping, which the collector would parse"
    } else {
        return None;
    };
    let hint = if deployment.spec.collector.operator {
        "remove `collector.operator`: the entrypoint accepts any value"
    } else {
        "use `image: wrapped`, which accepts any value"
    };
    let stock = deployment.spec.collector.image == Image::Stock;
    stock.then(|| Problem::new(variable, message).hint(hint))
}

/// Returns a problem if a backend accepts traces from another cloud's machines only.
pub(super) fn foreign_backend(deployment: &Deployment) -> Option<Problem> {
    deployment
        .spec
        .tracing
        .backends()
        .find_map(|backend| foreign(deployment, backend))
}

fn foreign(deployment: &Deployment, backend: &Backend) -> Option<Problem> {
    let cloud = backend.cloud()?;
    (Some(cloud) != deployment.spec.target.cloud()).then(|| {
        let message = format!(
            "`{}` identifies senders by their machine's identity in {}",
            backend.name,
            cloud.name()
        );
        let own = Target::from_name(cloud.target(), deployment.spec.target.is_kubernetes());
        let flags = own.map(Target::flags).unwrap_or_default();
        let hint = format!("use `--target {flags}` or another backend");
        Problem::new("tracing.backend", message).hint(hint)
    })
}

/// Returns a problem if nothing checks the key before the collector reads it: a quote in the key
/// breaks the collector's configuration, and the collector then prints it. (On a machine the boot
/// script checks it.)
fn unchecked_names_key(deployment: &Deployment) -> Option<Problem> {
    let unseen =
        deployment.spec.collector.image == Image::Stock && !deployment.spec.target.is_machine();
    deployment
        .collector
        .names_key
        .as_ref()
        .filter(|_| unseen)
        .map(|_| {
            let message = "`hash` needs the entrypoint, which checks the key";
            let hint = if deployment.spec.collector.operator {
                "use `remove`, or remove `collector.operator`"
            } else {
                "use `remove` or `image: wrapped`"
            };
            Problem::new("tracing.redact.names", message).hint(hint)
        })
}

/// Returns problems for settings that need a collector, or a collector that receives complete
/// traces.
fn sampling(deployment: &Deployment) -> Vec<Problem> {
    if !deployment.spec.target.is_kubernetes() {
        return Vec::new();
    }
    match deployment.spec.collector.mode {
        CollectorMode::Tiered => Vec::new(),
        CollectorMode::Gateway => partial_traces(deployment).into_iter().collect(),
        CollectorMode::None => no_collector(deployment),
    }
}

/// Returns a problem if each replica of a gateway receives only some of a trace's spans.
fn partial_traces(deployment: &Deployment) -> Option<Problem> {
    deployment.spec.tracing.sampling.as_ref()?.tail.as_ref()?;
    let most = deployment.spec.collector.max_replicas;
    (most > 1).then(|| {
        let message = format!(
            "selects traces by their content, but none of up to {most} replicas receives complete traces"
        );
        let hint =
            "use `collector.mode: tiered`, or `collector.replicas: 1` and `collector.max_replicas: 1`";
        Problem::new("tracing.sampling", message).hint(hint)
    })
}

fn no_collector(deployment: &Deployment) -> Vec<Problem> {
    let asked = [
        (
            "tracing.sampling",
            deployment.spec.tracing.sampling.is_some(),
        ),
        (
            "tracing.redact",
            deployment.spec.tracing.redact != Redact::default(),
        ),
        ("metrics.to_backend", deployment.spec.metrics.to_backend),
    ];
    let asked = asked.into_iter().filter(|(_, asked)| *asked);
    let problem = |(key, _)| {
        Problem::new(key, "needs a collector, but `collector.mode` is `none`")
            .hint("remove it and configure your own collector instead")
    };
    asked.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::sound;

    /// Returns the keys that a cluster's collector in this mode cannot apply.
    fn wrong(mode: &str, most: u16, tail: bool) -> Vec<String> {
        let mut keys = vec![
            ("target", "kubernetes".into()),
            (
                "tracing.endpoint",
                "http://tempo.observability.svc:4317".into(),
            ),
            ("collector.mode", mode.into()),
            ("tracing.sampling.ratio", 0.1.into()),
            ("tracing.redact.names", "remove".into()),
        ];
        if mode != "none" {
            keys.push(("tracing.backend", "otlp".into()));
            keys.push(("collector.replicas", most.min(2).into()));
            keys.push(("collector.max_replicas", most.into()));
        }
        if tail {
            keys.push(("tracing.sampling.errors", true.into()));
        }
        let problems = sampling(&sound(&keys));
        problems.into_iter().map(|problem| problem.at).collect()
    }

    #[test]
    fn allows_tail_sampling_in_mode_tiered_or_with_one_replica() {
        assert_eq!(wrong("gateway", 10, true), ["tracing.sampling"]);
        assert!(wrong("gateway", 1, true).is_empty());
        assert!(wrong("gateway", 10, false).is_empty());
        assert!(wrong("tiered", 10, true).is_empty());
    }

    #[test]
    fn rejects_collector_settings_without_a_collector() {
        assert_eq!(
            wrong("none", 1, false),
            ["tracing.sampling", "tracing.redact"]
        );
    }
}
