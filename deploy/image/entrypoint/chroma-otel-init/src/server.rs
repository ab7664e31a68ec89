//! What each Chroma server reads: the four variables, translated.
//!
//! Invariant: nothing is ever set to an empty value, and nothing is set at all when tracing is off.

use crate::{
    ChromaVersion, Endpoint, Invalid, Protocol, Server, Settings, spans::rust_log, variable,
};
use std::collections::BTreeMap;

/// What to set in the environment of a Chroma server: names and values, never an empty value, and
/// nothing when tracing is off or this version cannot be traced ([`ChromaVersion::traces`]).
///
/// - 0.x gets the four variables in the one form it reads: measured on 0.6.3, which does not start
///   on headers that are not JSON or on a granularity in capitals.
/// - 1.x gets `CHROMA_OPEN_TELEMETRY__ENDPOINT` and `…__SERVICE_NAME`, the headers as
///   `OTEL_EXPORTER_OTLP_HEADERS`, and the granularity as `RUST_LOG` ([`rust_log`]; where the
///   operator has one, put `rust_log(theirs, …)` in its place). It reads the first two only when
///   it is started with a configuration file.
///
/// The values of the headers are among them: secret.
///
/// # Errors
/// An endpoint that this server cannot reach: no version speaks OTLP over HTTP, and 1.x has no TLS
/// (it would send the key in clear text; measured on 1.0.0, 1.0.20 and 1.5.9). Either needs a
/// collector in between.
pub fn server_environment(
    settings: &Settings,
    version: ChromaVersion,
) -> Result<BTreeMap<&'static str, String>, Invalid> {
    let Some(endpoint) = settings.endpoint.as_ref() else {
        return Ok(BTreeMap::new());
    };
    if !settings.enabled() || !version.traces() {
        return Ok(BTreeMap::new());
    }
    reachable(endpoint, version)?;
    Ok(match version.server() {
        Server::Python => python_environment(settings, endpoint),
        Server::Rust => rust_environment(settings, endpoint, version),
    })
}

/// Refuses what the server would fail on, or send in clear text.
fn reachable(endpoint: &Endpoint, version: ChromaVersion) -> Result<(), Invalid> {
    let refused = |why: &str| {
        Err(Invalid::new(
            variable::ENDPOINT,
            format!("is `{endpoint}`, and Chroma {version} {why}"),
            "send to an OpenTelemetry Collector over plain gRPC, such as \
             `http://otel-collector:4317`, and from there on",
        ))
    };
    if endpoint.protocol() == Protocol::Http {
        refused("speaks OTLP over gRPC only")
    } else if endpoint.is_tls() && version.server() == Server::Rust {
        refused("has no TLS: it would send everything, the headers too, in clear text")
    } else {
        Ok(())
    }
}

fn python_environment(settings: &Settings, endpoint: &Endpoint) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        (variable::ENDPOINT, endpoint.to_string()),
        (variable::SERVICE_NAME, settings.service_name.clone()),
        (variable::GRANULARITY, settings.granularity.to_string()),
    ]);
    if !settings.headers.is_empty() {
        environment.insert(variable::HEADERS, settings.headers.to_json());
    }
    environment
}

fn rust_environment(
    settings: &Settings,
    endpoint: &Endpoint,
    version: ChromaVersion,
) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        (variable::RUST_ENDPOINT, endpoint.to_string()),
        (variable::RUST_SERVICE_NAME, quoted(&settings.service_name)),
    ]);
    if !settings.headers.is_empty() {
        environment.insert(variable::OTLP_HEADERS, settings.headers.to_otlp());
    }
    if let Some(filter) = rust_log(None, settings.granularity, version) {
        environment.insert(variable::RUST_LOG, filter);
    }
    environment
}

/// In the quotes of TOML, which Chroma 1.x takes off again: without them `123` stops it ("found
/// unsigned int"). Measured on 1.0.0, 1.0.20 and 1.5.9: names such as `123`, `true`, `[a]`, `{a}`,
/// `a"b`, `a\nb` with a backslash, `a=b`, `a,b`, `$x ${y}`, `#x` and emoji arrive as they are.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
