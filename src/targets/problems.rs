//! Problems of a sound spec that several targets have.

use chroma_otel_init::{is_expanded, is_mapping};

use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Redact;
use crate::spec::{Image, Target};

/// What no target can deploy.
pub(super) fn of_every_target(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = sampling(deployment);
    problems.extend(unchecked_names_key(deployment));
    problems
}

/// The value of a secret that the collector would not read as it is: without the entrypoint nobody
/// escapes what it expands, and what has the form of a mapping stops it.
pub(super) fn expanded(deployment: &Deployment, variable: &str, value: &str) -> Option<Problem> {
    let message = if is_expanded(value) {
        "has `${` or `$$` in it, which the collector would expand"
    } else if is_mapping(value) {
        "has the form of a mapping, which the collector would read as one"
    } else {
        return None;
    };
    let hint = if deployment.spec.collector.operator {
        "leave out `collector.operator`: the entrypoint passes on any value"
    } else {
        "use `image: wrapped`, which passes any value on unchanged"
    };
    let stock = deployment.spec.collector.image == Image::Stock;
    stock.then(|| Problem::new(variable, message).hint(hint))
}

/// A backend that takes traces from another cloud's machines only.
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
            "is `{}`, which knows a sender by the identity of its machine in {}",
            backend.name,
            cloud.name()
        );
        let own = Target::from_name(cloud.target(), deployment.spec.target.is_kubernetes());
        let flags = own.map(Target::flags).unwrap_or_default();
        let hint = format!("use `--target {flags}`, or another backend");
        Problem::new("tracing.backend", message).hint(hint)
    })
}

/// A key that nobody looks at before the collector does: a quote in it breaks its configuration, which the
/// collector then prints. (On a machine the boot looks.)
fn unchecked_names_key(deployment: &Deployment) -> Option<Problem> {
    let unseen =
        deployment.spec.collector.image == Image::Stock && !deployment.spec.target.is_machine();
    deployment
        .collector
        .names_key
        .as_ref()
        .filter(|_| unseen)
        .map(|_| {
            let message = "is `hash`, whose key nobody checks without the entrypoint";
            let hint = if deployment.spec.collector.operator {
                "use `remove`, or leave out `collector.operator`"
            } else {
                "use `remove`, or `image: wrapped`"
            };
            Problem::new("tracing.redact.names", message).hint(hint)
        })
}

/// What is asked of a collector that is not there, or that sees parts of traces only.
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

/// Each replica of a gateway gets some of a trace's spans.
fn partial_traces(deployment: &Deployment) -> Option<Problem> {
    deployment.spec.tracing.sampling.as_ref()?.tail.as_ref()?;
    let most = deployment.spec.collector.max_replicas;
    (most > 1).then(|| {
        let message = format!(
            "keeps traces by what is in them, and none of up to {most} replicas sees a whole trace"
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
        Problem::new(key, "is for a collector, and `collector.mode` is `none`")
            .hint("leave it out, and have your own collector do it")
    };
    asked.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::sound;

    /// Which keys a cluster's collector in this mode cannot serve, of all that may be asked of one.
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
    fn a_trace_is_seen_whole_by_a_member_or_by_the_only_replica() {
        assert_eq!(wrong("gateway", 10, true), ["tracing.sampling"]);
        assert!(wrong("gateway", 1, true).is_empty());
        assert!(wrong("gateway", 10, false).is_empty());
        assert!(wrong("tiered", 10, true).is_empty());
    }

    #[test]
    fn nothing_is_asked_of_a_collector_that_is_not_there() {
        assert_eq!(
            wrong("none", 1, false),
            ["tracing.sampling", "tracing.redact"]
        );
    }
}
