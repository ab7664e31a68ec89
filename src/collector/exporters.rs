//! The collector's exporters, for the backends and for how the collector learns the operator's values.
//!
//! Invariant: the value of a header is named, never written.

mod backend_exporter;

pub(crate) use backend_exporter::HeaderSource;

use std::collections::BTreeMap;

use chroma_otel_init::Protocol;
use minijinja::Value;
use serde::Serialize;

use crate::backend::{Backend, Exporter};
use crate::render::as_is;
use crate::spec::Tracing;
use backend_exporter::{BackendExporter, ResourceAttribute, backend_exporters, settings};

/// Extensions that every collector has.
const EXTENSIONS: [&str; 2] = ["health_check", "file_storage"];

/// What `templates/collector` reads of the backends.
#[derive(Serialize)]
pub(crate) struct Exporters {
    /// The exporters, each with its queue.
    exporters: Vec<ExporterWithQueue>,
    /// Bytes that may wait for one backend, of one kind of signal.
    queue_size: usize,
    /// The same in MiB.
    queue_mib: usize,
    /// The exporters of the pipeline of traces.
    trace_exporters: Vec<Value>,
    /// The exporters of backends that take the sum since the start.
    metrics_exporters: Vec<Value>,
    /// The exporters of backends that take what was added since the last time.
    delta_exporters: Vec<Value>,
    /// The extensions that backends need.
    extensions: Vec<ExtensionSettings>,
    /// The names of all extensions.
    extension_names: Vec<Value>,
    /// Attributes that backends need on every resource.
    resource: Vec<ResourceAttribute>,
    /// The length of the longest attribute value that every backend takes.
    longest_value: Option<u32>,
    /// The backends with such a limit.
    longest_of: Value,
    /// Whether there is more than one backend.
    several: bool,
}

/// An exporter and the queue before it.
#[derive(Serialize)]
struct ExporterWithQueue {
    name: String,
    settings: BTreeMap<String, Value>,
    /// Whether it has a queue.
    queued: bool,
    /// Whether it retries by itself, from memory.
    retries_itself: bool,
    /// How spans are put together for one request, as YAML.
    batch: Value,
    /// Whether its queue is declared here; else it refers to another exporter's.
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
    /// Of all backends; `to_backend` says whether they get metrics, `place` the region or project where it is
    /// known when rendering.
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
            exporters: exporters(&backends),
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

/// The exporters of backends that take metrics as deltas, or as sums.
fn of_metrics(backends: &[BackendExporter], delta: bool) -> Vec<Value> {
    let takes = |exporter: &&BackendExporter| {
        let intake = exporter.metrics();
        intake.is_some_and(|intake| intake.delta == delta)
    };
    let taking = backends.iter().filter(takes);
    taking.map(BackendExporter::in_pipeline).collect()
}

/// The endpoint in the one form that every source of the collector reads; it may
/// hold a placeholder. Absent: the operator gives it, or none is wanted.
pub(crate) fn exact_endpoint(tracing: &Tracing) -> Option<String> {
    let Some(endpoint) = &tracing.endpoint else {
        return tracing.backend.endpoint.clone();
    };
    Some(match (&tracing.backend.exporter, endpoint.protocol()) {
        (Exporter::Otlp, Protocol::Grpc) => endpoint.to_string(),
        _ => endpoint.traces_url(),
    })
}

/// Bytes of all queues together: what the rendered volumes have room for.
const QUEUES: usize = 256 << 20;

/// How many bytes may wait for one backend, of one kind.
fn queue_size(backend_exporters: &[BackendExporter]) -> usize {
    let queued =
        |exporter: &&BackendExporter| exporter.configs().iter().any(|exporter| exporter.queued);
    let kinds = |exporter: &BackendExporter| if exporter.metrics().is_some() { 2 } else { 1 };
    let queues: usize = backend_exporters.iter().filter(queued).map(kinds).sum();
    QUEUES / queues.max(1)
}

/// The exporters, each with its queue: the first of those that are alike has it, the others refer to it.
fn exporters(backends: &[BackendExporter]) -> Vec<ExporterWithQueue> {
    let mut queues: Vec<(Option<String>, String)> = Vec::new();
    let mut exporters = Vec::new();
    for exporter in backends {
        let batch = batch(exporter.backend);
        for one in exporter.configs() {
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

/// How spans are put together for one request, as YAML.
fn batch(backend: &Backend) -> String {
    match (backend.spans_per_request, backend.bytes_per_request) {
        (Some(most), _) => format!(
            "{{sizer: items, flush_timeout: 1s, min_size: {most}, max_size: {most}}} # the backend refuses more"
        ),
        (None, Some(most)) => format!(
            "{{flush_timeout: 1s, min_size: {}, max_size: {most}}} # the backend refuses more",
            most.min(524_288)
        ),
        (None, None) => {
            "{flush_timeout: 1s, min_size: 524288, max_size: 2097152} # gRPC servers refuse 4 MiB"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
