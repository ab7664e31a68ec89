//! A backend as its file describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::values::{Cloud, Memory, has_place};

/// One backend, as its file describes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// The file's name without `.yaml`; what `--backend` takes.
    #[serde(skip)]
    pub name: String,
    /// One line for `list backends`.
    pub summary: String,
    /// Address of the backend's own documentation of what is used here.
    pub documentation: String,
    /// Where the operator sees the traces; [`in_place`] completes it.
    pub traces: String,
    /// The identity that the collector shows. Absent: keys are all it takes, anywhere.
    pub identity: Option<Identity>,
    /// Default of `CHROMA_OTEL_COLLECTION_ENDPOINT`; [`in_place`] completes it. Absent: the
    /// operator gives it, or the exporter knows it.
    pub endpoint: Option<String>,
    /// What an endpoint of it looks like, for those who have to give it.
    pub example: Option<String>,
    /// What is not secret and differs between its users: name, and what it is. `{name}` stands for it in
    /// other texts.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// Headers of every request: name in lower case, and text with `{VARIABLE}` for a key.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Secrets the backend wants.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// What the collector exports with.
    pub exporter: Exporter,
    /// The collector's extension that OTLP requests are authenticated by.
    pub extension: Option<Extension>,
    /// What it does with metrics over OTLP. Absent: it takes none.
    pub metrics: Option<MetricsIntake>,
    /// How many spans the backend takes in one request. Absent: their size is all that counts.
    pub spans_per_request: Option<u32>,
    /// How many bytes, before compression, the backend takes in one request. Absent: 4 MiB, as gRPC
    /// servers do.
    pub bytes_per_request: Option<u32>,
    /// How many characters an attribute's value may have, where the backend drops longer ones.
    pub longest_value: Option<u32>,
    /// Attributes of every resource that the backend wants: name and text. [`Cloud::place`]'s
    /// placeholder is taken from the collector's environment.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// What must have been done once before the first trace.
    pub prepare: Option<Prepare>,
    /// A container of the backend's own that runs beside the collector.
    pub service: Option<Service>,
}

/// The identity of a machine in a cloud.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Whose machines have it.
    pub cloud: Cloud,
    /// What it must be allowed, in the cloud's own words: AWS's actions, predefined roles of GCP,
    /// Azure's roles by the name that it shows.
    pub permissions: Vec<String>,
    /// The services that must be enabled where it is, as GCP names them.
    #[serde(default)]
    pub services: Vec<String>,
}

/// A secret of the backend. It stands in headers or in settings of components, as `{VARIABLE}`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The environment variable it is asked for under.
    pub variable: String,
    /// What it is and where to get it.
    pub what: String,
}

/// How a backend takes metrics over OTLP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsIntake {
    /// Where, over HTTP. Absent: where the traces go, with `/v1/metrics` at the end.
    pub endpoint: Option<String>,
    /// Whether it wants what was added since the last time, and not the sum since the start.
    #[serde(default)]
    pub delta: bool,
}

/// How the collector exports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exporter {
    /// OTLP over gRPC or HTTP, as the endpoint says.
    Otlp,
    /// OTLP over HTTP, whatever the endpoint's port.
    OtlpHttp,
    /// Zipkin's JSON to the endpoint's URL.
    Zipkin,
    /// The collector's own log.
    Debug,
    /// Another of the collector's exporters, which knows where to.
    #[serde(untagged)]
    Component(Component),
}

/// An exporter by the collector's own name for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name, such as `awsxray`.
    pub name: String,
    /// Its settings; [`Cloud::place`]'s placeholder and the `{VARIABLE}` of a key are taken from its
    /// environment.
    #[serde(default)]
    pub settings: ComponentSettings,
    /// Whether it has a sending queue, as most have.
    pub queue: bool,
    /// Whether it tries again by itself, for as long as it likes: what has left the queue is then no
    /// longer on the disk.
    #[serde(default)]
    pub retries_itself: bool,
}

