//! The guard: as long as it lives spans are sent, and when it is dropped the rest goes out.
//!
//! Invariant: no call lasts longer than the time given to it, whatever the collector does.

use super::{Options, Problem, pipeline::Pipeline};
use opentelemetry_sdk::{error::OTelSdkError, trace::SpanProcessor};
use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What became of the spans since tracing was installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that are gone: the queue was full, or the collector did not take them. A collector
    /// that takes a batch and then throws away a part of it (OTLP's partial success) is not seen.
    pub lost: u64,
    /// Spans that still wait to be sent, because the time was too short.
    pub pending: u64,
}

/// Keeps tracing alive. Dropping it sends what is left within [`Options::flush_timeout`], ends
/// tracing, and says once on standard error how many spans were lost, if any.
#[must_use = "dropping the guard ends tracing"]
pub struct Guard {
    pipeline: Option<Pipeline>,
    problems: Vec<Problem>,
    flush_timeout: Duration,
}

impl Guard {
    pub(super) fn new(
        pipeline: Option<Pipeline>,
        problems: Vec<Problem>,
        options: &Options,
    ) -> Self {
        Self {
            pipeline,
            problems,
            flush_timeout: options.flush_timeout,
        }
    }

    /// Whether spans are exported.
    pub fn enabled(&self) -> bool {
        self.pipeline.is_some()
    }

    /// What was wrong when tracing was installed; each was said on standard error too.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Sends the spans that ended so far, waiting for the collector's answer at most `timeout`.
    pub fn flush(&self, timeout: Duration) -> Outcome {
        let Some(pipeline) = &self.pipeline else {
            return Outcome::default();
        };
        let ledger = &pipeline.ledger;
        let ended = ledger.ended();
        let drained = drain(pipeline, timeout);
        let (exported, failed) = (ledger.exported(), ledger.failed());
        let unsettled = ended.saturating_sub(exported + failed);
        // What a drained queue does not hold and nobody sent never was in it.
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

    /// Ends tracing as dropping the guard does, and tells what became of the spans.
    pub fn shutdown(mut self) -> Outcome {
        self.end()
    }

    fn end(&mut self) -> Outcome {
        let Some(pipeline) = self.pipeline.take() else {
            return Outcome::default();
        };
        let ledger = Arc::clone(&pipeline.ledger);
        ledger.close();
        // Its own verdict is of no use: it is `Ok` whatever the collector did.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            pipeline.provider.shutdown_with_timeout(self.flush_timeout)
        }));
        let exported = ledger.exported();
        let lost = ledger.ended().saturating_sub(exported);
        if lost > 0 {
            ledger.report(lost);
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

/// Whether all that had ended was sent, successfully or not, within `timeout`. On a thread of its
/// own, because the processor waits five seconds whatever it is told.
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
