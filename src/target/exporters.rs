//! The collector's exporters, for the backends and for how the collector learns the operator's values.
//!
//! Invariant: the value of a header is named, never written.

use std::collections::BTreeMap;

use chroma_otel_init::{Endpoint, Protocol, variable};
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::context::known_endpoint;
use crate::backend::{Backend, Cloud, Exporter, MetricsIntake, Settings, in_place};
use crate::render::{as_is, quoted, yaml};
use crate::spec::{Image, Spec, header_variable};

/// Extensions that every collector has.
const EXTENSIONS: [&str; 2] = ["health_check", "file_storage"];

/// How the collector learns the endpoint and the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The entrypoint reads the operator's variables in any form, and sets what the collector reads.
    Entrypoint,
    /// The endpoint is written down here, and each header has a variable.
    Spec,
    /// The endpoint is in its variable, in the form of [`exact_endpoint`]; each header has one, too.
    Variables,
}

/// One backend's way out.
struct Way<'a> {
    spec: &'a Spec,
    backend: &'a Backend,
    source: Source,
    /// What tells its components from the first backend's: nothing, or `/NAME`.
    suffix: String,
}

/// An exporter, or one of those that a variable chooses from.
struct Exporting {
    name: String,
    queued: bool,
    retries_itself: bool,
    settings: BTreeMap<String, Value>,
}

/// What the collector's template reads of the backends: `exporters`, `queue_size`, `queue_mib`, `trace_exporters`,
/// `metrics_exporters`, `delta_exporters`, `extensions`, `extension_names`, `resource`, `longest_value` with
/// `longest_of`, whose it is, and whether there are `several`; and what only a cluster's collector has.
pub(crate) fn context(spec: &Spec) -> Value {
    let ways = ways(spec);
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
        queue_size => queue_size(&ways),
        queue_mib => queue_size(&ways) >> 20,
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

fn ways(spec: &Spec) -> Vec<Way<'_>> {
    let first = Way {
        spec,
        backend: &spec.tracing.backend,
        source: source(spec),
        suffix: String::new(),
    };
    let others = spec.tracing.others.iter().map(|backend| Way {
        spec,
        backend,
        source: Source::Spec,
        suffix: format!("/{}", backend.name),
    });
    std::iter::once(first).chain(others).collect()
}

fn source(spec: &Spec) -> Source {
    match spec.collector.image {
        Image::Wrapped => Source::Entrypoint,
        Image::Stock if spec.target.is_machine() => Source::Variables,
        Image::Stock => Source::Spec,
    }
}

/// The endpoint in the one form that [`Source::Variables`] and every other source reads; it may
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

