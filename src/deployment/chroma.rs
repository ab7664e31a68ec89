//! Chroma's environment, which all targets share.

use std::collections::BTreeMap;

use chroma_otel_init::{Granularity, Server, Settings, rust_log, server_environment, variable};

use crate::render::json;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Chroma, Image, Spec};
use crate::values::VariableName;

/// The collector's endpoint for Chroma on one machine.
pub(crate) const COLLECTOR_ENDPOINT: &str = "http://otel-collector:4317";

/// Interval in milliseconds at which Chroma's exporter sends collected spans; the default is 5000.
const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// Returns the endpoint for Chroma's traces.
pub(super) fn endpoint(spec: &Spec) -> String {
    match (&spec.tracing.endpoint, spec.target.is_kubernetes()) {
        (Some(endpoint), true) if spec.collector.mode == CollectorMode::None => {
            endpoint.to_string()
        }
        (_, true) => format!("http://{}-otel-collector:4317", spec.name),
        (_, false) => COLLECTOR_ENDPOINT.to_owned(),
    }
}

/// Returns SQLite's temporary directory and the settings of 0.x, which has no configuration file.
/// The operator's own variables override them.
pub(super) fn server_variables(chroma: &Chroma) -> Vec<(&'static str, String)> {
    let data = chroma.version.data_directory().to_owned();
    // `/tmp` is in memory, within Chroma's limit, and a migration can need as much space as the
    // data.
    let mut variables = vec![("SQLITE_TMPDIR", data.clone())];
    if chroma.version.server() == Server::Python {
        // Otherwise 0.x sends usage statistics to its makers.
        variables.push(("ANONYMIZED_TELEMETRY", "False".to_owned()));
        variables.push(("IS_PERSISTENT", "1".to_owned()));
        variables.push(("PERSIST_DIRECTORY", data));
        let origins = &chroma.cors_allow_origins;
        if !origins.is_empty() {
            variables.push(("CHROMA_SERVER_CORS_ALLOW_ORIGINS", json(origins)));
        }
    }
    variables.retain(|(name, _)| !sets(chroma, name));
    variables
}

/// Returns true if the operator sets this variable of Chroma.
fn sets(chroma: &Chroma, name: &str) -> bool {
    let mut own = chroma.environment.keys();
    own.any(|one| one.as_str() == name)
}

/// Returns true if an operator's variable is already part of the translation. Without the
/// entrypoint, a log level must be merged with the span filters here.
fn is_merged(chroma: &Chroma, name: &VariableName) -> bool {
    chroma.image == Image::Stock && name.as_str() == variable::RUST_LOG
}

/// Returns the operator's own variables of Chroma; `None` for a value that is in the secret store
/// only.
pub(super) fn own_variables(chroma: &Chroma) -> impl Iterator<Item = (&str, Option<&str>)> {
    let own = chroma.environment.iter();
    own.filter(|(name, _)| !is_merged(chroma, name))
        .map(|(name, value)| (name.as_str(), value.as_deref()))
}

/// Returns the variables that the published image reads instead of the four, merged with the
/// operator's own `RUST_LOG`.
pub(super) fn translated_variables(
    chroma: &Chroma,
    endpoint: &str,
    service_name: &str,
    granularity: Granularity,
) -> BTreeMap<&'static str, String> {
    let settings = endpoint.parse().ok().map(|endpoint| {
        Settings::new(endpoint)
            .with_service_name(service_name)
            .with_granularity(granularity)
    });
    // The collector's endpoint is plain gRPC, which every version supports.
    let mut translated = settings
        .and_then(|settings| server_environment(&settings, chroma.version).ok())
        .unwrap_or_default();
    // `preStop` and `ExecStop` delay a stop by at most two seconds, so spans must be sent sooner.
    let traced = granularity != Granularity::None && !translated.is_empty();
    if traced && !sets(chroma, BATCH_DELAY) {
        translated.insert(BATCH_DELAY, "1000".to_owned());
    }
    let mut own = chroma.environment.iter();
    if let Some((_, Some(level))) = own.find(|(name, _)| is_merged(chroma, name)) {
        let merged = rust_log(Some(level), granularity, chroma.version);
        translated.extend(merged.map(|merged| (variable::RUST_LOG, merged)));
    }
    translated
}
