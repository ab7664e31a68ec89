//! The path from an ended span to the collector: tracer provider, counted batch processor,
//! exporter.
//!
//! Invariant: a pipeline exists only if tracing is on and all of its parts were built.

mod delivery;
mod gauges;
mod guard;
mod ids;
mod options;
mod plain_http;
mod problem;
mod resource;

pub(crate) use delivery::Ledger;
pub use gauges::{Gauge, Gauges};
pub use guard::{Guard, Outcome};
pub use options::Options;
pub use problem::Problem;

use crate::{Endpoint, Settings, switched_off};
use delivery::{Counted, Recorded};
use ids::Ids;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanExporter};
use plain_http::{Page, Spans};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Sends the spans of the [`opentelemetry`] interface to a collector near the program, by OTLP
/// over plain HTTP, and installs the global tracer provider.
///
/// For a small program that needs neither TLS nor gRPC: this has a third of the dependencies of
/// feature `sdk`. Spans of `tracing` are not exported, and no propagator is installed.
///
/// Port 4317, for OTLP over gRPC, is replaced by the same collector's port 4318; any other port is
/// unchanged. `https` is rejected.
///
/// Never fails: a value that cannot be used disables tracing, is reported once on standard error,
/// and is kept in [`Guard::problems`].
///
/// ```
/// use chroma_otel_init::{Options, Settings, init_plain_http};
/// use chroma_otel_init::opentelemetry::{global, trace::{Span, Tracer}};
///
/// let settings = Settings::from_env().unwrap_or_default();
/// let guard = init_plain_http(&settings, &Options::default());
/// global::tracer("example").start("work").end();
/// guard.shutdown();
/// ```
#[must_use = "dropping the guard ends tracing"]
pub fn init_plain_http(settings: &Settings, options: &Options) -> Guard {
    let (pipeline, problems) = start(settings, options, |endpoint, settings, options| {
        let url = plain_http::traces_url(endpoint)?;
        let page = Page::new(url.clone(), settings.headers.clone());
        Pipeline::start(url, settings, options, |_| Ok(Spans::to(page)))
    });
    Guard::new(pipeline, problems, options)
}

/// Set by the first successful start: a process has one tracer provider.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Starts the pipeline that `pipeline` builds, if tracing is on, and installs it for the process.
pub(crate) fn start(
    settings: &Settings,
    options: &Options,
    pipeline: impl FnOnce(&Endpoint, &Settings, &Options) -> Result<Pipeline, Problem>,
) -> (Option<Pipeline>, Vec<Problem>) {
    let Some(endpoint) = settings.endpoint.as_ref().filter(|_| settings.enabled()) else {
        return (None, Vec::new());
    };
    if switched_off(|name| std::env::var(name).ok()).is_some() {
        return (None, Vec::new());
    }
    for ignored in settings.ignored() {
        problem::say(format_args!("warning: {ignored}"));
    }
    if INITIALIZED.swap(true, Ordering::AcqRel) {
        return (None, vec![Problem::AlreadyInitialized]);
    }
    match pipeline(endpoint, settings, options) {
        Ok(pipeline) => {
            opentelemetry::global::set_tracer_provider(pipeline.provider.clone());
            (Some(pipeline), Vec::new())
        }
        Err(problem) => {
            INITIALIZED.store(false, Ordering::Release);
            (None, vec![problem])
        }
    }
}

/// A running pipeline.
pub(crate) struct Pipeline {
    pub(crate) provider: SdkTracerProvider,
    pub(crate) processor: Arc<BatchSpanProcessor>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Pipeline {
    /// Builds the pipeline with the exporter that `connect` creates; `destination` is for the
    /// messages.
    ///
    /// # Errors
    /// Returns the reason why it cannot be built, which can be a panic of a dependency.
    pub(crate) fn start<E: SpanExporter + 'static>(
        destination: String,
        settings: &Settings,
        options: &Options,
        connect: impl FnOnce(&Arc<Ledger>) -> Result<E, Problem>,
    ) -> Result<Self, Problem> {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let ledger = Arc::new(Ledger::new(destination));
            let exporter = connect(&ledger)?;
            Ok(Self::around(exporter, ledger, settings, options))
        }))
        .unwrap_or_else(|_| {
            Err(Problem::Start(
                "a library panicked, as reported above".to_owned(),
            ))
        })
    }

    fn around<E: SpanExporter + 'static>(
        exporter: E,
        ledger: Arc<Ledger>,
        settings: &Settings,
        options: &Options,
    ) -> Self {
        let resource = resource::of(settings, options);
        let mut exporter = Recorded {
            exporter,
            ledger: Arc::clone(&ledger),
        };
        exporter.set_resource(&resource);
        let processor = Arc::new(BatchSpanProcessor::builder(exporter).build());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids)
            .with_span_processor(Counted {
                processor: Arc::clone(&processor),
                ledger: Arc::clone(&ledger),
            })
            .build();
        Self {
            provider,
            processor,
            ledger,
        }
    }
}

/// Returns the time limit of one batch, including retries: `OTEL_EXPORTER_OTLP_TIMEOUT` in
/// milliseconds, or 10 seconds if it is not set or not a positive number (OpenTelemetry
/// specification, `protocol/exporter.md`).
pub(crate) fn time_limit() -> Duration {
    const TIMEOUT: [&str; 2] = [
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ];
    first_set(TIMEOUT)
        .and_then(|(_, value)| value.parse().ok())
        .filter(|milliseconds| *milliseconds > 0)
        .map_or(Duration::from_secs(10), Duration::from_millis)
}

/// Returns the first of these variables that is not blank, with its value.
pub(crate) fn first_set<const N: usize>(
    names: [&'static str; N],
) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name, value.to_owned()))
    })
}
