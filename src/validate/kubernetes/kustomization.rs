//! The kustomization: it names what is there, all of it, and each once.
//!
//! Invariant: what is applied by hand is not in it, and deleting it deletes no data.

use std::collections::{BTreeMap, BTreeSet};

use serde_yaml::Value;

use super::Tell;
use crate::targets::kubernetes::BY_HAND;
use crate::validate::{items, keys, texts};

/// Its name.
pub(super) const FILE: &str = "kustomization.yaml";

/// Its fields. (kustomize 5.7, `api/types/kustomization.go`, but for what is deprecated there.)
const FIELDS: [&str; 26] = [
    "apiVersion",
    "buildMetadata",
    "commonAnnotations",
    "components",
    "configMapGenerator",
    "configurations",
    "crds",
    "generatorOptions",
    "generators",
    "helmCharts",
    "helmGlobals",
    "images",
    "kind",
    "labels",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "openapi",
    "patches",
    "replacements",
    "replicas",
    "resources",
    "secretGenerator",
    "sortOptions",
    "transformers",
];

/// What is wrong with the kustomization of a folder; `patches` are those that it names.
pub(super) fn check(
    files: &BTreeMap<String, String>,
    text: &str,
    patches: &BTreeSet<String>,
    tell: Tell,
) {
    let mut wrong = |path: &str, message: String| match path {
        "" => tell(FILE.to_owned(), message),
        path => tell(format!("{FILE}: {path}"), message),
    };
    let tree: Value = match serde_yaml::from_str(text) {
        Ok(tree) => tree,
        Err(error) => return wrong("", format!("not YAML: {error}")),
    };
    for (field, right) in [
        ("apiVersion", "kustomize.config.k8s.io/v1beta1"),
        ("kind", "Kustomization"),
    ] {
        if tree.get(field).and_then(Value::as_str) != Some(right) {
            wrong(field, format!("is not `{right}`"));
        }
    }
    for field in keys(&tree).filter(|field| !FIELDS.contains(field)) {
        wrong(field, "there is no such field".to_owned());
    }
    let named = resources(files, &tree, &mut wrong);
    let missing = files.iter().filter(|(path, text)| {
        let elsewhere = path.contains('/') || *path == FILE || BY_HAND.contains(&path.as_str());
        !elsewhere
            && super::is_manifest(path, text)
            && !named.contains(path.as_str())
            && !patches.contains(*path)
    });
    for (path, _) in missing {
        wrong(
            "resources",
            format!("does not name `{path}`, which would never be applied"),
        );
    }
}

/// What the kustomization names: each is there, once.
fn resources<'a>(
    files: &BTreeMap<String, String>,
    tree: &'a Value,
    wrong: &mut impl FnMut(&str, String),
) -> BTreeSet<&'a str> {
    let mut named = BTreeSet::new();
    for (index, path) in texts(tree.get("resources")).enumerate() {
        let at = format!("resources[{index}]");
        let elsewhere = path.contains("://") || path.starts_with("../");
        let folder = format!("{}/", path.trim_end_matches('/'));
        if !elsewhere
            && !files.contains_key(path)
            && !files.keys().any(|file| file.starts_with(&folder))
        {
            wrong(&at, format!("there is no file `{path}`"));
        }
        if BY_HAND.contains(&path) {
            wrong(
                &at,
                format!(
                    "`{path}` is applied by hand: what deletes the kustomization would delete data"
                ),
            );
        }
        if !named.insert(path) {
            wrong(&at, format!("`{path}` is there twice"));
        }
    }
    named
}

/// What the kustomization says of the manifests beside it; nothing where there is none, or it does not read.
#[derive(Default)]
pub(super) struct Kustomization {
    /// Files that are parts of manifests.
    pub(super) patches: BTreeSet<String>,
    /// The namespace that it puts everything in.
    pub(super) namespace: Option<String>,
    /// The names of the ConfigMaps that it generates itself.
    pub(super) config_maps: BTreeSet<String>,
    /// The names of the Secrets that it generates itself.
    pub(super) secrets: BTreeSet<String>,
}

/// Reads the kustomization of a folder.
pub(super) fn read(files: &BTreeMap<String, String>) -> Kustomization {
    let text = files.get(FILE).map(String::as_str).unwrap_or_default();
    let Ok(tree) = serde_yaml::from_str::<Value>(text) else {
        return Kustomization::default();
    };
    let listed = |list: &str, field: &str| {
        let texts = items(tree.get(list)).filter_map(|one| one.get(field)?.as_str());
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    let patches = listed("patches", "path");
    Kustomization {
        patches: patches
            .iter()
            .map(|path| path.trim_start_matches("./").to_owned())
            .collect(),
        namespace: tree
            .get("namespace")
            .and_then(Value::as_str)
            .map(str::to_owned),
        config_maps: BTreeSet::from_iter(listed("configMapGenerator", "name")),
        secrets: BTreeSet::from_iter(listed("secretGenerator", "name")),
    }
}
