//! Load generator and receiver for a collector: sends spans like Chroma's at a steady rate, and
//! receives the collector's output. `bench/collector` runs it.
//!
//! Invariant: requests are encoded before the measurement, so that sending costs almost no time.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use prost::bytes::{Buf, BufMut, Bytes};
use tokio::task::JoinSet;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// Spans of one request: the maximum of Chroma's own batch.
const SPANS: u64 = 512;
/// Number of different requests, each with its own traces.
const REQUESTS: u64 = 64;

/// Sends spans to a collector at a steady rate and prints the result as JSON.
#[derive(Parser)]
struct Arguments {
    /// The collector, `http://host:port`; nothing is sent if it is omitted.
    #[arg(long)]
    to: Option<String>,
    /// Spans per second.
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Duration in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 16)]
    connections: u64,
    /// Address on which to receive the collector's output over gRPC.
    #[arg(long)]
    listen: Option<SocketAddr>,
}

/// Result of sending.
#[derive(Default)]
struct Outcome {
    sent: u64,
    refused: u64,
}

/// Times of the next requests, for all connections together.
struct Pace {
    start: Instant,
    until: Instant,
    between: Duration,
    next: AtomicU64,
    requests: Vec<Bytes>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let received = Arc::new(AtomicU64::new(0));
    if let Some(address) = arguments.listen {
        let service = TraceServiceServer::new(Receiver(Arc::clone(&received)))
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(64 << 20);
        let listener = tokio::net::TcpListener::bind(address).await?;
        let routes = Routes::new(service).into_axum_router();
        tokio::spawn(async move { axum::serve(listener, routes).await });
    }
    let outcome = match &arguments.to {
        Some(to) => send_all(to, &arguments).await?,
        None => {
            tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
            Outcome::default()
        }
    };
    let answer = serde_json::json!({
        "sent": outcome.sent, "refused": outcome.refused, "received": received.load(Ordering::Relaxed),
    });
    writeln!(std::io::stdout(), "{answer}")?;
    Ok(())
}

async fn send_all(to: &str, arguments: &Arguments) -> Result<Outcome, Box<dyn Error>> {
    let requests = (0..REQUESTS).map(|number| request(number).encode_to_vec().into());
    let requests = requests.collect();
    let start = Instant::now();
    let pace = Arc::new(Pace {
        start,
        until: start + Duration::from_secs(arguments.seconds),
        between: Duration::from_secs_f64(SPANS as f64 / arguments.rate as f64),
        next: AtomicU64::new(0),
        requests,
    });
    let mut senders = JoinSet::new();
    for _ in 0..arguments.connections {
        let channel = Endpoint::from_shared(to.to_owned())?.connect().await?;
        senders.spawn(send(channel, Arc::clone(&pace)));
    }
    let mut all = Outcome::default();
    for outcome in senders.join_all().await {
        all.sent += outcome.sent;
        all.refused += outcome.refused;
    }
    Ok(all)
}

/// Sends all due requests, one after the other.
async fn send(channel: Channel, pace: Arc<Pace>) -> Outcome {
    let mut client = tonic::client::Grpc::new(channel);
    let path =
        PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let mut outcome = Outcome::default();
    loop {
        let number = pace.next.fetch_add(1, Ordering::Relaxed);
        let due = pace.start + pace.between.mul_f64(number as f64);
        if due.max(Instant::now()) >= pace.until {
            return outcome;
        }
        tokio::time::sleep_until(due.into()).await;
        let body = pace.requests[(number % REQUESTS) as usize].clone();
        let answered = match client.ready().await {
            Ok(()) => client
                .unary(Request::new(body), path.clone(), Encoded)
                .await
                .is_ok(),
            Err(_) => false,
        };
        if answered {
            outcome.sent += SPANS;
        } else {
            outcome.refused += SPANS;
        }
    }
}

/// Messages that are already encoded, and ignored responses.
#[derive(Clone, Copy)]
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        from.advance(from.remaining());
        Ok(Some(()))
    }
}

/// Counts the received spans.
struct Receiver(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.get_ref().resource_spans.iter();
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        let spans: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(spans as u64, Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// Returns a request with spans that have the attributes of Chroma 1.5.9.
fn request(number: u64) -> ExportTraceServiceRequest {
    let spans = (0..SPANS)
        .map(|index| span(number * SPANS + index + 1))
        .collect();
    let scope = InstrumentationScope {
        name: "chromadb".to_owned(),
        ..Default::default()
    };
    let resource = Resource {
        attributes: vec![
            text("service.name", "chromadb"),
            text("service.pod_name", "chroma-0"),
        ],
        ..Default::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope),
                spans,
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn span(number: u64) -> Span {
    // Distributed like random ids, by which members are chosen.
    let trace = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let route = "/api/v2/tenants/{tenant}/databases/{database}/collections/{collection_id}/query";
    let collections = "/api/v2/tenants/default_tenant/databases/default_database/collections";
    Span {
        trace_id: [trace.to_be_bytes(), number.to_be_bytes()].concat(),
        span_id: number.to_be_bytes().to_vec(),
        name: format!("POST {route}"),
        kind: 1,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_002_000_000,
        attributes: vec![
            whole("busy_ns", 888_130),
            text("code.filepath", "rust/tracing/src/tower_tracing.rs"),
            whole("code.lineno", 32),
            text("code.namespace", "chroma_tracing::tower_tracing"),
            text("http.host", "chroma-api:8000"),
            text("http.method", "POST"),
            text("http.route", route),
            text("http.status_code", "200"),
            text(
                "http.uri",
                &format!(
                    "{collections}/51de342e-e960-449e-{:04x}-{trace:016x}/query",
                    number % 7
                ),
            ),
            text(
                "http.user_agent",
                "Chroma Python Client v1.5.9 (https://github.com/chroma-core/chroma)",
            ),
            text("http.version", "HTTP/1.1"),
            whole("idle_ns", 2_511_660),
            whole("thread.id", 2),
            text("thread.name", "tokio-rt-worker"),
        ],
        ..Default::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn whole(key: &str, value: i64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(value))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}
