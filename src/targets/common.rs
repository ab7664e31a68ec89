//! Files, needs and notes that every target has.

use std::collections::BTreeSet;

use anyhow::Result;
use chroma_otel_init::Server;
use minijinja::Value;
use serde::Serialize;

use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, NeedPlace, Plan};
use crate::render::render;
use crate::values::in_place;

/// What a backend asks to have been done once, before the deployment.
#[derive(Serialize)]
pub(super) struct Preparation {
    /// What it is, for a sentence.
    what: String,
    commands: String,
    /// What to do after them.
    after: Option<String>,
}

/// What the backends ask to have been done once. `place` is what a shell has for a backend's placeholder.
pub(super) fn preparations(deployment: &Deployment, place: &str) -> Vec<Preparation> {
    let backends = deployment.spec.tracing.backends();
    let preparations = backends.filter_map(|backend| backend.prepare.as_ref());
    preparations
        .map(|one| Preparation {
            what: one.what.clone(),
            commands: in_place(&one.commands, place),
            after: one.after.clone(),
        })
        .collect()
}

/// What the identity of the collector must be allowed, in the cloud's own words.
pub(super) fn permissions(deployment: &Deployment) -> BTreeSet<String> {
    let all = deployment
        .spec
        .tracing
        .backends()
        .flat_map(Backend::permissions);
    all.cloned().collect()
}

/// Adds the configurations of Chroma (0.x has none) and the collector.
pub(super) fn add_configurations(
    plan: &mut Plan,
    deployment: &Deployment,
    context: &Value,
) -> Result<()> {
    let mut add = |folder: &str, file: &str| -> Result<()> {
        let text = render(&format!("{folder}/{file}.j2"), context)?;
        plan.files.insert(file.to_owned(), text);
        Ok(())
    };
    if deployment.spec.chroma.version.server() == Server::Rust {
        add("chroma", "config.yaml")?;
    }
    add("collector", "otel-collector.yaml")
}

/// The backend's endpoint, where the operator has to say it.
/// `variable` at `place` is where it is set.
pub(super) fn endpoint_need(
    deployment: &Deployment,
    variable: &str,
    place: NeedPlace,
) -> Option<Need> {
    let tracing = &deployment.spec.tracing;
    let missing = tracing.backend.wants_endpoint()
        && tracing.endpoint.is_none()
        && tracing.backend.endpoint.is_none();
    missing.then(|| Need {
        variable: variable.to_owned(),
        what: format!(
            "the backend's OTLP endpoint, such as `{}`",
            tracing.backend.endpoint_example()
        ),
        place,
    })
}

/// Returns the command that opens `.env` if it lacks a value, for the steps after `gen`.
pub(super) fn fill_env_file(deployment: &Deployment, needs: &[Need]) -> Vec<String> {
    if needs.iter().all(|need| need.place != NeedPlace::EnvFile) {
        return Vec::new();
    }
    let command = if deployment.given.is_empty() {
        "cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env"
    } else {
        "${EDITOR:-vi} .env" // `gen` made it of the values that it was given
    };
    vec![command.to_owned()]
}

/// What another release of Chroma means for the data, of a file that begins with `# Chroma VERSION`.
/// `first` is what to do before: `back it up first`.
pub(super) fn version_note(change: &Change, first: &str) -> Option<String> {
    let release = |text: String| {
        let end = text.find([' ', ',', ':']).unwrap_or(text.len());
        text[..end].to_owned()
    };
    let (before, after) = change.behind("# Chroma ")?;
    let (before, after) = (release(before), release(after));
    (before != after).then(|| {
        format!("Chroma goes from {before} to {after}, which changes the data for good: {first}, as README.md says")
    })
}
