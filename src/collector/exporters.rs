//! The collector's exporters, which depend on the backends and on the source of the operator's
//! values.
//!
//! Invariant: header values are referenced by variable, never written.

mod backend_exporter;

pub(crate) use backend_exporter::HeaderSource;

use std::collections::BTreeMap;

use chroma_otel_init::Protocol;
use minijinja::Value;
use serde::Serialize;

use crate::backend::{Backend, Exporter};
use crate::render::as_is;
use crate::spec::Tracing;
use backend_exporter::{BackendExporter, ResourceAttribute, TLS, backend_exporters, settings};

/// Extensions of every collector.
const EXTENSIONS: [&str; 2] = ["health_check", "file_storage"];

/// Input of `templates/collector` that depends on the backends.
#[derive(Serialize)]
pub(crate) struct Exporters {
    /// The exporters, each with its queue.
    exporters: Vec<ExporterWithQueue>,
    /// Bytes that one queue can hold, for one backend and one kind of signal.
    queue_size: usize,
    /// The same in MiB.
    queue_mib: usize,
    /// The exporters of the traces pipeline.
    trace_exporters: Vec<Value>,
    /// The exporters of backends that accept cumulative sums.
    metrics_exporters: Vec<Value>,
    /// The exporters of backends that accept deltas.
    delta_exporters: Vec<Value>,
    /// The extensions that backends need.
    extensions: Vec<ExtensionSettings>,
    /// The names of all extensions.
    extension_names: Vec<Value>,
    /// Attributes that backends need on every resource.
    resource: Vec<ResourceAttribute>,
    /// The maximum length of an attribute value that every backend accepts.
    longest_value: Option<u32>,
    /// The backends with such a limit.
    longest_of: Value,
    /// True if there is more than one backend.
    several: bool,
}

/// An exporter and its queue.
#[derive(Serialize)]
struct ExporterWithQueue {
    name: String,
    settings: BTreeMap<String, Value>,
    /// True if it has a queue.
    queued: bool,
    /// True if it retries from memory, without a queue.
    retries_itself: bool,
    /// Batch settings of its requests, as YAML.
    batch: Value,
    /// True if its queue is declared here, false if it refers to another exporter's.
    is_new: bool,
    /// The YAML anchor of its queue.
    queue: Value,
}

/// An extension and its settings, each as YAML.
#[derive(Serialize)]
struct ExtensionSettings {
    name: String,
    settings: BTreeMap<String, Value>,
}

impl Exporters {
    /// Computes the input for all backends. `to_backend` is true if metrics are sent to them;
    /// `place` is the region or project if it is known when rendering.
    pub(crate) fn new(
        tracing: &Tracing,
        to_backend: bool,
        source: HeaderSource,
        place: Option<&str>,
    ) -> Self {
        let backends = backend_exporters(tracing, to_backend, source, place);
        let queue_size = queue_size(&backends);
        let extensions = extensions(&backends);
        let names = extensions.iter().map(|extension| extension.name.as_str());
        let extension_names = EXTENSIONS.into_iter().chain(names);
        let limited = backends
            .iter()
            .filter(|exporter| exporter.backend.longest_value.is_some());
        let longest_of: Vec<&str> = limited.clone().map(BackendExporter::called).collect();
        Self {
            queue_size,
            queue_mib: queue_size >> 20,
            trace_exporters: backends.iter().map(BackendExporter::in_pipeline).collect(),
            metrics_exporters: of_metrics(&backends, false),
            delta_exporters: of_metrics(&backends, true),
            extension_names: extension_names.map(Value::from).collect(),
            resource: backends
                .iter()
                .flat_map(BackendExporter::resource)
                .collect(),
            longest_value: limited.filter_map(|one| one.backend.longest_value).min(),
            longest_of: as_is(longest_of.join(", ")),
            several: backends.len() > 1,
            exporters: exporters(&backends, tracing.authorities.as_deref()),
            extensions,
        }
    }
}

fn extensions(backends: &[BackendExporter]) -> Vec<ExtensionSettings> {
    let extension = |exporter: &BackendExporter| {
        let extension = exporter.backend.extension.as_ref()?;
        Some(ExtensionSettings {
            name: format!("{}{}", extension.name, exporter.suffix),
            settings: settings(exporter.backend, &extension.settings),
        })
    };
    backends.iter().filter_map(extension).collect()
}

