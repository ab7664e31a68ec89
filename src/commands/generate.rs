//! `gen`: writes the deployment.

use anyhow::{Result, bail};

use super::{Answer, Deployment, deployment};
use crate::cli::GenArgs;
use crate::report::Output;
use crate::tree::{self, Change, Kind};
use crate::validate;

/// Runs `gen`.
///
/// # Errors
/// Input that cannot be used, I/O, or a plan that fails its own checks.
pub(super) fn run(args: &GenArgs, output: &mut Output) -> Result<Answer> {
    let deployment = deployment(&args.spec, &args.folder, output)?;
    let findings = validate::files(&deployment.plan.files, &deployment.resolved.secrets);
    if !findings.is_empty() {
        output.problems(&findings);
        bail!("the rendered files fail their own checks: this is a bug, and nothing was written");
    }
    if args.stdout {
        output.plan(&deployment.plan);
        return Ok(Answer::Yes);
    }
    let changes = tree::compare(&deployment.plan, &deployment.folder)?;
    let (to_do, refused): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .filter(|change| args.prune || change.after.is_some())
        .partition(|change| args.force || may(change.kind));
    if !refused.is_empty() {
        return Ok(refuse(&refused, output));
    }
    for change in &to_do {
        if args.dry_run && change.before.is_some() {
            output.difference(change);
        }
    }
    let to_do: Vec<Change> = to_do.into_iter().cloned().collect();
    let secret = if args.dry_run {
        false
    } else {
        tree::apply(&deployment.plan, &to_do, &deployment.folder)?
    };
    summary(args, &deployment, &to_do, secret, output);
    let stale = changes
        .iter()
        .filter(|change| change.after.is_none() && !args.prune);
    for change in stale {
        output.note(&format!(
            "`{}` is no longer part of the deployment: `--prune` removes it",
            change.path
        ));
    }
    Ok(Answer::Yes)
}

/// Whether a change is made without being asked for by `--force`.
fn may(kind: Kind) -> bool {
    match kind {
        Kind::Create | Kind::Update | Kind::Remove => true,
        Kind::Overwrite | Kind::RemoveEdited => false,
    }
}

fn refuse(refused: &[&Change], output: &mut Output) -> Answer {
    for change in refused {
        output.difference(change);
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
    deployment: &Deployment,
    changes: &[Change],
    secret: bool,
    output: &mut Output,
) {
    let Deployment {
        resolved,
        plan,
        folder,
    } = deployment;
    let shown = folder.display();
    match (args.dry_run, changes.len()) {
        (_, 0) => output.title(&format!(
            "{shown}: {} files, all as they should be",
            plan.files.len()
        )),
        (true, count) => output.title(&format!(
            "{shown}: would write {count} of {} files",
            plan.files.len()
        )),
        (false, count) => output.title(&format!(
            "{shown}: wrote {count} of {} files",
            plan.files.len()
        )),
    }
    output.changes(&changes.iter().collect::<Vec<_>>());
    if let Some(file) = &plan.secrets {
        let names = file.variables.join(", ");
        match (secret, args.dry_run) {
            (true, _) => output.say(&format!(
                "  secrets: {names} went to {shown}/{} (mode 0600)",
                file.path
            )),
            (false, true) => output.say(&format!(
                "  secrets: {names} would go to {shown}/{}, unless it exists",
                file.path
            )),
            (false, false) => output.note(&format!(
                "{shown}/{} exists and was left as it is: see that {names} is set there",
                file.path
            )),
        }
    }
    for note in &resolved.notes {
        output.note(note);
    }
    let target = resolved.spec.target;
    let needs = target.needs(resolved);
    if !needs.is_empty() {
        output.title(&format!("you still have to set, in {shown}/.env:"));
        for need in &needs {
            output.say(&format!("  {}: {}", need.variable, need.what));
        }
    }
    output.title("next:");
    output.say(&format!("  cd {}", shell_word(&shown.to_string())));
    for step in target.next_steps(resolved) {
        output.say(&format!("  {step}"));
    }
}

/// A word as a shell takes it.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
