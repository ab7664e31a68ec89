//! Backends: where the traces end up. A backend is one file in `templates/backends`, and nothing else.
//!
//! Invariant: every file there loads (a test reads them all), so a name that is found is sound.

use serde::{Deserialize, Serialize};

use crate::render::TEMPLATES;

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
    /// Where the operator sees the traces.
    pub traces: String,
    /// Default of `CHROMA_OTEL_COLLECTION_ENDPOINT`. Absent: the operator gives it.
    pub endpoint: Option<String>,
    /// Secrets the backend wants, each sent as one header.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// What the collector exports with.
    pub exporter: Exporter,
    /// A container of the backend's own that runs beside the collector.
    pub service: Option<Service>,
}

/// A secret of the backend.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The environment variable it is asked for under.
    pub variable: String,
    /// The header it is sent as.
    pub header: String,
    /// What it is and where to get it.
    pub what: String,
}

/// How the collector exports.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exporter {
    /// OTLP over gRPC or HTTP, as the endpoint says.
    Otlp,
    /// Zipkin's JSON to the endpoint's URL.
    Zipkin,
    /// The collector's own log.
    Debug,
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
    /// Memory limit, as Compose writes it.
    pub memory: String,
    /// Environment variables.
    #[serde(default)]
    pub environment: std::collections::BTreeMap<String, String>,
    /// Health check command inside the image, if the image can run one.
    pub health: Option<Vec<String>>,
    /// Whether the image runs with a read-only root.
    #[serde(default)]
    pub read_only: bool,
    /// Writable folders for a read-only root.
    #[serde(default)]
    pub tmpfs: Vec<String>,
}

impl Backend {
    /// Whether spans leave for an endpoint at all.
    pub fn wants_endpoint(&self) -> bool {
        self.exporter != Exporter::Debug
    }
}

/// The names of all backends, in order.
pub fn names() -> Vec<String> {
    TEMPLATES
        .get_dir("backends")
        .map(|folder| {
            folder
                .files()
                .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
                .collect()
        })
        .unwrap_or_default()
}

/// The backend of that name, if there is one.
///
/// # Errors
/// Its file does not read: a bug, caught by this crate's tests.
pub fn load(name: &str) -> anyhow::Result<Option<Backend>> {
    let Some(file) = TEMPLATES.get_file(format!("backends/{name}.yaml")) else {
        return Ok(None);
    };
    let mut backend: Backend = serde_yaml::from_slice(file.contents())?;
    name.clone_into(&mut backend.name);
    Ok(Some(backend))
}
