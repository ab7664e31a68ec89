//! Configurations of Chroma and the collector, as their containers see them.

use std::collections::{BTreeMap, BTreeSet};

use chroma_otel_deploy::spec::Secrets;
use chroma_otel_deploy::validate;
use serde_yaml::Value;

use crate::deployment::{Deployment, none};
use crate::pods::list;

/// `validate` does not check files that a template or a startup script delivers.
#[test]
fn delivered_configurations_are_valid() {
    none(|one| {
        let names = ["otel-collector.yaml", "config.yaml"].into_iter();
        let files = names.filter_map(|name| {
            let mut delivered = one.files.iter().filter(|(path, _)| path.starts_with('/'));
            let (_, text) = delivered.find(|(path, _)| path.rsplit('/').next() == Some(name))?;
            Some((name.to_owned(), text.clone()))
        });
        let files: BTreeMap<String, String> = files.collect();
        let problems = validate::files(&files, &Secrets::default());
        problems.iter().map(ToString::to_string).collect()
    });
}

/// Returns components of the collector that no pipeline uses.
fn unused(one: &Deployment) -> Vec<String> {
    let trees = one
        .files
        .values()
        .filter_map(|text| serde_yaml::from_str::<Value>(text).ok());
    let trees = trees.filter(|tree| !tree["receivers"].is_null());
    trees.flat_map(|tree| unused_components(&tree)).collect()
}

fn unused_components(tree: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pipelines = tree["service"]["pipelines"].as_mapping().unwrap().values();
    let parts = pipelines.flat_map(|pipeline| pipeline.as_mapping().unwrap().values());
    let extensions = list(&tree["service"]["extensions"]);
    let used: BTreeSet<String> = parts.flat_map(list).chain(extensions).map(text).collect();
    let chosen = used.iter().any(|name| name.starts_with("${env:"));
    let sections = [
        "receivers",
        "processors",
        "connectors",
        "exporters",
        "extensions",
    ]
    .into_iter();
    let defined = sections.flat_map(|section| {
        let names = tree[section].as_mapping().into_iter().flatten();
        names.map(move |(name, _)| (section, name.as_str().unwrap()))
    });
    let unused = defined
        .filter(|(section, name)| !(used.contains(*name) || chosen && *section == "exporters"));
    unused
        .map(|(section, name)| format!("{section}.{name} is never used"))
        .collect()
}

#[test]
fn every_component_of_a_collector_is_used() {
    none(unused);
    let tree = "receivers: {a: {}, b: {}}\nservice: {pipelines: {traces: {receivers: [a]}}}\n";
    let tree = serde_yaml::from_str(tree).unwrap();
    assert_eq!(unused_components(&tree), ["receivers.b is never used"]);
}
