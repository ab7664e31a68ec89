//! The guard: spans are sent while it lives, and the remaining spans when it is dropped.
//!
//! Invariant: no call exceeds its time limit, whatever the collector does.

use super::{Options, Pipeline, Problem, problem::say};
use opentelemetry_sdk::{error::OTelSdkError, trace::SpanProcessor};
use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Delivery counts since tracing was installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Spans that the collector accepted.
    pub exported: u64,
    /// Spans that are lost: the queue was full, or the collector did not accept them. Spans of a
    /// batch that a collector accepts and then partly rejects (OTLP's partial success) are not
    /// counted.
    pub lost: u64,
    /// Spans that are still queued, because the time was too short.
    pub pending: u64,
}

/// Keeps tracing active. Dropping it sends the remaining spans within [`Options::flush_timeout`],
/// ends tracing, and reports the number of lost spans once on standard error, if there are any.
///
/// Spans that are still open when it is dropped are not sent, and neither are spans that end before
/// [`std::process::exit`], which drops nothing.
#[must_use = "dropping the guard ends tracing"]
pub struct Guard {
    pipeline: Option<Pipeline>,
    problems: Vec<Problem>,
    flush_timeout: Duration,
}

impl Guard {
    /// Creates a guard, and reports the problems on standard error.
    pub(crate) fn new(
        pipeline: Option<Pipeline>,
        problems: Vec<Problem>,
        options: &Options,
    ) -> Self {
        for problem in &problems {
            match pipeline {
                Some(_) => say(format_args!("warning: {problem}")),
                None => say(format_args!("error: tracing is off: {problem}")),
            }
        }
        Self {
            pipeline,
            problems,
            flush_timeout: options.flush_timeout,
        }
    }

    /// Returns true if spans are exported.
    pub fn enabled(&self) -> bool {
        self.pipeline.is_some()
    }

    /// Returns the problems of the installation; each was also reported on standard error.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Sends the spans that have ended, and waits at most `timeout` for the collector.
    pub fn flush(&self, timeout: Duration) -> Outcome {
        let Some(pipeline) = &self.pipeline else {
            return Outcome::default();
        };
        let ledger = &pipeline.ledger;
        let ended = ledger.ended();
        let drained = drain(pipeline, timeout);
        let (exported, failed) = (ledger.exported(), ledger.failed());
        let unsettled = ended.saturating_sub(exported + failed);
        // A span that is not in a drained queue and was not sent never entered the queue.
        let (dropped, pending) = if drained {
            (unsettled, 0)
        } else {
            (0, unsettled)
        };
        Outcome {
            exported,
            lost: failed + dropped,
            pending,
        }
    }

    /// Ends tracing as dropping the guard does, and returns the delivery counts.
    pub fn shutdown(mut self) -> Outcome {
        self.end()
    }

    fn end(&mut self) -> Outcome {
        let Some(pipeline) = self.pipeline.take() else {
            return Outcome::default();
        };
        let ledger = Arc::clone(&pipeline.ledger);
        ledger.close();
        let start = Instant::now();
        // The result has no information: it is `Ok` even if the collector failed.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            pipeline.provider.shutdown_with_timeout(self.flush_timeout)
        }));
        let time_up = (start.elapsed() >= self.flush_timeout).then_some(self.flush_timeout);
        let exported = ledger.exported();
        let lost = ledger.ended().saturating_sub(exported);
        if lost > 0 {
            ledger.report(lost, time_up);
        }
        Outcome {
            exported,
            lost,
            pending: 0,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Guard")
            .field("enabled", &self.enabled())
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// Returns true if all ended spans were sent, successfully or not, within `timeout`. Uses a
/// separate thread, because the processor waits five seconds for any timeout.
fn drain(pipeline: &Pipeline, timeout: Duration) -> bool {
    let processor = Arc::clone(&pipeline.processor);
    let (done, waiting) = mpsc::sync_channel(1);
    let until = Instant::now().checked_add(timeout);
    let spawned = thread::Builder::new()
        .name("chroma-otel-flush".to_owned())
        .spawn(move || {
            let drained = loop {
                match processor.force_flush() {
                    Err(OTelSdkError::Timeout(_))
                        if until.is_none_or(|until| Instant::now() < until) => {}
                    Err(OTelSdkError::Timeout(_)) => break false,
                    _ => break true,
                }
            };
            let _ = done.send(drained);
        });
    spawned.is_ok() && waiting.recv_timeout(timeout).unwrap_or(false)
}
