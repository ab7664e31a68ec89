//! The two doors, gRPC and HTTP, and the inbox behind both.
//!
//! Invariant: a request is recorded, in memory and in the file, before it is answered.

use crate::{
    Metric, Mode, Span,
    record::{Record, metrics, spans},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header},
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
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tonic::{Status, codec::CompressionEncoding, service::Routes};

const LARGEST_MESSAGE: usize = 64 * 1024 * 1024;

/// What has arrived.
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

/// Why a request is not taken.
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

    /// Lets a request in or not, as the mode says; does not come back when it is [`Mode::Hang`].
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
        headers: &HeaderMap,
    ) -> Result<ExportTraceServiceResponse, Refused> {
        self.admit().await?;
        self.keep(
            spans(request, &readable(headers)),
            |span| Record::Span(span),
            |state| &mut state.spans,
        )?;
        Ok(ExportTraceServiceResponse::default())
    }

    async fn metrics_of(
        &self,
        request: ExportMetricsServiceRequest,
        headers: &HeaderMap,
    ) -> Result<ExportMetricsServiceResponse, Refused> {
        self.admit().await?;
        self.keep(
            metrics(request, &readable(headers)),
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

/// One write for all, so that a reader sees whole lines.
fn append<'item>(out: &mut File, records: impl Iterator<Item = Record<'item>>) -> io::Result<()> {
    let mut lines = Vec::new();
    for record in records {
        serde_json::to_writer(&mut lines, &record)?;
        lines.push(b'\n');
    }
    out.write_all(&lines)
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

/// The gRPC door.
pub(crate) fn grpc(inbox: Arc<Inbox>) -> Router {
    let traces = TraceServiceServer::new(Door(Arc::clone(&inbox)))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST_MESSAGE);
    let metrics = MetricsServiceServer::new(Door(inbox))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST_MESSAGE);
    Routes::new(traces).add_service(metrics).into_axum_router()
}

struct Door(Arc<Inbox>);

#[tonic::async_trait]
impl TraceService for Door {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let answer = self.0.traces(message, &metadata.into_headers()).await?;
        Ok(tonic::Response::new(answer))
    }
}

#[tonic::async_trait]
impl MetricsService for Door {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        let answer = self.0.metrics_of(message, &metadata.into_headers()).await?;
        Ok(tonic::Response::new(answer))
    }
}

/// The HTTP door.
pub(crate) fn http(inbox: Arc<Inbox>) -> Router {
    Router::new()
        .route("/v1/traces", post(http_traces))
        .route("/v1/metrics", post(http_metrics))
        .layer(DefaultBodyLimit::max(LARGEST_MESSAGE))
        .with_state(inbox)
}

async fn http_traces(
    State(inbox): State<Arc<Inbox>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let message = decoded(&headers, &body)?;
    Ok(encoded(&inbox.traces(message, &headers).await?))
}

async fn http_metrics(
    State(inbox): State<Arc<Inbox>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let message = decoded(&headers, &body)?;
    Ok(encoded(&inbox.metrics_of(message, &headers).await?))
}

fn decoded<M: Message + Default>(headers: &HeaderMap, body: &[u8]) -> Result<M, Refused> {
    let zipped = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip");
    let mut plain = Vec::new();
    let message = if zipped {
        flate2::read::GzDecoder::new(body)
            .read_to_end(&mut plain)
            .map_err(|error| Refused::Rejected(error.to_string()))?;
        plain.as_slice()
    } else {
        body
    };
    M::decode(message).map_err(|error| Refused::Rejected(error.to_string()))
}

fn encoded(message: &impl Message) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/x-protobuf")];
    (kind, message.encode_to_vec()).into_response()
}
