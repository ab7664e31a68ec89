//! The spec after reading: what to deploy, valid by construction.
//!
//! Invariant: no field needs another check, no field is a secret. Values of secrets live in
//! [`Secrets`], which no template ever sees.

pub mod default;
pub mod kubernetes;
pub mod signals;
pub mod target;

pub use target::{Format, Target};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::str::FromStr;

use chroma_otel_init::{ChromaVersion, Endpoint, Granularity, Headers};

use crate::backend::Backend;
use crate::values::{
    Cloud, CloudName, ContextFolder, DnsLabel, ImageRepository, Line, Memory, Peer, SshKey,
    VariableName, in_place,
};
use kubernetes::{CollectorMode, Kubernetes};
use signals::{Client, Metrics, Redact, Sampling};

/// Variable name to value: what goes to `.env`, and nowhere else.
pub type Secrets = BTreeMap<String, Secret>;

/// A value that must not be shown: it has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one file that holds it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What of it must not be shown by itself: of headers, each value.
    pub fn parts(&self) -> Vec<String> {
        match self.0.starts_with('{').then(|| self.0.parse::<Headers>()) {
            Some(Ok(headers)) => headers.iter().map(|(_, value)| value.to_owned()).collect(),
            _ => vec![self.0.clone()],
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret")
    }
}

/// What to deploy.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Where.
    pub target: Target,
    /// Name of the deployment.
    pub name: DnsLabel,
    /// The database.
    pub chroma: Chroma,
    /// The traces.
    pub tracing: Tracing,
    /// The collector.
    pub collector: Collector,
    /// What the files are written for.
    pub format: Format,
    /// The machine in the cloud; nobody reads it on docker.
    pub machine: Machine,
    /// The cluster; only Kubernetes reads it.
    pub kubernetes: Kubernetes,
    /// The metrics.
    pub metrics: Metrics,
    /// Examples of applications, which send spans of their own.
    pub clients: BTreeSet<Client>,
}

impl Spec {
    /// Returns true if Chroma sends traces.
    pub fn is_traced(&self) -> bool {
        self.chroma.version.traces() && self.tracing.granularity != Granularity::None
    }

    /// The region or project that backends depend on, where it is known when rendering: of a cloud's
    /// Kubernetes.
    pub fn place(&self) -> Option<&str> {
        if !self.target.is_kubernetes() {
            return None;
        }
        let place = match self.target.cloud()? {
            Cloud::Aws => &self.kubernetes.region,
            Cloud::Gcp => &self.machine.project,
            Cloud::Azure => &None,
        };
        place.as_ref().map(CloudName::as_str)
    }
}

/// The machine in the cloud. What is absent the operator gives when deploying.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Project, on gcp.
    pub project: Option<CloudName>,
    /// Subscription, on azure.
    pub subscription: Option<CloudName>,
    /// Resource group, on azure.
    pub resource_group: Option<CloudName>,
    /// Its type, as the cloud calls it.
    pub kind: CloudName,
    /// Size of the data disk.
    pub disk: Memory,
    /// Network.
    pub network: Option<CloudName>,
    /// Subnet.
    pub subnet: Option<CloudName>,
    /// Availability zone.
    pub zone: Option<CloudName>,
    /// Who may connect.
    pub allow_from: Option<Peer>,
    /// Who may connect by SSH, on azure.
    pub ssh_from: Option<Peer>,
    /// A public SSH key, on azure.
    pub ssh_key: Option<SshKey>,
    /// How many daily snapshots are kept.
    pub snapshots: u16,
    /// Days that logs are kept.
    pub log_days: u16,
    /// Where alarms go.
    pub alarms: Option<CloudName>,
    /// Snapshot that a new disk is made from.
    pub restore_from: Option<CloudName>,
    /// Variable to the name of the secret, in the cloud's store, that holds its value.
    pub secrets: BTreeMap<String, CloudName>,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Chroma {
    /// The release.
    pub version: ChromaVersion,
    /// How its image is made.
    pub image: Image,
    /// Where its image comes from.
    pub repository: ImageRepository,
    /// Registry of the images with the entrypoint; always there for `published`.
    pub registry: Option<ImageRepository>,
    /// Folder that the images are built from.
    pub image_context: ContextFolder,
    /// Address it is published on.
    pub bind: IpAddr,
    /// Port it is published on.
    pub port: u16,
    /// Memory limit.
    pub memory: Memory,
    /// Origins that browsers may call it from.
    pub cors_allow_origins: Vec<String>,
    /// More variables; `None` stands for a value that only the secret store has.
    pub environment: BTreeMap<VariableName, Option<String>>,
}

