//! Which spans are exported, and which log events are printed: two filters that know nothing of
//! each other.
//!
//! Invariant: both decide by a callsite's metadata alone, so that `tracing` asks once a callsite,
//! and `RUST_LOG` has no part in the decision about spans.

use crate::{Granularity, Invalid};
use tracing::{
    Event, Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, Filter},
};

/// The crates that carry the export. Their spans would be exported by themselves, without end.
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

/// The log events of `RUST_LOG`; spans are not its concern.
#[derive(Clone, Debug)]
pub(super) struct Events(Targets);

impl Events {
    /// Of the value of `RUST_LOG`, blank being not set: `target=level` directives, default `info`.
    ///
    /// # Errors
    /// With the default, what is wrong with the value.
    pub(super) fn read(rust_log: Option<&str>) -> (Self, Option<Invalid>) {
        let default = || Self(Targets::new().with_default(Level::INFO));
        let Some(value) = rust_log.map(str::trim).filter(|value| !value.is_empty()) else {
            return (default(), None);
        };
        match value.parse() {
            Ok(targets) => (Self(targets), None),
            Err(error) => {
                let invalid = Invalid::new(
                    "RUST_LOG",
                    format!("is `{value}`, which cannot be read ({error}), so `info` is used"),
                    "write levels and `target=level` pairs, as in `info,chroma=debug`",
                );
                (default(), Some(invalid))
            }
        }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.0.would_enable(metadata.target(), metadata.level())
    }

    fn most(&self) -> Option<LevelFilter> {
        Filter::<Registry>::max_level_hint(&self.0)
    }
}

/// The one place where `init()`'s subscriber decides, for spans and logs together.
///
/// Per-layer filters would do the same, and look every span up again at each of its steps: 120 ns
/// more on a span of 750 ns (`benches/span.rs`). So this layer sits on top of the one that makes
/// OpenTelemetry spans and lets through what that one shall see.
pub(super) struct Gate<L> {
    pub(super) spans: Spans,
    /// Which events are printed, and what prints them.
    pub(super) logs: Option<(Events, L)>,
}

impl<L> Gate<L> {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let logged = |(events, _): &(Events, L)| events.wants(metadata);
        self.spans.wants(metadata) || self.logs.as_ref().is_some_and(logged)
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Gate<L> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(self.wants(metadata))
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let logs = self.logs.as_ref().and_then(|(events, _)| events.most());
        Some(self.spans.most().max(logs.unwrap_or(LevelFilter::OFF)))
    }

    /// Prints, because an event that is not let through to the spans ends here.
    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        if let Some((events, lines)) = &self.logs
            && events.wants(event.metadata())
        {
            lines.on_event(event, context);
        }
        self.spans.wants(event.metadata())
    }
}

fn interest(wanted: bool) -> Interest {
    if wanted {
        Interest::always()
    } else {
        Interest::never()
    }
}
