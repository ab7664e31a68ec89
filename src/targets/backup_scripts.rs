//! The programs that back up and restore while Chroma runs or is stopped, for every target.
//!
//! Invariant: they are in `templates/backup`, and the tests run them unchanged.

use anyhow::{Context as _, Result};

use crate::render::TEMPLATES;

/// Returns the text of a program.
///
/// # Errors
/// There is no such program, which is a bug.
pub(super) fn script(name: &str) -> Result<&'static str> {
    let file = TEMPLATES.get_file(format!("backup/{name}"));
    let text = file.and_then(|file| file.contents_utf8());
    text.with_context(|| format!("no script `{name}`"))
}
