//! The sections of the spec file.
//!
//! Invariant: everything about a key is declared at its field. The comment is its description in
//! the schema and the help text of its flag; `x-flag` names the flag, `x-value` the placeholder of its
//! value; any other `x-NAME` is the keyword `NAME` of the printed schema (`schema.rs`), which `resolve`
//! checks with better messages.

use std::collections::BTreeMap;

use chroma_otel_init::{ChromaVersion, Granularity, variable};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::backup::BackupSection;
use super::kubernetes::KubernetesSection;
use crate::backend;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::{AttributeName, Client, Names, Period};
use crate::spec::target::PLATFORMS;
use crate::spec::{Format, Image, Target, default};
use crate::values::{
    ADDRESS_PATTERN, AddressRange, CloudName, ContextFolder, DnsLabel, DnsName, ImageRepository,
    Line, Memory, NetworkName, ORIGIN_PATTERN, PRIVATE_ADDRESS_PATTERN, Peer, Release, SshKey,
    VERSION_PATTERN,
};

/// Deployment of the Chroma vector database with OpenTelemetry tracing, for `chroma-otel-deploy`. Every
/// key except `target` is optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "chroma-otel.yaml")]
pub struct SpecFile {
    /// Deployment target; see `list targets`.
    #[schemars(extend("x-enum" = Target::names(), "x-flag" = "target"))]
    pub target: Option<String>,
    /// Name of the deployment. It names the Compose project or the CloudFormation stack, and prefixes
    /// volumes and images.
    #[schemars(extend("x-pattern" = DnsLabel::PATTERN, "x-default" = default::NAME, "x-flag" = "name"))]
    pub name: Option<String>,
    /// Platform on target `aws`, `gcp` or `azure`: a virtual machine, or the cloud's Kubernetes.
    #[schemars(extend("x-enum" = PLATFORMS, "x-default" = PLATFORMS[0], "x-flag" = "platform"))]
    pub platform: Option<String>,
    /// Format of the rendered files. Default: compose on docker, cloudformation on aws, terraform on
    /// gcp and azure, manifests on Kubernetes, where `helm` is a chart of the same manifests.
    #[schemars(extend("x-enum" = Format::ALL.map(Format::name), "x-flag" = "format"))]
    pub format: Option<String>,
    /// Chroma, the database.
    #[schemars(extend("x-heading" = "Chroma"))]
    pub chroma: ChromaSection,
    /// Backends and content of the traces.
    #[schemars(extend("x-heading" = "Tracing"))]
    pub tracing: TracingSection,
    /// OpenTelemetry Collector that receives Chroma's traces.
    #[schemars(extend("x-heading" = "Collector"))]
    pub collector: CollectorSection,
    /// Virtual machine in a cloud. On Kubernetes, only `disk`, `allow_from` and `secrets` have an effect,
    /// and on GKE and AKS the project, subscription and resource group; on docker, none.
    #[schemars(extend("x-heading" = "Cloud"))]
    pub machine: MachineSection,
    /// Kubernetes cluster. No effect on other targets.
    #[schemars(extend("x-heading" = "Kubernetes"))]
    pub kubernetes: KubernetesSection,
    /// Backups of the data, which do not stop Chroma, on docker and Kubernetes; `{}` keeps daily backups on
    /// a volume. Default: none.
    #[schemars(with = "BackupSection")]
    pub backup: Option<BackupSection>,
    /// Metrics of Chroma and its requests.
    #[schemars(extend("x-heading" = "Metrics"))]
    pub metrics: MetricsSection,
    /// Example application that sends its own spans to the collector; see `list clients`. The
    /// collector then accepts spans wherever Chroma accepts connections.
    #[schemars(with = "OneOrMore", extend("x-enum" = Client::ALL.map(Client::name), "x-flag" = "client", "x-value" = "NAME"))]
    pub clients: Option<OneOrMore>,
}

