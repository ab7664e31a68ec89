//! Tracing for a Rust program that uses or serves Chroma: [`init`] and what it hands out.
//!
//! Invariant: nothing in here panics into the program or keeps it waiting longer than the time it
//! is given; what does not work is a [`Problem`], said once on standard error.

mod delivery;
mod exporter;
mod filter;
mod guard;
mod ids;
mod pipeline;
mod problem;
mod propagation;
mod resource;
mod runtime;
mod tally;

pub use guard::{Guard, Outcome};
/// The OpenTelemetry interface of the very release that [`init`] installs.
pub use opentelemetry;
/// The OpenTelemetry SDK of that release, for [`init_with_exporter`].
pub use opentelemetry_sdk;
pub use problem::Problem;
pub use propagation::{continue_trace, trace_headers};
/// The `tracing` interface whose spans [`init`] exports.
pub use tracing;

use crate::{Endpoint, Settings};
use filter::{Events, Gate, Spans};
use opentelemetry_sdk::trace::SpanExporter;
use pipeline::Pipeline;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tracing_subscriber::{Layer, layer::SubscriberExt, registry::LookupSpan};

/// What [`init_with`] does besides what the four variables say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Attributes of the resource, on top of `OTEL_RESOURCE_ATTRIBUTES` and winning over it.
    /// The service name always comes from the settings.
    pub resource: Vec<(String, String)>,
    /// Where the program's log events go.
    pub logs: Logs,
    /// The longest that dropping the [`Guard`] may take, whatever the collector does.
    pub flush_timeout: Duration,
}

impl Default for Options {
    /// No further attributes, logs on standard error, five seconds.
    fn default() -> Self {
        Self {
            resource: Vec::new(),
            logs: Logs::Stderr,
            flush_timeout: Duration::from_secs(5),
        }
    }
}

/// Where log events go. Spans are not concerned: the granularity alone decides about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Nowhere.
    Off,
    /// Lines on standard error, filtered by `RUST_LOG` (`target=level` directives, default
    /// `info`). Tracing being off does not silence them.
    Stderr,
}

/// Installs tracing as the four variables say.
///
/// ```
/// use chroma_otel_init::tracing;
///
/// // Keep it until the end of `main`: dropping it sends the last spans.
/// let _guard = chroma_otel_init::init();
/// let request = tracing::info_span!("search", otel.kind = "server", collection = "books");
/// let _inside = request.enter();
/// tracing::info!(found = 3, "answered");
/// ```
///
/// - **Never fails, never waits**: needs no async runtime and minds none. What cannot be read
///   switches tracing off, is told once on standard error, and is kept in [`Guard::problems`].
///   Dropping the guard takes [`Options::flush_timeout`] at most, and tells how many spans were
///   lost, if any.
/// - **Spans** of `tracing` and of the [`opentelemetry`] interface are exported. The granularity
///   decides, and `RUST_LOG` does not: `operation` takes the levels `INFO` and above, and at any
///   level the spans that declare `otel.kind` or `otel.name` (those were made for a trace);
///   `operation_and_segment` also `DEBUG`; `all` also `TRACE`. Spans of the OpenTelemetry
///   interface have no level and count as operations.
/// - **Headers in and out** are W3C's, see [`continue_trace`] and [`trace_headers`].
/// - **TLS** trusts the public authorities that are compiled in, or instead of them those in the
///   file that `OTEL_EXPORTER_OTLP_CERTIFICATE` names.
/// - **Of OpenTelemetry's variables** it honours `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`,
///   `OTEL_TRACES_SAMPLER` and `_ARG`, `OTEL_SPAN_*_COUNT_LIMIT`, `OTEL_SDK_DISABLED`, and
///   `OTEL_EXPORTER_OTLP_{CERTIFICATE,COMPRESSION,HEADERS,TIMEOUT}` with their `_TRACES_` forms.
///   Endpoint and service name come from Chroma's variables alone.
#[must_use = "dropping the guard ends tracing"]
pub fn init() -> Guard {
    match Settings::from_env() {
        Ok(settings) => init_with(&settings, &Options::default()),
        Err(invalid) => {
            let problems = invalid.into_iter().map(Problem::Invalid).collect();
            install(None, problems, &Options::default())
        }
    }
}

