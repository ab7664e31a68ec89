//! `list`: what there is to choose from.

use anyhow::{Context as _, Result};

use super::Answer;
use crate::backend;
use crate::cli::List;
use crate::report::Output;
use crate::target::Target;

/// Runs `list`.
///
/// # Errors
/// A backend's file does not read: a bug.
pub(super) fn run(what: List, output: &mut Output) -> Result<Answer> {
    match what {
        List::Targets => {
            for target in Target::ALL {
                output.answer(&format!("{:<30}{}\n", target.flags(), target.summary()));
            }
        }
        List::Backends => {
            let names = backend::names();
            let width = names.iter().map(String::len).max().unwrap_or_default() + 2;
            for name in names {
                let backend = backend::load(&name)?.with_context(|| name.clone())?;
                let mut needs: Vec<String> = backend
                    .keys
                    .iter()
                    .map(|key| key.variable.clone())
                    .collect();
                if let Some(cloud) = backend.cloud() {
                    needs.push(format!("a machine in {}", cloud.name()));
                }
                if backend.wants_endpoint() && backend.endpoint.is_none() {
                    needs.push("an endpoint".to_owned());
                }
                let needs = if needs.is_empty() {
                    "nothing".to_owned()
                } else {
                    needs.join(", ")
                };
                output.answer(&format!(
                    "{name:<width$}{}\n{:width$}needs {needs}; {}\n",
                    backend.summary, "", backend.documentation
                ));
            }
        }
    }
    Ok(Answer::Yes)
}
