//! A Compose file: what it names exists, and what it opens is meant.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::{Finding, entries, keys, texts, unpinned};

/// Everything wrong with the Compose file; `files` are the files beside it.
pub(super) fn check(tree: &Value, files: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let services: BTreeSet<&str> = tree.get("services").into_iter().flat_map(keys).collect();
    let volumes: BTreeSet<&str> = tree.get("volumes").into_iter().flat_map(keys).collect();
    for (name, service) in entries(tree.get("services")) {
        let mut wrong =
            |key: &str, message: String| findings.push((format!("services.{name}.{key}"), message));
        match service.get("image").and_then(Value::as_str) {
            Some(image) => unpinned(image)
                .into_iter()
                .for_each(|message| wrong("image", message)),
            None => wrong("image", "is missing".to_owned()),
        }
        for other in service.get("depends_on").into_iter().flat_map(keys) {
            if !services.contains(other) {
                wrong("depends_on", format!("there is no service `{other}`"));
            }
        }
        for mount in texts(service.get("volumes")) {
            let source = mount.split(':').next().unwrap_or_default();
            match source.strip_prefix("./") {
                Some(file) if !files.contains_key(file) => {
                    wrong("volumes", format!("there is no file `{file}`"))
                }
                None if !volumes.contains(source) => {
                    wrong("volumes", format!("there is no volume `{source}`"))
                }
                _ => {}
            }
        }
        for port in texts(service.get("ports")) {
            if port.matches(':').count() < 2 {
                wrong(
                    "ports",
                    format!("`{port}` is open on every address of the machine: name one"),
                );
            }
        }
        for (variable, value) in entries(service.get("environment")) {
            if value.as_str().is_some_and(|value| value.trim().is_empty()) {
                wrong("environment", format!("{variable} is empty: leave it out"));
            }
        }
        if service.get("mem_limit").is_none() && service.get("restart").is_some() {
            wrong("mem_limit", "is missing".to_owned());
        }
    }
    findings
}
