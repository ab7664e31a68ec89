//! The sections of the spec file. A field's comment is its description in the schema.

use std::collections::BTreeMap;

use chroma_otel_init::ChromaVersion;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::kubernetes::KubernetesSection;

/// What to deploy. Every key is optional but `target`, which `--target` may give too.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "chroma-otel.yaml")]
pub struct SpecFile {
    /// Where to deploy: `chroma-otel-deploy list targets` shows what there is.
    #[schemars(extend("examples" = ["docker"]))]
    pub target: Option<String>,
    /// Name of the deployment: Compose project, CloudFormation stack, prefix of volumes and images.
    /// Default: chroma.
    pub name: Option<String>,
    /// On a cloud, what Chroma runs on: a machine (default) or the cloud's Kubernetes.
    #[schemars(extend("examples" = ["vm", "kubernetes"]))]
    pub platform: Option<String>,
    /// What the files are written for. Default: compose on docker, cloudformation on aws, terraform on
    /// gcp and azure, manifests on Kubernetes.
    #[schemars(extend("examples" = ["compose", "cloudformation", "terraform", "manifests"]))]
    pub format: Option<String>,
    /// The database.
    pub chroma: ChromaSection,
    /// The traces.
    pub tracing: TracingSection,
    /// The OpenTelemetry Collector beside Chroma.
    pub collector: CollectorSection,
    /// The machine in the cloud. Not for docker; of Kubernetes `disk`, `allow_from` and `secrets`.
    pub machine: MachineSection,
    /// The cluster. For Kubernetes only.
    pub kubernetes: KubernetesSection,
    /// Rate, errors and duration of the requests, and Chroma's own metrics.
    pub metrics: MetricsSection,
    /// Examples of applications that use Chroma and send spans of their own to the collector, which then
    /// listens to them where Chroma can be reached: `python`, `openllmetry`, `openlit`.
    #[schemars(extend("examples" = [["python"]]))]
    pub clients: Option<Vec<String>>,
}

/// The machine in the cloud.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MachineSection {
    /// On gcp, the project's id.
    pub project: Option<String>,
    /// On azure, the subscription's id.
    pub subscription: Option<String>,
    /// On azure, the name of the resource group, which is there already.
    pub resource_group: Option<String>,
    /// Its type, as the cloud calls it. Default: t4g.medium on aws, e2-medium on gcp, Standard_B2s_v2
    /// on azure.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Size of the data disk. It can grow later, not shrink. Default: 20GiB.
    pub disk: Option<String>,
    /// Network: on aws the VPC's id, on gcp its name; on azure the subnet says it.
    pub network: Option<String>,
    /// Subnet: on aws its id, on gcp its name, on azure its whole id, `/subscriptions/…/subnets/…`.
    pub subnet: Option<String>,
    /// Availability zone of the machine and the disk, such as eu-central-1a on aws, europe-west3-a on
    /// gcp, westeurope-1 on azure.
    pub zone: Option<String>,
    /// Who may connect to Chroma: a range such as `10.0.0.0/16`, or on aws a security group's id.
    /// Not the whole world: Chroma has no authentication of its own.
    pub allow_from: Option<String>,
    /// On azure, who may connect by SSH: a range, such as that of AzureBastionSubnet. Default: nobody.
    pub ssh_from: Option<String>,
    /// On azure, a public SSH key, without which it makes no machine.
    pub ssh_key: Option<String>,
    /// How many daily snapshots of the data disk are kept; 0 makes none. Default: 7.
    #[schemars(range(max = 1000))]
    pub snapshots: Option<u16>,
    /// Days that logs are kept. Default: 30.
    #[schemars(range(min = 1, max = 3653))]
    pub log_days: Option<u16>,
    /// Where alarms go: on aws an SNS topic's ARN, on gcp a notification channel, on azure an action
    /// group's id. Without it there are none.
    pub alarms: Option<String>,
    /// Snapshot that a new data disk is made from. Default: none, an empty disk.
    pub restore_from: Option<String>,
    /// Secrets that the cloud's store has already: variable, such as `CHROMA_OTEL_COLLECTION_HEADERS`,
    /// to the secret's name there: on aws its ARN, on gcp `projects/…/secrets/…`, on azure
    /// `https://….vault.azure.net/secrets/…`. Never the value.
    pub secrets: Option<BTreeMap<String, String>>,
}

/// The database.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChromaSection {
    /// A release of Chroma, 0.4.0 or newer. Default: the newest tested release.
    #[schemars(extend("default" = ChromaVersion::NEWEST.to_string()))]
    pub version: Option<String>,
    /// `wrapped` builds Chroma's image plus the entrypoint that makes the four variables work (default);
    /// `published` pulls that image from `registry`; `stock` uses Chroma's image without changes.
    #[schemars(extend("examples" = ["wrapped", "published", "stock"]))]
    pub image: Option<String>,
    /// Registry of the images with the entrypoint, with a path, such as `registry.example.com/search`.
    /// Required for `published`. Default for `wrapped`: on docker and Kubernetes none, on a cloud's
    /// machine a registry in that cloud.
    pub registry: Option<String>,
    /// Folder that `wrapped` images are built from, relative to the deployment's folder. Several
    /// deployments of one Chroma release can share it, such as `../image`. Default: image.
    #[schemars(extend("examples" = ["image", "../image"]))]
    pub image_context: Option<String>,
    /// Image repository without tag, for a mirror. Default: chromadb/chroma.
    pub repository: Option<String>,
    /// Address of this machine that Chroma is published on. Default: 127.0.0.1.
    pub bind: Option<String>,
    /// Port of this machine that Chroma is published on. Default: 8000.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Let `bind` be an address that strangers can reach. Chroma has no authentication of its own:
    /// only with a firewall or an authenticating proxy in front.
    pub open_to_world: Option<bool>,
    /// Memory limit, at least 2GiB. Default: 2GiB, or what `vectors` of `dimensions` want.
    pub memory: Option<String>,
    /// How many vectors there will be: with `dimensions`, the default of `memory` and of `machine.disk`.
    #[schemars(range(min = 1))]
    pub vectors: Option<u64>,
    /// How many numbers a vector has.
    #[schemars(range(min = 1, max = 65536))]
    pub dimensions: Option<u64>,
    /// Always 1: Chroma keeps its data in files of its own, which no second server may open.
    pub replicas: Option<u16>,
    /// Origins that browsers may call Chroma from, such as `https://app.example.com`.
    pub cors_allow_origins: Option<Vec<String>>,
    /// More environment variables for Chroma. A name that looks like a secret (`…_TOKEN`, `…_KEY`)
    /// is rendered by name only; its value goes to `.env`, as does any name without a value.
    pub environment: Option<BTreeMap<String, Option<String>>>,
}

