//! Manifests of Kubernetes: every field exists, every value is one that the API server takes, every
//! name that is named is there; and the deployment's own promises are kept.
//!
//! Invariant: a finding names the file, the document and the path in it. What is the operator's, and
//! what a folder says of it: see `references.rs`.

mod decode;
mod fields;
mod forms;
mod kustomization;
mod network;
mod objects;
mod pods;
mod references;
mod security;
mod workload;

use std::collections::BTreeMap;

use k8s_openapi::Resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::{entries, items};
use crate::problem::Problem;
use kustomization::Kustomization;
use workload::Workload;

/// One document of a file.
struct Document {
    file: String,
    api_version: String,
    kind: String,
    name: String,
    tree: Value,
}

impl Document {
    /// Where a path of it is, as findings say it.
    fn at(&self, path: &str) -> String {
        let Self {
            file, kind, name, ..
        } = self;
        match path {
            "" => format!("{file}: {kind} {name}"),
            path => format!("{file}: {kind} {name}: {path}"),
        }
    }

    /// What is at the keys, one below the other.
    fn get(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter()
            .try_fold(&self.tree, |value, key| value.get(*key))
    }

    /// The text that is there.
    fn text(&self, keys: &[&str]) -> Option<&str> {
        self.get(keys)?.as_str()
    }

    /// The elements of the list that is there.
    fn items<'a>(&'a self, keys: &[&str]) -> impl Iterator<Item = &'a Value> + use<'a> {
        items(self.get(keys))
    }

    fn namespace(&self) -> Option<&str> {
        self.text(&["metadata", "namespace"])
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let labels = entries(self.get(&["metadata", "labels"]));
        let labels =
            labels.filter_map(|(key, value)| Some((key.to_owned(), value.as_str()?.to_owned())));
        labels.collect()
    }

    /// The document as a type, if it is one.
    fn typed<T: Resource + DeserializeOwned>(&self) -> Option<T> {
        let is_one = self.kind == T::KIND;
        is_one.then(|| serde_yaml::from_value(self.tree.clone()).ok())?
    }

    /// What a field of it says, as a type, if it is one.
    fn field<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_yaml::from_value(self.get(&[name])?.clone()).ok()
    }

    /// Which pods or Services it is about.
    fn selector(&self) -> LabelSelector {
        let tree = self.get(&["spec", "selector"]).cloned();
        tree.and_then(|tree| serde_yaml::from_value(tree).ok())
            .unwrap_or_default()
    }
}

/// The manifests of a folder.
struct Folder<'a> {
    files: &'a BTreeMap<String, String>,
    kustomization: Kustomization,
    documents: Vec<Document>,
    workloads: Vec<Workload>,
}

impl Folder<'_> {
    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Document> {
        self.documents
            .iter()
            .filter(move |document| document.kind == kind)
    }

    fn named(&self, kind: &str, name: &str) -> Option<&Document> {
        let mut documents = self.documents.iter();
        documents.find(|document| document.kind == kind && document.name == name)
    }

    /// What makes the pods that a selector takes.
    fn taken(&self, selector: &LabelSelector) -> Vec<&Workload> {
        let workloads = self.workloads.iter();
        let taken = workloads.filter(|one| workload::matches(selector, &one.labels()));
        taken.collect()
    }
}

/// Takes a finding: the place and what is wrong there.
type Tell<'a> = &'a mut dyn FnMut(String, String);

/// Whether a file is manifests: a document of it says of which kind it is.
pub(super) fn is_manifest(path: &str, text: &str) -> bool {
    let is_head = |line: &str| line.starts_with("apiVersion:") || line.starts_with("kind:");
    path.ends_with(".yaml") && text.lines().any(is_head)
}

/// Everything wrong with the manifests of a folder, given as relative path to text.
pub(super) fn check(files: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut tell = |at: String, message: String| problems.push(Problem::new(at, message));
    let kustomization = kustomization::read(files);
    let patches = &kustomization.patches;
    let mut documents = Vec::new();
    for (path, text) in files {
        if path == kustomization::FILE {
            kustomization::check(files, text, patches, &mut tell);
        } else if is_manifest(path, text) && !patches.contains(path) {
            read(path, text, &mut documents, &mut tell);
        }
    }
    let workloads = documents.iter().filter_map(workload::of).collect();
    let folder = Folder {
        files,
        kustomization,
        documents,
        workloads,
    };
    for document in &folder.documents {
        for (path, message) in decode::check(document) {
            tell(document.at(&path), message);
        }
    }
    for rule in [
        fields::check,
        objects::check,
        pods::check,
        security::check,
        references::check,
        network::check,
    ] {
        rule(&folder, &mut tell);
    }
    problems
}

/// Adds the documents of a file.
fn read(path: &str, text: &str, documents: &mut Vec<Document>, tell: Tell) {
    for (index, one) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let tree = match Value::deserialize(one) {
            Ok(Value::Null) => continue,
            Ok(tree) => tree,
            // Behind what is no YAML, nothing is.
            Err(error) => return tell(path.to_owned(), format!("not YAML: {error}")),
        };
        let text = |keys: &[&str]| {
            let value = keys.iter().try_fold(&tree, |value, key| value.get(*key));
            value.and_then(Value::as_str).map(str::to_owned)
        };
        let parts = (
            text(&["apiVersion"]),
            text(&["kind"]),
            text(&["metadata", "name"]),
        );
        let (Some(api_version), Some(kind), Some(name)) = parts else {
            let message = "has no apiVersion, kind or metadata.name: is no manifest";
            tell(
                format!("{path}: document {}", index + 1),
                message.to_owned(),
            );
            continue;
        };
        documents.push(Document {
            file: path.to_owned(),
            api_version,
            kind,
            name,
            tree,
        });
    }
}

#[cfg(test)]
mod tests;
