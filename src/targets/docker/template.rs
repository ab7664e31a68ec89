//! Input of `templates/docker`.
//!
//! Invariant: every decision is made here; the templates only insert values.

use std::collections::BTreeSet;

use std::net::SocketAddr;

use chroma_otel_init::{ChromaVersion, Server, variable};
use minijinja::Value;
use serde::Serialize;

use crate::collector::surroundings::{Listen, Surroundings};
use crate::deployment::Deployment;
use crate::deployment::chroma::COLLECTOR_ENDPOINT;
use crate::deployment::secrets::{OTHER_TOKENS, TOKEN};
use crate::digest::hash;
use crate::image::Images;
use crate::plan::{Need, NeedPlace, Plan};
use crate::render::{as_is, is_plain, json, quoted};
use crate::spec::backup::PYTHON;
use crate::spec::signals::Client;
use crate::spec::{Access, Chroma, Image, Spec, Tls, Tracing, default};
use crate::targets::common;
use crate::targets::proxy::{self, Caddyfile};
use crate::targets::shared::SharedTemplate;
use crate::values::NetworkName;

/// Ports of the collector on this machine: its own metrics, and those of the requests.
pub(super) const COLLECTOR_PORTS: [u16; 2] = [8888, 8889];

/// Ports of the collector for spans of Chroma's clients.
const OTLP_PORTS: [u16; 2] = [4317, 4318];

/// Seconds without a healthy answer after which the entrypoint ends Chroma, so that Docker starts it
/// again: as long as the liveness probe on Kubernetes waits.
const END_AFTER: &str = "120";

/// The name of this machine in a container. Docker Engine on Linux adds it on request only.
const HOST: &str = "host.docker.internal";

/// The command that starts the deployment or updates a running one. It builds images that the
/// deployment builds (`pull_policy`).
pub(super) const UP: &str = "docker compose up --detach --wait";

/// The command that shows the collector's own log.
pub(super) const LOG: &str = "docker compose logs otel-collector";

/// Input of `templates/docker`.
#[derive(Serialize)]
pub(super) struct DockerTemplate<'a> {
    #[serde(skip)]
    chroma: &'a Chroma,
    #[serde(flatten)]
    shared: SharedTemplate<'a>,
    #[serde(flatten)]
    surroundings: Surroundings,
    /// The names of the volumes, fixed, because a project with another name would start with new,
    /// empty ones.
    volumes: Volumes,
    images: &'a Images,
    /// Chroma's published address, `127.0.0.1:8000`.
    address: String,
    /// The address for clients.
    client: ClientTemplate,
    /// The published ports of Chroma, or of the proxy in front of it.
    ports: Vec<String>,
    /// The proxy; none if Chroma is published without one.
    access: Option<AccessTemplate>,
    /// Backups; none if the spec has none.
    backup: Option<BackupTemplate>,
    /// The collector's published ports for spans of applications.
    otlp_ports: Vec<String>,
    /// The folders of the examples, in backticks.
    clients: Vec<String>,
    /// True if `monitoring/` is rendered.
    monitored: bool,
    chroma_environment: Vec<EnvEntry>,
    collector_environment: Vec<EnvEntry>,
    /// Networks of other projects that the collector joins.
    networks: &'a [NetworkName],
    /// True if the collector sends to this machine, or if only `.env` has its endpoint.
    sends_to_host: bool,
    /// Command of the collector's container.
    collector_command: &'a [String],
    /// The same with a second configuration, for the operator's override, as YAML.
    override_command: String,
    /// Chroma's health check.
    health: Vec<String>,
    memory: MemoryLimits,
    /// The command that starts the deployment or updates a running one.
    up: &'static str,
    /// The command that shows the collector's log.
    collector_log: &'static str,
    /// The endpoint, or the place where it is set, for a table.
    shown_endpoint: String,
    /// Keys in `.env.example`, in addition to the four variables.
    keys: Vec<Need>,
    /// The variables without which the deployment does not start.
    needs: Vec<Need>,
    /// The checksum of Chroma's configuration, whose change replaces the container.
    config_checksum: Option<String>,
    /// The checksum of the collector's configuration.
    collector_checksum: Option<String>,
}

/// The names of the volumes.
#[derive(Serialize)]
struct Volumes {
    data: String,
    queue: String,
    certificates: String,
    backups: String,
}

/// The address of Chroma for clients.
#[derive(Serialize)]
struct ClientTemplate {
    host: String,
    port: u16,
    url: String,
}

