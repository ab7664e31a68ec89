//! `gen`: writes the deployment.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use chroma_otel_init::ChromaVersion;
use serde_json::Value;

use super::conflicts::{another_kind, endpoint_in_env};
use super::location::Location;
use super::{
    Answer, Rendered, another_spec, cd, check_rendered, refuse, rendered, unread_variables,
};
use crate::cli::GenArgs;
use crate::deployment::secrets::{LEAST_TOKEN, TOKEN};
use crate::input::file::{self, Override};
use crate::problem::Problem;
use crate::report::{Output, count};
use crate::spec::{Secrets, Tracing};
use crate::targets::{self, Leftovers};
use crate::{
    folder,
    plan::{Change, Kind, NeedPlace},
};

/// Number of changed lines up to which a refused file is shown.
const MOST_LINES: usize = 60;

/// Runs `gen`.
///
/// # Errors
/// Invalid input, an I/O error, or a plan that fails its own checks.
pub(super) fn run(args: &GenArgs, output: &mut Output) -> Result<Answer> {
    let rendered = rendered(&args.spec, &args.folder, output)?;
    let given = &rendered.deployment.given;
    check_rendered(&rendered, output)?;
    if args.stdout {
        output.plan(&rendered.plan);
        return Ok(Answer::Yes);
    }
    let spec = match spec_text(&rendered) {
        Ok(spec) => spec,
        Err(problem) => return refuse(&[problem], output),
    };
    let folder = &rendered.location.folder;
    let used = folder.join(folder::STATE).exists();
    let existing = rendered.location.spec.as_deref().filter(|_| used);
    let other = existing.and_then(|spec| another_kind(&rendered.values, spec, folder));
    let replaces = other.is_some();
    let other = another_spec(&rendered.location)?.or(other);
    let changes = folder::compare(&rendered.plan, &rendered.location.folder)?;
    let lost = targets::data_loss(rendered.deployment.spec.target, &changes);
    let older = downgrade(&changes).filter(|_| !args.allow_downgrade);
    let misdirected = endpoint_in_env(folder, &changes)?;
    if let Some(problem) = other
        .or(lost)
        .or(misdirected)
        .filter(|_| !args.force)
        .or(older)
    {
        output.problems(&[problem]);
        output.say("nothing was written");
        return Ok(Answer::No);
    }
    let leftovers = targets::leftovers(rendered.deployment.spec.target, &changes, &rendered.plan);
    let (stale, changes): (Vec<Change>, Vec<Change>) = changes
        .into_iter()
        .filter(|change| !hides_secrets(change, &rendered.location))
        .partition(|change| change.after.is_none() && !args.prune);
    if let Some(problem) = targets::stale_problem(&rendered.plan, &stale) {
        output.problems(&[problem]);
        output.say("nothing was written");
        return Ok(Answer::No);
    }
    let (to_do, refused): (Vec<Change>, Vec<Change>) = changes
        .into_iter()
        .partition(|change| args.force || may(change.kind));
    if !refused.is_empty() {
        return Ok(refuse_edited(&refused, given, output));
    }
    for change in &to_do {
        if args.dry_run && change.before.is_some() {
            output.difference(change, given);
        }
    }
    let secret = if args.dry_run {
        false
    } else {
        write(&rendered, spec.as_ref(), &to_do)?
    };
    let written = Written {
        changes: &to_do,
        replaces,
        leftovers,
        secret,
        spec: spec.as_ref(),
    };
    summary(args, &rendered, &written, output)?;
    output.stale(&stale);
    Ok(Answer::Yes)
}

/// Returns true for the removal of `.gitignore` while there is a `.env`, which Git would then track.
fn hides_secrets(change: &Change, location: &Location) -> bool {
    change.path == ".gitignore" && change.after.is_none() && location.folder.join(".env").exists()
}

/// A spec to write: its path and its text.
type SpecText = (PathBuf, String);

/// Returns the spec with the values of flags and exported variables; none if it has them already.
fn spec_text(rendered: &Rendered) -> Result<Option<SpecText>, Problem> {
    let Rendered {
        deployment,
        location,
        values,
        ..
    } = rendered;
    let values = without_secrets(values, &deployment.spec.tracing);
    let Some(path) = &location.spec else {
        let path = location.folder.join(location.spec_name());
        return Ok(Some((path, file::created(&values)?)));
    };
    if values.is_empty() || !location.is_in_folder() {
        return Ok(None);
    }
    let before = file::text(path)?;
    let after = file::edited(&before, &values)?;
    Ok((before != after).then(|| (path.clone(), after)))
}

