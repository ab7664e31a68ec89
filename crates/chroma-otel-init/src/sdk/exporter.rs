//! The OTLP exporter for an endpoint: gRPC or HTTP, plain text or TLS.
//!
//! Invariant: header values are marked as sensitive, and are part of no text.

use super::http_client::PairedClient;
use crate::{
    Endpoint, Headers, Invalid, Problem, Protocol,
    pipeline::{Ledger, first_set, time_limit},
    variable,
};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::{
    Protocol as Encoding, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{sync::Arc, time::Duration};
use tonic::{
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::{Channel, ClientTlsConfig},
};

/// Interval between pings of a connection with an open request. A request lasts at most 10 s by
/// default (`OTEL_EXPORTER_OTLP_TIMEOUT`). grpc-go's servers close a connection at the fourth ping
/// within 5 minutes without a response, or at the third of an idle connection. So a request has
/// fewer than four pings, and an idle connection is checked only when it is used again.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(2500);
/// Time limit for the answer to a ping. Together with the interval it is shorter than
/// [`Options::flush_timeout`](crate::Options::flush_timeout), so the last flush succeeds.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);
const USER_AGENT: &str = "user-agent";

/// A file of PEM certificates to trust instead of the public authorities (OpenTelemetry
/// specification, `protocol/exporter.md`; the Rust exporters do not read it themselves).
const CERTIFICATE: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
/// Creates the exporter. Must be called in the context of a tokio runtime; connects only on export.
///
/// # Errors
/// The endpoint, the headers or the certificate file cannot be used.
pub(super) fn exporter(
    endpoint: &Endpoint,
    headers: &Headers,
    ledger: &Arc<Ledger>,
) -> Result<SpanExporter, Problem> {
    let limit = time_limit();
    match endpoint.protocol() {
        Protocol::Grpc => grpc(endpoint, headers, limit),
        Protocol::Http => http(endpoint, headers, limit, ledger),
    }
}

/// The channel pings its connection. A peer that vanished without closing it (an expired NAT entry,
/// a moved pod) is then detected, and the batch is retried on a new connection.
fn grpc(endpoint: &Endpoint, headers: &Headers, limit: Duration) -> Result<SpanExporter, Problem> {
    let mut channel = Channel::from_shared(endpoint.to_string())
        .map_err(cannot_start)?
        .timeout(limit)
        .connect_timeout(limit)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT);
    if endpoint.is_tls() {
        let roots = authorities()?.roots;
        let tls = ClientTlsConfig::new().trust_anchors(roots);
        channel = channel.tls_config(tls).map_err(cannot_start)?;
    }
    let metadata = metadata(headers)?;
    SpanExporter::builder()
        .with_tonic()
        .with_channel(channel.connect_lazy())
        .with_timeout(limit)
        .with_interceptor(move |request| Ok(with_only(&metadata, request)))
        .build()
        .map_err(cannot_start)
}

/// Sends only the headers of the settings. opentelemetry-otlp 0.33 adds those of
/// `OTEL_EXPORTER_OTLP_HEADERS`, but an endpoint and its headers belong together.
fn with_only(headers: &MetadataMap, mut request: tonic::Request<()>) -> tonic::Request<()> {
    let agent = request.metadata().get(USER_AGENT).cloned();
    let metadata = request.metadata_mut();
    metadata.clone_from(headers);
    if let Some(agent) = agent {
        metadata.insert(USER_AGENT, agent);
    }
    request
}

fn http(
    endpoint: &Endpoint,
    headers: &Headers,
    limit: Duration,
    ledger: &Arc<Ledger>,
) -> Result<SpanExporter, Problem> {
    let url = endpoint.otlp_traces_url().map_err(Problem::Invalid)?;
    let roots = if endpoint.is_tls() {
        authorities()?
    } else {
        RootCertStore::empty()
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(cannot_start)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    let client = HyperClient::new(connector, limit, None);
    let client = PairedClient::new(client, headers, ledger).map_err(cannot_start)?;
    SpanExporter::builder()
        .with_http()
        .with_protocol(Encoding::HttpBinary)
        .with_endpoint(url)
        .with_timeout(limit)
        .with_http_client(client)
        .build()
        .map_err(cannot_start)
}

fn metadata(headers: &Headers) -> Result<MetadataMap, Problem> {
    let mut metadata = MetadataMap::with_capacity(2);
    for (name, value) in headers.iter() {
        let refused = |what: &str| {
            Problem::Invalid(Invalid::new(
                variable::HEADERS,
                format!("has the header `{name}`, whose {what} gRPC does not support"),
                "use letters, digits, `-`, `_` and `.` in names, not ending in `-bin`, and \
                 printable ASCII in values",
            ))
        };
        let key: MetadataKey<Ascii> = name.parse().map_err(|_| refused("name"))?;
        let mut value = MetadataValue::try_from(value).map_err(|_| refused("value"))?;
        value.set_sensitive(true);
        metadata.insert(key, value);
    }
    Ok(metadata)
}

/// Returns the trusted authorities: the file that the environment names, or the public authorities
/// that are compiled in, because a scratch image has no file of them.
fn authorities() -> Result<RootCertStore, Problem> {
    let Some((variable, path)) = first_set(CERTIFICATE) else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let refused = |what: String| {
        Problem::Invalid(Invalid::new(
            variable,
            format!("names `{path}`, {what}"),
            "name a readable file of PEM certificates, or unset it to trust the public authorities",
        ))
    };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path)
        .map_err(|error| refused(format!("which cannot be read: {error}")))?;
    for certificate in certificates {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| store.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| refused(format!("which is not a file of certificates: {error}")))?;
    }
    if store.is_empty() {
        return Err(refused("which contains no certificate".to_owned()));
    }
    Ok(store)
}

fn cannot_start(error: impl std::fmt::Display) -> Problem {
    Problem::Start(error.to_string())
}
