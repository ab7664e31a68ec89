//! The resolved spec: a description of the deployment that is valid by construction.
//!
//! Invariant: no field needs another check, and no field is a secret. Values of secrets are in
//! [`Secrets`], which no template reads.

pub mod backup;
pub mod default;
pub mod kubernetes;
pub mod machine_size;
pub mod signals;
pub mod target;

pub use target::{Format, Target};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::str::FromStr;

use chroma_otel_init::{ChromaVersion, Endpoint, Granularity, Headers};

use crate::backend::Backend;
use crate::values::{
    AddressRange, Cloud, CloudName, ContextFolder, DnsLabel, DnsName, ImageRepository, Line,
    Memory, NetworkName, Peer, Release, SshKey, VariableName, in_place,
};
use backup::Backup;
use kubernetes::{CollectorMode, Kubernetes};
use machine_size::MachineMemory;
use signals::{Client, Metrics, Redact, Sampling};

/// Values of secrets by variable; they are written to `.env` only.
pub type Secrets = BTreeMap<String, Secret>;

/// A value that must not be shown: it has no `Display`, and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// Returns the value, for the one file that contains it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the parts that must not be shown on their own: for headers, each value.
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

/// A deployment's settings.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The target.
    pub target: Target,
    /// Name of the deployment.
    pub name: DnsLabel,
    /// The database.
    pub chroma: Chroma,
    /// The traces.
    pub tracing: Tracing,
    /// The collector.
    pub collector: Collector,
    /// Format of the rendered files.
    pub format: Format,
    /// The machine in the cloud; not used on docker.
    pub machine: Machine,
    /// The cluster; used on Kubernetes only.
    pub kubernetes: Kubernetes,
    /// Backups that do not stop Chroma.
    pub backup: Option<Backup>,
    /// The metrics.
    pub metrics: Metrics,
    /// Example applications, which send their own spans.
    pub clients: BTreeSet<Client>,
}

impl Spec {
    /// Returns true if Chroma sends traces.
    pub fn is_traced(&self) -> bool {
        self.chroma.version.traces() && self.tracing.granularity != Granularity::None
    }

    /// Returns the region or project that backends depend on, if it is known when rendering: for
    /// Kubernetes in a cloud.
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

impl Machine {
    /// Returns the ranges of IPv4 addresses of the allowed clients.
    pub fn allowed_ranges(&self) -> impl Iterator<Item = &str> {
        self.allow_from.iter().filter_map(|peer| match peer {
            Peer::Range(range) => Some(range.as_str()),
            Peer::Ipv6Range(_) | Peer::SecurityGroup(_) | Peer::PrefixList(_) => None,
        })
    }
}

/// The machine in the cloud. The operator supplies absent values when deploying.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Project (gcp).
    pub project: Option<CloudName>,
    /// Subscription (azure).
    pub subscription: Option<CloudName>,
    /// Resource group (azure).
    pub resource_group: Option<CloudName>,
    /// Machine type, by the cloud's name.
    pub kind: CloudName,
    /// Memory that the machine needs.
    pub memory: MachineMemory,
    /// Size of the data disk.
    pub disk: Memory,
    /// Network.
    pub network: Option<CloudName>,
    /// Subnet.
    pub subnet: Option<CloudName>,
    /// Availability zone.
    pub zone: Option<CloudName>,
    /// Allowed clients.
    pub allow_from: Vec<Peer>,
    /// Allowed SSH clients (azure).
    pub ssh_from: Option<AddressRange>,
    /// A public SSH key (azure).
    pub ssh_key: Option<SshKey>,
    /// Number of daily snapshots to keep.
    pub snapshots: u16,
    /// Days to keep logs.
    pub log_days: u16,
    /// Minutes until Chroma must respond on a new machine.
    pub start_minutes: u16,
    /// Destination of alarms.
    pub alarms: Option<CloudName>,
    /// Snapshot from which a new disk is created.
    pub restore_from: Option<CloudName>,
    /// Names of secrets in the cloud's store, by variable.
    pub secrets: BTreeMap<String, CloudName>,
    /// Rules of the organization that owns the account.
    pub organization: Organization,
}