/// Installs tracing as [`init`] does, from settings read before.
#[must_use = "dropping the guard ends tracing"]
pub fn init_with(settings: &Settings, options: &Options) -> Guard {
    let (pipeline, problems) = start(settings, options, Pipeline::to_endpoint);
    install(pipeline, problems, options)
}

/// Installs tracing as [`init_with`] does, with an exporter of the program's own in place of OTLP:
/// for a test that looks at spans, such as with the SDK's `InMemorySpanExporter`. The endpoint
/// only has to be there.
#[must_use = "dropping the guard ends tracing"]
pub fn init_with_exporter<E: SpanExporter + 'static>(
    exporter: E,
    settings: &Settings,
    options: &Options,
) -> Guard {
    let (pipeline, problems) = start(settings, options, |_, settings, options| {
        Pipeline::start("the exporter".to_owned(), settings, options, |_| {
            Ok(exporter)
        })
    });
    install(pipeline, problems, options)
}

/// For a program that has a `tracing` subscriber of its own: the layer to add to it.
///
/// Does all that [`init_with`] does, global tracer provider and propagator included, but installs
/// no subscriber and no logs, and costs some more for each span (per-layer filters do). The layer is `None`, which is a layer that does nothing, when
/// tracing is off.
pub fn layer<S>(
    settings: &Settings,
    options: &Options,
) -> (Option<Box<dyn Layer<S> + Send + Sync>>, Guard)
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (pipeline, problems) = start(settings, options, Pipeline::to_endpoint);
    let layer = pipeline.as_ref().map(|pipeline| {
        let spans = Spans(pipeline.granularity);
        pipeline.layer().with_filter(spans).boxed()
    });
    (layer, guard(pipeline, problems, options))
}

/// Set by the start that succeeded: the tracer provider is the process's.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

fn start(
    settings: &Settings,
    options: &Options,
    pipeline: impl FnOnce(&Endpoint, &Settings, &Options) -> Result<Pipeline, Problem>,
) -> (Option<Pipeline>, Vec<Problem>) {
    let Some(endpoint) = settings.endpoint.as_ref().filter(|_| settings.enabled()) else {
        return (None, Vec::new());
    };
    if switched_off() {
        return (None, Vec::new());
    }
    if INITIALIZED.swap(true, Ordering::AcqRel) {
        return (None, vec![Problem::AlreadyInitialized]);
    }
    match pipeline(endpoint, settings, options) {
        Ok(pipeline) => {
            opentelemetry::global::set_tracer_provider(pipeline.provider.clone());
            propagation::install();
            (Some(pipeline), Vec::new())
        }
        Err(problem) => {
            INITIALIZED.store(false, Ordering::Release);
            (None, vec![problem])
        }
    }
}

/// `OTEL_SDK_DISABLED` (OpenTelemetry specification, `sdk-environment-variables.md`): `true` in
/// any case, and nothing else. The Rust SDK does not read it.
fn switched_off() -> bool {
    std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Installs the subscriber: the pipeline's layer, and the logs, which come without a pipeline too.
fn install(pipeline: Option<Pipeline>, mut problems: Vec<Problem>, options: &Options) -> Guard {
    let logs = match options.logs {
        Logs::Off => None,
        Logs::Stderr => {
            let rust_log = std::env::var("RUST_LOG").ok();
            let (events, invalid) = Events::read(rust_log.as_deref());
            problems.extend(invalid.map(Problem::Invalid));
            Some(events)
        }
    };
    if pipeline.is_some() || logs.is_some() {
        let granularity = pipeline.as_ref().map(|pipeline| pipeline.granularity);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false);
        let subscriber = tracing_subscriber::registry()
            .with(pipeline.as_ref().map(Pipeline::layer))
            .with(Gate {
                spans: Spans(granularity.unwrap_or_default()),
                logs: logs.map(|events| (events, lines)),
            });
        let installed = tracing::subscriber::set_global_default(subscriber);
        // Without a pipeline the program's own subscriber lacks nothing.
        if installed.is_err() && pipeline.is_some() {
            problems.push(Problem::SubscriberInstalled);
        }
    }
    guard(pipeline, problems, options)
}

fn guard(pipeline: Option<Pipeline>, problems: Vec<Problem>, options: &Options) -> Guard {
    for problem in &problems {
        match pipeline {
            Some(_) => problem::say(format_args!("warning: {problem}")),
            None => problem::say(format_args!("error: tracing is off: {problem}")),
        }
    }
    Guard::new(pipeline, problems, options)
}