/// An extension by the collector's own name for it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Its name, such as `sigv4auth`.
    pub name: String,
    /// Its settings; [`Cloud::place`]'s placeholder and the `{VARIABLE}` of a key are taken from its
    /// environment.
    #[serde(default)]
    pub settings: ComponentSettings,
}

/// Settings of a component, as the collector's documentation has them.
pub type ComponentSettings = BTreeMap<String, Value>;

/// What is to be done once, by hand.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// What and why, in one sentence.
    pub what: String,
    /// How, for bash; [`in_place`] completes it, with a word or an expression of bash's.
    pub commands: String,
    /// What to know once that is done.
    pub after: Option<String>,
}

/// A backend's container in the stack.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Image with its tag.
    pub image: String,
    /// Arguments for the image's own entrypoint.
    #[serde(default)]
    pub command: Vec<String>,
    /// Port of its user interface.
    pub ui_port: u16,
    /// Memory limit.
    pub memory: Memory,
    /// Environment variables.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Health check command inside the image, if the image can run one.
    pub health: Option<Vec<String>>,
    /// Where it answers 200 over HTTP when it is well.
    pub probe: Probe,
    /// The number of the image's user, where the image does not say a number.
    pub user: Option<u32>,
    /// Whether the image runs with a read-only root.
    #[serde(default)]
    pub read_only: bool,
    /// Writable folders for a read-only root.
    #[serde(default)]
    pub tmpfs: Vec<String>,
}

/// What is asked whether a container is well.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Port, on every address of the container.
    pub port: u16,
    /// Path.
    pub path: String,
}

impl Backend {
    /// Whether spans leave for an endpoint that the operator may choose.
    pub fn wants_endpoint(&self) -> bool {
        matches!(
            self.exporter,
            Exporter::Otlp | Exporter::OtlpHttp | Exporter::Zipkin
        )
    }

    /// What an endpoint of it looks like.
    pub fn endpoint_example(&self) -> &str {
        self.example
            .as_deref()
            .unwrap_or("https://otlp.example.com:443")
    }

    /// The default endpoint, if it is the same in every place.
    pub fn endpoint_everywhere(&self) -> Option<&str> {
        self.endpoint
            .as_deref()
            .filter(|endpoint| !has_place(endpoint))
    }

    /// The cloud on whose machines alone it works.
    pub fn cloud(&self) -> Option<Cloud> {
        self.identity.as_ref().map(|identity| identity.cloud)
    }

    /// Whether the exporter tries again by itself, from memory: then nobody counts what is lost.
    pub fn retries_itself(&self) -> bool {
        matches!(&self.exporter, Exporter::Component(component) if component.retries_itself)
    }

    /// What the machine must be allowed, in the cloud's own words.
    pub fn permissions(&self) -> &[String] {
        self.identity
            .as_ref()
            .map_or(&[], |identity| &identity.permissions)
    }

    /// The services that must be enabled where the machine is.
    pub fn services(&self) -> &[String] {
        self.identity
            .as_ref()
            .map_or(&[], |identity| &identity.services)
    }
}

/// What the operator says about a backend, beside its endpoint and its keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// What it is and where to find it.
    pub what: String,
    /// What it is unless told otherwise. Absent: the operator says it, where it is used.
    pub default: Option<String>,
    /// What the operator may write, and what then stands in the texts. Absent: any word, as it is.
    pub choices: Option<BTreeMap<String, String>>,
}

impl Setting {
    /// What stands in the texts for what the operator wrote.
    ///
    /// # Errors
    /// What to write instead.
    pub fn text(&self, written: &str) -> Result<String, String> {
        let Some(choices) = &self.choices else {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
            let sound = !written.is_empty() && written.chars().all(fits);
            let hint = "letters, digits, `.`, `_`, `~` and `-`";
            return sound.then(|| written.to_owned()).ok_or(hint.to_owned());
        };
        choices.get(written).cloned().ok_or_else(|| {
            let names: Vec<&str> = choices.keys().map(String::as_str).collect();
            format!("one of `{}`", names.join("`, `"))
        })
    }
}