/// Virtual machine in a cloud.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MachineSection {
    /// Project ID on gcp.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "project", "x-value" = "ID"))]
    pub project: Option<String>,
    /// Subscription ID on azure.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "subscription", "x-value" = "ID"))]
    pub subscription: Option<String>,
    /// Existing resource group on azure.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "resource-group", "x-value" = "NAME"))]
    pub resource_group: Option<String>,
    /// Machine type, such as `t3.medium`. Default: the smallest one with enough memory, from t3.medium
    /// on aws, e2-medium on gcp, Standard_B2s_v2 on azure.
    #[serde(rename = "type")]
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "machine-type"))]
    pub kind: Option<String>,
    /// Size of the data disk, such as `100GiB`. It can grow later, but not shrink. Default: 20GiB, or
    /// what `chroma.vectors` of `chroma.dimensions` need.
    #[schemars(extend("x-pattern" = Memory::PATTERN, "x-flag" = "disk", "x-value" = "SIZE"))]
    pub disk: Option<String>,
    /// System image: an AMI ID on aws, `projects/…/global/images/…` on gcp, on azure the ID of an image
    /// version or a version of Debian's image. Default: the newest image of the distribution; a newer
    /// one replaces the machine.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub image: Option<String>,
    /// Tags of all resources, labels on gcp.
    #[schemars(extend("x-pattern" = Line::PATTERN))]
    pub tags: Option<BTreeMap<String, String>>,
    /// Your key for encryption: the ARN of a KMS key on aws, `projects/…/cryptoKeys/…` on gcp, the ID of a
    /// disk encryption set on azure. Default: a key of the cloud.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub kms_key: Option<String>,
    /// Permissions boundary of the roles on aws: the ARN of a policy.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub permissions_boundary: Option<String>,
    /// Additional policies of the instance's role on aws: their ARNs.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub policies: Option<Vec<String>>,
    /// Give the instance a public address on aws, for a subnet without NAT, such as those of a default VPC.
    /// Only the allowed clients can connect.
    #[schemars(extend("x-default" = false))]
    pub public_address: Option<bool>,
    /// Project of the network on gcp, for a Shared VPC. Default: `project`.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub network_project: Option<String>,
    /// Create the firewall rules of a Shared VPC on gcp; false if its administrators create them.
    #[schemars(extend("x-default" = true))]
    pub create_firewall_rules: Option<bool>,
    /// Existing key vault on azure, by its ID, for keys that the deployment stores. Default: a new one.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub key_vault: Option<String>,
    /// Existing Log Analytics workspace on azure, by its ID, with its own retention. Default: a new one.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub workspace: Option<String>,
    /// Encrypt temporary disks and caches on the host on azure. The subscription must have the feature
    /// `EncryptionAtHost`.
    #[schemars(extend("x-default" = false))]
    pub encryption_at_host: Option<bool>,
    /// Network: the VPC ID on aws, the network name on gcp. On azure, the subnet determines it.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "network"))]
    pub network: Option<String>,
    /// Subnet: its ID on aws, its name on gcp, its resource ID (`/subscriptions/…/subnets/…`) on azure.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "subnet"))]
    pub subnet: Option<String>,
    /// Availability zone of the machine and its disk, such as `eu-central-1a` on aws,
    /// `europe-west3-a` on gcp, `westeurope-1` on azure.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "zone"))]
    pub zone: Option<String>,
    /// Clients that may connect to Chroma: one or a list of IPv4 ranges such as `10.0.0.0/16`, and on aws
    /// IPv6 ranges and IDs of security groups or prefix lists. Ranges wider than /8 are refused: Chroma has
    /// no built-in authentication.
    #[schemars(with = "OneOrMore", extend("x-pattern" = Peer::PATTERN, "x-flag" = "allow-from", "x-value" = "RANGE"))]
    pub allow_from: Option<OneOrMore>,
    /// Clients that may connect over SSH on azure: an IPv4 range, such as that of AzureBastionSubnet.
    /// Default: none.
    #[schemars(extend("x-pattern" = AddressRange::PATTERN))]
    pub ssh_from: Option<String>,
    /// Public SSH key on azure, which requires one.
    #[schemars(extend("x-pattern" = SshKey::PATTERN))]
    pub ssh_key: Option<String>,
    /// Number of daily snapshots of the data disk to keep; 0 disables snapshots.
    #[schemars(range(max = 1000), extend("x-default" = default::SNAPSHOTS))]
    pub snapshots: Option<u16>,
    /// Number of days to keep logs.
    #[schemars(range(min = 1, max = 3653), extend("x-default" = default::LOG_DAYS))]
    pub log_days: Option<u16>,
    /// Number of minutes to wait until Chroma responds on a new machine, at most 60 with CloudFormation.
    /// Raise it before an upgrade that migrates much data.
    #[schemars(range(min = 10, max = 1440), extend("x-default" = default::START_MINUTES))]
    pub start_minutes: Option<u16>,
    /// Destination of alarms: an SNS topic ARN on aws, a notification channel on gcp, an action group ID
    /// on azure. Default: no alarms.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub alarms: Option<String>,
    /// Snapshot to create a new data disk from. Default: an empty disk.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub restore_from: Option<String>,
    /// Existing secrets in the cloud's secret store: a variable, such as
    /// `CHROMA_OTEL_COLLECTION_HEADERS`, and the secret's name: the ARN on aws, `projects/…/secrets/…` on
    /// gcp, `https://….vault.azure.net/secrets/…` on azure. Never the value.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub secrets: Option<BTreeMap<String, String>>,
}

