//! One document of a manifest.

use serde_yaml::Value;

use crate::problem::Problem;
use crate::validate::yaml;

/// A document with its kind and name.
pub(super) struct Document {
    pub(super) file: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) tree: Value,
}

impl Document {
    /// Returns the documents of a file, or the problem that prevents parsing.
    pub(super) fn all(file: &str, text: &str) -> Result<Vec<Self>, Problem> {
        let trees = yaml::documents(text)?.into_iter().enumerate();
        trees
            .map(|(index, tree)| Self::of(file, index + 1, tree))
            .collect()
    }

    fn of(file: &str, number: usize, tree: Value) -> Result<Self, Problem> {
        let field = |path: &[&str]| match yaml::text(yaml::at(&tree, path)) {
            "" => {
                let at = format!("document {number}: {}", path.join("."));
                Err(Problem::new(at, "required field is missing").hint("add it"))
            }
            text => Ok(text.to_owned()),
        };
        Ok(Self {
            file: file.to_owned(),
            api_version: field(&["apiVersion"])?,
            kind: field(&["kind"])?,
            name: field(&["metadata", "name"])?,
            tree,
        })
    }

    /// Returns the file and the document, as named in problems.
    pub(super) fn place(&self) -> String {
        format!("{}: {} {}", self.file, self.kind, self.name)
    }

    /// Returns the value at nested keys.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        yaml::at(&self.tree, path)
    }

    /// Returns the text at nested keys; empty if there is none.
    pub(super) fn text(&self, path: &[&str]) -> &str {
        yaml::text(self.get(path))
    }
}
