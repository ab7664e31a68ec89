//! A collector's configuration: every component that is used is defined, and the other way round.

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::{Finding, entries, keys, texts};

/// Everything wrong with the configuration.
pub(super) fn check(tree: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    let pipelines = tree
        .get("service")
        .and_then(|service| service.get("pipelines"));
    let named = |section: &str, name: &str| {
        tree.get(section)
            .and_then(|section| section.get(name))
            .is_some()
    };
    for (pipeline, parts) in entries(pipelines) {
        for kind in ["receivers", "processors", "exporters"] {
            let list: Vec<&str> = texts(parts.get(kind)).collect();
            if list.is_empty() && kind != "processors" {
                findings.push((
                    format!("service.pipelines.{pipeline}.{kind}"),
                    "is empty".to_owned(),
                ));
            }
            for name in list {
                used.insert(name);
                // Chosen when the collector starts: all that it may be must be there.
                let chosen = name.starts_with("${env:");
                if !chosen && !named(kind, name) && !named("connectors", name) {
                    findings.push((
                        format!("service.pipelines.{pipeline}.{kind}"),
                        format!("there is no `{name}`"),
                    ));
                }
            }
        }
    }
    for signal in ["traces", "metrics"] {
        if !entries(pipelines).any(|(name, _)| name == signal) {
            findings.push((
                "service.pipelines".to_owned(),
                format!("there is no pipeline for {signal}: Chroma sends both"),
            ));
        }
    }
    let extensions: BTreeSet<&str> = texts(
        tree.get("service")
            .and_then(|service| service.get("extensions")),
    )
    .collect();
    for name in &extensions {
        if !named("extensions", name) {
            findings.push((
                "service.extensions".to_owned(),
                format!("there is no `{name}`"),
            ));
        }
    }
    let chooses = used.iter().any(|name| name.starts_with("${env:"));
    for section in [
        "receivers",
        "processors",
        "connectors",
        "exporters",
        "extensions",
    ] {
        for name in tree.get(section).into_iter().flat_map(keys) {
            let chosen = section == "exporters" && chooses;
            if !used.contains(name) && !extensions.contains(name) && !chosen {
                findings.push((
                    format!("{section}.{name}"),
                    "is defined and never used".to_owned(),
                ));
            }
        }
    }
    findings
}
