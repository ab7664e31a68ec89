//! Files, needs and notes that all targets share.

use std::collections::BTreeSet;

use anyhow::Result;
use chroma_otel_init::{ChromaVersion, Server};
use minijinja::Value;
use serde::Serialize;

use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, NeedPlace, Plan, SecretFile};
use crate::render::render;
use crate::spec::Secrets;
use crate::values::in_place;

/// A step that a backend needs once, before the deployment.
#[derive(Serialize)]
pub(super) struct Preparation {
    /// Its description, for a sentence.
    what: String,
    commands: String,
    /// A manual step after the commands.
    after: Option<String>,
}

/// Returns the steps that the backends need once. `place` is the shell expression that replaces a
/// backend's placeholder.
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

/// Returns the permissions that the collector's identity needs, by their names in the cloud.
pub(super) fn permissions(deployment: &Deployment) -> BTreeSet<String> {
    let all = deployment
        .spec
        .tracing
        .backends()
        .flat_map(Backend::permissions);
    all.cloned().collect()
}

/// Adds the configurations of the collector and of Chroma; Chroma 0.x has none.
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

/// Returns the backend's endpoint if the operator must supply it, in `variable` at `place`.
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

/// Returns the `.env` file for secrets, if there are any. `written` converts a value to the format
/// of the program that reads the file.
pub(super) fn env_file(secrets: &Secrets, written: impl Fn(&str) -> String) -> Option<SecretFile> {
    let lines = secrets.iter();
    let lines = lines.map(|(name, value)| format!("{name}={}\n", written(value.expose())));
    (!secrets.is_empty()).then(|| SecretFile {
        path: ".env".to_owned(),
        contents: lines.collect(),
        variables: secrets.keys().cloned().collect(),
    })
}

/// Returns the command that opens `.env` if it lacks a value, for the steps after `gen`; `exists` is
/// true if the folder has the file.
pub(super) fn fill_env_file(needs: &[Need], exists: bool) -> Vec<String> {
    if needs.iter().all(|need| need.place != NeedPlace::EnvFile) {
        return Vec::new();
    }
    let command = if exists {
        "${EDITOR:-vi} .env"
    } else {
        "cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env"
    };
    vec![command.to_owned()]
}

/// Returns the releases of Chroma before and after a change of a file that begins with `# Chroma VERSION`.
pub(super) fn version_change(change: &Change) -> Option<(ChromaVersion, ChromaVersion)> {
    let release = |text: &str| {
        let end = text.find([' ', ',', ':']).unwrap_or(text.len());
        text[..end].parse().ok()
    };
    let (before, after) = change.behind("# Chroma ")?;
    let (before, after) = (release(&before)?, release(&after)?);
    (before != after).then_some((before, after))
}

/// Returns a note on the effect of another Chroma release on the data. `first` is the step before an
/// upgrade: `create a backup first`.
pub(super) fn version_note(change: &Change, first: &str) -> Option<String> {
    let (before, after) = version_change(change)?;
    Some(if before < after {
        format!(
            "Chroma changes from {before} to {after}, which migrates the data irreversibly: {first}, as described in README.md"
        )
    } else {
        format!(
            "Chroma changes from {before} to {after}, which cannot open the data of {before}: restore a backup of {after} or older, as described in README.md"
        )
    })
}
