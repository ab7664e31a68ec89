//! The collector's exporters, for the backend and for how the collector learns the operator's values.
//!
//! Invariant: the value of a header is named, never written.

use std::collections::BTreeMap;

use chroma_otel_init::{Endpoint, Protocol, variable};
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::context::known_endpoint;
use crate::backend::{Backend, Cloud, Exporter, Settings, in_place};
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

/// What the collector's template reads of the backend: `exporters`, `pipeline_exporter`, `batch`,
/// `extensions`, `extension_names` and `resource`; and what only a cluster's collector has.
pub(crate) fn context(spec: &Spec) -> Value {
    let source = source(spec);
    let backend = &spec.tracing.backend;
    let extensions: Vec<Value> = backend
        .extension
        .iter()
        .map(|extension| {
            let settings = settings(backend, &extension.settings);
            context! { name => extension.name.as_str(), settings }
        })
        .collect();
    let mut extension_names = EXTENSIONS.map(Value::from).to_vec();
    extension_names.extend(backend.extension.iter().map(|one| one.name.as_str().into()));
    context! {
        exporters => exporters(spec, source),
        pipeline_exporter => pipeline_exporter(spec, source),
        batch => as_is(batch(backend.spans_per_request)),
        extensions,
        extension_names,
        resource => resource(backend),
        let_go => (),
        pods => (),
        place_attributes => Vec::<Value>::new(),
        instance_attribute => "host.name",
    }
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

/// How spans are put together for one request, as YAML.
fn batch(spans_per_request: Option<u32>) -> String {
    match spans_per_request {
        None => {
            "{flush_timeout: 1s, min_size: 524288, max_size: 2097152} # gRPC servers refuse 4 MiB"
                .to_owned()
        }
        Some(most) => format!(
            "{{sizer: items, flush_timeout: 1s, min_size: {most}, max_size: {most}}} # the backend refuses more"
        ),
    }
}

/// The exporter that the traces pipeline names: with the entrypoint, the operator's endpoint decides.
fn pipeline_exporter(spec: &Spec, source: Source) -> Value {
    match (&spec.tracing.backend.exporter, source) {
        (Exporter::Otlp, Source::Entrypoint) => as_is("\"${env:CHROMA_OTEL_EXPORTER}\""),
        (Exporter::Otlp, _) if protocol(spec) == Protocol::Grpc => "otlp_grpc".into(),
        (Exporter::Otlp | Exporter::OtlpHttp, _) => "otlp_http".into(),
        (Exporter::Zipkin, _) => "zipkin".into(),
        (Exporter::Debug, _) => "debug".into(),
        (Exporter::Component(component), _) => component.name.as_str().into(),
    }
}

/// What the endpoint speaks that is known when rendering.
fn protocol(spec: &Spec) -> Protocol {
    let default = || {
        let text = in_place(spec.tracing.backend.endpoint.as_deref()?, "place-1");
        text.parse::<Endpoint>().ok()
    };
    let known = spec.tracing.endpoint.clone().or_else(default);
    known.map_or(Protocol::Grpc, |endpoint| endpoint.protocol())
}

fn exporters(spec: &Spec, source: Source) -> Vec<Value> {
    let backend = &spec.tracing.backend;
    let exporter = |name: &str, queued: bool, settings: Vec<(&str, Value)>| {
        context! { name, queued, retries_itself => false, settings => settings.into_iter().collect::<BTreeMap<_, _>>() }
    };
    let Address {
        grpc,
        insecure,
        url,
        headers,
    } = address(spec, source);
    let with_auth = |mut settings: Vec<(&'static str, Value)>| {
        if let Some(extension) = &backend.extension {
            let auth = as_is(format!("{{authenticator: {}}}", extension.name));
            settings.push(("auth", auth));
        }
        settings
    };
    let otlp_grpc = || {
        let tls = as_is(format!("{{insecure: {insecure}}}"));
        let settings = vec![
            ("endpoint", grpc.clone()),
            ("tls", tls),
            ("headers", headers.clone()),
        ];
        exporter("otlp_grpc", true, with_auth(settings))
    };
    let otlp_http = || {
        let settings = vec![
            ("traces_endpoint", url.clone()),
            ("headers", headers.clone()),
        ];
        exporter("otlp_http", true, with_auth(settings))
    };
    match &backend.exporter {
        Exporter::Otlp if source == Source::Entrypoint => vec![otlp_grpc(), otlp_http()],
        Exporter::Otlp if protocol(spec) == Protocol::Grpc => vec![otlp_grpc()],
        Exporter::Otlp | Exporter::OtlpHttp => vec![otlp_http()],
        Exporter::Zipkin => {
            let settings = vec![("endpoint", url), ("headers", headers)];
            vec![exporter("zipkin", true, settings)]
        }
        Exporter::Debug => {
            vec![exporter(
                "debug",
                false,
                vec![("verbosity", "normal".into())],
            )]
        }
        Exporter::Component(component) => vec![context! {
            name => component.name.as_str(),
            queued => component.queue,
            retries_itself => component.retries_itself,
            settings => settings(backend, &component.settings),
        }],
    }
}

/// Where to, and with which headers: each value in the form of the setting it is for.
struct Address {
    grpc: Value,
    insecure: Value,
    url: Value,
    headers: Value,
}

fn address(spec: &Spec, source: Source) -> Address {
    let from_env = |name: &str| as_is(format!("${{env:{name}}}"));
    match (source, known_endpoint(spec)) {
        (Source::Spec, Some(endpoint)) => Address {
            grpc: endpoint.authority().into(),
            insecure: as_is(if endpoint.is_tls() { "false" } else { "true" }),
            url: endpoint.traces_url().into(),
            headers: headers(spec),
        },
        (Source::Variables, _) => Address {
            grpc: from_env(variable::ENDPOINT),
            // `https://` in the endpoint is TLS nevertheless (seen with 0.158).
            insecure: as_is("true"),
            url: from_env(variable::ENDPOINT),
            headers: headers(spec),
        },
        (Source::Entrypoint, _) | (Source::Spec, None) => Address {
            grpc: from_env("CHROMA_OTEL_GRPC_ENDPOINT"),
            // In quotes: it stands in a flow mapping, which the first bare `}` would end.
            insecure: as_is("\"${env:CHROMA_OTEL_GRPC_INSECURE}\""),
            url: from_env("CHROMA_OTEL_TRACES_URL"),
            headers: from_env(variable::HEADERS),
        },
    }
}

/// One variable a header: there is nobody to take a map of them apart.
fn headers(spec: &Spec) -> Value {
    let tracing = &spec.tracing;
    let keys = tracing
        .backend
        .key_headers()
        .map(|(header, variable)| (header, variable.to_owned()));
    let own = tracing
        .header_names
        .iter()
        .map(|name| (name.as_str(), header_variable(name)));
    let headers: Vec<String> = keys
        .chain(own)
        .map(|(header, variable)| format!("{}: \"${{env:{variable}}}\"", quoted(header)))
        .collect();
    as_is(format!("{{{}}}", headers.join(", ")))
}

/// Settings of a component, each as YAML, with what comes from the collector's environment named.
fn settings(backend: &Backend, settings: &Settings) -> BTreeMap<String, Value> {
    settings
        .iter()
        .map(|(name, value)| (name.clone(), from_environment(backend, value)))
        .collect()
}

/// The attributes that the backend wants of every resource, likewise.
fn resource(backend: &Backend) -> Vec<Value> {
    backend
        .resource
        .iter()
        .map(|(name, text)| {
            let value = from_environment(backend, &text.as_str().into());
            context! { name => name.as_str(), value }
        })
        .collect()
}

/// A backend's value as YAML: each placeholder in it becomes the collector's own.
fn from_environment(backend: &Backend, value: &serde_json::Value) -> Value {
    let place = backend.cloud().and_then(Cloud::place);
    let place = place.map(|place| (place.placeholder.to_owned(), place.variable));
    let keys = backend
        .keys
        .iter()
        .map(|key| (format!("{{{}}}", key.variable), key.variable.as_str()));
    let text = yaml(&Value::from(Serde(value)))
        .unwrap_or_else(|_| unreachable!("what was read as YAML can be written as such"))
        .replace('$', "$$");
    let named = |text: String, (placeholder, variable): (String, &str)| {
        text.replace(&placeholder, &format!("${{env:{variable}}}"))
    };
    as_is(place.into_iter().chain(keys).fold(text, named))
}

#[cfg(test)]
mod tests;
