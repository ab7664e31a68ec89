//! `gen`: writes the deployment.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::{Answer, Rendered, rendered, shell_word};
use crate::cli::GenArgs;
use crate::report::Output;
use crate::spec::Secrets;
use crate::{
    folder,
    plan::{Change, Kind, NeedPlace},
};
use crate::{targets, validate};

/// Runs `gen`.
///
/// # Errors
/// Input that cannot be used, I/O, or a plan that fails its own checks.
pub(super) fn run(args: &GenArgs, output: &mut Output) -> Result<Answer> {
    let rendered = rendered(&args.spec, &args.folder, output)?;
    let findings = validate::files(&rendered.plan.all_files(), &rendered.deployment.given);
    if !findings.is_empty() {
        output.problems(&findings);
        bail!("the rendered files fail their own checks, and nothing was written");
    }
    if args.stdout {
        output.plan(&rendered.plan);
        return Ok(Answer::Yes);
    }
    let changes = folder::compare(&rendered.plan, &rendered.folder)?;
    let (to_do, refused): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .filter(|change| args.prune || change.after.is_some())
        .partition(|change| args.force || may(change.kind));
    if !refused.is_empty() {
        return Ok(refuse(&refused, &rendered.deployment.given, output));
    }
    for change in &to_do {
        if args.dry_run && change.before.is_some() {
            output.difference(change, &rendered.deployment.given);
        }
    }
    let to_do: Vec<Change> = to_do.into_iter().cloned().collect();
    let secret = if args.dry_run {
        false
    } else {
        folder::apply(&rendered.plan, &to_do, &rendered.folder)?
    };
    summary(args, &rendered, &to_do, secret, output)?;
    let stale: Vec<&Change> = changes
        .iter()
        .filter(|change| change.after.is_none() && !args.prune)
        .collect();
    if !stale.is_empty() {
        output.note("no longer part of the deployment, and removed by `--prune`:");
        output.changes(&stale);
    }
    Ok(Answer::Yes)
}

/// Whether a change is made without being asked for by `--force`.
pub(super) fn may(kind: Kind) -> bool {
    match kind {
        Kind::Create | Kind::Update | Kind::Remove => true,
        Kind::Overwrite | Kind::RemoveEdited => false,
    }
}

pub(super) fn refuse(refused: &[&Change], secrets: &Secrets, output: &mut Output) -> Answer {
    for change in refused {
        output.difference(change, secrets);
    }
    for change in refused {
        output.problems(&[crate::problem::Problem::new(
            &change.path,
            "was not written by `gen`, or was edited since",
        )]);
    }
    output.say(
        "nothing was written. Keep what is yours by moving it away, or replace it with `--force`",
    );
    Answer::No
}

fn summary(
    args: &GenArgs,
    rendered: &Rendered,
    changes: &[Change],
    secret: bool,
    output: &mut Output,
) -> Result<()> {
    let Rendered {
        deployment,
        plan,
        folder,
    } = rendered;
    let shown = folder.display();
    let all = plan.count();
    let written = changes.iter().filter(|one| one.after.is_some()).count();
    let (would, removed) = match (args.dry_run, changes.len() - written) {
        (true, 0) => ("would write", String::new()),
        (true, count) => ("would write", format!(", remove {count}")),
        (false, 0) => ("wrote", String::new()),
        (false, count) => ("wrote", format!(", removed {count}")),
    };
    output.title(&if changes.is_empty() {
        format!("{shown}: {all} files, all as they should be")
    } else {
        format!("{shown}: {would} {written} of {all} files{removed}")
    });
    output.changes(&changes.iter().collect::<Vec<_>>());
    say_secrets(args, rendered, secret, output)?;
    let compared = |change: &&Change| change.before.is_some() && change.after.is_some();
    for change in changes.iter().filter(compared) {
        for note in targets::notes(deployment.spec.target, change) {
            output.note(&note);
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
    needs.retain(|need| !set.contains(&need.variable));
    let places: BTreeSet<NeedPlace> = needs.iter().map(|need| need.place).collect();
    for place in places {
        let described = place.describe(&shown.to_string());
        output.title(&format!("you still have to set, {described}:"));
        for need in needs.iter().filter(|need| need.place == place) {
            output.say(&format!("  {}: {}", need.variable, need.what));
        }
    }
    output.title("next:");
    if shown.to_string() != "." {
        output.say(&format!("  cd {}", shell_word(&shown.to_string())));
    }
    for step in targets::next_steps(deployment) {
        output.say(&format!("  {step}"));
    }
    Ok(())
}

/// Whether a change replaces a file in the folder.
fn rewrites(changes: &[Change], folder: &str) -> bool {
    let mut inside = changes
        .iter()
        .filter(|change| change.path.starts_with(folder));
    inside.any(|change| change.before.is_some())
}

/// Where the secrets went that were handed to us, and which of them the operator has to look after.
fn say_secrets(args: &GenArgs, rendered: &Rendered, made: bool, output: &mut Output) -> Result<()> {
    let Some(file) = &rendered.plan.secrets else {
        return Ok(());
    };
    let place = rendered.folder.join(&file.path);
    let (place, names) = (place.display(), file.variables.join(", "));
    if made {
        output.say(&format!("  secrets: {names} went to {place} (mode 0600)"));
    } else if args.dry_run && !rendered.folder.join(&file.path).exists() {
        output.say(&format!(
            "  secrets: {names} would go to {place} (mode 0600)"
        ));
    } else {
        let differing = folder::differing_secrets(&rendered.folder, file)?;
        if !differing.is_empty() {
            output.note(&format!(
                "{place} exists and was left as it is: {} is not, or otherwise, set there",
                differing.join(", ")
            ));
        }
    }
    Ok(())
}
