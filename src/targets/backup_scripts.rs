//! The programs that back up and restore while Chroma runs or is stopped, for docker and Kubernetes.
//!
//! Invariant: they are in `templates/backup`, and the tests run them unchanged.

use anyhow::{Context as _, Result};

use crate::render::TEMPLATES;

/// Image for the programs; any Python from 3.11 works, without packages.
pub(super) const PYTHON: &str = env!("PYTHON_IMAGE");

/// Returns the text of a program.
///
/// # Errors
/// There is no such program, which is a bug.
pub(super) fn script(name: &str) -> Result<&'static str> {
    let file = TEMPLATES.get_file(format!("backup/{name}"));
    let text = file.and_then(|file| file.contents_utf8());
    text.with_context(|| format!("no script `{name}`"))
}
