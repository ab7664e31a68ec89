//! The variables of OpenTelemetry's own exporter in Chroma's environment.
//!
//! Invariant: headers go only to the endpoint that they were written for: those of another backend
//! never to Chroma's endpoint, Chroma's never to another endpoint for metrics.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use chroma_otel_init::{Server, variable};

use crate::variables::{Variables, text};

/// Replaces what the exporter would read by `wanted`, the translation for this server.
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

/// Chroma 1.x sends metrics as well, to the same endpoint unless they have their own.
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
            "`{headers}` is ignored: the metrics go to the endpoint of the traces; hint: set \
             `{}` as well, or unset it",
            variable::OTLP_METRICS_ENDPOINT
        ));
    }
}
