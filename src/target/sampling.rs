//! Which traces leave, as the collector's template reads it, and where that cannot be decided.
//!
//! Invariant: what counts the requests comes before what drops traces; who decides by a whole trace sees all of it.

use minijinja::{Value, context};

use crate::problem::Problem;
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Redact;

/// What the collector's template reads: `sampling`, with `percent` and, for a decision by the whole trace,
/// `tail` with `errors` and `slower_than_ms`.
pub(super) fn context(spec: &Spec) -> Value {
    let sampling = spec.tracing.sampling.as_ref().map(|sampling| {
        let tail = sampling.tail.as_ref().map(|tail| {
            let slower_than_ms = tail.slower_than.map(|period| period.as_millis().to_string());
            context! { errors => tail.errors, slower_than_ms }
        });
        context! { percent => sampling.ratio.percent(), tail }
    });
    context! { sampling }
}

/// What is asked of a collector that is not there, or that sees parts of traces only.
pub(super) fn problems(spec: &Spec) -> Vec<Problem> {
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
