//! Inputs and outputs of a rendered module, read from its files.
//!
//! Invariant: the root and the module's README have no other source of a name, a type, a default or
//! a description.

use anyhow::{Context as _, Result, anyhow};
use hcl_edit::structure::{Block, Body};
use serde::Serialize;

/// A variable of a module.
#[derive(Serialize)]
pub(super) struct Input {
    pub(super) name: String,
    description: String,
    #[serde(rename = "type")]
    kind: String,
    /// As an expression; `None` if the variable is required.
    pub(super) default: Option<String>,
    /// True if the value is neither shown nor stored.
    secret: bool,
}

/// An output of a module.
#[derive(Serialize)]
pub(super) struct Output {
    pub(super) name: String,
    description: String,
}

/// Returns the variables of a file, in its order.
///
/// # Errors
/// Fails if the file is not a sound `variables.tf`, which is a bug.
pub(super) fn inputs(text: &str) -> Result<Vec<Input>> {
    blocks(text, "variable", |block| {
        Ok(Input {
            name: name(block)?,
            description: description(block)?,
            kind: expression(block, "type").context("no type")?,
            default: expression(block, "default"),
            secret: expression(block, "ephemeral").is_some(),
        })
    })
}

/// Returns the outputs of a file, in its order.
///
/// # Errors
/// Fails if the file is not a sound `outputs.tf`, which is a bug.
pub(super) fn outputs(text: &str) -> Result<Vec<Output>> {
    blocks(text, "output", |block| {
        Ok(Output {
            name: name(block)?,
            description: description(block)?,
        })
    })
}

fn blocks<T>(text: &str, kind: &str, read: impl Fn(&Block) -> Result<T>) -> Result<Vec<T>> {
    let body: Body = text.parse().map_err(|error| anyhow!("{kind}: {error}"))?;
    let blocks = body.blocks().filter(|block| block.ident.as_str() == kind);
    blocks
        .map(|block| read(block).with_context(|| format!("{kind} {:?}", name(block))))
        .collect()
}

fn name(block: &Block) -> Result<String> {
    let label = block.labels.first().context("no name")?;
    Ok(label.as_str().to_owned())
}

fn description(block: &Block) -> Result<String> {
    let attribute = block.body.get_attribute("description");
    let text = attribute.and_then(|one| one.value.as_str());
    Ok(text.context("no description")?.to_owned())
}

/// Returns the expression of an attribute.
fn expression(block: &Block, key: &str) -> Option<String> {
    let value = &block.body.get_attribute(key)?.value;
    Some(value.to_string().trim().to_owned())
}
