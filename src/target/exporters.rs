//! The collector's exporters, for the backend and the kind of image.
//!
//! Invariant: the value of a header is named, never written.

use std::collections::BTreeMap;

use chroma_otel_init::{Endpoint, Protocol, variable};
use minijinja::{Value, context};

use crate::backend::Exporter;
use crate::render::{as_is, quoted};
use crate::spec::{Image, Spec, header_variable};

/// The exporter that the traces pipeline names: with the entrypoint, the endpoint in `.env` decides.
pub(crate) fn pipeline_exporter(spec: &Spec) -> Value {
    let tracing = &spec.tracing;
    let protocol = tracing.endpoint.as_ref().map(Endpoint::protocol);
    match (&tracing.backend.exporter, spec.chroma.image, protocol) {
        (Exporter::Debug, _, _) => "debug".into(),
        (Exporter::Zipkin, _, _) => "zipkin".into(),
        (Exporter::Otlp, Image::Wrapped, _) => as_is("\"${env:CHROMA_OTEL_EXPORTER}\""),
        (Exporter::Otlp, Image::Stock, Some(Protocol::Http)) => "otlp_http".into(),
        (Exporter::Otlp, Image::Stock, _) => "otlp_grpc".into(),
    }
}

/// The collector's exporters. With the entrypoint it reads what the entrypoint made of `.env`;
/// without, endpoint and header names are written down here and each value has its own variable.
pub(crate) fn exporters(spec: &Spec) -> Vec<Value> {
    let tracing = &spec.tracing;
    let exporter = |name: &str, settings: Vec<(&str, Value)>| {
        context! { name, settings => settings.into_iter().collect::<BTreeMap<_, _>>() }
    };
    let from_env = |name: &str| as_is(format!("${{env:{name}}}"));
    let (grpc, insecure, url, headers) = match (spec.chroma.image, &tracing.endpoint) {
        (Image::Stock, Some(endpoint)) => {
            let keys = tracing
                .backend
                .keys
                .iter()
                .map(|key| (key.header.clone(), key.variable.clone()));
            let own = tracing
                .header_names
                .iter()
                .map(|name| (name.clone(), header_variable(name)));
            let headers = keys
                .chain(own)
                .map(|(header, variable)| format!("{}: \"${{env:{variable}}}\"", quoted(&header)));
            (
                endpoint.authority().into(),
                as_is(if endpoint.is_tls() { "false" } else { "true" }),
                endpoint.traces_url().into(),
                as_is(format!("{{{}}}", headers.collect::<Vec<_>>().join(", "))),
            )
        }
        _ => (
            from_env("CHROMA_OTEL_GRPC_ENDPOINT"),
            // In quotes: it stands in a flow mapping, which the first bare `}` would end.
            as_is("\"${env:CHROMA_OTEL_GRPC_INSECURE}\""),
            from_env("CHROMA_OTEL_TRACES_URL"),
            from_env(variable::HEADERS),
        ),
    };
    let otlp_grpc = || {
        let tls = as_is(format!("{{insecure: {insecure}}}"));
        exporter(
            "otlp_grpc",
            vec![
                ("endpoint", grpc.clone()),
                ("tls", tls),
                ("headers", headers.clone()),
            ],
        )
    };
    let otlp_http = || {
        exporter(
            "otlp_http",
            vec![
                ("traces_endpoint", url.clone()),
                ("headers", headers.clone()),
            ],
        )
    };
    match tracing.backend.exporter {
        Exporter::Debug => vec![exporter("debug", vec![("verbosity", "normal".into())])],
        Exporter::Zipkin => vec![exporter(
            "zipkin",
            vec![("endpoint", url), ("headers", headers)],
        )],
        Exporter::Otlp if spec.chroma.image == Image::Wrapped => vec![otlp_grpc(), otlp_http()],
        Exporter::Otlp
            if tracing
                .endpoint
                .as_ref()
                .is_some_and(|one| one.protocol() == Protocol::Http) =>
        {
            vec![otlp_http()]
        }
        Exporter::Otlp => vec![otlp_grpc()],
    }
}
