//! OTLP over plain HTTP, for a collector near the program.
//!
//! opentelemetry-otlp does the same with 7 more crates, and adds the headers of
//! `OTEL_EXPORTER_OTLP_HEADERS` to those of the settings.
//!
//! Invariant: each request uses a new connection, so that a connection that died while the program
//! was idle loses no span. A request contains only the headers of the settings.

use super::{Problem, time_limit};
use crate::{Endpoint, Headers, Invalid, Protocol, variable};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use prost::Message;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Pauses between attempts: a collector that restarts, or is busy, accepts the batch later. Their
/// sum is short enough for the last flush of a program that ends.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
/// The status codes that OTLP retries (OTLP specification 1.8, "Failures").
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// Returns the URL for spans.
///
/// # Errors
/// The endpoint needs TLS or is not an OTLP endpoint.
pub(super) fn traces_url(endpoint: &Endpoint) -> Result<String, Problem> {
    if endpoint.is_tls() {
        return Err(Problem::Invalid(Invalid::new(
            variable::ENDPOINT,
            format!("is `{endpoint}`, which needs TLS"),
            "send to a collector nearby, such as `http://otel-collector:4317`",
        )));
    }
    match endpoint.protocol() {
        Protocol::Grpc => Ok(endpoint.over_http().traces_url()),
        Protocol::Http => endpoint.otlp_traces_url().map_err(Problem::Invalid),
    }
}

/// Returns the URL for metrics; `None` for an endpoint that accepts none.
pub(super) fn metrics_url(endpoint: &Endpoint) -> Option<String> {
    match endpoint.protocol() {
        Protocol::Grpc => endpoint.over_http().metrics_url(),
        Protocol::Http => endpoint.metrics_url(),
    }
}

/// A collector's page for one signal; it is requested only on export.
#[derive(Debug)]
pub(super) struct Page {
    url: String,
    headers: Headers,
    limit: Duration,
}

/// The exporter of spans.
#[derive(Debug)]
pub(super) struct Spans {
    page: Page,
    resource: ResourceAttributesWithSchema,
}

/// Reason why a request failed.
struct Failure {
    what: String,
    retryable: bool,
}

impl Page {
    pub(super) fn new(url: String, headers: Headers) -> Self {
        Self {
            url,
            headers,
            limit: time_limit(),
        }
    }

    /// Sends the message, again after each pause. Blocks.
    pub(super) fn deliver(&self, message: &impl Message, pauses: &[Duration]) -> OTelSdkResult {
        let body = message.encode_to_vec();
        let until = Instant::now() + self.limit;
        let mut pauses = pauses.iter();
        loop {
            let Err(failure) = self.post(&body, until) else {
                return Ok(());
            };
            match pauses.next() {
                Some(pause) if failure.retryable && Instant::now() + *pause < until => {
                    thread::sleep(*pause);
                }
                _ => return Err(OTelSdkError::InternalFailure(failure.what)),
            }
        }
    }

    fn post(&self, body: &[u8], until: Instant) -> Result<(), Failure> {
        let left = until.saturating_duration_since(Instant::now());
        let mut request = minreq::post(&self.url)
            .with_timeout(left.as_secs().max(1))
            .with_follow_redirects(false)
            .with_header("content-type", "application/x-protobuf")
            .with_body(body);
        for (name, value) in self.headers.iter() {
            request = request.with_header(name, value);
        }
        match request.send() {
            Ok(answer) if speaks_grpc(&answer) => Err(Failure {
                what: "a gRPC server answered, which does not accept OTLP over HTTP".to_owned(),
                retryable: false,
            }),
            Ok(answer) if (200..300).contains(&answer.status_code) => Ok(()),
            Ok(answer) => Err(Failure {
                what: format!("the collector answered {}", answer.status_code),
                retryable: RETRYABLE.contains(&answer.status_code),
            }),
            Err(error) => Err(Failure {
                what: error.to_string(),
                retryable: true,
            }),
        }
    }
}

/// gRPC servers return 200 for unknown requests.
fn speaks_grpc(answer: &minreq::Response) -> bool {
    answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/grpc"))
}

impl Spans {
    pub(super) fn to(page: Page) -> Self {
        Self {
            page,
            resource: ResourceAttributesWithSchema::default(),
        }
    }
}

impl SpanExporter for Spans {
    /// Blocks: the SDK's batch processor exports on a separate thread.
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        self.page
            .deliver(&ExportTraceServiceRequest { resource_spans }, &PAUSES)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
