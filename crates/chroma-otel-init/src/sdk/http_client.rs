//! HTTP client of the exporters: sends only the headers of the settings, and records the cause of a
//! failure.
//!
//! Invariant: headers of the environment are never sent to the endpoint of the settings; an
//! endpoint and its headers belong together.

use crate::{Headers, pipeline::Ledger};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONNECTION};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::{iter, sync::Arc};
use tonic::async_trait;

/// The headers of the message itself.
const OF_THE_MESSAGE: [&str; 3] = ["content-type", "content-encoding", "user-agent"];

/// A client that sends `headers` and none of `OTEL_EXPORTER_OTLP_HEADERS`, which opentelemetry-otlp
/// 0.33 adds. It also records why a request failed, which the exporter reduces to "network error".
#[derive(Debug)]
pub(super) struct PairedClient<C> {
    client: C,
    headers: HeaderMap,
    ledger: Arc<Ledger>,
}

impl<C> PairedClient<C> {
    /// Creates a client; the values of the headers are marked as sensitive.
    pub(super) fn new(
        client: C,
        headers: &Headers,
        ledger: &Arc<Ledger>,
    ) -> Result<Self, HttpError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter() {
            let mut value = HeaderValue::from_str(value)?;
            value.set_sensitive(true);
            map.insert(HeaderName::from_bytes(name.as_bytes())?, value);
        }
        Ok(Self {
            client,
            headers: map,
            ledger: Arc::clone(ledger),
        })
    }
}

#[async_trait]
impl<C: HttpClient> HttpClient for PairedClient<C> {
    async fn send_bytes(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut headers = self.headers.clone();
        // An idle connection that died would lose the next batch: HTTP/1.1 has no ping.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        for name in OF_THE_MESSAGE {
            if let Some(value) = request.headers_mut().remove(name) {
                headers.insert(name, value);
            }
        }
        *request.headers_mut() = headers;
        let result = self.client.send_bytes(request).await;
        self.ledger.explain(result.as_ref().err().map(|error| {
            let causes = iter::successors(error.source(), |cause| cause.source());
            causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
        }));
        result
    }
}
