//! W3C trace context and baggage, incoming and outgoing, without binding the program to an HTTP
//! library.
//!
//! Invariant: before `init()`, or with tracing off, both directions do nothing.

use crate::Invalid;
use opentelemetry::{
    baggage::BaggageExt,
    global,
    propagation::{Extractor, TextMapCompositePropagator, TextMapPropagator},
    trace::TraceContextExt,
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use std::collections::{BTreeMap, HashMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const PROPAGATORS: &str = "OTEL_PROPAGATORS";

/// Installs the propagators that `OTEL_PROPAGATORS` names (OpenTelemetry specification,
/// `sdk-environment-variables.md`): `tracecontext` and `baggage` by default. An unsupported name is
/// ignored and reported.
pub(super) fn install() -> Option<Invalid> {
    let names = std::env::var(PROPAGATORS).unwrap_or_default();
    let mut names: Vec<&str> = names.split(',').map(str::trim).collect();
    names.retain(|name| !name.is_empty());
    if names.is_empty() {
        names = vec!["tracecontext", "baggage"];
    }
    let mut propagators: Vec<Box<dyn TextMapPropagator + Send + Sync>> = Vec::new();
    let mut unsupported = Vec::new();
    for name in names {
        match name {
            "tracecontext" => propagators.push(Box::new(TraceContextPropagator::new())),
            "baggage" => propagators.push(Box::new(BaggagePropagator::new())),
            "none" => {}
            name => unsupported.push(name.to_owned()),
        }
    }
    global::set_text_map_propagator(TextMapCompositePropagator::new(propagators));
    (!unsupported.is_empty()).then(|| {
        Invalid::new(
            PROPAGATORS,
            format!(
                "names `{}`, which is unsupported and ignored",
                unsupported.join("`, `")
            ),
            "use `tracecontext`, `baggage` or `none`",
        )
    })
}

/// Returns the headers of a request that is made within `span` (`traceparent` and others), so that
/// the receiver's spans become its children. Empty if the span is not traced.
pub fn trace_headers(span: &Span) -> BTreeMap<String, String> {
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut headers);
    });
    // W3C Trace Context, 3.3.1.1: an empty `tracestate` should not be sent.
    headers
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// Makes `span` the child of the caller's span that the headers of an incoming request name.
/// Accepts all headers, with names in any case. Baggage is also extracted without a caller.
///
/// Call it before the span is entered and before [`trace_headers`]. Returns true if the span now
/// has a remote parent.
pub fn continue_trace<'header>(
    span: &Span,
    headers: impl IntoIterator<Item = (&'header str, &'header str)>,
) -> bool {
    let headers = Headers(
        headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect(),
    );
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    let has_caller = context.has_active_span();
    if !has_caller && context.baggage().is_empty() {
        return false;
    }
    span.set_parent(context).is_ok() && has_caller
}

struct Headers<'header>(HashMap<String, &'header str>);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&key.to_ascii_lowercase()).copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
