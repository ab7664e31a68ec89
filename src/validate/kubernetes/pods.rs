//! The pods of a document: pinned images, mounted volumes, and one Chroma per volume.

use serde_yaml::Value;

use super::document::Document;
use crate::problem::Problem;
use crate::validate::images::unpinned;
use crate::validate::names::missing;
use crate::validate::yaml::{items, text};

/// The OpenTelemetry Operator's resource has the fields of a pod and of its container.
const OPERATED: &str = "OpenTelemetryCollector";

/// The specification of a document's pods.
pub(super) struct Pod<'a> {
    document: &'a Document,
    /// Its path in the document.
    pub(super) path: &'static str,
    pub(super) spec: &'a Value,
}

impl<'a> Pod<'a> {
    /// Returns the pods of a document, if it creates any.
    pub(super) fn of(document: &'a Document) -> Option<Self> {
        let path = match document.kind.as_str() {
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => {
                "spec.template.spec"
            }
            "CronJob" => "spec.jobTemplate.spec.template.spec",
            "Pod" | OPERATED => "spec",
            _ => return None,
        };
        let spec = document.get(&path.split('.').collect::<Vec<_>>())?;
        Some(Self {
            document,
            path,
            spec,
        })
    }

    /// Returns the problems of the pods themselves.
    pub(super) fn check(&self) -> Vec<Problem> {
        let containers = self.containers();
        let problems = containers.iter().flat_map(|(path, container)| {
            let image = container.get("image").and_then(Value::as_str);
            let image = image.and_then(|image| unpinned(format!("{path}.image"), image));
            image.into_iter().chain(self.unmounted(path, container))
        });
        problems.chain(self.several(&containers)).collect()
    }

    /// Returns the containers and their paths in the document.
    fn containers(&self) -> Vec<(String, &'a Value)> {
        let mut all = Vec::new();
        if self.document.kind == OPERATED {
            all.push((self.path.to_owned(), self.spec));
        }
        for list in ["initContainers", "containers", "additionalContainers"] {
            for (index, one) in items(self.spec.get(list)).enumerate() {
                all.push((format!("{}.{list}[{index}]", self.path), one));
            }
        }
        all
    }

    /// Returns a problem for each mount of a volume that the pod does not have.
    fn unmounted(&self, path: &str, container: &Value) -> Vec<Problem> {
        let own = items(self.spec.get("volumes"));
        let claims = items(self.document.get(&["spec", "volumeClaimTemplates"]));
        let claims = claims.filter_map(|claim| claim.get("metadata"));
        let volumes: Vec<&str> = own.chain(claims).map(|one| text(one.get("name"))).collect();
        let mounts = items(container.get("volumeMounts")).map(|mount| text(mount.get("name")));
        let at = format!("{path}.volumeMounts");
        let problems =
            mounts.filter_map(|name| missing(&at, "volume", name, volumes.iter().copied()));
        problems.collect()
    }

    /// Returns a problem for several replicas: only one server can open Chroma's files.
    fn several(&self, containers: &[(String, &Value)]) -> Option<Problem> {
        let mut names = containers.iter().map(|(_, one)| text(one.get("name")));
        let replicas = self.document.get(&["spec", "replicas"])?.as_u64()?;
        let message = format!("`{replicas}` servers would share Chroma's files");
        let problem = Problem::new("spec.replicas", message).hint("use `1`");
        (replicas > 1 && names.any(|name| name == "chroma")).then_some(problem)
    }
}
