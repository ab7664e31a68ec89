//! Chroma's environment, as every target has it.

use std::collections::BTreeMap;

use chroma_otel_init::{Granularity, Server, Settings, rust_log, server_environment, variable};

use crate::render::json;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Chroma, Image, Spec};
use crate::values::VariableName;

/// Where Chroma finds the collector on one machine.
pub(crate) const COLLECTOR_ENDPOINT: &str = "http://otel-collector:4317";

/// How long Chroma's exporter collects spans before it sends them, in milliseconds; 5000 by default.
const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// The address that Chroma sends its traces to.
pub(super) fn endpoint(spec: &Spec) -> String {
    match (&spec.tracing.endpoint, spec.target.is_kubernetes()) {
        (Some(endpoint), true) if spec.collector.mode == CollectorMode::None => {
            endpoint.to_string()
        }
        (_, true) => format!("http://{}-otel-collector:4317", spec.name),
        (_, false) => COLLECTOR_ENDPOINT.to_owned(),
    }
}

/// Where SQLite puts its temporary files, and what 0.x, which has no configuration file, has to know. The
/// operator's own variables win.
pub(super) fn server_variables(chroma: &Chroma) -> Vec<(&'static str, String)> {
    let data = chroma.version.data_directory().to_owned();
    // `/tmp` is in memory, within Chroma's limit, and a migration can need as much as the data.
    let mut variables = vec![("SQLITE_TMPDIR", data.clone())];
    if chroma.version.server() == Server::Python {
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

/// Whether the operator sets a variable of Chroma's.
fn sets(chroma: &Chroma, name: &str) -> bool {
    let mut own = chroma.environment.keys();
    own.any(|one| one.as_str() == name)
}

/// Whether an operator's variable is part of the translation already: without the entrypoint, a log level
/// has to be joined with the spans' filter here.
fn is_merged(chroma: &Chroma, name: &VariableName) -> bool {
    chroma.image == Image::Stock && name.as_str() == variable::RUST_LOG
}

/// The operator's own variables of Chroma; `None` stands for a value that only the secret store has.
pub(super) fn own_variables(chroma: &Chroma) -> impl Iterator<Item = (&str, Option<&str>)> {
    let own = chroma.environment.iter();
    own.filter(|(name, _)| !is_merged(chroma, name))
        .map(|(name, value)| (name.as_str(), value.as_deref()))
}

/// What the published image reads instead of the four variables; the operator's own `RUST_LOG` is part of it.
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
    // The collector's endpoint is plain gRPC, which every version can reach.
    let mut translated = settings
        .and_then(|settings| server_environment(&settings, chroma.version).ok())
        .unwrap_or_default();
    // A stop is held back by two seconds at most (`preStop`, `ExecStop`): spans must not wait longer.
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
