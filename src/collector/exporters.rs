//! The collector's exporters, for the backends and for how the collector learns the operator's values.
//!
//! Invariant: the value of a header is named, never written.

mod backend_exporter;

use chroma_otel_init::Protocol;
use minijinja::{Value, context};

use crate::backend::{Backend, Exporter};
use crate::render::as_is;
use crate::spec::Spec;
use backend_exporter::{BackendExporter, backend_exporters, settings};

/// Extensions that every collector has.
const EXTENSIONS: [&str; 2] = ["health_check", "file_storage"];

/// What the collector's template reads of the backends: `exporters`, `queue_size`, `queue_mib`, `trace_exporters`,
/// `metrics_exporters`, `delta_exporters`, `extensions`, `extension_names`, `resource`, `longest_value` with
/// `longest_of`, whose it is, and whether there are `several`; and what only a cluster's collector has.
pub(crate) fn context(spec: &Spec) -> Value {
    let backend_exporters = backend_exporters(spec);
    let queue_size = queue_size(&backend_exporters);
    let mut extensions = Vec::new();
    let mut extension_names = EXTENSIONS.map(Value::from).to_vec();
    for exporter in &backend_exporters {
        if let Some(extension) = &exporter.backend.extension {
            let name = format!("{}{}", extension.name, exporter.suffix);
            extension_names.push(name.as_str().into());
            let settings = settings(exporter.backend, &extension.settings);
            extensions.push(context! { name, settings });
        }
    }
    let takes = |delta: bool| {
        let taking = backend_exporters.iter().filter(move |exporter| {
            let intake = exporter.metrics();
            intake.is_some_and(|intake| intake.delta == delta)
        });
        taking.map(BackendExporter::in_pipeline).collect::<Vec<_>>()
    };
    let longest = backend_exporters
        .iter()
        .filter(|exporter| exporter.backend.longest_value.is_some());
    let longest: Vec<&str> = longest.map(BackendExporter::called).collect();
    context! {
        exporters => exporters(&backend_exporters),
        queue_size,
        queue_mib => queue_size >> 20,
        trace_exporters => backend_exporters.iter().map(BackendExporter::in_pipeline).collect::<Vec<_>>(),
        metrics_exporters => takes(false),
        delta_exporters => takes(true),
        extensions,
        extension_names,
        resource => backend_exporters.iter().flat_map(BackendExporter::resource).collect::<Vec<_>>(),
        longest_value => backend_exporters.iter().filter_map(|exporter| exporter.backend.longest_value).min(),
        longest_of => as_is(longest.join(", ")),
        several => backend_exporters.len() > 1,
        let_go => (),
        pods => (),
        place_attributes => Vec::<Value>::new(),
        instance_attribute => "host.name",
    }
}

/// The endpoint in the one form that every source of the collector reads; it may
/// hold a placeholder. Absent: the operator gives it, or none is wanted.
pub(crate) fn exact_endpoint(spec: &Spec) -> Option<String> {
    let tracing = &spec.tracing;
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
fn exporters(backend_exporters: &[BackendExporter]) -> Vec<Value> {
    let mut queues: Vec<(Option<String>, String)> = Vec::new();
    let mut exporters = Vec::new();
    for exporter in backend_exporters {
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
            exporters.push(context! {
                name => one.name,
                settings => one.settings,
                queued => one.queued,
                retries_itself => one.retries_itself,
                batch => as_is(&batch),
                is_new,
                queue => as_is(queue),
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