/// Returns the values that a spec may contain: for headers, only the names.
fn without_secrets(values: &[Override], tracing: &Tracing) -> Vec<Override> {
    let kept = values.iter().filter_map(|one| {
        let value = match one.key {
            "tracing.headers" if tracing.header_names.is_empty() => return None,
            "tracing.headers" => serde_json::json!(tracing.header_names),
            "tracing.backend" => single(&one.value),
            "tracing.backend_file" => absolute(&one.value),
            _ => one.value.clone(),
        };
        Some(Override {
            value,
            ..one.clone()
        })
    });
    kept.collect()
}

/// Replaces a list of one entry by the entry.
fn single(value: &Value) -> Value {
    match value.as_array().map(Vec::as_slice) {
        Some([one]) => one.clone(),
        _ => value.clone(),
    }
}

/// Makes paths absolute.
fn absolute(paths: &Value) -> Value {
    let absolute = |path: &Value| {
        let path = path.as_str().unwrap_or_default();
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.into());
        Value::from(absolute.to_string_lossy())
    };
    single(
        &paths
            .as_array()
            .into_iter()
            .flatten()
            .map(absolute)
            .collect(),
    )
}

/// Writes the spec and the changes. Returns true if the file of secrets was created.
fn write(rendered: &Rendered, spec: Option<&SpecText>, changes: &[Change]) -> Result<bool> {
    let Location { folder, .. } = &rendered.location;
    if let Some((path, text)) = spec {
        folder::write_spec(folder, path, text)?;
    }
    write_schema(&rendered.location, spec)?;
    let owner = rendered.location.spec_name();
    folder::apply(&rendered.plan, changes, folder, Some(&owner))
}

/// Writes the schema that the spec in the folder names, as this version has it.
fn write_schema(location: &Location, spec: Option<&SpecText>) -> Result<()> {
    let saved = location.spec.as_deref().filter(|_| location.is_in_folder());
    let text = match (spec, saved) {
        (Some((_, text)), _) => text.clone(),
        (None, Some(path)) => file::text(path).unwrap_or_default(),
        (None, None) => return Ok(()),
    };
    if !file::names_schema(&text) {
        return Ok(());
    }
    let path = location.folder.join(file::SCHEMA);
    let schema = format!("{:#}\n", file::schema());
    if file::text(&path).is_ok_and(|text| text == schema) {
        return Ok(());
    }
    folder::write_spec(&location.folder, &path, &schema)
}

/// Returns the releases of Chroma before and after the changes.
fn version_change(changes: &[Change]) -> Option<(ChromaVersion, ChromaVersion)> {
    // Another deployment can share the images' folder.
    let mut own = changes.iter().filter(|change| !change.path.contains('/'));
    own.find_map(targets::version_change)
}

/// Returns true if the changes migrate the data of an older Chroma.
fn upgrades(changes: &[Change]) -> bool {
    version_change(changes).is_some_and(|(before, after)| before < after)
}

/// Returns the problem of an older Chroma than the one in the folder.
pub(super) fn downgrade(changes: &[Change]) -> Option<Problem> {
    let (before, after) = version_change(changes)?;
    (after < before).then(|| {
        let message = format!(
            "`{after}` is older than `{before}`, which this deployment has: Chroma cannot open the data of a newer release"
        );
        let hint = format!("if Chroma {before} never started here, use `gen --allow-downgrade`; otherwise also restore a backup of the older release, as README.md describes");
        Problem::new("chroma.version", message).hint(hint)
    })
}

/// Returns true if the change does not require `--force`.
pub(super) fn may(kind: Kind) -> bool {
    match kind {
        Kind::Create | Kind::Update | Kind::Remove => true,
        Kind::Overwrite | Kind::RemoveEdited => false,
    }
}

pub(super) fn refuse_edited(refused: &[Change], secrets: &Secrets, output: &mut Output) -> Answer {
    for change in refused {
        output.limited_difference(change, secrets, Some(MOST_LINES));
    }
    for change in refused {
        output.problems(&[Problem::new(
            &change.path,
            "was not written by `gen`, or was edited since",
        )]);
    }
    output.say(
        "nothing was written. Keep what is yours by moving it away, or replace it with `--force`",
    );
    Answer::No
}

/// The result of a run.
struct Written<'a> {
    changes: &'a [Change],
    /// True if the folder had a deployment of another target, platform or format.
    replaces: bool,
    /// The commands that delete what the new files no longer contain or cannot change.
    leftovers: Leftovers,
    /// True if the file of secrets was created.
    secret: bool,
    spec: Option<&'a SpecText>,
}

