//! The spec as a person writes it: `chroma-otel.yaml`, overlaid by flags.
//!
//! Invariant: everything is optional here and defaults come last, in `Spec`; every problem of the
//! file is found in one reading, and no text of `tracing.headers` is ever part of a message.

mod form;
mod kubernetes;

pub use kubernetes::{BackupFile, ExposeFile, KubernetesFile, TolerationFile};

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::problem::Problem;

/// A spec is a page of text; more is a mistake, or an attack.
const MAX_BYTES: u64 = 1 << 20;

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
    pub chroma: ChromaFile,
    /// The traces.
    pub tracing: TracingFile,
    /// The OpenTelemetry Collector beside Chroma.
    pub collector: CollectorFile,
    /// The machine in the cloud. Not for docker; of Kubernetes `disk`, `allow_from` and `secrets`.
    pub machine: MachineFile,
    /// The cluster. For Kubernetes only.
    pub kubernetes: KubernetesFile,
    /// Rate, errors and duration of the requests, and Chroma's own metrics.
    pub metrics: MetricsFile,
    /// Examples of applications that use Chroma and send spans of their own to the collector, which then
    /// listens to them where Chroma can be reached: `python`, `openllmetry`, `openlit`.
    #[schemars(extend("examples" = [["python"]]))]
    pub clients: Option<Vec<String>>,
}

/// The machine in the cloud.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MachineFile {
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
pub struct ChromaFile {
    /// A release of Chroma, 0.4.0 or newer. Default: 1.5.9.
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
pub struct TracingFile {
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
    #[schemars(with = "SamplingFile")]
    pub sampling: Option<SamplingFile>,
    /// What is taken out of spans before they leave.
    #[schemars(with = "RedactFile")]
    pub redact: Option<RedactFile>,
}

/// Which traces the backend gets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplingFile {
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
pub struct RedactFile {
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
pub struct MetricsFile {
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
pub struct CollectorFile {
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

/// A value a flag gives: the key of the spec it overrides, the flag's name, the value.
pub struct Override {
    /// Key as in the spec, such as `tracing.backend`.
    pub key: &'static str,
    /// Flag as typed, such as `--backend`.
    pub flag: &'static str,
    /// The value.
    pub value: Value,
}

/// The merged input and what is wrong with its form.
pub struct Input {
    /// File and flags together, without the parts that are wrong.
    pub spec: SpecFile,
    /// What is wrong with the form: unknown keys, values of another kind.
    pub problems: Vec<Problem>,
    /// Key of the spec to the flag that gave it, to say where a wrong value stands.
    pub flags: BTreeMap<&'static str, &'static str>,
    /// The spec file's name for messages.
    pub file: String,
    /// Keys that were given a value, such as `chroma.bind`; of a list or a mapping the key itself.
    pub given: Vec<String>,
    /// The files of `tracing.backend_file`: path, and text or why there is none.
    pub backends: Vec<(PathBuf, Result<String, Problem>)>,
}

impl Input {
    /// How a message names a key: its flag, or the key in the file.
    pub fn at(&self, key: &str) -> String {
        match self.flags.get(key) {
            Some(flag) => (*flag).to_owned(),
            None => format!("{}: {key}", self.file),
        }
    }
}

/// Reads the file, if one is given, lays the flags over it, and checks the form of the whole.
///
/// # Errors
/// The file cannot be read, is no YAML, or is not a mapping: then nothing else can be said.
pub fn read(file: Option<&Path>, overrides: Vec<Override>) -> Result<Input, Problem> {
    let name = file.map_or("flags".to_owned(), |path| path.display().to_string());
    let mut tree = match file {
        Some(path) => read_yaml(path)?,
        None => Value::Object(Map::new()),
    };
    kubernetes::open_blank_sections(&mut tree);
    let mut flags = BTreeMap::new();
    for one in overrides {
        flags.insert(one.key, one.flag);
        set(&mut tree, one.key, one.value);
    }
    let mut input = Input {
        spec: SpecFile::default(),
        problems: Vec::new(),
        flags,
        file: name.clone(),
        given: given(&tree),
        backends: Vec::new(),
    };
    input.problems = form::check(&mut tree, &input);
    input.spec = serde_json::from_value(tree).map_err(|_| {
        Problem::new(name, "the schema took what the spec does not").hint("this is a bug")
    })?;
    // A path in the file is relative to the file, a flag's to where it is typed.
    let typed = input.flags.contains_key("tracing.backend_file");
    let folder = file.and_then(Path::parent).filter(|_| !typed);
    let paths = input
        .spec
        .tracing
        .backend_file
        .iter()
        .flat_map(OneOrMore::texts);
    input.backends = paths
        .map(|path| folder.unwrap_or(Path::new("")).join(path))
        .map(|path| (path.clone(), read_text(&path, MAX_BYTES)))
        .collect();
    Ok(input)
}

/// Keys of the first two levels that have a value.
fn given(tree: &Value) -> Vec<String> {
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut keys = Vec::new();
    for (name, value) in entries(tree) {
        match value {
            Value::Null => {}
            Value::Object(section) => {
                let set = section.iter().filter(|(_, value)| !value.is_null());
                keys.extend(set.map(|(key, _)| format!("{name}.{key}")));
            }
            _ => keys.push(name),
        }
    }
    keys
}

/// The JSON Schema of the spec, for editors and for `read`.
pub fn schema() -> Value {
    schemars::schema_for!(SpecFile).into()
}

fn read_yaml(path: &Path) -> Result<Value, Problem> {
    let at = path.display().to_string();
    let text = read_text(path, MAX_BYTES)?;
    // The reader's own message can quote the text, and the text can hold a header: position only.
    let not_yaml = |error: serde_yaml::Error| {
        let place = match error.location() {
            Some(place) => format!(" at line {}, column {}", place.line(), place.column()),
            None => String::new(),
        };
        Problem::new(&at, format!("not YAML that can be read{place}"))
            .hint("look for a missing quote, a tab, or a key that stands twice")
    };
    // By way of YAML's own tree, which refuses a key that stands twice.
    let tree: serde_yaml::Value = serde_yaml::from_str(&text).map_err(not_yaml)?;
    let tree = serde_yaml::from_value(tree).map_err(not_yaml)?;
    match tree {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(mut map) => {
            // `chroma:` with nothing below it is a section left blank, not an error.
            map.retain(|_, section| !section.is_null());
            Ok(Value::Object(map))
        }
        _ => {
            Err(Problem::new(at, "not a mapping of keys to values")
                .hint("start with `target: docker`"))
        }
    }
}

/// Reads a text file of at most `limit` bytes that a user named.
///
/// # Errors
/// A problem that names the file: not there, a folder, too large, not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Problem> {
    let at = path.display().to_string();
    let open = |error: std::io::Error| Problem::new(&at, format!("cannot be read: {error}"));
    let file = fs::File::open(path).map_err(open)?;
    if file.metadata().map_err(open)?.is_dir() {
        return Err(Problem::new(at, "is a folder").hint("name the file in it"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(open)?;
    if bytes.len() as u64 > limit {
        return Err(Problem::new(at, format!("larger than {} KiB", limit >> 10))
            .hint("is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(at, "not UTF-8 text"))
}

/// Sets `a.b` in a tree of mappings; a mapping is laid over the one that is there. A value in the way that is no mapping stays: `form::check` names it.
fn set(tree: &mut Value, key: &str, value: Value) {
    let mut place = tree;
    for part in key.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(part).or_insert(Value::Null);
    }
    match (place, value) {
        (Value::Object(old), Value::Object(new)) => old.extend(new),
        (place, value) => *place = value,
    }
}