impl Way<'_> {
    /// What a comment calls the backend: its name only where there are others.
    fn called(&self) -> &str {
        match self.spec.tracing.others.is_empty() {
            true => "the backend",
            false => &self.backend.name,
        }
    }

    /// The attributes that the backend wants of every resource, each as YAML.
    fn resource(&self) -> Vec<Value> {
        let attributes = self.backend.resource.iter();
        let attribute = |(name, text): (&String, &String)| {
            let value = from_environment(self.backend, &text.as_str().into());
            context! { name, value, backend => as_is(self.called()) }
        };
        attributes.map(attribute).collect()
    }

    /// What the backend does with metrics, if it is to get them.
    fn metrics(&self) -> Option<&MetricsIntake> {
        let wanted = self.spec.metrics.to_backend;
        self.backend.metrics.as_ref().filter(|_| wanted)
    }

    /// The exporter that pipelines name: with the entrypoint, the operator's endpoint decides.
    fn in_pipeline(&self) -> Value {
        match (&self.backend.exporter, self.source) {
            (Exporter::Otlp, Source::Entrypoint) => as_is("\"${env:CHROMA_OTEL_EXPORTER}\""),
            _ => self.exporting().swap_remove(0).name.into(),
        }
    }

    /// The endpoint as far as it is known when rendering.
    fn known_endpoint(&self) -> Option<Endpoint> {
        if self.suffix.is_empty() {
            return known_endpoint(self.spec);
        }
        self.placed()?.parse().ok()
    }

    /// Its own endpoint, in the place where that is known, else in [`SOMEWHERE`].
    fn placed(&self) -> Option<String> {
        let place = super::kubernetes::place(self.spec).unwrap_or(SOMEWHERE);
        Some(in_place(self.backend.endpoint.as_deref()?, place))
    }

    /// What the endpoint speaks that is known when rendering.
    fn protocol(&self) -> Protocol {
        let known = self.known_endpoint();
        let known = known.or_else(|| self.placed()?.parse().ok());
        known.map_or(Protocol::Grpc, |endpoint| endpoint.protocol())
    }

    /// Its exporters: several where a variable chooses.
    fn exporting(&self) -> Vec<Exporting> {
        let exporter = |name: &str, queued: bool, settings: Vec<(&str, Value)>| Exporting {
            name: format!("{name}{}", self.suffix),
            queued,
            retries_itself: false,
            settings: settings
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        };
        let Address {
            grpc,
            insecure,
            url,
            metrics_url,
            headers,
        } = self.address();
        let auth = self.backend.extension.as_ref().map(|extension| {
            let auth = format!("{{authenticator: {}{}}}", extension.name, self.suffix);
            ("auth", as_is(auth))
        });
        let otlp_grpc = || {
            let tls = as_is(format!("{{insecure: {insecure}}}"));
            let settings = [
                ("endpoint", grpc.clone()),
                ("tls", tls),
                ("headers", headers.clone()),
            ];
            exporter(
                "otlp_grpc",
                true,
                settings.into_iter().chain(auth.clone()).collect(),
            )
        };
        let otlp_http = || {
            let settings = [
                ("traces_endpoint", url.clone()),
                ("headers", headers.clone()),
            ];
            let metrics = metrics_url.clone().filter(|_| self.metrics().is_some());
            let metrics = metrics.map(|url| ("metrics_endpoint", url));
            let settings = settings.into_iter().chain(metrics).chain(auth.clone());
            exporter("otlp_http", true, settings.collect())
        };
        match &self.backend.exporter {
            Exporter::Otlp if self.source == Source::Entrypoint => vec![otlp_grpc(), otlp_http()],
            Exporter::Otlp if self.protocol() == Protocol::Grpc => vec![otlp_grpc()],
            Exporter::Otlp | Exporter::OtlpHttp => vec![otlp_http()],
            Exporter::Zipkin => {
                vec![exporter(
                    "zipkin",
                    true,
                    vec![("endpoint", url), ("headers", headers)],
                )]
            }
            Exporter::Debug => {
                vec![exporter(
                    "debug",
                    false,
                    vec![("verbosity", "normal".into())],
                )]
            }
            Exporter::Component(component) => vec![Exporting {
                name: format!("{}{}", component.name, self.suffix),
                queued: component.queue,
                retries_itself: component.retries_itself,
                settings: settings(self.backend, &component.settings),
            }],
        }
    }

    fn address(&self) -> Address {
        let from_env = |name: &str| as_is(format!("${{env:{name}}}"));
        let own = self.metrics().and_then(|intake| intake.endpoint.as_deref());
        let own = own.map(Value::from);
        match (self.source, self.known_endpoint()) {
            (Source::Spec, Some(endpoint)) => Address {
                grpc: endpoint.authority().into(),
                insecure: as_is(if endpoint.is_tls() { "false" } else { "true" }),
                url: self.in_its_place(&endpoint.traces_url()),
                metrics_url: own.or_else(|| Some(self.in_its_place(&endpoint.metrics_url()?))),
                headers: self.headers(),
            },
            (Source::Variables, known) => Address {
                grpc: from_env(variable::ENDPOINT),
                // `https://` in the endpoint is TLS nevertheless (seen with 0.158).
                insecure: as_is("true"),
                url: from_env(variable::ENDPOINT),
                metrics_url: own.or_else(|| Some(known?.metrics_url()?.into())),
                headers: self.headers(),
            },
            (Source::Entrypoint, _) | (Source::Spec, None) => Address {
                grpc: from_env("CHROMA_OTEL_GRPC_ENDPOINT"),
                // In quotes: it stands in a flow mapping, which the first bare `}` would end.
                insecure: as_is("\"${env:CHROMA_OTEL_GRPC_INSECURE}\""),
                url: from_env("CHROMA_OTEL_TRACES_URL"),
                metrics_url: own.or_else(|| Some(from_env("CHROMA_OTEL_METRICS_URL"))),
                headers: from_env(variable::HEADERS),
            },
        }
    }

    /// A URL with the variable that says the place where only the machine knows it.
    fn in_its_place(&self, url: &str) -> Value {
        match self.backend.cloud().and_then(Cloud::place) {
            Some(place) if url.contains(SOMEWHERE) => {
                as_is(url.replace(SOMEWHERE, &format!("${{env:{}}}", place.variable)))
            }
            _ => url.into(),
        }
    }

    /// One variable a header: there is nobody to take a map of them apart.
    fn headers(&self) -> Value {
        let of_backend = self.backend.headers.iter().map(|(name, text)| {
            let text = with_keys(self.backend, text.replace('$', "$$"));
            (name.as_str(), text)
        });
        let names = &self.spec.tracing.header_names;
        let names = names.iter().filter(|_| self.suffix.is_empty());
        let own = names.map(|name| {
            let variable = header_variable(name);
            (name.as_str(), format!("${{env:{variable}}}"))
        });
        let headers: Vec<String> = of_backend
            .chain(own)
            .map(|(name, text)| format!("{}: {}", quoted(name), quoted(&text)))
            .collect();
        as_is(format!("{{{}}}", headers.join(", ")))
    }
}

/// A place that only the machine knows.
const SOMEWHERE: &str = "somewhere-1";

/// Where to, and with which headers: each value in the form of the setting it is for.
struct Address {
    grpc: Value,
    insecure: Value,
    url: Value,
    metrics_url: Option<Value>,
    headers: Value,
}

/// Settings of a component, each as YAML, with what comes from the collector's environment named.
fn settings(backend: &Backend, settings: &Settings) -> BTreeMap<String, Value> {
    settings
        .iter()
        .map(|(name, value)| (name.clone(), from_environment(backend, value)))
        .collect()
}

/// A backend's value as YAML: each placeholder in it becomes the collector's own.
fn from_environment(backend: &Backend, value: &serde_json::Value) -> Value {
    let text = yaml(&Value::from(Serde(value)))
        .unwrap_or_else(|_| unreachable!("what was read as YAML can be written as such"))
        .replace('$', "$$");
    let place = backend.cloud().and_then(Cloud::place);
    let text = place.into_iter().fold(text, |text, place| {
        text.replace(place.placeholder, &format!("${{env:{}}}", place.variable))
    });
    as_is(with_keys(backend, text))
}

/// The text with the variables of the backend's keys for their placeholders.
fn with_keys(backend: &Backend, text: String) -> String {
    backend.keys.iter().fold(text, |text, key| {
        let name = &key.variable;
        text.replace(&format!("{{{name}}}"), &format!("${{env:{name}}}"))
    })
}

#[cfg(test)]
mod tests;