/// Access to Chroma on docker and on a machine in a cloud.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessSection {
    /// Require a token from clients. Default: on docker true if `bind` is not a loopback address and
    /// `open_to_world` is not set; on a machine in a cloud false.
    pub token: Option<bool>,
    /// Host name of the certificate. On docker, HTTPS is on ports 80 and 443 of `bind`, in place of `port`, and without
    /// `certificate`, the certificate is one of Let's Encrypt, which must reach these ports from the internet.
    #[schemars(extend("x-pattern" = DnsName::PATTERN, "x-flag" = "access-host", "x-value" = "NAME"))]
    pub host: Option<String>,
    /// Your own certificate for `host`: on docker a folder with `tls.crt` (the chain) and `tls.key`, relative to the
    /// deployment's folder; on aws the ARN of a certificate in Certificate Manager, for the load balancer.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub certificate: Option<String>,
    /// Image repository of the proxy without a tag, for a mirror.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN, "x-default" = default::PROXY_REPOSITORY))]
    pub repository: Option<String>,
}

/// Chroma, the database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend(
    "x-if" = {"not": {"anyOf": [
        {"required": ["open_to_world"], "properties": {"open_to_world": {"const": true}}},
        {"required": ["access"], "properties": {"access": {"required": ["host"]}}},
    ]}},
    "x-then" = {"properties": {"bind": {"pattern": PRIVATE_ADDRESS_PATTERN}}},
))]
pub struct ChromaSection {
    /// Chroma release, 0.4.0 or newer; see `list versions`.
    #[schemars(extend("x-pattern" = VERSION_PATTERN, "x-default" = ChromaVersion::NEWEST.to_string(), "x-flag" = "chroma-version"))]
    pub version: Option<String>,
    /// Image to run: Chroma's image with the entrypoint, built (`wrapped`) or pulled from `registry`
    /// (`published`); or Chroma's image without changes (`stock`). The entrypoint makes the four variables
    /// work on every release.
    #[schemars(extend("x-enum" = Image::ALL.map(|(_, name)| name), "x-default" = default::IMAGE, "x-flag" = "image"))]
    pub image: Option<String>,
    /// Registry of the images with the entrypoint, with a path, such as `registry.example.com/search`.
    /// Required with `image: published`. Default with `image: wrapped`: none on docker and Kubernetes, a
    /// registry of the same cloud on a cloud's machine.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN, "x-flag" = "registry"))]
    pub registry: Option<String>,
    /// Build context of `wrapped` images, relative to the deployment's folder. Deployments of the same
    /// Chroma release can share one, such as `../image`.
    #[schemars(extend("x-pattern" = ContextFolder::PATTERN, "x-default" = default::IMAGE_CONTEXT))]
    pub image_context: Option<String>,
    /// Image repository of Chroma without a tag, for a mirror.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN, "x-default" = default::CHROMA_REPOSITORY))]
    pub repository: Option<String>,
    /// IP address of this machine to publish Chroma on. An address that is not private requires
    /// `access.host` or `open_to_world: true`.
    #[schemars(extend("x-pattern" = ADDRESS_PATTERN, "x-default" = default::BIND, "x-flag" = "bind", "x-value" = "ADDRESS"))]
    pub bind: Option<String>,
    /// Port of this machine to publish Chroma on.
    #[schemars(range(min = 1, max = 65535), extend("x-default" = default::PORT, "x-flag" = "port"))]
    pub port: Option<u16>,
    /// Access on docker and on a machine in a cloud: a proxy that requires a token.
    #[schemars(with = "AccessSection")]
    pub access: Option<AccessSection>,
    /// Allow `bind` to be a public address, without a token. Chroma has no built-in authentication: use it
    /// only behind a firewall or an authenticating proxy.
    #[schemars(extend("x-default" = false))]
    pub open_to_world: Option<bool>,
    /// Memory limit of Chroma, such as `4GiB`; at least 2GiB. Default: 2GiB, or what `vectors` of
    /// `dimensions` need.
    #[schemars(extend("x-pattern" = Memory::PATTERN, "x-flag" = "memory", "x-value" = "SIZE"))]
    pub memory: Option<String>,
    /// Expected number of vectors. With `dimensions`, it determines the defaults of `memory`,
    /// `machine.disk` and `machine.type`.
    #[schemars(range(min = 1))]
    pub vectors: Option<u64>,
    /// Dimensions of a vector.
    #[schemars(range(min = 1, max = 65536))]
    pub dimensions: Option<u64>,
    /// Number of servers, always 1: Chroma's data files allow only one server.
    #[schemars(extend("x-minimum" = 1, "x-maximum" = 1, "x-default" = 1))]
    pub replicas: Option<u16>,
    /// Origins that browsers may call Chroma from, such as `https://app.example.com`.
    #[schemars(extend("x-pattern" = ORIGIN_PATTERN))]
    pub cors_allow_origins: Option<Vec<String>>,
    /// Additional environment variables of Chroma. A variable whose name looks like a secret (`…_TOKEN`,
    /// `…_KEY`) or that has no value is rendered by name only; its value belongs in `.env`.
    pub environment: Option<BTreeMap<String, Option<String>>>,
}

