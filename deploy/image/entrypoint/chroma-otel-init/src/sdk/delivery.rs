//! What became of every span: the SDK's batch processor drops what its queue cannot hold, and its
//! shutdown answers `Ok` whatever was delivered, so the spans are counted on both sides of it.
//!
//! Invariant: `ended` counts a span before the queue sees it and `exported` only after the
//! collector took it, so that `ended - exported` never hides a loss.

use super::{problem::say, tally};
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Handle;

/// The counts of one pipeline.
#[derive(Debug)]
pub(super) struct Ledger {
    endpoint: String,
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
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            told: AtomicBool::new(false),
            cause: Mutex::new(None),
            reason: Mutex::new(None),
        }
    }

    /// Sampled spans that ended.
    pub(super) fn ended(&self) -> u64 {
        tally::total()
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

    /// The final word on `lost` spans.
    pub(super) fn report(&self, lost: u64) {
        let ended = self.ended();
        let dropped = lost.saturating_sub(self.failed());
        let reason = match &*unpoisoned(&self.reason) {
            Some(reason) => format!("last error: {reason}"),
            None if dropped > 0 => "they did not fit the queue, or the time to send them was up; \
                                    hint: raise `OTEL_BSP_MAX_QUEUE_SIZE`"
                .to_owned(),
            None => String::new(),
        };
        let endpoint = &self.endpoint;
        say(format_args!(
            "warning: {lost} of {ended} spans did not reach `{endpoint}`; {reason}"
        ));
    }

    /// Why the transport failed, for the next failed export to say; `None` when it did not.
    pub(super) fn explain(&self, cause: Option<String>) {
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
                "warning: spans do not reach `{endpoint}`: {error}; the attempts go on, and the \
                 number of lost spans is told at the end"
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
pub(super) struct Counted(pub(super) Arc<BatchSpanProcessor>);

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        tally::add_one();
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    // `set_resource` is left out: the exporter was given the resource before it came here.
}

/// An exporter that works on our own thread, with the batches counted that came through.
///
/// The processor's thread has no reactor, and the exporters' time limits need one; and a panic in
/// an exporter ends a task here, not the processor.
#[derive(Debug)]
pub(super) struct Remote<E> {
    pub(super) exporter: Arc<E>,
    pub(super) handle: Handle,
    /// The longest that one batch may take, retries included.
    pub(super) limit: Duration,
    pub(super) ledger: Arc<Ledger>,
}

impl<E: SpanExporter + 'static> SpanExporter for Remote<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let (exporter, limit) = (Arc::clone(&self.exporter), self.limit);
        let sending = self
            .handle
            .spawn(async move { tokio::time::timeout(limit, exporter.export(batch)).await });
        let result = match sending.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(limit)),
            Err(ended) if ended.is_cancelled() => Err(OTelSdkError::AlreadyShutdown),
            Err(_) => Err(OTelSdkError::InternalFailure(
                "the exporter panicked".to_owned(),
            )),
        };
        self.ledger.record(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}
