//! Rendering of `templates/kubernetes`.

use anyhow::Result;
use minijinja::Value;

use crate::plan::Plan;
use crate::render::render;

/// Adds files of the folder `templates/kubernetes`.
pub(super) fn add(plan: &mut Plan, context: &Value, files: &[&str]) -> Result<()> {
    for file in files {
        let text = render(&format!("kubernetes/{file}.j2"), context)?;
        plan.files.insert((*file).to_owned(), text);
    }
    Ok(())
}
