//! Objects of a cluster, their pods, and the configurations in them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_yaml::Value;

/// One document of a manifest.
pub(crate) struct Object {
    pub(crate) file: String,
    pub(crate) tree: Value,
}

/// The pod of a workload.
pub(crate) struct Pod {
    /// The workload, `StatefulSet chroma`.
    pub(crate) of: String,
    /// True if it runs until it is stopped.
    pub(crate) stays: bool,
    pub(crate) labels: Value,
    pub(crate) spec: Value,
}

impl Object {
    pub(crate) fn kind(&self) -> &str {
        let kind = self.tree["kind"].as_str();
        kind.unwrap_or_else(|| panic!("{}: {:?}", self.file, self.tree))
    }

    pub(crate) fn title(&self) -> String {
        let name = self.tree["metadata"]["name"].as_str().unwrap_or_default();
        format!("{} {name}", self.kind())
    }

    /// Returns the pod that it creates; the pods of the OpenTelemetry Operator's resource are
    /// created by the operator.
    pub(crate) fn pod(&self) -> Option<Pod> {
        let spec = &self.tree["spec"];
        let (stays, template) = match self.kind() {
            "StatefulSet" | "Deployment" | "DaemonSet" => (true, &spec["template"]),
            "Job" => (false, &spec["template"]),
            "CronJob" => (false, &spec["jobTemplate"]["spec"]["template"]),
            "Pod" => panic!("{}: not restarted", self.title()),
            _ => return None,
        };
        assert!(template["spec"].is_mapping(), "{}", self.title());
        Some(Pod {
            of: self.title(),
            stays,
            labels: template["metadata"]["labels"].clone(),
            spec: template["spec"].clone(),
        })
    }
}

impl Pod {
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        let lists = ["initContainers", "containers"].into_iter();
        lists
            .filter_map(|list| self.spec[list].as_sequence())
            .flatten()
    }
}

/// Returns every document of the manifests.
pub(crate) fn objects(files: &BTreeMap<String, String>) -> Vec<Object> {
    // Delivered files have an absolute path.
    let is_manifest = |path: &str| path.ends_with(".yaml") && !path.starts_with('/');
    let manifests = files.iter().filter(|(path, _)| is_manifest(path));
    manifests
        .flat_map(|(path, text)| {
            serde_yaml::Deserializer::from_str(text).map(move |document| Object {
                file: path.clone(),
                tree: Value::deserialize(document)
                    .unwrap_or_else(|error| panic!("{path}: {error}")),
            })
        })
        .filter(|object| !object.tree.is_null())
        .collect()
}

/// Returns the configurations of Chroma and of the collector that sends to the backend, as the
/// files of their containers.
pub(crate) fn configurations(objects: &[Object]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for object in objects {
        let mut add = |name: &str, text: String| {
            let before = found.insert(format!("/{name}"), text);
            assert!(before.is_none(), "{name} occurs twice");
        };
        match object.tree["data"]["config.yaml"].as_str() {
            Some(text) => match object.title().strip_prefix("ConfigMap ").unwrap() {
                name if name.ends_with("-otel-router-config") => {
                    add("router.yaml", text.to_owned())
                }
                name if name.contains("-otel-") => add("otel-collector.yaml", text.to_owned()),
                _ => add("config.yaml", text.to_owned()),
            },
            None if object.kind() == "OpenTelemetryCollector" => {
                let config = serde_yaml::to_string(&object.tree["spec"]["config"]).unwrap();
                add("otel-collector.yaml", config);
            }
            None => {}
        }
    }
    found
}
