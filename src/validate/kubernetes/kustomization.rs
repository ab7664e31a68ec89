//! A kustomization: its resources exist, and its generated resources count as declared.

use serde_yaml::Value;

use crate::problem::Problem;
use crate::validate::names::missing;
use crate::validate::yaml::{items, texts};

/// Name of its file.
pub(super) const FILE: &str = "kustomization.yaml";

/// The kustomization of a folder (`""`, or `NAME/`).
pub(super) struct Kustomization {
    folder: String,
    tree: Value,
}

impl Kustomization {
    /// Creates the kustomization of this path.
    pub(super) fn new(path: &str, tree: Value) -> Self {
        let folder = path.strip_suffix(FILE).unwrap_or_default().to_owned();
        Self { folder, tree }
    }

    /// Returns the paths of files that are parts of manifests.
    pub(super) fn patches(&self) -> impl Iterator<Item = String> {
        let paths = self.listed("patches", "path");
        paths.map(|path| format!("{}{}", self.folder, path.trim_start_matches("./")))
    }

    /// Returns a field of every entry of a list, such as the names of generated ConfigMaps.
    pub(super) fn listed<'a>(
        &'a self,
        list: &str,
        field: &'a str,
    ) -> impl Iterator<Item = &'a str> {
        items(self.tree.get(list)).filter_map(move |one| one.get(field)?.as_str())
    }

    /// Returns a problem for each missing resource; `paths` are those of the folder's files.
    pub(super) fn missing(&self, paths: &[&str]) -> Vec<Problem> {
        let own = paths
            .iter()
            .filter_map(|path| path.strip_prefix(self.folder.as_str()));
        let folders = own.clone().filter_map(|path| path.rsplit_once('/'));
        let known: Vec<&str> = own.chain(folders.map(|(folder, _)| folder)).collect();
        let places = texts(self.tree.get("resources"));
        let places = places.map(|place| place.trim_start_matches("./").trim_end_matches('/'));
        let own = places.filter(|place| !place.starts_with("../") && !place.contains([':', '?']));
        own.filter_map(|place| missing("resources", "file", place, known.iter().copied()))
            .collect()
    }
}
