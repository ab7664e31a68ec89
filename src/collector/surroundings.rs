//! What surrounds a collector, and differs between targets.

use minijinja::Value;
use serde::Serialize;

/// What `templates/collector` reads of the collector's surroundings.
#[derive(Serialize)]
pub(crate) struct Surroundings {
    /// Chroma's version, as an attribute of spans.
    pub(crate) version_attribute: Value,
    /// The addresses that its ports listen on.
    pub(crate) listen: Listen,
    /// Detectors of the resource, in order.
    pub(crate) detectors: Vec<&'static str>,
    /// How long a sender's connection lasts, where another replica may take it.
    pub(crate) let_go: Option<&'static str>,
    /// The pods that spans come from, on Kubernetes.
    pub(crate) pods: Option<Pods>,
    /// Attributes that say where the deployment runs.
    pub(crate) place_attributes: Vec<PlaceAttribute>,
    /// The attribute that names the instance of Chroma.
    pub(crate) instance_attribute: &'static str,
}

/// An attribute that says where the deployment runs.
#[derive(Clone, Serialize)]
pub(crate) struct PlaceAttribute {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// The addresses that a collector's ports listen on.
#[derive(Serialize)]
pub(crate) struct Listen {
    /// Of the receivers.
    pub(crate) receivers: &'static str,
    /// Of metrics and health checks.
    pub(crate) local: &'static str,
}

/// Pods that a collector can look up.
#[derive(Serialize)]
pub(crate) struct Pods {
    /// The namespace that it is limited to.
    pub(crate) namespace: Option<String>,
}

impl Surroundings {
    /// On one machine: the sender is known by its host.
    pub(crate) fn of_machine(
        version_attribute: Value,
        listen: Listen,
        detectors: Vec<&'static str>,
    ) -> Self {
        Self {
            version_attribute,
            listen,
            detectors,
            let_go: None,
            pods: None,
            place_attributes: Vec::new(),
            instance_attribute: "host.name",
        }
    }
}