impl ClientTemplate {
    fn new(chroma: &Chroma) -> Self {
        match chroma.access.tls.host() {
            Some(host) => Self {
                host: host.to_string(),
                port: 443,
                url: format!("https://{host}"),
            },
            None => {
                let address = SocketAddr::new(chroma.bind, chroma.port).to_string();
                let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
                Self {
                    host: host.to_owned(),
                    port: chroma.port,
                    url: format!("http://{address}"),
                }
            }
        }
    }
}

/// The proxy in front of Chroma.
#[derive(Serialize)]
struct AccessTemplate {
    image: String,
    /// True if clients must send the token.
    token: bool,
    /// The token, from `.env`.
    value: Value,
    /// The tokens that the proxy accepts if `.env` has them.
    other_tokens: Vec<OtherToken>,
    /// The host of the certificate.
    host: Option<String>,
    /// The folder of the certificate; none for one of Let's Encrypt.
    certificate: Option<String>,
    memory_mib: u64,
    /// The checksum of the Caddyfile, whose change replaces the container.
    checksum: Option<String>,
}

/// An optional token.
#[derive(Serialize)]
struct OtherToken {
    variable: &'static str,
    what: &'static str,
}

impl AccessTemplate {
    fn new(access: &Access) -> Option<Self> {
        let host = access.tls.host().map(ToString::to_string);
        let certificate = match &access.tls {
            Tls::Folder(_, folder) => Some(mountable(folder.as_str())),
            _ => None,
        };
        access.has_proxy().then(|| Self {
            image: access.repository.tag(proxy::VERSION),
            token: access.token,
            value: required(TOKEN),
            other_tokens: OTHER_TOKENS
                .map(|(variable, what)| OtherToken { variable, what })
                .into(),
            host,
            certificate,
            memory_mib: default::PROXY_MEMORY,
            checksum: None,
        })
    }
}

/// The service that backs up.
#[derive(Serialize)]
struct BackupTemplate {
    image: String,
    /// In cron's syntax.
    schedule: String,
    /// Number of backups to keep, and the days, as texts of variables.
    keep: String,
    keep_days: Option<String>,
    /// The owner of Chroma's files.
    user: u32,
    /// The checksum of the program that runs all the time.
    checksum: Option<String>,
}

/// The containers' memory limits.
#[derive(Serialize)]
struct MemoryLimits {
    chroma: String,
    collector: String,
}

/// A variable of a container. Without a value, Compose takes it from `.env` or omits it.
#[derive(Serialize)]
struct EnvEntry {
    name: String,
    value: Option<Value>,
}

impl EnvEntry {
    fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
        }
    }

    /// Returns an entry for the variable of this name in `.env`.
    fn passed_on(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: None,
        }
    }
}

impl<'a> DockerTemplate<'a> {
    /// Computes the input for a deployment.
    pub(super) fn new(deployment: &'a Deployment) -> Self {
        let Spec {
            name,
            chroma,
            tracing,
            collector,
            ..
        } = &deployment.spec;
        let address = SocketAddr::new(chroma.bind, chroma.port).to_string();
        let clients = deployment.spec.clients.iter();
        Self {
            chroma,
            shared: SharedTemplate::new(deployment),
            surroundings: surroundings(chroma.version),
            volumes: Volumes {
                data: format!("{name}_data"),
                queue: format!("{name}_queue"),
                certificates: format!("{name}_certificates"),
                backups: format!("{name}_backups"),
            },
            images: &deployment.images.run,
            ports: ports(chroma),
            access: AccessTemplate::new(&chroma.access),
            backup: deployment
                .spec
                .backup
                .as_ref()
                .map(|backup| BackupTemplate {
                    image: backup.image(PYTHON),
                    schedule: backup.schedule.to_string(),
                    keep: backup.keep.to_string(),
                    keep_days: backup.keep_days.map(|days| days.to_string()),
                    user: if chroma.image.has_entrypoint() {
                        10001
                    } else {
                        0
                    },
                    checksum: None,
                }),
            address,
            client: ClientTemplate::new(chroma),
            otlp_ports: otlp_ports(&deployment.spec.clients)
                .map(|port| {
                    let address = SocketAddr::new(chroma.bind, port);
                    format!("{address}:{port}")
                })
                .collect(),
            clients: clients
                .map(|client| format!("`clients/{client}`"))
                .collect(),
            monitored: deployment.spec.metrics.monitoring,
            chroma_environment: chroma_environment(deployment),
            collector_environment: collector_environment(deployment),
            networks: &collector.networks,
            sends_to_host: match &tracing.endpoint {
                Some(endpoint) => endpoint.host() == HOST,
                None => chroma.image.has_entrypoint() && tracing.backend.wants_endpoint(),
            },
            collector_command: &deployment.collector.command,
            override_command: override_command(deployment),
            health: health_command(chroma.image, chroma.version),
            memory: MemoryLimits {
                chroma: chroma.memory.to_string(),
                collector: collector.memory.to_string(),
            },
            up: UP,
            collector_log: LOG,
            shown_endpoint: match &tracing.endpoint {
                Some(endpoint) => format!("`{endpoint}`"),
                None => "in `.env`".to_owned(),
            },
            keys: needed_keys(deployment),
            needs: wanted(deployment),
            config_checksum: None,
            collector_checksum: None,
        }
    }

