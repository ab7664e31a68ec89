//! What the templates in `templates/docker` read.
//!
//! Invariant: every choice is made here; the templates only place values.

use std::net::SocketAddr;

use chroma_otel_init::{ChromaVersion, Server, variable};

use minijinja::value::{Serde, merge_maps};
use minijinja::{Value, context};

use crate::collector::surroundings::{Listen, Surroundings};
use crate::image::Tags;
use crate::plan::Need;
use crate::render::{as_is, is_plain, quoted};
use crate::spec::{Image, Spec};
use crate::targets::common::{self, COLLECTOR_ENDPOINT};
use crate::targets::secrets;

/// Ports of the collector on this machine: its own metrics, and those of the requests.
pub(super) const COLLECTOR_PORTS: [u16; 2] = [8888, 8889];

/// Ports of the collector that clients of Chroma send spans to.
pub(super) const OTLP_PORTS: [u16; 2] = [4317, 4318];

/// The command that starts the deployment and brings a running one up to date. Images are built by it
/// where there is something to build (`pull_policy`).
pub(super) const UP: &str = "docker compose up --detach --wait --remove-orphans";

/// The command that shows the collector's own log.
pub(super) const LOG: &str = "docker compose logs otel-collector";

/// What the templates read.
pub(super) fn of(spec: &Spec, tags: &Tags) -> Value {
    let (chroma, tracing, version) = (&spec.chroma, &spec.tracing, spec.chroma.version);
    let images = match chroma.image {
        Image::Wrapped | Image::Published => tags.images(spec),
        Image::Stock => crate::image::base_images(spec),
    };
    context! {
        // Named, so that no other project name makes new and empty ones.
        volumes => context! { data => format!("{}_data", spec.name), queue => format!("{}_queue", spec.name) },
        images => context! { chroma => images.chroma, collector => images.collector },
        address => SocketAddr::new(chroma.bind, chroma.port).to_string(),
        // Where clients of Chroma can send their own spans.
        otlp_ports => otlp_ports(spec),
        clients => spec.clients.iter().map(|client| format!("`clients/{client}`")).collect::<Vec<_>>(),
        monitored => spec.metrics.monitoring,
        ports => vec![format!("{}:8000", SocketAddr::new(chroma.bind, chroma.port))],
        chroma_environment => chroma_environment(spec),
        health => health_command(chroma.image, version),
        memory => context! { chroma => chroma.memory.to_string(), collector => spec.collector.memory.to_string() },
        collector_environment => collector_environment(spec),
        collector_command => common::collector_command(spec),
        up => UP,
        collector_log => LOG,
        shown_endpoint => match &tracing.endpoint {
            Some(endpoint) => format!("`{endpoint}`"),
            None => "in `.env`".to_owned(),
        },
        keys => others(spec),
        needs => wanted(spec).iter().map(|need| context! { variable => need.variable.as_str(), what => need.what.as_str() }).collect::<Vec<_>>(),
        ..merge_maps([surroundings(spec), common::of(spec)])
    }
}

/// The collector is in a container with ports of its own.
fn surroundings(spec: &Spec) -> Value {
    let everywhere = Listen {
        receivers: "0.0.0.0",
        local: "0.0.0.0",
    };
    let version = Value::from(spec.chroma.version.to_string());
    let surroundings = Surroundings::of_machine(version, everywhere, vec!["env", "system"]);
    Value::from(Serde(surroundings))
}

fn otlp_ports(spec: &Spec) -> Vec<String> {
    let ports = OTLP_PORTS.into_iter().filter(|_| !spec.clients.is_empty());
    ports
        .map(|port| format!("{}:{port}", SocketAddr::new(spec.chroma.bind, port)))
        .collect()
}