/// How Chroma's image is made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Chroma's image plus the entrypoint, built from the rendered Dockerfile.
    #[default]
    Wrapped,
    /// The same, built once and pulled from a registry.
    Published,
    /// Chroma's image without changes.
    Stock,
}

impl Image {
    /// Every kind, with what `chroma.image` takes.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Wrapped, "wrapped"),
        (Self::Published, "published"),
        (Self::Stock, "stock"),
    ];

    /// Whether the entrypoint is process 1.
    pub fn has_entrypoint(self) -> bool {
        self != Self::Stock
    }

    /// Whether the deployment builds it.
    pub fn is_built(self) -> bool {
        self == Self::Wrapped
    }
}

impl FromStr for Image {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name)| *name == text)
            .map(|(image, _)| image)
            .ok_or("`wrapped` (with the entrypoint, built), `published` (the same, from `chroma.registry`) or `stock` (Chroma's image without changes)")
    }
}

/// The traces.
#[derive(Debug, Clone)]
pub struct Tracing {
    /// Where they end up: of several, the first that takes an endpoint, which is then `endpoint`'s.
    pub backend: Backend,
    /// Where they end up as well. Each that takes an endpoint has it in its own field.
    pub others: Vec<Backend>,
    /// The backend's endpoint: the spec's, or the backend's default.
    pub endpoint: Option<Endpoint>,
    /// Names of the headers the operator sends, beside those of the backend's keys.
    pub header_names: Vec<String>,
    /// `service.name`.
    pub service_name: Line,
    /// The detail.
    pub granularity: Granularity,
    /// `deployment.environment.name`.
    pub environment: Line,
    /// Which of them; absent: all.
    pub sampling: Option<Sampling>,
    /// What is taken out of them.
    pub redact: Redact,
}

impl Tracing {
    /// Every backend, the first one first.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        std::iter::once(&self.backend).chain(&self.others)
    }

    /// The first backend's endpoint as far as it is known when rendering: `place` is the region or project.
    pub fn known_endpoint(&self, place: Option<&str>) -> Option<Endpoint> {
        let of_place = || {
            let endpoint = self.backend.endpoint.as_deref()?;
            in_place(endpoint, place?).parse().ok()
        };
        self.endpoint.clone().or_else(of_place)
    }
}

/// Without the entrypoint each header has a variable: the name of this one's.
pub fn header_variable(name: &str) -> String {
    let shouted = name.chars().map(|c| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    });
    format!("CHROMA_OTEL_HEADER_{}", shouted.collect::<String>())
}

/// The collector.
#[derive(Debug, Clone)]
pub struct Collector {
    /// What it runs in. The OpenTelemetry Operator chooses its arguments, which leaves no room for the
    /// entrypoint's.
    pub image: Image,
    /// Where its image comes from.
    pub repository: ImageRepository,
    /// Memory limit.
    pub memory: Memory,
    /// How it runs; only Kubernetes has a choice.
    pub mode: CollectorMode,
    /// The least number of replicas, on Kubernetes.
    pub replicas: u16,
    /// The most replicas, on Kubernetes.
    pub max_replicas: u16,
    /// Whether the OpenTelemetry Operator runs it, on Kubernetes.
    pub operator: bool,
}

/// A spec that can be deployed, with what came along.
#[derive(Debug)]
pub struct Resolved {
    /// What to deploy.
    pub spec: Spec,
    /// Values of secrets that were given by flag, file or environment.
    pub secrets: Secrets,
    /// What the operator should know, one sentence each.
    pub notes: Vec<String>,
    /// Key of the spec to the flag that gave it.
    pub flags: BTreeMap<&'static str, &'static str>,
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn the_parts_of_headers_are_their_values_whatever_is_in_them() {
        let headers = Secret(r#"{"x-a":"quo\"ted","x-b":"plain"}"#.to_owned());
        assert_eq!(headers.parts(), ["quo\"ted", "plain"]);
        assert_eq!(Secret("{key".to_owned()).parts(), ["{key"]);
    }
}
