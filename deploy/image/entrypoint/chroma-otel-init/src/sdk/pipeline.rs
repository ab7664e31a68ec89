//! From a span that ends to the collector: provider, counted batch processor, exporter, thread.
//!
//! Invariant: a pipeline exists only if tracing is on and everything in it could be built.

use super::{
    Options, Problem,
    delivery::{Counted, Ledger, Remote},
    exporter,
    ids::Ids,
    resource::resource,
    runtime::{self, Runtime},
};
use crate::{Endpoint, Granularity, Settings};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanExporter};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// A running pipeline.
pub(super) struct Pipeline {
    pub(super) provider: SdkTracerProvider,
    pub(super) processor: Arc<BatchSpanProcessor>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) granularity: Granularity,
    _runtime: Runtime,
}

impl Pipeline {
    /// The pipeline to an endpoint.
    ///
    /// # Errors
    /// Why it cannot be built; a panic of a dependency is one of the reasons.
    pub(super) fn to_endpoint(
        endpoint: &Endpoint,
        settings: &Settings,
        options: &Options,
    ) -> Result<Self, Problem> {
        Self::start(endpoint.to_string(), settings, options, |ledger| {
            exporter::exporter(endpoint, &settings.headers, ledger)
        })
    }

    /// The pipeline to the exporter that `connect` makes in the context of our runtime.
    ///
    /// # Errors
    /// As [`Pipeline::to_endpoint`].
    pub(super) fn start<E: SpanExporter + 'static>(
        destination: String,
        settings: &Settings,
        options: &Options,
        connect: impl FnOnce(&Arc<Ledger>) -> Result<E, Problem>,
    ) -> Result<Self, Problem> {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let runtime = runtime::start().map_err(|error| Problem::Start(error.to_string()))?;
            let ledger = Arc::new(Ledger::new(destination));
            // The gRPC channel puts its task on the runtime it finds around it.
            let exporter = {
                let _inside = runtime.handle.enter();
                connect(&ledger)?
            };
            Ok(Self::around(exporter, ledger, runtime, settings, options))
        }))
        .unwrap_or_else(|_| {
            Err(Problem::Start(
                "a library panicked, as it says above".to_owned(),
            ))
        })
    }

    fn around<E: SpanExporter + 'static>(
        exporter: E,
        ledger: Arc<Ledger>,
        runtime: Runtime,
        settings: &Settings,
        options: &Options,
    ) -> Self {
        let resource = resource(&settings.service_name, &options.resource);
        let mut exporter = Remote {
            exporter: Arc::new(exporter),
            handle: runtime.handle.clone(),
            limit: exporter::time_limit(),
            ledger: Arc::clone(&ledger),
        };
        exporter.set_resource(&resource);
        let processor = Arc::new(BatchSpanProcessor::builder(exporter).build());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids)
            .with_span_processor(Counted(Arc::clone(&processor)))
            .build();
        Self {
            provider,
            processor,
            ledger,
            granularity: settings.granularity,
            _runtime: runtime,
        }
    }

    /// The layer that makes OpenTelemetry spans of all `tracing` spans it is shown. Thread names and
    /// busy times are left out: they are the costly part of a span.
    pub(super) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        OpenTelemetryLayer::new(tracer)
            .with_threads(false)
            .with_tracked_inactivity(false)
    }
}