/// Backends and content of the traces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TracingSection {
    /// Trace backend; see `list backends`. Default: otlp with an endpoint, otherwise jaeger or the cloud's
    /// own.
    #[schemars(with = "OneOrMore", extend("x-enum" = backend::names(), "x-flag" = "backend", "x-value" = "NAME"))]
    pub backend: Option<OneOrMore>,
    /// File that defines your own backend, in the form of those in `templates/backends`. The path is
    /// relative to the spec.
    #[schemars(with = "OneOrMore", extend("x-flag" = "backend-file", "x-value" = "FILE"))]
    pub backend_file: Option<OneOrMore>,
    /// Setting of a backend that is not secret; see `list backends NAME`. With several backends,
    /// `BACKEND.NAME` sets that of one, and `BACKEND.endpoint` the endpoint of any but the first.
    /// `BACKEND.repository` is a mirror of the image of one that runs next to the collector.
    #[schemars(extend(
        "x-flag" = "setting", "x-value" = "NAME=VALUE",
        "properties" = {"region": {
            "type": "string",
            "description": "Region of the backend, if it has several.",
            "x-flag": "region",
        }},
    ))]
    pub settings: Option<BTreeMap<String, String>>,
    /// OTLP endpoint of the backend (`CHROMA_OTEL_COLLECTION_ENDPOINT`). With several backends, it applies
    /// to the first that accepts an endpoint. Default: the backend's own.
    #[schemars(extend("x-flag" = "endpoint", "x-value" = "URL"))]
    pub endpoint: Option<String>,
    /// Headers for the backend (`CHROMA_OTEL_COLLECTION_HEADERS`): a mapping, a JSON object, `k=v,k2=v2`, or
    /// a list of names. Values are written to `.env` only. Other users of this machine can read a command
    /// line: prefer the variable.
    #[schemars(with = "HeadersSchema", extend("x-flag" = "headers", "x-value" = "JSON|K=V,…"))]
    pub headers: Option<Value>,
    /// File of CA certificates (PEM), relative to the spec, for backends whose certificate a private
    /// authority has signed. The collector trusts them in addition to the public authorities.
    pub ca_file: Option<String>,
    /// Service name of the spans (`CHROMA_OTEL_SERVICE_NAME`).
    #[schemars(extend("x-pattern" = Line::PATTERN, "x-default" = variable::DEFAULT_SERVICE_NAME, "x-flag" = "service-name"))]
    pub service_name: Option<String>,
    /// Detail of the traces (`CHROMA_OTEL_GRANULARITY`).
    #[schemars(extend("x-enum" = Granularity::EVERY.map(Granularity::as_str), "x-default" = Granularity::Operation.as_str(), "x-flag" = "granularity"))]
    pub granularity: Option<String>,
    /// Attribute `deployment.environment.name` of every span.
    #[schemars(extend("x-pattern" = Line::PATTERN, "x-default" = default::ENVIRONMENT, "x-flag" = "environment", "x-value" = "NAME"))]
    pub environment: Option<String>,
    /// Traces to keep. Default: all. Request metrics always count all requests.
    #[schemars(with = "SamplingSection", extend("x-heading" = "Sampling and redaction"))]
    pub sampling: Option<SamplingSection>,
    /// Content to remove from spans before they are sent.
    #[schemars(with = "RedactSection", extend("x-heading" = "Sampling and redaction"))]
    pub redact: Option<RedactSection>,
}

