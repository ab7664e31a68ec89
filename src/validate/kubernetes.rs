//! Kubernetes manifests: fields, images, secrets, configurations, and the names that they refer to.
//!
//! A server-side dry run checks more: the formats of values, policies, and third-party kinds.

mod declared;
mod decode;
mod document;
mod kustomization;
mod pods;
mod references;

use std::collections::{BTreeMap, BTreeSet};

use super::yaml::{entries, keys, text};
use super::{collector, configuration, yaml};
use crate::problem::Problem;
use declared::Declared;
use document::Document;
use kustomization::Kustomization;
use pods::Pod;

/// Problems in the manifests of a folder.
#[derive(Default)]
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    /// The kinds whose fields were not checked, because k8s-openapi has no type for them.
    pub(super) without_schema: BTreeSet<String>,
    /// Files that are parts of manifests, and were not checked.
    pub(super) patches: BTreeSet<String>,
}

/// Returns true if a file is a kustomization.
pub(super) fn is_kustomization(path: &str) -> bool {
    path.rsplit('/').next() == Some(kustomization::FILE)
}

/// Returns true if a file contains a document with a kind.
pub(super) fn is_manifest(path: &str, text: &str) -> bool {
    let is_head = |line: &str| line.starts_with("apiVersion:") || line.starts_with("kind:");
    (path.ends_with(".yaml") || path.ends_with(".yml")) && text.lines().any(is_head)
}

/// Returns the problems of the manifests among the files; `paths` are those of all files.
pub(super) fn check(files: &BTreeMap<String, String>, paths: &[&str]) -> Found {
    let mut found = Found::default();
    let mut declared = Declared::default();
    for (path, text) in files.iter().filter(|(path, _)| is_kustomization(path)) {
        match yaml::document(text).map(|tree| Kustomization::new(path, tree)) {
            Ok(kustomization) => {
                declared.kustomization(&kustomization);
                found.patches.extend(kustomization.patches());
                found.add(path, kustomization.missing(paths));
            }
            Err(problem) => found.add(path, [problem]),
        }
    }
    let manifests = files.iter().filter(|(path, text)| {
        is_manifest(path, text) && !is_kustomization(path) && !found.patches.contains(*path)
    });
    let mut documents = Vec::new();
    for (path, text) in manifests.collect::<Vec<_>>() {
        match Document::all(path, text) {
            Ok(all) => documents.extend(all),
            Err(problem) => found.add(path, [problem]),
        }
    }
    documents
        .iter()
        .for_each(|document| declared.document(document));
    files
        .get(".env.example")
        .into_iter()
        .for_each(|text| declared.env_example(text));
    documents
        .iter()
        .for_each(|document| found.document(document, &declared));
    found
}

impl Found {
    fn add(&mut self, place: &str, problems: impl IntoIterator<Item = Problem>) {
        let problems = problems.into_iter();
        self.problems
            .extend(problems.map(|problem| problem.within(place)));
    }

    fn document(&mut self, document: &Document, declared: &Declared) {
        let place = document.place();
        match decode::check(document) {
            Some(problems) => self.add(&place, problems),
            None => drop(self.without_schema.insert(document.kind.clone())),
        }
        match document.kind.as_str() {
            "ConfigMap" => self.add(&place, configurations(document)),
            "OpenTelemetryCollector" => self.add(&place, operated(document)),
            "Secret" => self.add(&place, secret(document)),
            _ => {}
        }
        if let Some(pod) = Pod::of(document) {
            self.add(&place, pod.check());
        }
        self.add(&place, references::check(document, declared));
    }
}

/// Returns the problems of the files in a ConfigMap.
fn configurations(document: &Document) -> Vec<Problem> {
    let files = entries(document.get(&["data"]));
    let problems = files.flat_map(|(file, content)| {
        let problems = configuration::check(file, text(Some(content))).into_iter();
        problems.map(move |problem| problem.within(&format!("data[{file}]")))
    });
    problems.collect()
}

/// Returns the problems of the configuration in the OpenTelemetry Operator's resource.
fn operated(document: &Document) -> Vec<Problem> {
    let config = document.get(&["spec", "config"]);
    let problems = config.into_iter().flat_map(collector::check);
    problems
        .map(|problem| problem.within("spec.config"))
        .collect()
}

/// Base64 does not protect a secret.
fn secret(document: &Document) -> Vec<Problem> {
    let fields = ["data", "stringData"].into_iter();
    let given = fields.filter(|field| keys(document.get(&[field])).next().is_some());
    let problem = |field: &str| {
        let problem = Problem::new(field, "a secret in plain text");
        problem.hint("remove it: use `kubectl create secret`, or an ExternalSecret")
    };
    given.map(problem).collect()
}

#[cfg(test)]
mod tests;
