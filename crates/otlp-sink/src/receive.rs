//! The listeners for gRPC, for HTTP and for both, and the inbox behind them.
//!
//! Invariant: a request is recorded, in memory and in the file, before it is answered.

use crate::{
    Metric, Mode, Span, Target,
    record::{Envelope, Record, metrics, spans},
    tls::Peer,
    zipkin,
};
use axum::{
    Extension, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Request, State},
    http::{Extensions, HeaderMap, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::post,
};
use opentelemetry_proto::tonic::collector::{
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use prost::Message;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tonic::{Status, codec::CompressionEncoding, service::Routes};

const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// The received records.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<Arrived>,
    changed: Condvar,
}

#[derive(Debug)]
struct Arrived {
    mode: Mode,
    out: Option<File>,
    spans: Vec<Span>,
    metrics: Vec<Metric>,
    requests: usize,
}

/// Reason why a request is rejected.
enum Refused {
    Unavailable,
    Rejected(String),
}

impl Inbox {
    pub(crate) fn new(mode: Mode, out: Option<&Path>) -> io::Result<Self> {
        let out = out
            .map(|path| OpenOptions::new().create(true).append(true).open(path))
            .transpose()?;
        Ok(Self {
            state: Mutex::new(Arrived {
                mode,
                out,
                spans: Vec::new(),
                metrics: Vec::new(),
                requests: 0,
            }),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Arrived> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.state().mode = mode;
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.state().spans.clone()
    }

    pub(crate) fn metrics(&self) -> Vec<Metric> {
        self.state().metrics.clone()
    }

    pub(crate) fn requests(&self) -> usize {
        self.state().requests
    }

    pub(crate) fn wait_for(&self, count: usize, until: Instant) -> Result<Vec<Span>, Vec<Span>> {
        let mut state = self.state();
        while state.spans.len() < count {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(state.spans.clone());
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        Ok(state.spans.clone())
    }

    /// Accepts or rejects a request according to the mode; never returns if it is [`Mode::Hang`].
    async fn admit(&self) -> Result<(), Refused> {
        let mode = {
            let mut state = self.state();
            state.requests += 1;
            state.mode
        };
        match mode {
            Mode::Accept => Ok(()),
            Mode::Unavailable => Err(Refused::Unavailable),
            Mode::Reject => Err(Refused::Rejected("rejected".to_owned())),
            Mode::Hang => std::future::pending().await,
        }
    }

    async fn traces(
        &self,
        request: ExportTraceServiceRequest,
        envelope: &Envelope,
    ) -> Result<ExportTraceServiceResponse, Refused> {
        self.admit().await?;
        self.keep_spans(spans(request, envelope))?;
        Ok(ExportTraceServiceResponse::default())
    }

    fn keep_spans(&self, spans: Vec<Span>) -> Result<(), Refused> {
        self.keep(spans, |span| Record::Span(span), |state| &mut state.spans)
    }

    async fn metrics_of(
        &self,
        request: ExportMetricsServiceRequest,
        envelope: &Envelope,
    ) -> Result<ExportMetricsServiceResponse, Refused> {
        self.admit().await?;
        self.keep(
            metrics(request, envelope),
            |metric| Record::Metric(metric),
            |state| &mut state.metrics,
        )?;
        Ok(ExportMetricsServiceResponse::default())
    }

    fn keep<T>(
        &self,
        items: Vec<T>,
        record: fn(&T) -> Record<'_>,
        kept: fn(&mut Arrived) -> &mut Vec<T>,
    ) -> Result<(), Refused> {
        let mut state = self.state();
        if let Some(out) = &mut state.out {
            append(out, items.iter().map(record))
                .map_err(|error| Refused::Rejected(format!("cannot write a record: {error}")))?;
        }
        kept(&mut state).extend(items);
        self.changed.notify_all();
        Ok(())
    }
}

/// Appends all records in one write, so that a reader sees complete lines.
fn append<'item>(out: &mut File, records: impl Iterator<Item = Record<'item>>) -> io::Result<()> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    out.write_all(&lines)
}

fn envelope(headers: &HeaderMap, target: Target) -> Envelope {
    Envelope {
        headers: readable(headers),
        target,
    }
}

/// Passes on the target of a request, which the gRPC library does not.
async fn addressed(
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let uri = request.uri();
    let of_uri = uri.authority().map(|authority| authority.as_str());
    let host = request.headers().get(header::HOST);
    let authority = of_uri.or_else(|| host?.to_str().ok());
    let target = Target {
        tls: peer.tls,
        authority: authority.unwrap_or_default().to_owned(),
        path: uri.path().to_owned(),
    };
    request.extensions_mut().insert(target);
    next.run(request).await
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unavailable => Self::unavailable("unavailable"),
            Refused::Rejected(why) => Self::invalid_argument(why),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Self::Rejected(why) => (StatusCode::BAD_REQUEST, why).into_response(),
        }
    }
}

