//! What the templates in `templates/docker` read.
//!
//! Invariant: every choice is made here; the templates only place values.

use std::net::SocketAddr;

use chroma_otel_init::{
    ChromaVersion, Granularity, Headers, Server, Settings, rust_log, server_environment, variable,
};

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::wanted;
use crate::backend::Exporter;
use crate::render::{as_is, is_plain, quoted};
use crate::spec::values::VariableName;
use crate::spec::{Image, Spec};
use crate::target::COLLECTOR_VERSION;
use crate::target::exporters::{exporters, pipeline_exporter};

/// Where Chroma finds the collector inside the Compose network.
const COLLECTOR_ENDPOINT: &str = "http://otel-collector:4317";

/// What the templates read.
pub(super) fn of(spec: &Spec) -> Value {
    let (chroma, tracing, version) = (&spec.chroma, &spec.tracing, spec.chroma.version);
    let wrapped = chroma.image == Image::Wrapped;
    let rust_server = version.server() == Server::Rust;
    let base_image = chroma.repository.tag(version);
    let collector_base = spec.collector.repository.tag(COLLECTOR_VERSION);
    let image = |what: &str, base: &str, tag: &str| match chroma.image {
        Image::Wrapped => format!("{}-{what}:{tag}", spec.name),
        Image::Stock => base.to_owned(),
    };
    let (entrypoint, cmd) = version.command();
    let entrypoint: Vec<&str> = ["/chroma-otel-entrypoint", "--"]
        .iter()
        .chain(entrypoint)
        .copied()
        .collect();
    context! {
        name => spec.name.to_string(),
        version => version.to_string(),
        wrapped, rust_server,
        // Named, so that no other project name makes new and empty ones.
        volumes => context! { data => format!("{}_data", spec.name), queue => format!("{}_queue", spec.name) },
        // The collector's template reads these.
        environment => tracing.environment.as_str(),
        namespace => spec.name.to_string(),
        granularity => tracing.granularity.to_string(),
        endpoint => tracing.endpoint.as_ref().map(ToString::to_string),
        header_names => &tracing.header_names,
        backend => context! {
            name => tracing.backend.name.as_str(),
            summary => tracing.backend.summary.as_str(),
            traces => tracing.backend.traces.as_str(),
            documentation => tracing.backend.documentation.as_str(),
            has_keys => !tracing.backend.keys.is_empty(),
            wants_endpoint => tracing.backend.wants_endpoint(),
        },
        service => Serde(&tracing.backend.service),
        exporters => exporters(spec),
        pipeline_exporter => pipeline_exporter(spec),
        queued => tracing.backend.exporter != Exporter::Debug,
        service_name => tracing.service_name.as_str(),
        chroma => context! {
            image => image("chroma", &base_image, &version.to_string()),
            base_image, entrypoint => json(&entrypoint), cmd => json(cmd),
            data_directory => version.data_directory(),
            read_only => rust_server,
            address => SocketAddr::new(chroma.bind, chroma.port).to_string(),
            ports => vec![format!("{}:8000", SocketAddr::new(chroma.bind, chroma.port))],
            memory => chroma.memory.to_string(),
            environment => chroma_environment(spec),
            cors_allow_origins => &chroma.cors_allow_origins,
            health => health_command(chroma.image, version),
            health_path => version.health_path(),
        },
        collector => context! {
            image => image("otel-collector", &collector_base, COLLECTOR_VERSION),
            base_image => collector_base,
            memory => spec.collector.memory.to_string(),
            environment => collector_environment(spec),
            command => collector_command(spec),
        },
        up => match chroma.image {
            Image::Wrapped => "docker compose up --build --remove-orphans",
            Image::Stock => "docker compose up --remove-orphans",
        },
        shown_endpoint => match &tracing.endpoint {
            Some(endpoint) => format!("`{endpoint}`"),
            None => "in `.env`".to_owned(),
        },
        collections_path => match version.health_path().starts_with("/api/v1") {
            true => "/api/v1/collections",
            false => "/api/v2/tenants/default_tenant/databases/default_database/collections",
        },
        traced => version.traces() && tracing.granularity != Granularity::None,
        untraced => match version.traces() {
            true => "the granularity is `none`".to_owned(),
            false => format!("Chroma {version} cannot be, 0.4.15 is the first version that can"),
        },
        zipkin => tracing.backend.exporter == Exporter::Zipkin,
        keys => others(spec),
        needs => wanted(spec).iter().map(|need| context! { variable => need.variable.as_str(), what => need.what.as_str() }).collect::<Vec<_>>(),
    }
}

/// What `.env.example` asks for beside the four variables.
fn others(spec: &Spec) -> Vec<Value> {
    let four = variable::TABLE.map(|row| row.name);
    let others = wanted(spec)
        .into_iter()
        .filter(|need| !four.contains(&need.variable.as_str()));
    others
        .map(|need| context! { variable => need.variable, what => need.what })
        .collect()
}

/// One variable of a container: Compose passes a value of `None` on from `.env`, or leaves it out.
fn entry(name: &str, value: Option<Value>) -> Value {
    context! { name, value }
}

fn chroma_environment(spec: &Spec) -> Vec<Value> {
    let mut variables = tracing_environment(spec);
    if spec.chroma.version.server() == Server::Python {
        let directory = spec.chroma.version.data_directory();
        variables.push(entry("IS_PERSISTENT", Some("1".into())));
        variables.push(entry("PERSIST_DIRECTORY", Some(directory.into())));
        if !spec.chroma.cors_allow_origins.is_empty() {
            let origins = json(&spec.chroma.cors_allow_origins);
            let name = "CHROMA_SERVER_CORS_ALLOW_ORIGINS";
            variables.push(entry(name, Some(origins.into())));
        }
    }
    let own = spec.chroma.environment.iter();
    variables.extend(
        own.filter(|(name, _)| !is_merged(spec, name))
            .map(|(name, value)| {
                let value = match value {
                    Some(value) => value.as_str().into(),
                    None => required(name.as_str()),
                };
                entry(name.as_str(), Some(value))
            }),
    );
    variables
}

