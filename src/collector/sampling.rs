//! Which traces leave, as the collector's template reads it, and where that cannot be decided.
//!
//! Invariant: what counts the requests comes before what drops traces; who decides by a whole trace sees all of it.

use serde::Serialize;

use crate::problem::Problem;
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Redact;

/// What templates read of sampling.
#[derive(Serialize)]
pub(crate) struct SamplingTemplate {
    /// Absent: every trace is exported.
    sampling: Option<Sampled>,
    /// When a trace is in the backend, for a README.
    later: &'static str,
}

#[derive(Serialize)]
struct Sampled {
    /// The share of traces that is exported, in percent.
    percent: f64,
    /// The same in words.
    share: String,
    /// Which traces are kept by their content, beside that share.
    tail: Option<KeptTraces>,
}

#[derive(Serialize)]
struct KeptTraces {
    /// Those with an error.
    errors: bool,
    /// Those that took longer, in milliseconds.
    slower_than_ms: Option<String>,
}

impl SamplingTemplate {
    /// Of a spec.
    pub(crate) fn new(spec: &Spec) -> Self {
        let sampling = spec.tracing.sampling.as_ref();
        let tail = sampling.and_then(|sampling| sampling.tail.as_ref());
        let later = if tail.is_some() {
            "10 to 30 seconds later"
        } else {
            "a few seconds later"
        };
        let kept = tail.map(|tail| KeptTraces {
            errors: tail.errors,
            slower_than_ms: tail
                .slower_than
                .map(|period| period.as_millis().to_string()),
        });
        let sampling = sampling.map(|sampling| Sampled {
            percent: sampling.ratio.percent(),
            share: share(sampling.ratio.percent()),
            tail: kept,
        });
        Self { sampling, later }
    }
}

/// How much that is, in a sentence.
fn share(percent: f64) -> String {
    match percent {
        0.0 => "none".to_owned(),
        100.0 => "all".to_owned(),
        _ => format!("{percent} %"),
    }
}

/// What is asked of a collector that is not there, or that sees parts of traces only.
pub(crate) fn problems(spec: &Spec) -> Vec<Problem> {
    if !spec.target.is_kubernetes() {
        return Vec::new();
    }
    match spec.collector.mode {
        CollectorMode::Tiered => Vec::new(),
        CollectorMode::Gateway => parts(spec).into_iter().collect(),
        CollectorMode::None => nobody(spec),
    }
}

/// Each replica of a gateway gets some of a trace's spans.
fn parts(spec: &Spec) -> Option<Problem> {
    spec.tracing.sampling.as_ref()?.tail.as_ref()?;
    let most = spec.collector.max_replicas;
    (most > 1).then(|| {
        let message = format!(
            "keeps traces by what is in them, and none of up to {most} replicas sees a whole trace"
        );
        let hint =
            "use `collector.mode: tiered`, or `collector.replicas: 1` and `collector.max_replicas: 1`";
        Problem::new("tracing.sampling", message).hint(hint)
    })
}

fn nobody(spec: &Spec) -> Vec<Problem> {
    let asked = [
        ("tracing.sampling", spec.tracing.sampling.is_some()),
        ("tracing.redact", spec.tracing.redact != Redact::default()),
        ("metrics.to_backend", spec.metrics.to_backend),
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
    use crate::input::sound;

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
        let problems = problems(&sound(&keys).spec);
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
