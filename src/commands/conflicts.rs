//! Flags and variables that conflict with values in the spec of the folder.
//!
//! Invariant: they are found before anything is resolved or written.

use std::path::Path;

use anyhow::Result;
use chroma_otel_init::variable;
use serde_json::Value;

use crate::folder;
use crate::input::file::{self, OneOrMore, Override, SpecFile, TracingSection};
use crate::plan::Change;
use crate::problem::Problem;
use crate::spec::Target;
use crate::spec::target::PLATFORMS;

/// Keys that determine what a folder contains: another value is another deployment.
const KINDS: [&str; 3] = ["target", "platform", "format"];

/// Keys of the spec whose values belong to the backend for which they were set.
const OF_BACKEND: [&str; 2] = ["tracing.endpoint", "tracing.headers"];

/// Returns the problem of a flag that would turn the folder's deployment into another one.
pub(super) fn another_kind(values: &[Override], spec: &Path, folder: &Path) -> Option<Problem> {
    let mut given = values
        .iter()
        .filter(|one| KINDS.contains(&one.key))
        .peekable();
    given.peek()?;
    let before = read(spec)?;
    let default_platform = || PLATFORMS[0].to_owned();
    let of_key = |key: &str| match key {
        "target" => before.target.clone(),
        "platform" => Some(before.platform.clone().unwrap_or_else(default_platform)),
        _ => before.format.clone().or_else(|| default_format(&before)),
    };
    given.find_map(|one| {
        let (before, after) = (of_key(one.key)?, one.value.as_str()?.trim());
        let before = before.trim();
        (before != after).then(|| {
            let message = format!(
                "holds a deployment with {} `{before}`, not `{after}`",
                one.key
            );
            let hint = "use another folder (`--out`), or replace the deployment with `--force`";
            Problem::new(folder.display().to_string(), message).hint(hint)
        })
    })
}

/// Returns the format of a spec that names none.
fn default_format(spec: &SpecFile) -> Option<String> {
    let is_cluster = spec.platform.as_deref().map(str::trim) == Some("kubernetes");
    let target = Target::from_name(spec.target.as_deref()?.trim(), is_cluster)?;
    Some(target.info().formats[0].name().to_owned())
}

/// Returns the problem of an endpoint in `.env` that would override that of another backend: its key
/// would be sent there.
///
/// # Errors
/// `.env` is a link or a folder, or cannot be read.
pub(super) fn endpoint_in_env(place: &Path, changes: &[Change]) -> Result<Option<Problem>> {
    let file = |change: &&Change| change.path == "docker-compose.yaml";
    let default = format!("{}: ${{", variable::ENDPOINT);
    let changed = changes.iter().find(file);
    if changed.and_then(|change| change.behind(&default)).is_none() {
        return Ok(None);
    }
    let set = folder::set_variables(place, ".env")?;
    let mut names = [variable::ENDPOINT, variable::RUST_ENDPOINT].into_iter();
    let name = names.find(|name| set.contains_key(*name));
    Ok(name.map(|name| {
        let message = format!("sets {name}, which overrides the new endpoint: traces and keys would go to the previous one");
        let hint = "delete the line and run `gen` again, or keep it with `gen --force`";
        Problem::new(place.join(".env").display().to_string(), message).hint(hint)
    }))
}

/// The backend of the spec, if a flag selects another one.
pub(super) struct Previous {
    /// The flag that selects the other one.
    flag: &'static str,
    name: String,
    before: TracingSection,
}

/// Returns the previous backend. The spec is read only if there is such a flag.
pub(super) fn previous(values: &[Override], spec: &Path) -> Option<Previous> {
    let flag = values.iter().find(|one| one.key == "tracing.backend")?;
    let before = read(spec)?.tracing;
    let named = before.backend.iter().flat_map(OneOrMore::texts).next();
    let name = named.or(before.endpoint.as_ref().map(|_| "otlp".to_owned()))?;
    (first_of(&flag.value) != Some(&name)).then_some(Previous {
        flag: flag.flag,
        name,
        before,
    })
}

/// Returns the problem of another backend while the spec has an endpoint or headers of the previous one:
/// keys would be sent to a host for which they were not written.
pub(super) fn another_backend(
    previous: &Previous,
    values: &[Override],
    spec: &Path,
) -> Option<Problem> {
    let Previous { flag, name, before } = previous;
    let has = |key: &str| match key {
        "tracing.endpoint" => before.endpoint.is_some(),
        _ => before.headers.is_some(),
    };
    let replaced = |key: &str| values.iter().any(|one| one.key == key);
    let left: Vec<String> = OF_BACKEND
        .into_iter()
        .filter(|key| has(key) && !replaced(key))
        .map(|key| format!("`{key}`"))
        .collect();
    (!left.is_empty()).then(|| {
        let left = left.join(", ");
        let message = format!("the spec has {left} of backend `{name}`");
        let hint = format!(
            "remove {left} from {}, or set them with flags",
            spec.display()
        );
        Problem::new(*flag, message).hint(hint)
    })
}

/// Returns the removal of the settings of the previous backend, and a note about it.
pub(super) fn dropped_settings(previous: &Previous) -> Option<(Override, String)> {
    let Previous { flag, name, before } = previous;
    let settings = before.settings.as_ref()?.keys();
    let names: Vec<&str> = settings.map(String::as_str).collect();
    let removal = Override {
        key: "tracing.settings",
        flag,
        value: Value::Null,
    };
    let names = names.join("`, `");
    let note = format!("`tracing.settings` of backend `{name}` is no longer used: `{names}`");
    (!names.is_empty()).then_some((removal, note))
}

fn first_of(value: &Value) -> Option<&str> {
    let first = value.as_array().map_or(Some(value), |list| list.first());
    first?.as_str()
}

fn read(spec: &Path) -> Option<SpecFile> {
    Some(file::read(Some(spec), Vec::new()).ok()?.spec)
}
