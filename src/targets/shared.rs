//! Template input that all targets share.
//!
//! Invariant: every decision is made here; the templates only insert values.

use chroma_otel_init::{ChromaVersion, Endpoint, Server};
use serde::Serialize;

use crate::backend::{Backend, Exporter, Service};
use crate::deployment::Deployment;
use crate::deployment::collector::CollectorTemplate;
use crate::spec::{Spec, Tracing};
use crate::values::in_place;

/// Fields that the templates of every target read.
#[derive(Serialize)]
pub(crate) struct SharedTemplate<'a> {
    name: String,
    version: String,
    /// True if the entrypoint is process 1.
    wrapped: bool,
    /// True if the deployment builds its images.
    built: bool,
    /// Build context of the images.
    image_context: &'a str,
    /// True if other deployments use the same folder.
    shared_context: bool,
    /// True if Chroma's server is written in Rust.
    rust_server: bool,
    /// True if Chroma's spans are children of the caller's (`traceparent`).
    continues_traces: bool,
    /// `deployment.environment.name`.
    environment: &'a str,
    /// `service.name`.
    service_name: &'a str,
    granularity: String,
    /// The first backend's endpoint, if the spec or the backend determines it.
    spec_endpoint: Option<String>,
    /// The names of the headers that the operator sets.
    header_names: &'a [String],
    /// The first backend, with the names of all.
    pub(super) backend: BackendTemplate<'a>,
    others: Vec<OtherBackend<'a>>,
    /// The backends that run next to the collector.
    pub(super) stack: Vec<StackService<'a>>,
    chroma: ChromaTemplate<'a>,
    /// The path that lists collections.
    collections_path: &'static str,
    /// True if Chroma sends traces.
    traced: bool,
    /// The reason if Chroma sends no traces.
    untraced: String,
    /// True if the first backend accepts Zipkin's format.
    zipkin: bool,
    #[serde(flatten)]
    collector: &'a CollectorTemplate,
}

#[derive(Serialize)]
pub(super) struct BackendTemplate<'a> {
    name: &'a str,
    /// The names of all backends, for a sentence.
    names: String,
    /// The description of each backend, for a sentence.
    pub(super) summary: String,
    /// Location of its traces.
    traces: &'a str,
    /// Link to its documentation.
    documentation: &'a str,
    /// True if the backend runs next to the collector.
    in_stack: bool,
    /// True if traces are written to the collector's log.
    in_log: bool,
    /// True if the backend needs a key.
    has_keys: bool,
    /// True if the backend accepts an endpoint.
    wants_endpoint: bool,
    /// True if the exporter of any backend retries from memory, without a queue.
    retries_itself: bool,
}

/// A backend after the first one, for a README.
#[derive(Serialize)]
pub(super) struct OtherBackend<'a> {
    name: &'a str,
    /// Location of its traces.
    traces: String,
    endpoint: Option<String>,
    /// True if traces are written to the collector's log.
    in_log: bool,
}

/// A backend that runs next to the collector.
#[derive(Serialize)]
pub(super) struct StackService<'a> {
    pub(super) name: &'a str,
    /// The port that receives traces.
    otlp_port: Option<u16>,
    #[serde(flatten)]
    service: &'a Service,
}

#[derive(Serialize)]
struct ChromaTemplate<'a> {
    /// The published image.
    base_image: &'a str,
    /// The data directory.
    data_directory: &'static str,
    /// The file in it that names the release that last opened the data.
    version_file: &'static str,
    /// True if the root file system can be read-only.
    read_only: bool,
    /// The address that its server listens on, in the container.
    listen_address: &'static str,
    port: u16,
    cors_allow_origins: &'a [String],
    /// The path of the health check.
    health_path: &'static str,
}

impl<'a> SharedTemplate<'a> {
    /// Computes the fields for a deployment.
    pub(crate) fn new(deployment: &'a Deployment) -> Self {
        let Spec {
            target,
            name,
            chroma,
            tracing,
            kubernetes,
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
            // 1.x up to 1.5.9 starts a trace for each request (chroma-core/chroma#7629).
            continues_traces: !rust_server || version > ChromaVersion::new(1, 5, 9),
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
                version_file: ChromaVersion::FILE,
                read_only: rust_server, // 0.x writes its log next to its code
                listen_address: if kubernetes.ipv6 && target.is_kubernetes() {
                    "\"[::]\"" // IPv4 as well
                } else {
                    "0.0.0.0"
                },
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
                format!(
                    "Chroma {version} does not support it; 0.4.15 is the first version that does"
                )
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
    /// `place` is the region or project if it is known when rendering.
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
        service,
    }
}

/// Joins names: `a`, `a and b`, `a, b and c`.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}