/// The four variables; for the published image, what this version reads instead.
fn tracing_environment(spec: &Spec) -> Vec<Value> {
    let tracing = &spec.tracing;
    let granularity = tracing.granularity.to_string();
    let name = tracing.service_name.as_str();
    if spec.chroma.image == Image::Wrapped {
        return vec![
            entry(variable::ENDPOINT, Some(COLLECTOR_ENDPOINT.into())),
            entry(
                variable::SERVICE_NAME,
                Some(or_default(variable::SERVICE_NAME, name)),
            ),
            entry(
                variable::GRANULARITY,
                Some(or_default(variable::GRANULARITY, &granularity)),
            ),
        ];
    }
    let settings = Settings {
        endpoint: COLLECTOR_ENDPOINT.parse().ok(),
        service_name: name.to_owned(),
        headers: Headers::default(),
        granularity: tracing.granularity,
    };
    // The collector's endpoint is plain gRPC, which every version can reach.
    let mut translated = server_environment(&settings, spec.chroma.version).unwrap_or_default();
    let own = spec
        .chroma
        .environment
        .iter()
        .find(|(name, _)| is_merged(spec, name));
    if let Some((_, Some(level))) = own {
        let merged = rust_log(Some(level), tracing.granularity, spec.chroma.version);
        translated.extend(merged.map(|merged| (variable::RUST_LOG, merged)));
    }
    let translated = translated.into_iter();
    translated
        .map(|(name, value)| entry(name, Some(value.into())))
        .collect()
}

/// Whether an operator's variable is part of the translation already: without the entrypoint, a
/// log level has to be joined with the spans' filter here.
fn is_merged(spec: &Spec, name: &VariableName) -> bool {
    spec.chroma.image == Image::Stock && name.as_str() == variable::RUST_LOG
}

fn collector_environment(spec: &Spec) -> Vec<Value> {
    let limit = spec.collector.memory.as_mebibytes() * 8 / 10;
    let mut variables = vec![entry("GOMEMLIMIT", Some(format!("{limit}MiB").into()))];
    if spec.chroma.image == Image::Wrapped && spec.tracing.backend.wants_endpoint() {
        variables.push(entry(
            variable::ENDPOINT,
            Some(match &spec.tracing.endpoint {
                Some(endpoint) => or_default(variable::ENDPOINT, &endpoint.to_string()),
                None => required(variable::ENDPOINT),
            }),
        ));
        if spec.tracing.header_names.is_empty() {
            variables.push(entry(variable::HEADERS, None));
        }
    }
    variables.push(entry("OTEL_RESOURCE_ATTRIBUTES", None));
    let named = wanted(spec)
        .into_iter()
        .filter(|need| need.variable != variable::ENDPOINT);
    let chromas = |name: &str| {
        spec.chroma
            .environment
            .keys()
            .any(|key| key.as_str() == name)
    };
    variables.extend(
        named
            .filter(|need| !chromas(&need.variable))
            .map(|need| entry(&need.variable, Some(required(&need.variable)))),
    );
    variables
}

fn collector_command(spec: &Spec) -> Vec<String> {
    let mut command = vec!["collector".to_owned()];
    if !spec.tracing.backend.wants_endpoint() {
        command.push("--no-endpoint".to_owned());
    }
    if spec.tracing.backend.exporter == Exporter::Zipkin {
        command.push("--zipkin".to_owned());
    }
    for key in &spec.tracing.backend.keys {
        command.extend([
            "--header".to_owned(),
            format!("{}={}", key.header, key.variable),
        ]);
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

fn health_command(image: Image, version: ChromaVersion) -> Vec<String> {
    let path = version.health_path();
    let words: Vec<String> = match (image, version.server()) {
        (Image::Wrapped, _) => vec![
            "CMD".into(),
            "/chroma-otel-entrypoint".into(),
            "healthcheck".into(),
        ],
        (Image::Stock, Server::Python) => vec![
            "CMD".into(),
            "python".into(),
            "-c".into(),
            format!(
                "import urllib.request as r; r.urlopen('http://127.0.0.1:8000{path}', timeout=2)"
            ),
        ],
        // The image has neither curl nor wget, but bash opens sockets.
        (Image::Stock, Server::Rust) => vec![
            "CMD".into(),
            "bash".into(),
            "-c".into(),
            format!(
                "exec 3<>/dev/tcp/127.0.0.1/8000; printf 'GET {path} HTTP/1.0\\r\\n\\r\\n' >&3; grep -q '^HTTP/1.. 200' <&3"
            ),
        ],
    };
    words
}

/// `${NAME:-default}`: `.env` decides, and blank there means the default. The default has been
/// checked for what would end it (`problems`).
fn or_default(name: &str, default: &str) -> Value {
    let text = format!("${{{name}:-{default}}}");
    as_is(if is_plain(default) {
        text
    } else {
        quoted(&text)
    })
}

/// `${NAME:?…}`: without it, Compose says so and starts nothing.
fn required(name: &str) -> Value {
    as_is(format!("${{{name}:?set it in .env}}"))
}

/// A JSON text, which YAML and the Dockerfile read as well.
fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|_| unreachable!("strings and lists of strings are JSON"))
}
