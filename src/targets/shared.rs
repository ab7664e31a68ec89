//! What the templates of every target read.
//!
//! Invariant: every choice is made here; the templates only place values.

use chroma_otel_init::{Endpoint, Server};
use serde::Serialize;

use crate::backend::{Backend, Exporter, Service};
use crate::deployment::Deployment;
use crate::deployment::collector::CollectorTemplate;
use crate::spec::{Spec, Tracing};
use crate::values::in_place;

/// What the templates of every target read.
#[derive(Serialize)]
pub(crate) struct SharedTemplate<'a> {
    /// The deployment's name.
    name: String,
    /// Chroma's version.
    version: String,
    /// Whether the entrypoint is process 1.
    wrapped: bool,
    /// Whether the deployment builds its images.
    built: bool,
    /// The folder that the images are built from.
    image_context: &'a str,
    /// Whether other deployments use that folder as well.
    shared_context: bool,
    /// Whether Chroma's server is the one in Rust.
    rust_server: bool,
    /// `deployment.environment.name`.
    environment: &'a str,
    /// `service.name`.
    service_name: &'a str,
    granularity: String,
    /// The first backend's endpoint, where the spec or the backend says it.
    spec_endpoint: Option<String>,
    /// The names of the headers that the operator sends.
    header_names: &'a [String],
    /// The first backend, with the names of all.
    pub(super) backend: BackendTemplate<'a>,
    /// The other backends.
    others: Vec<OtherBackend<'a>>,
    /// The backends that run beside the collector.
    pub(super) stack: Vec<StackService<'a>>,
    chroma: ChromaTemplate<'a>,
    /// The path that lists collections.
    collections_path: &'static str,
    /// Whether Chroma sends traces.
    traced: bool,
    /// Why it sends none.
    untraced: String,
    /// Whether the first backend takes Zipkin's format.
    zipkin: bool,
    #[serde(flatten)]
    collector: &'a CollectorTemplate,
}

/// The first backend.
#[derive(Serialize)]
pub(super) struct BackendTemplate<'a> {
    name: &'a str,
    /// The names of all backends, for a sentence.
    names: String,
    /// What each of them is, for a sentence.
    pub(super) summary: String,
    /// Where its traces are.
    traces: &'a str,
    /// Its documentation.
    documentation: &'a str,
    /// Whether it runs beside the collector.
    in_stack: bool,
    /// Whether traces go to the collector's log.
    in_log: bool,
    /// Whether it needs a key.
    has_keys: bool,
    /// Whether it takes an endpoint.
    wants_endpoint: bool,
    /// Whether the exporter of any backend retries by itself, from memory.
    retries_itself: bool,
}

/// A backend after the first one, for a README.
#[derive(Serialize)]
pub(super) struct OtherBackend<'a> {
    name: &'a str,
    /// Where its traces are.
    traces: String,
    /// Its endpoint.
    endpoint: Option<String>,
    /// Whether traces go to the collector's log.
    in_log: bool,
}

/// A backend that runs beside the collector.
#[derive(Serialize)]
pub(super) struct StackService<'a> {
    pub(super) name: &'a str,
    /// The port that takes traces.
    otlp_port: Option<u16>,
    /// Its memory limit.
    memory_mib: u64,
    #[serde(flatten)]
    service: &'a Service,
}

/// The database.
#[derive(Serialize)]
struct ChromaTemplate<'a> {
    /// The published image.
    base_image: &'a str,
    /// The folder of the data.
    data_directory: &'static str,
    /// Whether its root can be read-only.
    read_only: bool,
    port: u16,
    cors_allow_origins: &'a [String],
    /// The path of its health check.
    health_path: &'static str,
}

impl<'a> SharedTemplate<'a> {
    /// Of a deployment.
    pub(crate) fn new(deployment: &'a Deployment) -> Self {
        let Spec {
            name,
            chroma,
            tracing,
            ..
        } = &deployment.spec;
        let version = chroma.version;
        let rust_server = version.server() == Server::Rust;
        let others = tracing.others.iter();
        Self {
            name: name.to_string(),
            version: version.to_string(),
            wrapped: chroma.image.has_entrypoint(),
            built: chroma.image.is_built(),
            image_context: chroma.image_context.as_str(),
            shared_context: chroma.image_context.is_shared(),
            rust_server,
            environment: tracing.environment.as_str(),
            service_name: tracing.service_name.as_str(),
            granularity: tracing.granularity.to_string(),
            spec_endpoint: tracing.endpoint.as_ref().map(ToString::to_string),
            header_names: &tracing.header_names,
            backend: BackendTemplate::new(tracing),
            others: others
                .map(|backend| OtherBackend::new(backend, deployment.spec.place()))
                .collect(),
            stack: deployment.backends_in_stack().map(stack_service).collect(),
            chroma: ChromaTemplate {
                base_image: &deployment.images.base.chroma,
                data_directory: version.data_directory(),
                read_only: rust_server, // 0.x writes its log beside its code
                port: chroma.port,
                cors_allow_origins: &chroma.cors_allow_origins,
                health_path: version.health_path(),
            },
            collections_path: if version.health_path().starts_with("/api/v1") {
                "/api/v1/collections"
            } else {
                "/api/v2/tenants/default_tenant/databases/default_database/collections"
            },
            traced: deployment.spec.is_traced(),
            untraced: if version.traces() {
                "the granularity is `none`".to_owned()
            } else {
                format!("Chroma {version} cannot be, 0.4.15 is the first version that can")
            },
            zipkin: tracing.backend.exporter == Exporter::Zipkin,
            collector: &deployment.collector.template,
        }
    }
}

impl<'a> BackendTemplate<'a> {
    fn new(tracing: &'a Tracing) -> Self {
        let backend = &tracing.backend;
        Self {
            name: &backend.name,
            names: list(tracing.backends().map(|backend| backend.name.as_str())),
            summary: list(tracing.backends().map(|backend| backend.summary.as_str())),
            traces: &backend.traces,
            documentation: &backend.documentation,
            in_stack: backend.service.is_some(),
            in_log: backend.exporter == Exporter::Debug,
            has_keys: !backend.keys.is_empty(),
            wants_endpoint: backend.wants_endpoint(),
            retries_itself: tracing.backends().any(Backend::retries_itself),
        }
    }
}

impl<'a> OtherBackend<'a> {
    /// `place` is the region or project where it is known when rendering.
    pub(super) fn new(backend: &'a Backend, place: Option<&str>) -> Self {
        let place = place.unwrap_or("…");
        let endpoint = backend.endpoint.as_deref();
        let endpoint = endpoint.filter(|_| backend.wants_endpoint());
        Self {
            name: &backend.name,
            traces: in_place(&backend.traces, place),
            endpoint: endpoint.map(|endpoint| in_place(endpoint, place)),
            in_log: backend.exporter == Exporter::Debug,
        }
    }
}

fn stack_service<'a>(
    (backend, service, endpoint): (&'a Backend, &'a Service, Option<Endpoint>),
) -> StackService<'a> {
    StackService {
        name: &backend.name,
        otlp_port: endpoint.map(|endpoint| endpoint.port()),
        memory_mib: service.memory.as_mebibytes(),
        service,
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
