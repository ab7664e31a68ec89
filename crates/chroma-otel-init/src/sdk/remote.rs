//! An exporter that runs on its own tokio runtime.
//!
//! Invariant: a panic in the exporter ends a task of this runtime, not the batch processor.

use super::runtime::{self, Runtime};
use crate::{Problem, pipeline::time_limit};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use std::{sync::Arc, time::Duration};

/// An exporter on its own thread. The batch processor's thread has no reactor, which the
/// exporters' time limits need.
#[derive(Debug)]
pub(super) struct Remote<E> {
    exporter: Arc<E>,
    runtime: Runtime,
    /// Time limit of one batch, including retries.
    limit: Duration,
}

impl<E: SpanExporter + 'static> Remote<E> {
    /// Starts the thread, and creates the exporter in its context, in which a gRPC channel starts
    /// its task.
    ///
    /// # Errors
    /// The thread cannot be started, or the exporter cannot be created.
    pub(super) fn start(connect: impl FnOnce() -> Result<E, Problem>) -> Result<Self, Problem> {
        let runtime = runtime::start().map_err(|error| Problem::Start(error.to_string()))?;
        let exporter = {
            let _inside = runtime.handle.enter();
            connect()?
        };
        Ok(Self {
            exporter: Arc::new(exporter),
            runtime,
            limit: time_limit(),
        })
    }
}

impl<E: SpanExporter + 'static> SpanExporter for Remote<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let (exporter, limit) = (Arc::clone(&self.exporter), self.limit);
        let sending = self
            .runtime
            .handle
            .spawn(async move { tokio::time::timeout(limit, exporter.export(batch)).await });
        match sending.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(limit)),
            Err(ended) if ended.is_cancelled() => Err(OTelSdkError::AlreadyShutdown),
            Err(_) => Err(OTelSdkError::InternalFailure(
                "the exporter panicked".to_owned(),
            )),
        }
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