    /// Returns the configuration of the proxy.
    pub(super) fn caddyfile(&self) -> Caddyfile<'a> {
        let Chroma {
            access,
            cors_allow_origins,
            ..
        } = self.chroma;
        Caddyfile::with_token("chroma:8000".to_owned(), cors_allow_origins)
            .if_token(access.token)
            .with_tls(&access.tls)
    }

    /// Adds the checksums of the configurations in the plan.
    pub(super) fn with_checksums(mut self, plan: &Plan) -> Self {
        let checksum = |file: &str| {
            let text = plan.files.get(file)?;
            Some(hash(text.as_bytes())[..16].to_owned())
        };
        self.config_checksum = checksum("config.yaml");
        self.collector_checksum = checksum("otel-collector.yaml");
        if let Some(access) = &mut self.access {
            access.checksum = checksum("Caddyfile");
        }
        if let Some(backup) = &mut self.backup {
            backup.checksum = checksum("backup/schedule.py");
        }
        self
    }
}

/// Returns the collector's settings for a container with its own ports.
fn surroundings(version: ChromaVersion) -> Surroundings {
    let everywhere = Listen {
        receivers: "0.0.0.0",
        local: "0.0.0.0",
    };
    let version = Value::from(version.to_string());
    Surroundings::of_machine(version, everywhere, vec!["env", "system"])
}

/// Returns the path as Compose mounts it: without `./`, a relative path is the name of a volume.
fn mountable(folder: &str) -> String {
    if folder.starts_with(['.', '/']) {
        folder.to_owned()
    } else {
        format!("./{folder}")
    }
}

/// Returns the published ports of Chroma: its own, or those of the proxy. For the certificate, Let's
/// Encrypt connects to ports 80 and 443.
fn ports(chroma: &Chroma) -> Vec<String> {
    let published = |port: u16, inside: u16| {
        let address = SocketAddr::new(chroma.bind, port);
        format!("{address}:{inside}")
    };
    if chroma.access.tls.host().is_some() {
        return vec![published(443, 443), published(80, 80)];
    }
    let inside = if chroma.access.token {
        proxy::PORT
    } else {
        8000
    };
    vec![published(chroma.port, inside)]
}

/// Returns the published ports for spans of Chroma's clients; none without clients.
pub(super) fn otlp_ports(clients: &BTreeSet<Client>) -> impl Iterator<Item = u16> {
    let has_clients = !clients.is_empty();
    OTLP_PORTS.into_iter().filter(move |_| has_clients)
}

/// Returns the keys in `.env.example`, in addition to the four variables.
fn needed_keys(deployment: &Deployment) -> Vec<Need> {
    let is_ours = |name: &str| variable::TABLE.iter().any(|row| row.name == name);
    let mut keys = wanted(deployment);
    keys.retain(|need| !is_ours(&need.variable));
    keys
}

fn chroma_environment(deployment: &Deployment) -> Vec<EnvEntry> {
    let mut variables = tracing_environment(deployment);
    let server = deployment.server_variables.iter();
    variables.extend(server.map(|(name, value)| EnvEntry::new(*name, value.as_str())));
    variables.extend(deployment.own_variables().map(|(name, value)| {
        let value = match value {
            Some(value) => value.into(),
            None => required(name),
        };
        EnvEntry::new(name, value)
    }));
    variables
}

/// Returns the four variables, or for the published image those that this version reads instead.
fn tracing_environment(deployment: &Deployment) -> Vec<EnvEntry> {
    let tracing = &deployment.spec.tracing;
    let name = tracing.service_name.as_str();
    if deployment.spec.chroma.image.has_entrypoint() {
        let names = [variable::SERVICE_NAME, variable::RUST_SERVICE_NAME];
        let granularity = tracing.granularity.to_string();
        return vec![
            EnvEntry::new(variable::ENDPOINT, COLLECTOR_ENDPOINT),
            EnvEntry::new(variable::SERVICE_NAME, or_default(&names, name)),
            EnvEntry::new(
                variable::GRANULARITY,
                or_default(&[variable::GRANULARITY], &granularity),
            ),
        ];
    }
    let translated = deployment.translated_variables(name, tracing.granularity);
    let translated = translated.into_iter();
    translated
        .map(|(name, value)| EnvEntry::new(name, value))
        .collect()
}

