//! Configurations that documents carry.
//!
//! Invariant: they are checked as the files they become.

use serde_yaml::Value;

use super::super::Document;
use crate::validate::{Finding, chroma_config, collector, entries, unpinned};

/// Those of a ConfigMap.
pub(super) fn of_map(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in entries(document.get(&["data"])) {
        let text = text.as_str().unwrap_or_default();
        let found = match file.rsplit_once('.') {
            Some((_, "json")) => match serde_json::from_str::<serde_json::Value>(text) {
                Ok(_) => continue,
                Err(error) => vec![("text".to_owned(), format!("is not JSON: {error}"))],
            },
            Some((_, "yaml")) => match serde_yaml::from_str::<Value>(text) {
                Ok(tree) if tree.get("receivers").is_some() => collector::check(&tree),
                Ok(tree) if file == "config.yaml" => chroma_config(&tree),
                Ok(_) => continue,
                Err(error) => vec![("text".to_owned(), format!("is not YAML: {error}"))],
            },
            _ => continue,
        };
        findings.extend(
            found
                .into_iter()
                .map(|(at, message)| (format!("data[{file}]: {at}"), message)),
        );
    }
    findings
}

/// That of the OpenTelemetry Operator's resource, which carries it as it is.
pub(super) fn of_collector(document: &Document) -> Vec<Finding> {
    let config = document
        .get(&["spec", "config"])
        .cloned()
        .unwrap_or_default();
    let found = collector::check(&config).into_iter();
    let mut findings: Vec<Finding> = found
        .map(|(at, message)| (format!("spec.config: {at}"), message))
        .collect();
    let images = document.text(&["spec", "targetAllocator", "image"]);
    findings.extend(
        images
            .and_then(unpinned)
            .map(|message| ("spec.targetAllocator.image".to_owned(), message)),
    );
    findings
}
