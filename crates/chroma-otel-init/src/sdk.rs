//! Tracing for a Rust program that uses or serves Chroma: [`init`] and its variants.
//!
//! Invariant: this module never panics into the program or blocks it beyond its time limits. Every
//! failure is a [`Problem`], reported once on standard error.

mod exporter;
mod filter;
mod http_client;
mod propagation;
mod remote;
mod runtime;

pub use propagation::{continue_trace, trace_headers};
/// The `tracing` interface whose spans [`init`] exports. The attribute `#[instrument]` expands to
/// `::tracing`, so a program that uses it must depend on `tracing` itself.
pub use tracing;

use crate::{
    Endpoint, Granularity, Guard, Options, Problem, Settings,
    pipeline::{Pipeline, start},
};
use filter::{Spans, events};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SpanExporter};
use remote::Remote;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, layer::SubscriberExt, registry::LookupSpan};

/// Destination of log events. It has no effect on spans, which the granularity selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Nowhere.
    Off,
    /// Lines on standard error, filtered by `RUST_LOG` (`target=level` directives, default `info`),
    /// also when tracing is off.
    Stderr,
}

/// Installs tracing as configured by the four variables.
///
/// ```
/// use chroma_otel_init::tracing;
///
/// // Keep the guard until the end of `main`: dropping it sends the last spans.
/// let _guard = chroma_otel_init::init();
/// let request = tracing::info_span!("search", otel.kind = "server", collection = "books");
/// let _inside = request.enter();
/// tracing::info!(found = 3, "answered");
/// ```
///
/// - **Never fails**: it needs no async runtime and works with any. A value that cannot be parsed
///   disables tracing, is reported once on standard error, and is kept in
///   [`Guard::problems`].
/// - **Bounded**: the program never waits for an export. Dropping the guard takes at most
///   [`Options::flush_timeout`] (about 1 s if no server listens at the endpoint), and reports the
///   number of lost spans, if there are any.
/// - **Spans** of `tracing` and of the [`opentelemetry`] interface are exported. The granularity
///   selects them, and `RUST_LOG` has no effect: `operation` includes the levels `INFO` and above,
///   and at any level the spans that declare `otel.kind` or `otel.name` (those were made for a
///   trace); `operation_and_segment` also `DEBUG`; `all` also `TRACE`. Spans of the OpenTelemetry
///   interface have no level and count as operations. `#[tracing::instrument]` needs
///   `tracing = "0.1"` among the program's own dependencies.
/// - **Log lines** are those of `tracing_subscriber::fmt` with `RUST_LOG`, the same with tracing on
///   or off.
/// - **Propagation** is W3C's by default, or that of `OTEL_PROPAGATORS`; see [`continue_trace`] and
///   [`trace_headers`].
/// - **TLS** trusts the public authorities that are compiled in, or instead of them those in the
///   file that `OTEL_EXPORTER_OTLP_CERTIFICATE` names. Client certificates
///   (`OTEL_EXPORTER_OTLP_CLIENT_KEY`) and proxies (`HTTPS_PROXY`) are not supported.
/// - **OpenTelemetry's variables**: `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, `OTEL_PROPAGATORS`
///   (`tracecontext`, `baggage`, `none`), `OTEL_TRACES_SAMPLER` and `_ARG`,
///   `OTEL_SPAN_*_COUNT_LIMIT`, `OTEL_SDK_DISABLED`, `OTEL_TRACES_EXPORTER=none`,
///   `OTEL_SERVICE_NAME` if Chroma's variables set no name, and
///   `OTEL_EXPORTER_OTLP_{CERTIFICATE,COMPRESSION,TIMEOUT}` with their `_TRACES_` forms. Endpoint
///   and headers come only from Chroma's variables and their synonyms ([`Settings::read`]).
#[must_use = "dropping the guard ends tracing"]
pub fn init() -> Guard {
    match Settings::from_env() {
        Ok(settings) => init_with(&settings, &Options::default()),
        Err(invalid) => {
            let problems = invalid.into_iter().map(Problem::Invalid).collect();
            install(None, Granularity::None, problems, &Options::default())
        }
    }
}