/// Settings that an organization's policies ask for. All are absent by default.
#[derive(Debug, Clone)]
pub struct Organization {
    /// System image.
    pub image: Option<CloudName>,
    /// Tags of all resources, labels on gcp.
    pub tags: BTreeMap<String, Line>,
    /// Key for encryption.
    pub kms_key: Option<CloudName>,
    /// Permissions boundary of the roles (aws).
    pub permissions_boundary: Option<CloudName>,
    /// Additional policies of the instance's role (aws).
    pub policies: Vec<CloudName>,
    /// True if the instance has a public address (aws).
    pub public_address: bool,
    /// Project of the network (gcp).
    pub network_project: Option<CloudName>,
    /// True if the module creates the firewall rules (gcp).
    pub create_firewall_rules: bool,
    /// Existing key vault (azure).
    pub key_vault: Option<CloudName>,
    /// Existing workspace of the logs (azure).
    pub workspace: Option<CloudName>,
    /// True if the host encrypts temporary disks and caches (azure).
    pub encryption_at_host: bool,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Chroma {
    /// The release.
    pub version: ChromaVersion,
    /// Kind of its image.
    pub image: Image,
    /// Repository of its published image.
    pub repository: ImageRepository,
    /// Registry of the images with the entrypoint; always present for `published`.
    pub registry: Option<ImageRepository>,
    /// Build context of the images.
    pub image_context: ContextFolder,
    /// Published address.
    pub bind: IpAddr,
    /// Published port.
    pub port: u16,
    /// Access from other machines (docker and machines in a cloud).
    pub access: Access,
    /// Memory limit.
    pub memory: Memory,
    /// Origins from which browsers may call Chroma.
    pub cors_allow_origins: Vec<String>,
    /// More variables; `None` for a value that is in the secret store only.
    pub environment: BTreeMap<VariableName, Option<String>>,
}

/// A proxy in front of Chroma, on docker and on a machine in a cloud; none without a token and a host.
#[derive(Debug, Clone)]
pub struct Access {
    /// True if clients must send a token.
    pub token: bool,
    /// TLS for clients.
    pub tls: Tls,
    /// Repository of the proxy's image.
    pub repository: ImageRepository,
}

impl Access {
    /// Returns true if a proxy is in front of Chroma.
    pub fn has_proxy(&self) -> bool {
        self.token || self.tls.proxy_host().is_some()
    }
}

/// TLS for clients.
#[derive(Debug, Clone)]
pub enum Tls {
    /// None.
    Off,
    /// The proxy has a certificate of Let's Encrypt for the host.
    LetsEncrypt(DnsName),
    /// The proxy has the certificate for the host in this folder.
    Folder(DnsName, CloudName),
    /// The cloud's load balancer has this certificate for the host.
    LoadBalancer(DnsName, CloudName),
}

impl Tls {
    /// Returns the host of the certificate.
    pub fn host(&self) -> Option<&DnsName> {
        match self {
            Self::Off => None,
            Self::LetsEncrypt(host) | Self::Folder(host, _) | Self::LoadBalancer(host, _) => {
                Some(host)
            }
        }
    }

    /// Returns the host of the proxy's certificate.
    pub fn proxy_host(&self) -> Option<&DnsName> {
        self.host()
            .filter(|_| !matches!(self, Self::LoadBalancer(..)))
    }
}

/// Kind of Chroma's image.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Chroma's image plus the entrypoint, built from the rendered Dockerfile.
    #[default]
    Wrapped,
    /// The same image, built once and pulled from a registry.
    Published,
    /// Chroma's image without changes.
    Stock,
}

