//! Delivery counts. The SDK's batch processor drops spans when its queue is full, and its shutdown
//! returns `Ok` even if spans were lost, so the spans are counted before and after it.
//!
//! Invariant: `ended` counts a span before it enters the queue and `exported` only after the
//! collector accepted it, so that `ended - exported` never hides a loss.

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
    reported: AtomicBool,
    /// The last error of the transport.
    cause: Mutex<Option<String>>,
    /// The error of the last failed export.
    reason: Mutex<Option<String>>,
}

impl Ledger {
    /// Returns empty counts; `endpoint` is for the messages.
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            ended: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            reported: AtomicBool::new(false),
            cause: Mutex::new(None),
            reason: Mutex::new(None),
        }
    }

    /// Returns the number of sampled spans that ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Returns the number of spans that the collector accepted.
    pub(super) fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Returns the number of spans that were sent and not accepted.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Stops reports of failed exports: the guard's final count includes those of the last flush.
    pub(super) fn close(&self) {
        self.reported.store(true, Ordering::Relaxed);
    }

    /// Reports `lost` spans; `time_up` is the time limit of the last flush, if it was exceeded.
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

    /// Sets the transport's error, which the next failed export reports; `None` if it succeeded.
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
        if !self.reported.swap(true, Ordering::Relaxed) {
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

/// The SDK's batch processor, which counts the spans that it receives.
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

    // `set_resource` is not forwarded: the exporter already has the resource.
}

/// An exporter that counts the exported batches.
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
