//! Sampling, as input of the collector's template.
//!
//! Invariant: requests are counted before traces are dropped; a decision on a complete trace sees
//! all its spans.

use serde::Serialize;

use crate::spec::signals::Sampling;

/// Template input for sampling.
#[derive(Serialize)]
pub(crate) struct SamplingTemplate {
    /// `None` exports every trace.
    sampling: Option<Sampled>,
    /// Delay until a trace is in the backend, for a README.
    later: &'static str,
}

#[derive(Serialize)]
struct Sampled {
    /// The share of traces to export, in percent.
    percent: f64,
    /// The same in words.
    share: String,
    /// Rules for keeping traces by their content, in addition to that share.
    tail: Option<KeptTraces>,
}

#[derive(Serialize)]
struct KeptTraces {
    /// Keep traces with an error.
    errors: bool,
    /// Keep traces that took longer, in milliseconds.
    slower_than_ms: Option<String>,
}

impl SamplingTemplate {
    /// Computes the input for a spec.
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

/// Describes the share in a sentence.
fn share(percent: f64) -> String {
    match percent {
        0.0 => "none".to_owned(),
        100.0 => "all".to_owned(),
        _ => format!("{percent} %"),
    }
}
