//! Records of requests: flat values, easy to read from a test in any language.
//!
//! Invariant: nothing is interpreted; attributes and headers are recorded as they were sent.

use opentelemetry_proto::tonic::{
    collector::{metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{AggregationTemporality, metric::Data},
    resource::v1::Resource,
    trace::v1 as wire,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Attributes by name.
pub type Attributes = BTreeMap<String, Value>;

/// One line of the output file.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Record<'item> {
    Span(&'item Span),
    Metric(&'item Metric),
}

/// A span, with the headers and the target of its request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// Attributes of the resource, including `service.name`.
    pub resource: Attributes,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// Name of the span.
    pub name: String,
    /// `INTERNAL`, `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER` or `UNSPECIFIED`.
    pub kind: String,
    /// Attributes of the span.
    pub attributes: Attributes,
    /// `UNSET`, `OK` or `ERROR`.
    pub status: String,
    /// The text of the status, often empty.
    pub status_message: String,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// 16 hexadecimal digits; empty for a root span.
    pub parent_span_id: String,
    /// Nanoseconds since 1970.
    pub start_time_unix_nano: u64,
    /// Nanoseconds since 1970.
    pub end_time_unix_nano: u64,
    /// Events of the span.
    pub events: Vec<Event>,
    /// Names (lower case) and values of the request's headers.
    pub headers: BTreeMap<String, String>,
    /// Target of the request.
    pub target: Target,
}

/// Target of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Target {
    /// True if it used TLS.
    pub tls: bool,
    /// Host and port of the request, as the sender wrote them.
    pub authority: String,
    /// Path; for gRPC that of the method.
    pub path: String,
}

/// An event on a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Name of the event.
    pub name: String,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A metric whose data points were sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    /// Attributes of the resource.
    pub resource: Attributes,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// Name of the metric.
    pub name: String,
    /// `GAUGE`, `SUM`, `HISTOGRAM`, `EXPONENTIAL_HISTOGRAM` or `SUMMARY`.
    pub kind: String,
    /// `DELTA` or `CUMULATIVE`; empty if the kind has none.
    pub temporality: String,
    /// Names (lower case) and values of the request's headers.
    pub headers: BTreeMap<String, String>,
    /// Target of the request.
    pub target: Target,
}

/// Headers and target of a request.
pub(crate) struct Envelope {
    /// Names (lower case) and values of the headers.
    pub(crate) headers: BTreeMap<String, String>,
    /// Target of the request.
    pub(crate) target: Target,
}

/// Returns the spans of a request.
pub(crate) fn spans(request: ExportTraceServiceRequest, envelope: &Envelope) -> Vec<Span> {
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = resource(of_resource.resource);
        for of_scope in of_resource.scope_spans {
            let scope = scope(of_scope.scope);
            spans.extend(
                of_scope
                    .spans
                    .into_iter()
                    .map(|sent| span(sent, &resource, &scope, envelope)),
            );
        }
    }
    spans
}

/// Returns the metrics of a request.
pub(crate) fn metrics(request: ExportMetricsServiceRequest, envelope: &Envelope) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for of_resource in request.resource_metrics {
        let resource = resource(of_resource.resource);
        for of_scope in of_resource.scope_metrics {
            let scope = scope(of_scope.scope);
            metrics.extend(of_scope.metrics.into_iter().map(|sent| {
                let (kind, temporality) = kind(sent.data);
                Metric {
                    resource: resource.clone(),
                    scope: scope.clone(),
                    name: sent.name,
                    kind: kind.to_owned(),
                    temporality,
                    headers: envelope.headers.clone(),
                    target: envelope.target.clone(),
                }
            }));
        }
    }
    metrics
}

/// Returns kind and temporality of a metric.
fn kind(sent: Option<Data>) -> (&'static str, String) {
    let of = |temporality: AggregationTemporality| {
        temporality
            .as_str_name()
            .replace("AGGREGATION_TEMPORALITY_", "")
    };
    match sent {
        None => ("", String::new()),
        Some(Data::Gauge(_)) => ("GAUGE", String::new()),
        Some(Data::Summary(_)) => ("SUMMARY", String::new()),
        Some(Data::Sum(sum)) => ("SUM", of(sum.aggregation_temporality())),
        Some(Data::Histogram(sent)) => ("HISTOGRAM", of(sent.aggregation_temporality())),
        Some(Data::ExponentialHistogram(sent)) => {
            ("EXPONENTIAL_HISTOGRAM", of(sent.aggregation_temporality()))
        }
    }
}

fn span(sent: wire::Span, resource: &Attributes, scope: &str, envelope: &Envelope) -> Span {
    let kind = sent.kind().as_str_name().replace("SPAN_KIND_", "");
    let status = sent.status.unwrap_or_default();
    Span {
        resource: resource.clone(),
        scope: scope.to_owned(),
        name: sent.name,
        kind,
        attributes: attributes(sent.attributes),
        status: status.code().as_str_name().replace("STATUS_CODE_", ""),
        status_message: status.message,
        trace_id: hexadecimal(&sent.trace_id),
        span_id: hexadecimal(&sent.span_id),
        parent_span_id: hexadecimal(&sent.parent_span_id),
        start_time_unix_nano: sent.start_time_unix_nano,
        end_time_unix_nano: sent.end_time_unix_nano,
        events: sent
            .events
            .into_iter()
            .map(|event| Event {
                name: event.name,
                attributes: attributes(event.attributes),
            })
            .collect(),
        headers: envelope.headers.clone(),
        target: envelope.target.clone(),
    }
}

fn resource(sent: Option<Resource>) -> Attributes {
    attributes(sent.unwrap_or_default().attributes)
}

fn scope(sent: Option<InstrumentationScope>) -> String {
    sent.unwrap_or_default().name
}

fn attributes(sent: Vec<KeyValue>) -> Attributes {
    sent.into_iter()
        .map(|pair| (pair.key, value(pair.value)))
        .collect()
}

fn value(sent: Option<AnyValue>) -> Value {
    use any_value::Value as Sent;
    match sent.and_then(|sent| sent.value) {
        None => Value::Null,
        Some(Sent::StringValue(text)) => text.into(),
        Some(Sent::BoolValue(truth)) => truth.into(),
        Some(Sent::IntValue(number)) => number.into(),
        Some(Sent::DoubleValue(number)) => number.into(),
        Some(Sent::BytesValue(bytes)) => hexadecimal(&bytes).into(),
        Some(Sent::ArrayValue(array)) => array
            .values
            .into_iter()
            .map(|item| value(Some(item)))
            .collect(),
        Some(Sent::KvlistValue(list)) => attributes(list.values).into_iter().collect(),
        // An index into a table that only profiles have.
        Some(other) => format!("{other:?}").into(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