/// Installs tracing as [`init`] does, with the given settings.
#[must_use = "dropping the guard ends tracing"]
pub fn init_with(settings: &Settings, options: &Options) -> Guard {
    let (pipeline, problems) = start(settings, options, to_endpoint);
    install(pipeline, settings.granularity, problems, options)
}

/// Installs tracing as [`init_with`] does, with the program's own exporter instead of OTLP, such as
/// the SDK's `InMemorySpanExporter` in a test. The endpoint is required but not used.
#[must_use = "dropping the guard ends tracing"]
pub fn init_with_exporter<E: SpanExporter + 'static>(
    exporter: E,
    settings: &Settings,
    options: &Options,
) -> Guard {
    let (pipeline, problems) = start(settings, options, |_, settings, options| {
        Pipeline::start("the exporter".to_owned(), settings, options, |_| {
            Remote::start(|| Ok(exporter))
        })
    });
    install(pipeline, settings.granularity, problems, options)
}

/// Returns the layer for a program that has its own `tracing` subscriber.
///
/// Does the same as [`init_with`], including the global tracer provider and the propagator, but
/// installs neither a subscriber nor logs. A span is somewhat more expensive, because of per-layer
/// filters. If tracing is off, the layer is `None`, which does nothing.
pub fn layer<S>(
    settings: &Settings,
    options: &Options,
) -> (Option<Box<dyn Layer<S> + Send + Sync>>, Guard)
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (pipeline, problems) = start(settings, options, to_endpoint);
    let layer = pipeline.as_ref().map(|pipeline| {
        let spans = Spans(settings.granularity);
        span_layer(pipeline).with_filter(spans).boxed()
    });
    (layer, guard(pipeline, problems, options))
}

fn to_endpoint(
    endpoint: &Endpoint,
    settings: &Settings,
    options: &Options,
) -> Result<Pipeline, Problem> {
    Pipeline::start(endpoint.to_string(), settings, options, |ledger| {
        Remote::start(|| exporter::exporter(endpoint, &settings.headers, ledger))
    })
}

/// Installs the subscriber with the pipeline's layer, and with the logs, which need no pipeline.
fn install(
    pipeline: Option<Pipeline>,
    granularity: Granularity,
    mut problems: Vec<Problem>,
    options: &Options,
) -> Guard {
    let spans = Spans(granularity);
    let installed = match options.logs {
        Logs::Off => pipeline.as_ref().map(|pipeline| {
            // One filter for all is cheaper than a filter per layer (`benches/span.rs`).
            let otel = span_layer(pipeline);
            let subscriber = tracing_subscriber::registry().with(otel).with(spans);
            tracing::subscriber::set_global_default(subscriber)
        }),
        Logs::Stderr => {
            let rust_log = std::env::var("RUST_LOG").ok();
            let (events, invalid) = events(rust_log.as_deref());
            problems.extend(invalid.map(Problem::Invalid));
            // A filter per layer, so that the exported spans have no effect on the log lines.
            let lines = tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .with_filter(events);
            let otel = pipeline
                .as_ref()
                .map(|pipeline| span_layer(pipeline).with_filter(spans));
            let subscriber = tracing_subscriber::registry().with(otel).with(lines);
            Some(tracing::subscriber::set_global_default(subscriber))
        }
    };
    // Without a pipeline, the program's own subscriber is sufficient.
    if pipeline.is_some() && installed.is_some_and(|installed| installed.is_err()) {
        problems.push(Problem::SubscriberInstalled);
    }
    guard(pipeline, problems, options)
}

/// Returns a guard, with W3C propagation installed if spans are exported.
fn guard(pipeline: Option<Pipeline>, mut problems: Vec<Problem>, options: &Options) -> Guard {
    if pipeline.is_some() {
        problems.extend(propagation::install().map(Problem::Invalid));
    }
    Guard::new(pipeline, problems, options)
}

/// Returns the layer that converts `tracing` spans to OpenTelemetry spans. It omits thread names
/// and busy times, which are the expensive part of a span.
fn span_layer<S>(pipeline: &Pipeline) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span>,
{
    OpenTelemetryLayer::new(pipeline.provider.tracer(env!("CARGO_PKG_NAME")))
        .with_threads(false)
        .with_tracked_inactivity(false)
}
