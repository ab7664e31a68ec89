//! The collector's exporters, for the backends and for how the collector learns the operator's values.
//!
//! Invariant: the value of a header is named, never written.

mod way;

use chroma_otel_init::Protocol;
use minijinja::{Value, context};

use crate::backend::{Backend, Exporter};
use crate::render::as_is;
use crate::spec::Spec;
use way::{Way, settings, ways};

/// Extensions that every collector has.
const EXTENSIONS: [&str; 2] = ["health_check", "file_storage"];

/// What the collector's template reads of the backends: `exporters`, `queue_size`, `queue_mib`, `trace_exporters`,
/// `metrics_exporters`, `delta_exporters`, `extensions`, `extension_names`, `resource`, `longest_value` with
/// `longest_of`, whose it is, and whether there are `several`; and what only a cluster's collector has.
pub(crate) fn context(spec: &Spec) -> Value {
    let ways = ways(spec);
    let queue_size = queue_size(&ways);
    let mut extensions = Vec::new();
    let mut extension_names = EXTENSIONS.map(Value::from).to_vec();
    for way in &ways {
        if let Some(extension) = &way.backend.extension {
            let name = format!("{}{}", extension.name, way.suffix);
            extension_names.push(name.as_str().into());
            let settings = settings(way.backend, &extension.settings);
            extensions.push(context! { name, settings });
        }
    }
    let takes = |delta: bool| {
        let taking = ways.iter().filter(move |way| {
            let intake = way.metrics();
            intake.is_some_and(|intake| intake.delta == delta)
        });
        taking.map(Way::in_pipeline).collect::<Vec<_>>()
    };
    let longest = ways
        .iter()
        .filter(|way| way.backend.longest_value.is_some());
    let longest: Vec<&str> = longest.map(Way::called).collect();
    context! {
        exporters => exporters(&ways),
        queue_size,
        queue_mib => queue_size >> 20,
        trace_exporters => ways.iter().map(Way::in_pipeline).collect::<Vec<_>>(),
        metrics_exporters => takes(false),
        delta_exporters => takes(true),
        extensions,
        extension_names,
        resource => ways.iter().flat_map(Way::resource).collect::<Vec<_>>(),
        longest_value => ways.iter().filter_map(|way| way.backend.longest_value).min(),
        longest_of => as_is(longest.join(", ")),
        several => ways.len() > 1,
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
fn queue_size(ways: &[Way]) -> usize {
    let queued = |way: &&Way| way.exporting().iter().any(|exporter| exporter.queued);
    let kinds = |way: &Way| if way.metrics().is_some() { 2 } else { 1 };
    let queues: usize = ways.iter().filter(queued).map(kinds).sum();
    QUEUES / queues.max(1)
}

/// The exporters, each with its queue: the first of those that are alike has it, the others refer to it.
fn exporters(ways: &[Way]) -> Vec<Value> {
    let mut queues: Vec<(Option<String>, String)> = Vec::new();
    let mut exporters = Vec::new();
    for way in ways {
        let batch = batch(way.backend);
        for one in way.exporting() {
            let alike = (!one.retries_itself).then(|| batch.clone());
            let known = queues.iter().find(|(queue, _)| *queue == alike);
            let known = known.filter(|_| one.queued).map(|(_, name)| name.clone());
            let (is_new, queue) = match known {
                Some(queue) => (false, queue),
                None => (true, format!("queue{}", way.suffix.replace('/', "_"))),
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