/// Returns the router for gRPC.
pub(crate) fn grpc(inbox: Arc<Inbox>) -> Router {
    let traces = TraceServiceServer::new(Door(Arc::clone(&inbox)))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST_MESSAGE);
    let metrics = MetricsServiceServer::new(Door(inbox))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST_MESSAGE);
    let routes = Routes::new(traces).add_service(metrics);
    routes.into_axum_router().layer(from_fn(addressed))
}

/// Returns one router for gRPC, and for HTTP on any path, because vendors have their own.
pub(crate) fn any(inbox: Arc<Inbox>) -> Router {
    let http = Router::new()
        .fallback(post(http_any))
        .layer(from_fn(addressed))
        .layer(DefaultBodyLimit::max(LARGEST_MESSAGE))
        .with_state(Arc::clone(&inbox));
    grpc(inbox).fallback_service(http)
}

struct Door(Arc<Inbox>);

#[tonic::async_trait]
impl TraceService for Door {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let envelope = envelope(&metadata.into_headers(), target(&extensions));
        let answer = self.0.traces(message, &envelope).await?;
        Ok(tonic::Response::new(answer))
    }
}

#[tonic::async_trait]
impl MetricsService for Door {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let envelope = envelope(&metadata.into_headers(), target(&extensions));
        let answer = self.0.metrics_of(message, &envelope).await?;
        Ok(tonic::Response::new(answer))
    }
}

fn target(extensions: &Extensions) -> Target {
    extensions.get().cloned().unwrap_or_default()
}

/// Returns the router for HTTP.
pub(crate) fn http(inbox: Arc<Inbox>) -> Router {
    Router::new()
        .route("/v1/traces", post(http_traces))
        .route("/v1/metrics", post(http_metrics))
        .layer(from_fn(addressed))
        .layer(DefaultBodyLimit::max(LARGEST_MESSAGE))
        .with_state(inbox)
}

async fn http_traces(
    State(inbox): State<Arc<Inbox>>,
    Extension(target): Extension<Target>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let message = decoded(&headers, &body)?;
    let answer = inbox.traces(message, &envelope(&headers, target)).await?;
    Ok(encoded(&answer))
}

async fn http_metrics(
    State(inbox): State<Arc<Inbox>>,
    Extension(target): Extension<Target>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let message = decoded(&headers, &body)?;
    let answer = inbox
        .metrics_of(message, &envelope(&headers, target))
        .await?;
    Ok(encoded(&answer))
}

async fn http_zipkin(
    State(inbox): State<Arc<Inbox>>,
    Extension(target): Extension<Target>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let body = unzipped(&headers, &body)?;
    let spans = zipkin::spans(&body, &envelope(&headers, target))
        .map_err(|error| Refused::Rejected(error.to_string()))?;
    inbox.admit().await?;
    inbox.keep_spans(spans)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Distinguishes traces from metrics by the name of the path, because their bytes are ambiguous.
async fn http_any(
    inbox: State<Arc<Inbox>>,
    target: Extension<Target>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let path = target.path.as_str();
    if path.ends_with("/api/v2/spans") {
        http_zipkin(inbox, target, headers, body).await
    } else if ["/v1/metrics", "/v2/datapoint/otlp"]
        .iter()
        .any(|end| path.ends_with(end))
    {
        http_metrics(inbox, target, headers, body).await
    } else {
        http_traces(inbox, target, headers, body).await
    }
}

fn decoded<M: Message + Default>(headers: &HeaderMap, body: &[u8]) -> Result<M, Refused> {
    M::decode(unzipped(headers, body)?.as_ref())
        .map_err(|error| Refused::Rejected(error.to_string()))
}

fn unzipped<'body>(headers: &HeaderMap, body: &'body [u8]) -> Result<Cow<'body, [u8]>, Refused> {
    let zipped = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip");
    if !zipped {
        return Ok(body.into());
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body)
        .read_to_end(&mut plain)
        .map_err(|error| Refused::Rejected(error.to_string()))?;
    Ok(plain.into())
}

fn encoded(message: &impl Message) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-protobuf")];
    (kind, message.encode_to_vec()).into_response()
}
