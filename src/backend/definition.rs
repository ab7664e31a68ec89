//! A backend, as described by its file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::values::{Cloud, Memory, has_place};

/// A backend, as described by its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// The file's name without `.yaml`; the value of `--backend`.
    #[serde(skip)]
    pub name: String,
    /// One line for `list backends`.
    pub summary: String,
    /// Address of the backend's own documentation of the features in this file.
    pub documentation: String,
    /// Location of the traces for the operator; [`in_place`] completes it.
    pub traces: String,
    /// The identity that the collector uses. Without it, the backend accepts only keys, from
    /// anywhere.
    pub identity: Option<Identity>,
    /// Default of `CHROMA_OTEL_COLLECTION_ENDPOINT`; [`in_place`] completes it. Without it, the
    /// operator sets the endpoint, or the exporter knows it.
    pub endpoint: Option<String>,
    /// Example of an endpoint, if the operator must set one.
    pub example: Option<String>,
    /// Values that differ between users and are not secret: name and description. `{name}` is
    /// replaced by the value in other texts.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// Headers of every request: name in lower case, and text with `{VARIABLE}` for a key.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Secrets of the backend.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// Keys that are not secret here, because an identity authenticates the requests.
    #[serde(skip)]
    pub addresses: Vec<Address>,
    /// The collector's exporter.
    pub exporter: Exporter,
    /// The collector's extension that authenticates OTLP requests.
    pub extension: Option<Extension>,
    /// Metrics over OTLP. Without it, the backend accepts none.
    pub metrics: Option<MetricsIntake>,
    /// Maximum number of spans in one request. Without it, only their size is limited.
    pub spans_per_request: Option<u32>,
    /// Maximum size of one request in bytes, before compression. The default is 4 MiB, as in gRPC
    /// servers.
    pub bytes_per_request: Option<u32>,
    /// Maximum length of an attribute's value in characters, if the backend drops longer ones.
    pub longest_value: Option<u32>,
    /// Resource attributes that the backend requires: name and text. [`Cloud::place`]'s placeholder
    /// is taken from the collector's environment.
    #[serde(default)]
    pub resource: BTreeMap<String, String>,
    /// A step to perform once before the first trace.
    pub prepare: Option<Prepare>,
    /// A container of the backend that runs next to the collector.
    pub service: Option<Service>,
}

/// The identity of a machine in a cloud.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The cloud of these machines.
    pub cloud: Cloud,
    /// Required permissions, in the cloud's own terms: AWS's actions, predefined roles of GCP,
    /// Azure's roles by their displayed name.
    pub permissions: Vec<String>,
    /// Services to enable in the project, by GCP's names.
    #[serde(default)]
    pub services: Vec<String>,
    /// True if the backend also accepts its keys, without the identity, from anywhere.
    #[serde(default)]
    pub replaces_keys: bool,
}

/// A secret of the backend. It is part of headers or of settings of components, as `{VARIABLE}`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Its environment variable.
    pub variable: String,
    /// Description, and where to get it.
    pub what: String,
    /// The setting for its value where an identity makes it a mere address.
    #[serde(skip_serializing)]
    pub setting: Option<String>,
}

/// A key that only names the destination, because an identity authenticates the requests.
#[derive(Debug, Clone)]
pub struct Address {
    /// The key that it replaces.
    pub key: Key,
    /// Its value from the settings. Without it, the deployment creates the destination, or the
    /// operator has to set it.
    pub value: Option<String>,
}

/// Metrics over OTLP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsIntake {
    /// Endpoint over HTTP. The default is that of the traces, with `/v1/metrics` at the end.
    pub endpoint: Option<String>,
    /// True for delta temporality, false for cumulative.
    #[serde(default)]
    pub delta: bool,
}

/// The collector's exporter.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exporter {
    /// OTLP over gRPC or HTTP, depending on the endpoint.
    Otlp,
    /// OTLP over HTTP, whatever the endpoint's port.
    OtlpHttp,
    /// Zipkin's JSON to the endpoint's URL.
    Zipkin,
    /// The collector's own log.
    Debug,
    /// Another exporter of the collector, which knows its destination.
    #[serde(untagged)]
    Component(Component),
}

/// An exporter by the collector's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name, such as `awsxray`.
    pub name: String,
    /// Its settings; [`Cloud::place`]'s placeholder and the `{VARIABLE}` of a key are taken from
    /// its environment.
    #[serde(default)]
    pub settings: ComponentSettings,
    /// True if it has a sending queue, as most have.
    pub queue: bool,
    /// True if it retries without a limit: its spans have then left the queue on disk.
    #[serde(default)]
    pub retries_itself: bool,
}

