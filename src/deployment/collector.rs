//! The collector of a deployment: its command and its configuration.

use std::collections::BTreeSet;

use chroma_otel_init::Endpoint;
use serde::Serialize;

use crate::backend::{Exporter, Key};
use crate::collector::exporters::{Exporters, HeaderSource, exact_endpoint};
use crate::collector::redact::{self, RedactTemplate};
use crate::collector::sampling::SamplingTemplate;
use crate::spec::{Image, Spec, Tracing};

/// The collector's facts.
pub(crate) struct CollectorFacts {
    /// Command of the container, with the entrypoint.
    pub(crate) command: Vec<String>,
    /// `GOMEMLIMIT`: 80 % of the container's limit, as in the memory limiter.
    pub(crate) go_memory_limit: String,
    /// The first backend's endpoint if it is known when rendering.
    pub(crate) known_endpoint: Option<Endpoint>,
    /// The same endpoint in the form that every collector accepts; it may contain a placeholder.
    /// `None` if the operator supplies it, or if the backend needs none.
    pub(crate) exact_endpoint: Option<String>,
    /// The key for hashing names.
    pub(crate) names_key: Option<Key>,
    /// Input of the configuration's template.
    pub(crate) template: CollectorTemplate,
}

/// Input of `templates/collector` on every target.
#[derive(Serialize)]
pub(crate) struct CollectorTemplate {
    #[serde(flatten)]
    exporters: Exporters,
    #[serde(flatten)]
    sampling: SamplingTemplate,
    #[serde(flatten)]
    redact: RedactTemplate,
}

impl CollectorFacts {
    /// Computes the facts of a spec.
    pub(super) fn new(spec: &Spec) -> Self {
        let tracing = &spec.tracing;
        let source = match spec.collector.image {
            Image::Wrapped | Image::Published => HeaderSource::Entrypoint,
            Image::Stock if spec.target.is_machine() => HeaderSource::Variables,
            Image::Stock => HeaderSource::Spec,
        };
        let place = spec.place();
        let names_key = redact::key(&tracing.redact);
        Self {
            command: command(tracing, names_key.as_ref()),
            go_memory_limit: format!("{}MiB", spec.collector.memory.as_mebibytes() * 8 / 10),
            known_endpoint: tracing.known_endpoint(place),
            exact_endpoint: exact_endpoint(tracing),
            names_key,
            template: CollectorTemplate {
                exporters: Exporters::new(tracing, spec.metrics.to_backend, source, place),
                sampling: SamplingTemplate::new(tracing.sampling.as_ref()),
                redact: RedactTemplate::new(&tracing.redact),
            },
        }
    }
}

/// Returns the command of the collector's container, with the entrypoint.
fn command(tracing: &Tracing, names_key: Option<&Key>) -> Vec<String> {
    let backend = &tracing.backend;
    let mut command = vec!["collector".to_owned()];
    if !backend.wants_endpoint() {
        command.push("--no-endpoint".to_owned());
    }
    if backend.exporter == Exporter::Zipkin {
        command.push("--zipkin".to_owned());
    }
    for (name, text) in &backend.headers {
        command.push("--header".to_owned());
        command.push(format!("{name}={text}"));
    }
    // Keys that the configuration refers to.
    let of_others = tracing.others.iter().flat_map(|other| &other.keys);
    let in_settings = backend.keys.iter();
    let in_settings = in_settings.filter(|key| backend.in_settings(&key.variable));
    let addresses = tracing.backends().flat_map(|backend| &backend.addresses);
    let named: BTreeSet<&str> = in_settings
        .chain(of_others)
        .chain(addresses.map(|address| &address.key))
        .map(|key| key.variable.as_str())
        .collect();
    for variable in named {
        command.extend(["--key".to_owned(), variable.to_owned()]);
    }
    if let Some(key) = names_key {
        command.extend(["--word".to_owned(), key.variable.clone()]);
    }
    let collector = [
        "--",
        "/otelcol-contrib",
        "--config",
        "/etc/otelcol-contrib/config.yaml",
    ];
    command.extend(collector.map(str::to_owned));
    command
}