/// Returns the exporters of backends that accept metrics as deltas, or as sums.
fn of_metrics(backends: &[BackendExporter], delta: bool) -> Vec<Value> {
    let takes = |exporter: &&BackendExporter| {
        let intake = exporter.metrics();
        intake.is_some_and(|intake| intake.delta == delta)
    };
    let taking = backends.iter().filter(takes);
    taking.map(BackendExporter::in_pipeline).collect()
}

/// Returns the endpoint in the form that every collector accepts; it may contain a placeholder.
/// `None` if the operator supplies it, or if the backend needs none.
pub(crate) fn exact_endpoint(tracing: &Tracing) -> Option<String> {
    let Some(endpoint) = &tracing.endpoint else {
        return tracing.backend.endpoint.clone();
    };
    Some(match (&tracing.backend.exporter, endpoint.protocol()) {
        (Exporter::Otlp, Protocol::Grpc) => endpoint.to_string(),
        _ => endpoint.traces_url(),
    })
}

/// Bytes of all queues together, which fit the rendered volumes.
const QUEUES: usize = 256 << 20;

/// Returns the bytes that one queue can hold, for one backend and one kind of signal.
fn queue_size(backend_exporters: &[BackendExporter]) -> usize {
    let queued =
        |exporter: &&BackendExporter| exporter.configs().iter().any(|exporter| exporter.queued);
    let kinds = |exporter: &BackendExporter| if exporter.metrics().is_some() { 2 } else { 1 };
    let queues: usize = backend_exporters.iter().filter(queued).map(kinds).sum();
    QUEUES / queues.max(1)
}

/// Returns the exporters, each with its queue. The first of several equal queues is declared, and
/// the others refer to it, as for the TLS settings with private authorities.
fn exporters(backends: &[BackendExporter], authorities: Option<&str>) -> Vec<ExporterWithQueue> {
    let mut queues: Vec<(Option<String>, String)> = Vec::new();
    let mut tls = authorities.map(declared_tls);
    let mut exporters = Vec::new();
    for exporter in backends {
        let batch = batch(exporter.backend);
        for mut one in exporter.configs() {
            let uses_tls = |value: &&mut Value| value.as_str() == Some(TLS);
            if let Some(place) = one.settings.get_mut("tls").filter(uses_tls) {
                *place = tls.take().unwrap_or_else(|| as_is(TLS));
            }
            let alike = (!one.retries_itself).then(|| batch.clone());
            let known = queues.iter().find(|(queue, _)| *queue == alike);
            let known = known.filter(|_| one.queued).map(|(_, name)| name.clone());
            let (is_new, queue) = match known {
                Some(queue) => (false, queue),
                None => (true, format!("queue{}", exporter.suffix.replace('/', "_"))),
            };
            if is_new && one.queued {
                queues.push((alike, queue.clone()));
            }
            exporters.push(ExporterWithQueue {
                name: one.name,
                settings: one.settings,
                queued: one.queued,
                retries_itself: one.retries_itself,
                batch: as_is(&batch),
                is_new,
                queue: as_is(queue),
            });
        }
    }
    exporters
}

/// Returns the declaration of the TLS settings with private authorities, as YAML.
fn declared_tls(authorities: &str) -> Value {
    let certificates = authorities.lines().map(|line| format!("\n        {line}"));
    let certificates: String = certificates.collect();
    as_is(format!(
        "&tls\n      include_system_ca_certs_pool: true\n      ca_pem: |{certificates}"
    ))
}

/// Returns the batch settings of a backend's requests, as YAML.
fn batch(backend: &Backend) -> String {
    match (backend.spans_per_request, backend.bytes_per_request) {
        (Some(most), _) => format!(
            "{{sizer: items, flush_timeout: 1s, min_size: {most}, max_size: {most}}} # the backend rejects larger requests"
        ),
        (None, Some(most)) => format!(
            "{{flush_timeout: 1s, min_size: {}, max_size: {most}}} # the backend rejects larger requests",
            most.min(524_288)
        ),
        (None, None) => {
            "{flush_timeout: 1s, min_size: 524288, max_size: 2097152} # gRPC servers reject 4 MiB"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
