//! The filters of exported spans and of printed log lines, which are independent.
//!
//! Invariant: both decide by a callsite's metadata alone, so `tracing` asks once per callsite, and
//! `RUST_LOG` has no effect on the spans that are exported.

use crate::{Granularity, Invalid};
use tracing::{Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, Filter},
};

/// The crates that perform the export. Exporting their spans would create more of them without end.
const EXPORT_STACK: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_http",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "rustls",
    "tokio_rustls",
    "tonic",
    "tower",
];

/// The spans, and events on them, of a granularity:
///
/// - `none`: nothing;
/// - `operation`: level `INFO` and above, and at any level the spans that declare `otel.kind` or
///   `otel.name`: those were made for a trace (a request that comes in or goes out; Chroma's own
///   request spans are `DEBUG`);
/// - `operation_and_segment`: also level `DEBUG`;
/// - `all`: also level `TRACE`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans(pub(super) Granularity);

impl Spans {
    fn wants(self, metadata: &Metadata<'_>) -> bool {
        let level = match self.0 {
            Granularity::None => return false,
            Granularity::Operation => Level::INFO,
            Granularity::OperationAndSegment => Level::DEBUG,
            Granularity::All => Level::TRACE,
        };
        let of_a_trace = || {
            let fields = metadata.fields();
            metadata.is_span()
                && ["otel.kind", "otel.name"]
                    .iter()
                    .any(|name| fields.field(*name).is_some())
        };
        (*metadata.level() <= level || of_a_trace()) && !of_export_stack(metadata.target())
    }

    fn most(self) -> LevelFilter {
        match self.0 {
            Granularity::None => LevelFilter::OFF,
            // A request span may have any level.
            Granularity::Operation | Granularity::OperationAndSegment | Granularity::All => {
                LevelFilter::TRACE
            }
        }
    }
}

fn of_export_stack(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or(target);
    EXPORT_STACK.contains(&root)
}

impl<S> Filter<S> for Spans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(self.wants(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most())
    }
}

/// The same decision for a whole subscriber, if no other layer needs a span.
impl<S: Subscriber> Layer<S> for Spans {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(self.wants(metadata))
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most())
    }
}

/// Returns the filter of log lines for the value of `RUST_LOG`, of which blank means not set:
/// `target=level` directives, default `info`. It selects events, and the spans that a line names.
///
/// If the value cannot be parsed, also returns the problem, with the default filter.
pub(super) fn events(rust_log: Option<&str>) -> (Targets, Option<Invalid>) {
    let default = || Targets::new().with_default(Level::INFO);
    let Some(value) = rust_log.map(str::trim).filter(|value| !value.is_empty()) else {
        return (default(), None);
    };
    match value.parse() {
        Ok(targets) => (targets, None),
        Err(error) => {
            let invalid = Invalid::new(
                "RUST_LOG",
                format!("is `{value}`, which cannot be parsed ({error}), so `info` is used"),
                "write levels and `target=level` pairs, as in `info,chroma=debug`",
            );
            (default(), Some(invalid))
        }
    }
}

fn interest(wanted: bool) -> Interest {
    if wanted {
        Interest::always()
    } else {
        Interest::never()
    }
}