/// The traces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TracingSection {
    /// Where the traces end up, one name or several: `chroma-otel-deploy list backends` shows what there is.
    /// Default: jaeger, or the cloud's own.
    pub backend: Option<OneOrMore>,
    /// Files of backends of your own, in the form of those in `templates/backends`; relative to this file.
    pub backend_file: Option<OneOrMore>,
    /// What backends want to know that is not secret, such as `region`: `NAME`, or `BACKEND.NAME` for one of
    /// several; `BACKEND.endpoint` is the endpoint of any backend but the first that has one.
    #[schemars(extend("examples" = [{"region": "eu"}]))]
    pub settings: Option<BTreeMap<String, String>>,
    /// `CHROMA_OTEL_COLLECTION_ENDPOINT`: the backend's OTLP endpoint, where the backend has none of its own
    /// or another is wanted. Of several backends, that of the first that has one.
    pub endpoint: Option<String>,
    /// `CHROMA_OTEL_COLLECTION_HEADERS`: a mapping, a JSON object, `k=v,k2=v2`, or the names alone.
    /// Values go to `.env` and into no other file.
    #[schemars(with = "Option<HeadersSchema>")]
    pub headers: Option<Value>,
    /// `CHROMA_OTEL_SERVICE_NAME`. Default: chromadb.
    pub service_name: Option<String>,
    /// `CHROMA_OTEL_GRANULARITY`: `none`, `operation` (default), `operation_and_segment` or `all`.
    #[schemars(extend("examples" = ["none", "operation", "operation_and_segment", "all"]))]
    pub granularity: Option<String>,
    /// The attribute `deployment.environment.name` on every span. Default: production.
    pub environment: Option<String>,
    /// Which traces the backend gets. Default: all. The counts of requests are of all, whatever it says.
    #[schemars(with = "SamplingSection")]
    pub sampling: Option<SamplingSection>,
    /// What is taken out of spans before they leave.
    #[schemars(with = "RedactSection")]
    pub redact: Option<RedactSection>,
}

/// Which traces the backend gets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingSection {
    /// The share of the traces that is kept, from 0 to 1; beside `errors` and `slower_than`, of the rest.
    pub ratio: Option<f64>,
    /// Keep every trace with an answer of 500 or above. The collector then waits for traces to be complete.
    pub errors: Option<bool>,
    /// Keep every trace with a request that took longer, such as `500ms`. Likewise.
    pub slower_than: Option<String>,
}

/// What is taken out of spans before they leave. Documents, embeddings, metadata and query texts never do.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedactSection {
    /// Names of tenants, databases and collections, in URLs and attributes: `hash` (the same name is the
    /// same token) or `remove`. Default: they leave.
    #[schemars(extend("examples" = ["hash", "remove"]))]
    pub names: Option<String>,
    /// Let only those attributes leave that a span is of no use without, and these. An empty list: only
    /// those; names of tenants and collections are among them, unless `names` hides them. Default: all leave.
    pub allow: Option<Vec<String>>,
}

/// Metrics: the collector counts requests, and Chroma sends its own. Prometheus can always ask for them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSection {
    /// Send them to the backends that take metrics over OTLP, too. Default: false.
    pub to_backend: Option<bool>,
    /// Render alert rules for Prometheus and a dashboard for Grafana; on Kubernetes as resources of the
    /// Prometheus Operator, which must be there. Default: false.
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
    /// All of them that say something, without blanks around.
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

/// The OpenTelemetry Collector beside Chroma.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CollectorSection {
    /// Image repository without tag, for a mirror. Default: otel/opentelemetry-collector-contrib.
    pub repository: Option<String>,
    /// Memory limit, at least 128MiB. Default: 512MiB.
    pub memory: Option<String>,
    /// On Kubernetes: `gateway` (default), replicas that share the work; `tiered`, routers before a
    /// second tier that sees whole traces and keeps its queue on disks of its own; `none`, with your
    /// own collector as `tracing.endpoint`.
    #[schemars(extend("examples" = ["gateway", "tiered", "none"]))]
    pub mode: Option<String>,
    /// On Kubernetes, the least number of replicas; in mode `tiered` the number of each tier.
    /// Default: 2.
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: Option<u16>,
    /// On Kubernetes, the most replicas that load makes. Default: 10.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: Option<u16>,
    /// On Kubernetes, leave running it to the OpenTelemetry Operator, which must be there.
    pub operator: Option<bool>,
}

/// The JSON Schema of the spec, for editors and for `read`.
pub fn schema() -> Value {
    schemars::schema_for!(SpecFile).into()
}
