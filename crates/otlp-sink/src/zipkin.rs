//! Zipkin's spans in JSON (version 2 of its API).
//!
//! Invariant: fields that Zipkin does not have are empty.

use crate::{
    Span,
    record::{Attributes, Envelope},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    trace_id: String,
    id: String,
    #[serde(default)]
    parent_id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    /// Microseconds since 1970.
    #[serde(default)]
    timestamp: u64,
    /// Microseconds.
    #[serde(default)]
    duration: u64,
    #[serde(default)]
    tags: Attributes,
    local_endpoint: Option<Place>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    service_name: Option<String>,
}

/// Returns the spans of a request; of the resource, Zipkin has only the service's name.
pub(crate) fn spans(body: &[u8], envelope: &Envelope) -> serde_json::Result<Vec<Span>> {
    let sent: Vec<Sent> = serde_json::from_slice(body)?;
    let span = |sent: Sent| {
        let service = sent.local_endpoint.and_then(|place| place.service_name);
        let resource = service.map(|name| ("service.name".to_owned(), name.into()));
        Span {
            resource: resource.into_iter().collect(),
            scope: String::new(),
            name: sent.name,
            kind: sent.kind,
            attributes: sent.tags,
            status: String::new(),
            status_message: String::new(),
            trace_id: sent.trace_id,
            span_id: sent.id,
            parent_span_id: sent.parent_id,
            start_time_unix_nano: sent.timestamp * 1000,
            end_time_unix_nano: (sent.timestamp + sent.duration) * 1000,
            events: Vec::new(),
            headers: envelope.headers.clone(),
            target: envelope.target.clone(),
        }
    };
    Ok(sent.into_iter().map(span).collect())
}
