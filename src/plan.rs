//! What `gen` would write: relative path to contents, in memory.
//!
//! Invariant: paths are relative, use `/`, and never leave the folder; contents are deterministic.

use std::collections::BTreeMap;

/// The files of one deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Relative path to the file's text.
    pub files: BTreeMap<String, String>,
    /// The `.env` to make when there is none yet: the secrets that were handed to us.
    /// It is never compared, never shown, never overwritten.
    pub secrets: Option<SecretFile>,
}

/// A file that only its owner may read, written once.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Relative path.
    pub path: String,
    /// The text, with secrets in it.
    pub contents: String,
    /// The variables it sets, to be named in messages.
    pub variables: Vec<String>,
}

impl std::fmt::Debug for SecretFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "SecretFile({}, {:?})", self.path, self.variables)
    }
}
