//! The variables of OpenTelemetry's exporter in Chroma's environment.
//!
//! Invariant: headers are sent only to the endpoint for which they were written: another backend's
//! headers never to Chroma's endpoint, Chroma's headers never to another endpoint for metrics.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use chroma_otel_init::{Server, variable};

use crate::variables::{Variables, text};

/// Replaces the variables of the exporter by `wanted`, the translation for this server.
pub(crate) fn set(
    variables: &mut Variables,
    mut wanted: BTreeMap<&'static str, String>,
    server: Server,
    warnings: &mut Vec<String>,
) {
    for name in variable::OVERRIDING {
        variables.remove(OsStr::new(name));
    }
    if server == Server::Rust {
        separate_metrics(variables, &mut wanted, warnings);
    }
    for (name, value) in wanted {
        variables.insert(name.into(), value.into());
    }
}

/// Chroma 1.x also sends metrics, by default to the endpoint of the traces.
fn separate_metrics(
    variables: &mut Variables,
    wanted: &mut BTreeMap<&'static str, String>,
    warnings: &mut Vec<String>,
) {
    let headers = variable::OTLP_METRICS_HEADERS;
    if text(variables, variable::OTLP_METRICS_ENDPOINT).is_some() {
        if let Some(ours) = wanted.remove(variable::OTLP_HEADERS) {
            wanted.insert(variable::OTLP_TRACES_HEADERS, ours);
        }
    } else if variables.remove(OsStr::new(headers)).is_some() {
        warnings.push(format!(
            "`{headers}` is ignored: metrics are sent to the endpoint of the traces; hint: set \
             `{}` as well, or unset it",
            variable::OTLP_METRICS_ENDPOINT
        ));
    }
}
