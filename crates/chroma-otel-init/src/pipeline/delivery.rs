//! Delivery counts. The SDK's batch processor drops what its queue cannot hold, and its shutdown
//! answers `Ok` whatever was delivered, so the spans are counted on both sides of it.
//!
//! Invariant: `ended` counts a span before the queue sees it and `exported` only after the
//! collector took it, so that `ended - exported` never hides a loss.

use super::problem::say;
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// The counts of one pipeline.
#[derive(Debug)]
pub(crate) struct Ledger {
    endpoint: String,
    ended: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
    told: AtomicBool,
    /// What the transport said last, if it failed.
    cause: Mutex<Option<String>>,
    /// What the last failed export said.
    reason: Mutex<Option<String>>,
}

impl Ledger {
    /// Nothing sent yet; `endpoint` is for the messages.
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            ended: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            told: AtomicBool::new(false),
            cause: Mutex::new(None),
            reason: Mutex::new(None),
        }
    }

    /// Sampled spans that ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Spans that the collector took.
    pub(super) fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that were sent and not taken.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// From now on only the guard speaks: what fails in the last flush is in its final count.
    pub(super) fn close(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Reports `lost` spans; `time_up` is the time that the last flush had, if it needed more.
    pub(super) fn report(&self, lost: u64, time_up: Option<Duration>) {
        let ended = self.ended();
        let endpoint = &self.endpoint;
        let reason = match (&*unpoisoned(&self.reason), time_up) {
            (Some(reason), _) => format!("last error: {reason}"),
            (None, Some(limit)) => format!("it did not answer within {} ms", limit.as_millis()),
            (None, None) => {
                "they did not fit the queue; hint: raise `OTEL_BSP_MAX_QUEUE_SIZE`".to_owned()
            }
        };
        say(format_args!(
            "warning: {lost} of {ended} spans did not reach `{endpoint}`; {reason}"
        ));
    }

    /// Why the transport failed, for the next failed export to report; `None` when it did not.
    #[cfg(feature = "sdk")]
    pub(crate) fn explain(&self, cause: Option<String>) {
        *unpoisoned(&self.cause) = cause;
    }

    fn record(&self, spans: u64, result: &OTelSdkResult) {
        let Err(error) = result else {
            self.exported.fetch_add(spans, Ordering::Relaxed);
            return;
        };
        self.failed.fetch_add(spans, Ordering::Relaxed);
        let error = match unpoisoned(&self.cause).take() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        if !self.told.swap(true, Ordering::Relaxed) {
            let endpoint = &self.endpoint;
            say(format_args!(
                "warning: spans do not reach `{endpoint}`: {error}; the program keeps trying, and \
                 reports at its end how many spans were lost"
            ));
        }
        *unpoisoned(&self.reason) = Some(error);
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The SDK's batch processor, with the spans counted that go in.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) processor: Arc<BatchSpanProcessor>,
    pub(super) ledger: Arc<Ledger>,
}

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.ledger.ended.fetch_add(1, Ordering::Relaxed);
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    // `set_resource` is left out: the exporter was given the resource before it came here.
}

/// An exporter with the batches counted that came through.
#[derive(Debug)]
pub(super) struct Recorded<E> {
    pub(super) exporter: E,
    pub(super) ledger: Arc<Ledger>,
}

impl<E: SpanExporter> SpanExporter for Recorded<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        self.ledger.record(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
