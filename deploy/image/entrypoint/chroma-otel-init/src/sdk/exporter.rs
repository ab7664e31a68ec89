//! The OTLP exporter for an endpoint: gRPC or HTTP, plain or TLS.
//!
//! Invariant: header values are marked as sensitive, and come from here into no text.

use super::delivery::Ledger;
use crate::{Endpoint, Headers, Invalid, Problem, Protocol, variable};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{
    Protocol as Encoding, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{collections::HashMap, env, iter, sync::Arc, time::Duration};
use tonic::{
    async_trait,
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::ClientTlsConfig,
};

/// A file of PEM certificates to trust instead of the public authorities (OpenTelemetry
/// specification, `protocol/exporter.md`; the Rust exporters do not read it themselves).
const CERTIFICATE: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const TIMEOUT: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];

/// The longest that one batch may take: `OTEL_EXPORTER_OTLP_TIMEOUT` in milliseconds, 10 seconds
/// when it is not set or not a positive number (OpenTelemetry specification,
/// `protocol/exporter.md`).
pub(super) fn time_limit() -> Duration {
    first_set(TIMEOUT)
        .and_then(|(_, value)| value.parse().ok())
        .filter(|milliseconds| *milliseconds > 0)
        .map_or(Duration::from_secs(10), Duration::from_millis)
}

/// Makes the exporter. To be called in the context of a tokio runtime; connects only on export.
///
/// # Errors
/// What the endpoint, the headers or the certificate file has that cannot be used.
pub(super) fn exporter(
    endpoint: &Endpoint,
    headers: &Headers,
    ledger: &Arc<Ledger>,
) -> Result<SpanExporter, Problem> {
    let limit = time_limit();
    match endpoint.protocol() {
        Protocol::Grpc => grpc(endpoint, headers, limit),
        Protocol::Http => http(endpoint, headers, limit, Arc::clone(ledger)),
    }
}

fn grpc(endpoint: &Endpoint, headers: &Headers, limit: Duration) -> Result<SpanExporter, Problem> {
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.to_string())
        .with_timeout(limit)
        .with_metadata(metadata(headers)?);
    if endpoint.is_tls() {
        let roots = authorities()?.roots;
        builder = builder.with_tls_config(ClientTlsConfig::new().trust_anchors(roots));
    }
    builder.build().map_err(cannot_start)
}

fn http(
    endpoint: &Endpoint,
    headers: &Headers,
    limit: Duration,
    ledger: Arc<Ledger>,
) -> Result<SpanExporter, Problem> {
    let url = endpoint.traces_url();
    if !url.ends_with("/v1/traces") {
        return Err(Problem::Invalid(Invalid::new(
            variable::ENDPOINT,
            format!("is `{url}`, which is not an OTLP endpoint"),
            "name an OTLP endpoint, such as a collector's `http://collector:4317`, and let the \
             collector speak to Zipkin",
        )));
    }
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
    let headers: HashMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    SpanExporter::builder()
        .with_http()
        .with_protocol(Encoding::HttpBinary)
        .with_endpoint(url)
        .with_timeout(limit)
        .with_headers(headers)
        .with_http_client(Explaining {
            client: HyperClient::new(connector, limit, None),
            ledger,
        })
        .build()
        .map_err(cannot_start)
}

/// A client that keeps why a request failed: the exporter makes "network error" of everything.
#[derive(Debug)]
struct Explaining<C> {
    client: C,
    ledger: Arc<Ledger>,
}

#[async_trait]
impl<C: HttpClient> HttpClient for Explaining<C> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let result = self.client.send_bytes(request).await;
        self.ledger.explain(result.as_ref().err().map(|error| {
            let causes = iter::successors(error.source(), |cause| cause.source());
            causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
        }));
        result
    }
}

fn metadata(headers: &Headers) -> Result<MetadataMap, Problem> {
    let mut metadata = MetadataMap::with_capacity(2);
    for (name, value) in headers.iter() {
        let refused = |what: &str| {
            Problem::Invalid(Invalid::new(
                variable::HEADERS,
                format!("has the header `{name}`, whose {what} gRPC does not carry"),
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

/// Whom to trust: the file named by the environment, or else the public authorities that are
/// compiled in, because a scratch image has no file of them.
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
        return Err(refused("which holds no certificate".to_owned()));
    }
    Ok(store)
}

fn first_set<const N: usize>(names: [&'static str; N]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name, value.to_owned()))
    })
}

fn cannot_start(error: impl std::fmt::Display) -> Problem {
    Problem::Start(error.to_string())
}