fn collector_environment(deployment: &Deployment) -> Vec<EnvEntry> {
    let Spec {
        chroma, tracing, ..
    } = &deployment.spec;
    let limit = deployment.collector.go_memory_limit.as_str();
    let mut variables = vec![EnvEntry::new("GOMEMLIMIT", limit)];
    if chroma.image.has_entrypoint() && tracing.backend.wants_endpoint() {
        variables.extend(endpoint_environment(tracing));
    }
    variables.push(EnvEntry::passed_on("OTEL_RESOURCE_ATTRIBUTES"));
    let chromas = |name: &str| chroma.environment.keys().any(|key| key.as_str() == name);
    let named = wanted(deployment).into_iter();
    let named = named.map(|need| need.variable);
    let others = |name: &str| [variable::ENDPOINT, TOKEN].contains(&name) || chromas(name);
    let named = named.filter(|name| !others(name));
    variables.extend(named.map(|name| {
        let value = required(&name);
        EnvEntry::new(name, value)
    }));
    variables
}

/// Returns the endpoint by both of its names, and the headers that belong to the documented one.
fn endpoint_environment(tracing: &Tracing) -> Vec<EnvEntry> {
    let (ours, documented) = (variable::ENDPOINT, variable::RUST_ENDPOINT);
    let value = match &tracing.endpoint {
        Some(endpoint) => or_default(&[ours, documented], &endpoint.to_string()),
        None => as_is(format!(
            "${{{ours}:-${{{documented}:?set {ours} in .env}}}}"
        )),
    };
    let mut variables = vec![EnvEntry::new(ours, value), EnvEntry::passed_on(documented)];
    if tracing.header_names.is_empty() {
        // The documented headers belong to the documented endpoint, unless OpenTelemetry's own
        // endpoint is set, so the entrypoint needs both.
        let seen = [
            variable::HEADERS,
            variable::OTLP_HEADERS,
            variable::OTLP_ENDPOINT,
            variable::OTLP_TRACES_ENDPOINT,
        ];
        variables.extend(seen.map(EnvEntry::passed_on));
    }
    variables
}

/// Returns the collector's command with the operator's own configuration, as in a Compose file.
fn override_command(deployment: &Deployment) -> String {
    let own = ["--config", "/etc/otelcol-contrib/override.yaml"];
    let command = if deployment.spec.collector.image.has_entrypoint() {
        deployment.collector.command.as_slice()
    } else {
        &["--config", "/etc/otelcol-contrib/config.yaml"].map(str::to_owned)
    };
    let command: Vec<&str> = command.iter().map(String::as_str).chain(own).collect();
    json(&command).replace('$', "$$")
}

fn health_command(image: Image, version: ChromaVersion) -> Vec<String> {
    let path = version.health_path();
    let words: Vec<String> = match (image, version.server()) {
        (Image::Wrapped | Image::Published, _) => vec![
            "CMD".into(),
            "/chroma-otel-entrypoint".into(),
            "healthcheck".into(),
            "--end-after".into(),
            END_AFTER.into(),
        ],
        (Image::Stock, Server::Python) => vec![
            "CMD".into(),
            "python".into(),
            "-c".into(),
            format!(
                "import urllib.request as r; r.urlopen('http://127.0.0.1:8000{path}', timeout=2)"
            ),
        ],
        // The image contains neither curl nor wget, but bash can open sockets.
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

/// Returns `${NAME:-default}`; with several names, the first one that is set. `.env` overrides the
/// default, and a blank value there means the default. Characters that would end the default are
/// rejected (`problems`).
fn or_default(names: &[&str], default: &str) -> Value {
    let nested = |inner: String, name: &&str| format!("${{{name}:-{inner}}}");
    let text = names.iter().rev().fold(default.to_owned(), nested);
    as_is(if is_plain(default) {
        text
    } else {
        quoted(&text)
    })
}

/// Returns `${NAME:?…}`: without the variable, Compose reports it and starts nothing.
fn required(name: &str) -> Value {
    as_is(format!("${{{name}:?set it in .env}}"))
}

/// Returns every variable without which the deployment does not start.
pub(super) fn wanted(deployment: &Deployment) -> Vec<Need> {
    let endpoint =
        common::endpoint_need(deployment, variable::ENDPOINT, NeedPlace::EnvFile).into_iter();
    let required = deployment.secrets.iter().filter(|secret| secret.required);
    let secrets = required.map(|secret| Need {
        variable: secret.variable.clone(),
        what: secret.what.clone(),
        place: NeedPlace::EnvFile,
    });
    endpoint.chain(secrets).collect()
}