/// What `.env.example` asks for beside the four variables.
fn others(spec: &Spec) -> Vec<Value> {
    let is_ours = |name: &str| variable::TABLE.iter().any(|row| row.name == name);
    let others = wanted(spec)
        .into_iter()
        .filter(|need| !is_ours(&need.variable));
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
    let server = common::server_variables(spec).into_iter();
    variables.extend(server.map(|(name, value)| entry(name, Some(value.into()))));
    let own = spec.chroma.environment.iter();
    variables.extend(own.filter(|(name, _)| !common::is_merged(spec, name)).map(
        |(name, value)| {
            let value = match value {
                Some(value) => value.as_str().into(),
                None => required(name.as_str()),
            };
            entry(name.as_str(), Some(value))
        },
    ));
    variables
}

/// The four variables; for the published image, what this version reads instead.
fn tracing_environment(spec: &Spec) -> Vec<Value> {
    let tracing = &spec.tracing;
    let granularity = tracing.granularity.to_string();
    let name = tracing.service_name.as_str();
    if spec.chroma.image.has_entrypoint() {
        return vec![
            entry(variable::ENDPOINT, Some(COLLECTOR_ENDPOINT.into())),
            entry(
                variable::SERVICE_NAME,
                Some(or_default(
                    &[variable::SERVICE_NAME, variable::RUST_SERVICE_NAME],
                    name,
                )),
            ),
            entry(
                variable::GRANULARITY,
                Some(or_default(&[variable::GRANULARITY], &granularity)),
            ),
        ];
    }
    let translated = common::translated(spec, name, tracing.granularity);
    let translated = translated.into_iter();
    translated
        .map(|(name, value)| entry(name, Some(value.into())))
        .collect()
}

fn collector_environment(spec: &Spec) -> Vec<Value> {
    let limit = common::go_memory_limit(spec);
    let mut variables = vec![entry("GOMEMLIMIT", Some(limit.into()))];
    if spec.chroma.image.has_entrypoint() && spec.tracing.backend.wants_endpoint() {
        let (ours, documented) = (variable::ENDPOINT, variable::RUST_ENDPOINT);
        variables.push(entry(
            ours,
            Some(match &spec.tracing.endpoint {
                Some(endpoint) => or_default(&[ours, documented], &endpoint.to_string()),
                None => as_is(format!(
                    "${{{ours}:-${{{documented}:?set {ours} in .env}}}}"
                )),
            }),
        ));
        variables.push(entry(documented, None));
        if spec.tracing.header_names.is_empty() {
            // The documented headers belong to the documented endpoint, unless OpenTelemetry's own is
            // set: the entrypoint has to see both.
            let seen = [
                variable::HEADERS,
                variable::OTLP_HEADERS,
                variable::OTLP_ENDPOINT,
                variable::OTLP_TRACES_ENDPOINT,
            ];
            variables.extend(seen.map(|name| entry(name, None)));
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

fn health_command(image: Image, version: ChromaVersion) -> Vec<String> {
    let path = version.health_path();
    let words: Vec<String> = match (image, version.server()) {
        (Image::Wrapped | Image::Published, _) => vec![
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
        (Image::Stock, _) => vec![
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

/// `${NAME:-default}`, with several names the first one that is set: `.env` decides, and blank there
/// means the default. The default has been checked for what would end it (`problems`).
fn or_default(names: &[&str], default: &str) -> Value {
    let nested = |inner: String, name: &&str| format!("${{{name}:-{inner}}}");
    let text = names.iter().rev().fold(default.to_owned(), nested);
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

/// Every variable without which the deployment does not start.
pub(super) fn wanted(spec: &Spec) -> Vec<Need> {
    let required = secrets::secrets(spec);
    let required = required.into_iter().filter(|secret| secret.required);
    let mut needs: Vec<Need> = common::endpoint_need(spec, variable::ENDPOINT)
        .into_iter()
        .collect();
    needs.extend(required.map(|secret| Need {
        variable: secret.variable,
        what: secret.what,
    }));
    needs
}
