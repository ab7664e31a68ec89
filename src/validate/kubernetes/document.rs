//! One document of a manifest.

use serde_yaml::Value;

use crate::problem::Problem;
use crate::validate::yaml;

/// A document, and what it says it is.
pub(super) struct Document {
    pub(super) file: String,
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) tree: Value,
}

impl Document {
    /// The documents of a file, and what keeps others from being read.
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

    /// The file and the document, as problems name them.
    pub(super) fn place(&self) -> String {
        format!("{}: {} {}", self.file, self.kind, self.name)
    }

    /// What is at the keys, one below the other.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        yaml::at(&self.tree, path)
    }

    /// The text that is there, or none.
    pub(super) fn text(&self, path: &[&str]) -> &str {
        yaml::text(self.get(path))
    }
}