impl Image {
    /// All kinds, with their values of `chroma.image`.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Wrapped, "wrapped"),
        (Self::Published, "published"),
        (Self::Stock, "stock"),
    ];

    /// Returns true if the entrypoint is process 1.
    pub fn has_entrypoint(self) -> bool {
        self != Self::Stock
    }

    /// Returns true if the deployment builds the image.
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
    /// First backend: the first of the spec's backends that accepts an endpoint, which is
    /// `endpoint`.
    pub backend: Backend,
    /// Other backends. Each one that accepts an endpoint contains it.
    pub others: Vec<Backend>,
    /// The first backend's endpoint: the spec's, or the backend's default.
    pub endpoint: Option<Endpoint>,
    /// Certificates (PEM) of authorities that the collector trusts in addition to the public ones.
    pub authorities: Option<String>,
    /// Names of the headers that the operator sets, in addition to those of the backend's keys.
    pub header_names: Vec<String>,
    /// `service.name`.
    pub service_name: Line,
    /// Level of detail.
    pub granularity: Granularity,
    /// `deployment.environment.name`.
    pub environment: Line,
    /// Sampling; `None` exports all traces.
    pub sampling: Option<Sampling>,
    /// Redaction.
    pub redact: Redact,
}

impl Tracing {
    /// Returns all backends, the first one first.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        std::iter::once(&self.backend).chain(&self.others)
    }

    /// Returns true if an endpoint uses TLS, or can use it because the operator sets it elsewhere.
    pub fn uses_tls(&self) -> bool {
        let of_first =
            self.backend.wants_endpoint() && (self.endpoint.as_ref()).is_none_or(Endpoint::is_tls);
        let uses_tls = |backend: &Backend| {
            let endpoint = backend.endpoint.as_deref().unwrap_or_default();
            backend.wants_endpoint() && !endpoint.starts_with("http://")
        };
        of_first || self.others.iter().any(uses_tls)
    }

    /// Returns the first backend's endpoint if it is known when rendering. `place` is the region or
    /// project.
    pub fn known_endpoint(&self, place: Option<&str>) -> Option<Endpoint> {
        let of_place = || {
            let endpoint = self.backend.endpoint.as_deref()?;
            in_place(endpoint, place?).parse().ok()
        };
        self.endpoint.clone().or_else(of_place)
    }
}

/// Returns the variable of a header; without the entrypoint, each header has its own.
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
    /// Kind of its image. With the OpenTelemetry Operator, which sets the container's arguments, it
    /// is the published one: the entrypoint cannot run.
    pub image: Image,
    /// Repository of its published image.
    pub repository: ImageRepository,
    /// Memory limit.
    pub memory: Memory,
    /// The release.
    pub version: Release,
    /// Existing networks that it joins (docker).
    pub networks: Vec<NetworkName>,
    /// Mode; only Kubernetes has a choice.
    pub mode: CollectorMode,
    /// Minimum number of replicas (Kubernetes).
    pub replicas: u16,
    /// Maximum number of replicas (Kubernetes).
    pub max_replicas: u16,
    /// True if the OpenTelemetry Operator runs it (Kubernetes).
    pub operator: bool,
}

/// A spec that can be deployed, with its secrets and notes.
#[derive(Debug)]
pub struct Resolved {
    /// The spec.
    pub spec: Spec,
    /// Values of secrets from flags, the file or the environment.
    pub secrets: Secrets,
    /// Notes for the operator, one sentence each.
    pub notes: Vec<String>,
    /// Key of the spec to the flag that gave it.
    pub flags: BTreeMap<&'static str, &'static str>,
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn returns_each_header_value_as_a_secret_part() {
        let headers = Secret(r#"{"x-a":"quo\"ted","x-b":"plain"}"#.to_owned());
        assert_eq!(headers.parts(), ["quo\"ted", "plain"]);
        assert_eq!(Secret("{key".to_owned()).parts(), ["{key"]);
    }
}