/// Traces to keep.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSection {
    /// Share of the traces to keep, from 0 to 1, such as `0.1`. If traces with errors or slow ones are
    /// kept, the share of the remaining ones.
    #[schemars(extend("x-minimum" = 0, "x-maximum" = 1, "x-flag" = "sample", "x-value" = "RATIO"))]
    pub ratio: Option<f64>,
    /// Keep every trace of a request that failed with status 500 or above. The collector then waits until a
    /// trace is complete.
    #[schemars(extend("x-default" = false, "x-flag" = "keep-errors"))]
    pub errors: Option<bool>,
    /// Keep every trace of a request that took longer than this, such as `500ms`. The collector then waits
    /// until a trace is complete.
    #[schemars(extend("x-pattern" = Period::PATTERN, "x-flag" = "keep-slower-than", "x-value" = "TIME"))]
    pub slower_than: Option<String>,
}

/// Content to remove from spans before they are sent. Documents, embeddings, metadata and query texts are
/// always removed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedactSection {
    /// Redact the names of tenants, databases and collections: `hash` replaces each name by a token,
    /// `remove` replaces all names by one word. Default: names are sent.
    #[schemars(extend("x-enum" = Names::ALL.map(|(_, name)| name), "x-flag" = "redact-names", "x-value" = "HOW"))]
    pub names: Option<String>,
    /// Allowlist of span attributes, beside those that every span requires. Default: all attributes are sent.
    #[schemars(extend("x-pattern" = AttributeName::PATTERN))]
    pub allow: Option<Vec<String>>,
}

/// Metrics of Chroma and its requests. Prometheus can always scrape them from the collector.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSection {
    /// Send metrics to the backends that accept metrics over OTLP.
    #[schemars(extend("x-default" = false, "x-flag" = "metrics-to-backend"))]
    pub to_backend: Option<bool>,
    /// Render alert rules for Prometheus and a dashboard for Grafana. On Kubernetes, this requires the
    /// Prometheus Operator.
    #[schemars(extend("x-default" = false, "x-flag" = "monitoring"))]
    pub monitoring: Option<bool>,
}

/// A text, or a list of texts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// A list.
    More(Vec<String>),
}

impl OneOrMore {
    /// Returns the texts that are not blank, trimmed.
    pub fn texts(&self) -> Vec<String> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::More(texts) => texts,
        };
        let texts = texts.iter().map(|text| text.trim().to_owned());
        texts.filter(|text| !text.is_empty()).collect()
    }
}

/// The forms of `tracing.headers`.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the schema only")]
enum HeadersSchema {
    Text(String),
    Names(Vec<String>),
    Mapping(BTreeMap<String, Option<String>>),
}

/// OpenTelemetry Collector that receives Chroma's traces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CollectorSection {
    /// Image repository of the collector without a tag, for a mirror.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN, "x-default" = default::COLLECTOR_REPOSITORY))]
    pub repository: Option<String>,
    /// Existing networks of Docker that the collector joins on docker, such as that of another Compose project
    /// with the backend.
    #[schemars(with = "OneOrMore", extend("x-pattern" = NetworkName::PATTERN))]
    pub networks: Option<OneOrMore>,
    /// Release of the collector. Others than the default are not tested.
    #[schemars(extend("x-pattern" = Release::PATTERN, "x-default" = default::COLLECTOR_VERSION))]
    pub version: Option<String>,
    /// Memory limit of the collector; at least 128MiB.
    #[schemars(extend("x-pattern" = Memory::PATTERN, "x-default" = default::COLLECTOR_MEMORY))]
    pub memory: Option<String>,
    /// Collector on Kubernetes: replicas that share the load (`gateway`), routers before a second tier that
    /// sees whole traces and queues on its own disks (`tiered`), or your own collector at
    /// `tracing.endpoint` (`none`).
    #[schemars(extend("x-enum" = CollectorMode::ALL.map(|(_, name)| name), "x-default" = default::COLLECTOR_MODE, "x-flag" = "collector-mode"))]
    pub mode: Option<String>,
    /// Minimum number of replicas on Kubernetes; in mode `tiered`, the number of each tier.
    #[schemars(range(min = 1, max = 1000), extend("x-default" = default::COLLECTOR_REPLICAS))]
    pub replicas: Option<u16>,
    /// Maximum number of replicas on Kubernetes.
    #[schemars(range(min = 1, max = 1000), extend("x-default" = default::COLLECTOR_MAX_REPLICAS))]
    pub max_replicas: Option<u16>,
    /// Let the OpenTelemetry Operator run the collector on Kubernetes. This requires the operator.
    #[schemars(extend("x-default" = false))]
    pub operator: Option<bool>,
}
