//! Translation of the four variables for each Chroma server.
//!
//! Invariant: no variable is ever set to an empty value, and none is set if tracing is off.

use crate::{
    ChromaVersion, Endpoint, Invalid, Protocol, Server, Settings, spans::rust_log, variable,
};
use std::collections::BTreeMap;

/// Returns the variables to set in the environment of a Chroma server: names and values, never an
/// empty value. Empty if tracing is off or this version does not support tracing
/// ([`ChromaVersion::traces`]).
///
/// - 0.x receives the four variables in the only form that it reads. Measured on 0.6.3, which does
///   not start with headers that are not JSON or with a granularity in capitals.
/// - 1.x receives `CHROMA_OPEN_TELEMETRY__ENDPOINT` and `…__SERVICE_NAME`, the headers as
///   `OTEL_EXPORTER_OTLP_HEADERS`, and the granularity as `RUST_LOG` ([`rust_log`]; if the operator
///   has set one, replace it by `rust_log(theirs, …)`). It reads the first two only if it is
///   started with a configuration file.
///
/// The values of the headers are included and secret.
///
/// # Errors
/// An endpoint that this server cannot reach: no version supports OTLP over HTTP, and 1.x has no
/// TLS (it would send the key in plain text; measured on 1.0.0, 1.0.20 and 1.5.9). Both need a
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
    reachable(settings, endpoint, version)?;
    Ok(match version.server() {
        Server::Python => python_environment(settings, endpoint),
        Server::Rust => rust_environment(settings, endpoint, version),
    })
}

/// Rejects endpoints on which the server would fail, or to which it would send in plain text.
fn reachable(
    settings: &Settings,
    endpoint: &Endpoint,
    version: ChromaVersion,
) -> Result<(), Invalid> {
    let refused = |why: &str| {
        Err(Invalid::new(
            settings.endpoint_variable,
            format!("is {}, and Chroma {version} {why}", endpoint.shown()),
            "send to an OpenTelemetry Collector over plain gRPC, such as \
             `http://otel-collector:4317`, and from there on",
        ))
    };
    if endpoint.protocol() == Protocol::Http {
        refused("speaks OTLP over gRPC only")
    } else if endpoint.is_tls() && version.server() == Server::Rust {
        refused("has no TLS: it would send everything in plain text, including the headers")
    } else {
        Ok(())
    }
}

fn python_environment(settings: &Settings, endpoint: &Endpoint) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        (variable::ENDPOINT, endpoint.to_string()),
        (variable::SERVICE_NAME, settings.server_name().to_owned()),
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
        (variable::RUST_SERVICE_NAME, quoted(settings.server_name())),
    ]);
    if !settings.headers.is_empty() {
        environment.insert(variable::OTLP_HEADERS, settings.headers.to_otlp());
    }
    if let Some(filter) = rust_log(None, settings.granularity, version) {
        environment.insert(variable::RUST_LOG, filter);
    }
    environment
}

/// Writes the name in the quotes of TOML, which Chroma 1.x removes: without them `123` stops it
/// ("found unsigned int"). Measured on 1.0.0, 1.0.20 and 1.5.9: names such as `123`, `true`, `[a]`,
/// `{a}`, `a"b`, `a\nb` with a backslash, `a=b`, `a,b`, `$x ${y}`, `#x` and emoji arrive unchanged.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Granularity;

    fn settings(endpoint: &str) -> Settings {
        Settings::new(endpoint.parse().unwrap())
    }

    fn version(text: &str) -> ChromaVersion {
        text.parse().unwrap()
    }

    #[test]
    fn python_server_receives_the_four_variables_in_its_form() {
        let mut settings = settings("Collector");
        settings.headers = "X-Key=a%2Cb".parse().unwrap();
        let environment = server_environment(&settings, version("0.6.3")).unwrap();
        assert_eq!(
            environment,
            BTreeMap::from([
                (variable::ENDPOINT, "http://collector:4317".into()),
                (variable::SERVICE_NAME, "chromadb".into()),
                (variable::HEADERS, r#"{"x-key":"a,b"}"#.into()),
                (variable::GRANULARITY, "operation".into()),
            ])
        );
    }

    #[test]
    fn rust_server_receives_its_own_variables() {
        let mut settings = settings("http://collector:4317/");
        settings.headers = r#"{"X-Key": "a,b"}"#.parse().unwrap();
        settings.service_name = Some(r#"1"2\"#.into());
        let environment = server_environment(&settings, ChromaVersion::NEWEST).unwrap();
        assert_eq!(
            environment[variable::RUST_ENDPOINT],
            "http://collector:4317"
        );
        assert_eq!(environment[variable::RUST_SERVICE_NAME], r#""1\"2\\""#);
        assert_eq!(environment[variable::OTLP_HEADERS], "x-key=a%2Cb");
        assert!(environment[variable::RUST_LOG].contains("chroma_tracing=debug"));
        assert_eq!(environment.len(), 4);
    }

    #[test]
    fn nothing_is_set_empty() {
        for &release in ChromaVersion::RANGES {
            for granularity in Granularity::EVERY {
                let settings = settings("collector").with_granularity(granularity);
                let environment = server_environment(&settings, release).unwrap();
                assert!(environment.values().all(|value| !value.trim().is_empty()));
                let traced = granularity != Granularity::None && release.traces();
                assert_eq!(!environment.is_empty(), traced, "{release} {granularity}");
            }
            let off = server_environment(&Settings::default(), release).unwrap();
            assert!(off.is_empty());
        }
    }

    #[test]
    fn rejects_endpoints_that_the_server_cannot_reach() {
        for (endpoint, release, fits) in [
            ("http://collector:4317", "1.5.9", true),
            ("https://api.honeycomb.io", "1.5.9", false),
            ("https://api.honeycomb.io", "0.6.3", true),
            ("http://collector:4318", "1.5.9", false),
            ("http://collector:4318", "0.6.3", false),
            ("https://collector/v1/traces", "0.6.3", false),
        ] {
            let answer = server_environment(&settings(endpoint), version(release));
            assert_eq!(answer.is_ok(), fits, "{endpoint} {release}");
            if let Err(invalid) = answer {
                assert_eq!(invalid.variable(), variable::ENDPOINT);
                assert!(invalid.to_string().contains(release), "{invalid}");
            }
        }
    }
}
