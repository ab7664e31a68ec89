//! Settings of the collector that differ between targets.

use minijinja::Value;
use serde::Serialize;

/// Input of `templates/collector` that depends on the target.
#[derive(Serialize)]
pub(crate) struct Surroundings {
    /// Chroma's version, as an attribute of spans.
    pub(crate) version_attribute: Value,
    /// The listen addresses of its ports.
    pub(crate) listen: Listen,
    /// Resource detectors, in order.
    pub(crate) detectors: Vec<&'static str>,
    /// Maximum age of a sender's connection, if there can be several replicas.
    pub(crate) let_go: Option<&'static str>,
    /// The pods that send spans, on Kubernetes.
    pub(crate) pods: Option<Pods>,
    /// Attributes for the location of the deployment.
    pub(crate) place_attributes: Vec<PlaceAttribute>,
    /// The attribute that identifies the instance of Chroma.
    pub(crate) instance_attribute: &'static str,
}

/// An attribute for the location of the deployment.
#[derive(Clone, Serialize)]
pub(crate) struct PlaceAttribute {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

/// The listen addresses of a collector's ports.
#[derive(Serialize)]
pub(crate) struct Listen {
    /// Address of the receivers.
    pub(crate) receivers: &'static str,
    /// Address of metrics and health checks.
    pub(crate) local: &'static str,
}

/// Pods that a collector can look up.
#[derive(Serialize)]
pub(crate) struct Pods {
    /// The only namespace to watch; `None` for all.
    pub(crate) namespace: Option<String>,
}

impl Surroundings {
    /// Returns the settings for one machine, where the sender is identified by its host.
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