fn summary(
    args: &GenArgs,
    rendered: &Rendered,
    written: &Written<'_>,
    output: &mut Output,
) -> Result<()> {
    let Written {
        changes,
        replaces,
        ref leftovers,
        secret,
        spec,
    } = *written;
    let Rendered {
        deployment,
        plan,
        location,
        values,
    } = rendered;
    let folder = &location.folder;
    let shown = folder.display();
    let all = count(plan.count(), "file");
    let written = changes.iter().filter(|one| one.after.is_some()).count();
    let (would, removed) = match (args.dry_run, changes.len() - written) {
        (true, 0) => ("would write", String::new()),
        (true, count) => ("would write", format!(", remove {count}")),
        (false, 0) => ("wrote", String::new()),
        (false, count) => ("wrote", format!(", removed {count}")),
    };
    output.title(&if changes.is_empty() {
        format!("{shown}: {all}, up to date")
    } else {
        format!("{shown}: {would} {written} of {all}{removed}")
    });
    output.changes(changes);
    if let Some((path, _)) = spec {
        let saved = if args.dry_run {
            "would be saved"
        } else {
            "saved"
        };
        output.say(&format!("  spec: {saved} in {}", path.display()));
    } else if !values.is_empty() && !location.is_in_folder() {
        output.note("flags and exported variables apply to this run only: the spec is not in the folder of the deployment");
    }
    say_secrets(args, rendered, secret, output)?;
    let target = deployment.spec.target;
    for change in changes.iter().filter(|change| change.after.is_some()) {
        for note in targets::notes(target, change) {
            output.note(&note);
        }
    }
    if replaces {
        output.note("the deployment that the folder had before keeps running with its data: remove it as its README in version control describes");
        if target.is_kubernetes() && folder.join(".env").exists() {
            output.note("`.env` is from that deployment: remove quotes around values, because `kubectl` keeps them");
        }
    }
    let shared = plan.shared.as_ref().map(|shared| shared.path_of(""));
    if let Some(path) = shared.filter(|path| rewrites(changes, path)) {
        output.note(&format!(
            "`{path}` changed: run `gen` for the other deployments that share it"
        ));
    }
    for note in &deployment.notes {
        output.note(note);
    }
    let mut needs = targets::needs(deployment);
    let set = folder::set_variables(folder, ".env")?;
    let has_token = deployment.secrets.iter().any(|one| one.variable == TOKEN);
    if has_token && set.get(TOKEN).is_some_and(|length| *length < LEAST_TOKEN) {
        output.note(&format!(
            "{TOKEN} in {shown}/.env has fewer than {LEAST_TOKEN} characters: the proxy will reject every request"
        ));
    }
    if let Some(note) = unread_variables(rendered)? {
        output.note(&note);
    }
    needs.retain(|need| !set.contains_key(&need.variable));
    let places: BTreeSet<NeedPlace> = needs.iter().map(|need| need.place).collect();
    for place in places {
        let here = needs.iter().filter(|need| need.place == place);
        let here: Vec<_> = here.cloned().collect();
        output.needs(&place.describe(&shown.to_string()), &here);
    }
    let env_file = folder.join(".env").exists();
    let mut steps = targets::next_steps(deployment, &needs, env_file);
    if let Some(note) = targets::adapt_steps(target, changes, leftovers, &mut steps) {
        output.note(note);
    }
    if upgrades(changes) {
        steps.insert(0, "# back up first: README.md".to_owned());
    }
    if let Some((before, after)) = version_change(changes).filter(|(before, after)| after < before)
    {
        steps = vec![
            format!(
                "# if Chroma {before} has started here: restore a backup of {after}, see README.md"
            ),
            "# otherwise: start with the commands that `chroma-otel-deploy gen` prints now"
                .to_owned(),
        ];
    }
    if shown.to_string() != "." {
        steps.insert(0, cd(&shown.to_string()));
    }
    output.next(&steps);
    Ok(())
}

/// Returns true if a change replaces a file in the folder.
fn rewrites(changes: &[Change], folder: &str) -> bool {
    let mut inside = changes
        .iter()
        .filter(|change| change.path.starts_with(folder));
    inside.any(|change| change.before.is_some())
}

/// Reports the file with the secrets, and the secrets that the operator has to update there.
fn say_secrets(args: &GenArgs, rendered: &Rendered, made: bool, output: &mut Output) -> Result<()> {
    let Some(file) = &rendered.plan.secrets else {
        return Ok(());
    };
    let path = rendered.location.folder.join(&file.path);
    let (place, names) = (path.display(), file.variables.join(", "));
    if made {
        output.say(&format!("  secrets: {names} went to {place} (mode 0600)"));
    } else if args.dry_run && !path.exists() {
        output.say(&format!(
            "  secrets: {names} would go to {place} (mode 0600)"
        ));
    } else {
        let (missing, other) = folder::differing_secrets(&rendered.location.folder, file)?;
        let mut differ = Vec::new();
        if !missing.is_empty() {
            differ.push(format!("it lacks {}", missing.join(", ")));
        }
        if !other.is_empty() {
            differ.push(format!("it has another value of {}", other.join(", ")));
        }
        if !differ.is_empty() {
            let differ = differ.join(", and ");
            output.note(&format!("{place} exists and was not changed: {differ}"));
        }
    }
    Ok(())
}
