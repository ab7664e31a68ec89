//! Which traces leave, as the collector's template reads it, and where that cannot be decided.
//!
//! Invariant: what counts the requests comes before what drops traces; who decides by a whole trace sees all of it.

use serde::Serialize;

use crate::spec::signals::Sampling;

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
    pub(crate) fn new(sampling: Option<&Sampling>) -> Self {
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
