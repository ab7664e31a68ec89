//! W3C trace context and baggage, in and out, without tying the program to an HTTP library.
//!
//! Invariant: before `init()`, or with tracing off, both directions do nothing.

use opentelemetry::{
    global,
    propagation::{Extractor, TextMapCompositePropagator},
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use std::collections::{BTreeMap, HashMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes `traceparent`, `tracestate` and `baggage` the headers of this process.
pub(super) fn install() {
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]));
}

/// The headers to send along with a request made within `span` (`traceparent` and its kind), so
/// that the callee's spans become its children. Empty when the span is not traced.
pub fn trace_headers(span: &Span) -> BTreeMap<String, String> {
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut headers);
    });
    headers.into_iter().collect()
}

/// Makes `span` the child of the caller's span that the headers of an incoming request name; any
/// headers may be given, names in any case. To be called before the span is entered; returns
/// whether the headers named a caller.
pub fn continue_trace<'header>(
    span: &Span,
    headers: impl IntoIterator<Item = (&'header str, &'header str)>,
) -> bool {
    use opentelemetry::trace::TraceContextExt;

    let headers = Headers(
        headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect(),
    );
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    context.has_active_span() && span.set_parent(context).is_ok()
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
