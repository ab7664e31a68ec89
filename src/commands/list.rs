//! `list`: what there is to choose from.

use anyhow::{Context as _, Result};

use super::Answer;
use crate::backend::{self, Backend};
use crate::cli::List;
use crate::report::Output;
use crate::spec::Target;
use crate::values::Cloud;

/// Runs `list`.
///
/// # Errors
/// A backend's file does not read: a bug.
pub(super) fn run(what: List, output: &mut Output) -> Result<Answer> {
    match what {
        List::Targets => {
            for target in Target::ALL {
                output.answer(&format!(
                    "{:<30}{}\n",
                    target.flags(),
                    target.info().summary
                ));
            }
        }
        List::Backends => {
            let names = backend::names();
            let width = names.iter().map(String::len).max().unwrap_or_default() + 2;
            for name in names {
                let backend = backend::load(&name)?.with_context(|| name.clone())?;
                let needs = needs(&backend);
                output.answer(&format!(
                    "{name:<width$}{}\n{:width$}{needs}; {}\n",
                    backend.summary, "", backend.documentation
                ));
            }
        }
    }
    Ok(Answer::Yes)
}

/// What a backend wants to be told, for a person.
fn needs(backend: &Backend) -> String {
    let keys = backend.keys.iter().map(|key| key.variable.clone());
    let mut needs: Vec<String> = keys.collect();
    if let Some(cloud) = backend.cloud() {
        let article = if cloud == Cloud::Gcp { "a" } else { "an" };
        needs.push(format!("{article} {} machine or cluster", cloud.name()));
    }
    if backend.wants_endpoint() && backend.endpoint.is_none() {
        needs.push("an endpoint".to_owned());
    }
    let (optional, required): (Vec<_>, Vec<_>) = backend
        .settings
        .iter()
        .map(|(name, setting)| {
            let choices = setting.choices.iter().flat_map(|choices| choices.keys());
            let choices: Vec<&str> = choices.map(String::as_str).collect();
            let shown = if choices.is_empty() {
                name.clone()
            } else {
                format!("{name} ({})", choices.join(", "))
            };
            (!backend.requires(name), shown)
        })
        .partition(|(optional, _)| *optional);
    let shown = |settings: Vec<(bool, String)>| settings.into_iter().map(|(_, shown)| shown);
    needs.extend(shown(required));
    let mut text = if needs.is_empty() {
        "needs nothing".to_owned()
    } else {
        format!("needs {}", needs.join(", "))
    };
    let mut optional: Vec<String> = shown(optional).collect();
    optional.extend(backend.metrics.as_ref().map(|_| "metrics".to_owned()));
    if !optional.is_empty() {
        text += &format!("; takes {}", optional.join(", "));
    }
    text
}