/// An extension by the collector's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Its name, such as `sigv4auth`.
    pub name: String,
    /// Its settings; [`Cloud::place`]'s placeholder, the `{VARIABLE}` of a key and
    /// [`Cloud::identity_variables`] are taken from its environment.
    #[serde(default)]
    pub settings: ComponentSettings,
    /// More settings on a machine.
    #[serde(default)]
    pub on_machine: ComponentSettings,
    /// More settings in a cluster.
    #[serde(default)]
    pub in_cluster: ComponentSettings,
}

/// Settings of a component, as in the collector's documentation.
pub type ComponentSettings = BTreeMap<String, Value>;

/// A step to perform once, by hand.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// The step and its reason, in one sentence.
    pub what: String,
    /// Commands for bash; [`in_place`] completes them, with a word or an expression of bash.
    pub commands: String,
    /// A fact to know after the step.
    pub after: Option<String>,
}

/// A backend's container in the deployment.
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
    /// Health check command in the image, if the image can run one.
    pub health: Option<Vec<String>>,
    /// Page that answers 200 over HTTP when the container is healthy.
    pub probe: Probe,
    /// The number of the image's user, if the image does not define a number.
    pub user: Option<u32>,
    /// True if the image runs with a read-only root.
    #[serde(default)]
    pub read_only: bool,
    /// Writable folders for a read-only root.
    #[serde(default)]
    pub tmpfs: Vec<String>,
}

/// Health check of a container.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Port, on every address of the container.
    pub port: u16,
    /// Path.
    pub path: String,
}

impl Address {
    /// Returns true if this setting contains its value.
    pub fn is_set_by(&self, setting: &str) -> bool {
        self.key.setting.as_deref() == Some(setting)
    }
}

impl Backend {
    /// Returns true if the operator can choose the endpoint of the spans.
    pub fn wants_endpoint(&self) -> bool {
        matches!(
            self.exporter,
            Exporter::Otlp | Exporter::OtlpHttp | Exporter::Zipkin
        )
    }

    /// Returns an example of an endpoint.
    pub fn endpoint_example(&self) -> &str {
        self.example
            .as_deref()
            .unwrap_or("https://otlp.example.com:443")
    }

    /// Returns the default endpoint, if it is the same in every place.
    pub fn endpoint_everywhere(&self) -> Option<&str> {
        self.endpoint
            .as_deref()
            .filter(|endpoint| !has_place(endpoint))
    }

    /// Returns the cloud whose identity authenticates requests.
    pub fn cloud(&self) -> Option<Cloud> {
        self.identity.as_ref().map(|identity| identity.cloud)
    }

    /// Returns the cloud to whose machines it is limited.
    pub fn only_cloud(&self) -> Option<Cloud> {
        self.cloud().filter(|_| !self.accepts_keys_elsewhere())
    }

    /// Returns true if the exporter retries by itself, from memory: lost spans are then not
    /// counted.
    pub fn retries_itself(&self) -> bool {
        matches!(&self.exporter, Exporter::Component(component) if component.retries_itself)
    }

    /// Returns true if its keys are accepted from anywhere, and an identity in its cloud.
    pub fn accepts_keys_elsewhere(&self) -> bool {
        let identity = self.identity.as_ref();
        identity.is_some_and(|identity| identity.replaces_keys)
    }

    /// Returns the variables in the collector's environment that its components refer to, besides
    /// the place.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let addresses = self.addresses.iter().map(|address| &address.key);
        let keys = self.keys.iter().chain(addresses);
        let of_identity = self.cloud().map_or(&[][..], Cloud::identity_variables);
        keys.map(|key| key.variable.as_str())
            .chain(of_identity.iter().copied())
    }

    /// Returns the machine's required permissions, in the cloud's own terms.
    pub fn permissions(&self) -> &[String] {
        self.identity
            .as_ref()
            .map_or(&[], |identity| &identity.permissions)
    }

    /// Returns the services to enable in the machine's project.
    pub fn services(&self) -> &[String] {
        self.identity
            .as_ref()
            .map_or(&[], |identity| &identity.services)
    }
}

/// A value that the operator sets for a backend, besides its endpoint and its keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Description, and where to find it.
    pub what: String,
    /// Default. Without it, the operator must set the value if it is used.
    pub default: Option<String>,
    /// Accepted values, and their texts. Without it, any word is accepted and used unchanged.
    pub choices: Option<BTreeMap<String, String>>,
}

impl Setting {
    /// Returns the text for the operator's value.
    ///
    /// # Errors
    /// Returns the accepted values.
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
