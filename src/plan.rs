//! The output of `gen`: relative paths and contents, in memory.
//!
//! Invariant: paths are relative, use `/`, and never leave the folder, except for a shared folder;
//! contents are deterministic.

mod change;

pub use change::{Change, Kind};

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

/// The files of one deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Relative path to the file's text.
    pub files: BTreeMap<String, String>,
    /// A folder that other deployments may also use.
    pub shared: Option<SharedFolder>,
    /// The `.env` to create if it does not exist, with the secrets that were passed. It is never
    /// compared, never shown, never overwritten.
    pub secrets: Option<SecretFile>,
}

impl Plan {
    /// Returns every file; files of a shared folder by their path from the deployment's folder.
    pub fn all_files(&self) -> Cow<'_, BTreeMap<String, String>> {
        let Some(shared) = &self.shared else {
            return Cow::Borrowed(&self.files);
        };
        let own = self.files.iter().map(|(path, text)| (path.clone(), text));
        let files = shared.files.iter();
        let shared = files.map(|(path, text)| (shared.path_of(path), text));
        let all = own.chain(shared);
        Cow::Owned(all.map(|(path, text)| (path, text.clone())).collect())
    }

    /// Returns the number of files.
    pub fn count(&self) -> usize {
        self.files.len() + self.shared.as_ref().map_or(0, |shared| shared.files.len())
    }
}

/// A folder outside the deployment's. It has its own record of written files, which every
/// deployment that uses it compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedFolder {
    /// Path from the deployment's folder, such as `../image`.
    pub path: String,
    /// Path in the folder to the file's text.
    pub files: BTreeMap<String, String>,
}

impl SharedFolder {
    /// Returns a file's path from the deployment's folder.
    pub fn path_of(&self, file: &str) -> String {
        format!("{}/{file}", self.path)
    }
}

/// A file that only its owner can read, written once.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Relative path.
    pub path: String,
    /// The text, including secrets.
    pub contents: String,
    /// The variables that it sets, for messages.
    pub variables: Vec<String>,
}

impl std::fmt::Debug for SecretFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SecretFile({}, {:?})", self.path, self.variables)
    }
}

/// A value that the operator must supply after `gen`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Need {
    /// Its variable.
    pub variable: String,
    /// Description, and where to get it.
    pub what: String,
    /// Place to set it in.
    pub place: NeedPlace,
}

/// Place where the operator sets a value after `gen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedPlace {
    /// `.env` in the deployment's folder.
    EnvFile,
    /// The spec.
    Spec,
    /// The spec, or a parameter of the deployment.
    SpecOrDeployment,
}

impl NeedPlace {
    /// Returns the place for a sentence; `folder` is the deployment's.
    pub fn describe(self, folder: &str) -> String {
        match self {
            Self::EnvFile => format!("in {folder}/.env"),
            Self::Spec => "in the spec".to_owned(),
            Self::SpecOrDeployment => "in the spec, or when you deploy".to_owned(),
        }
    }
}
