//! `check`: shows the changes that `gen` would make.

use anyhow::Result;

use super::generate::{downgrade, may};
use super::{
    Answer, another_spec, check_rendered, no_deployment, refuse, rendered, shell_word,
    unread_variables,
};
use crate::cli::CheckArgs;
use crate::folder;
use crate::plan::Change;
use crate::problem::Problem;
use crate::report::{Output, count};
use crate::targets;

/// Runs `check`. The answer is negative, with the difference, if the folder differs from the spec.
///
/// # Errors
/// Invalid input, an I/O error, or a plan that fails its own checks.
pub(super) fn run(args: &CheckArgs, output: &mut Output) -> Result<Answer> {
    if let Some(problem) = no_deployment(&args.spec, &args.folder) {
        return refuse(&[problem], output);
    }
    let rendered = rendered(&args.spec, &args.folder, output)?;
    check_rendered(&rendered, output)?;
    if let Some(problem) = another_spec(&rendered.location)? {
        output.problems(&[problem]);
        return Ok(Answer::No);
    }
    let changes = folder::compare(&rendered.plan, &rendered.location.folder)?;
    let folder = rendered.location.folder.display();
    if let Some(note) = unread_variables(&rendered)? {
        output.note(&note);
    }
    if changes.is_empty() {
        let files = count(rendered.plan.count(), "file");
        output.say(&format!("{folder}: {files}, up to date"));
        return Ok(Answer::Yes);
    }
    for change in changes.iter().filter(|change| change.before.is_some()) {
        output.difference(change, &rendered.deployment.given);
    }
    let differ = if changes.len() == 1 {
        "differs"
    } else {
        "differ"
    };
    let files = count(changes.len(), "file");
    output.title(&format!("{folder}: {files} {differ} from the spec"));
    output.changes(&changes);
    let older = downgrade(&changes);
    let lost = targets::data_loss(rendered.deployment.spec.target, &changes);
    let (downgrades, loses) = (older.is_some(), lost.is_some());
    let problems: Vec<Problem> = [older, lost].into_iter().flatten().collect();
    output.problems(&problems);
    if !loses {
        output.next(&[command(&changes, downgrades)]);
    }
    Ok(Answer::No)
}

/// Returns the `gen` command that makes these changes, with the arguments of this command. It is a
/// comment if its headers are left out.
fn command(changes: &[Change], downgrades: bool) -> String {
    let words = std::env::args_os().skip(1);
    let words = words.filter(|word| word != "--json").skip(1);
    let words: Vec<String> = words
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let mut command = "chroma-otel-deploy gen".to_owned();
    if !words.is_empty() {
        command.push_str(&format!(" {}", without_secrets(&words)));
    }
    let has_edits = changes.iter().any(|change| !may(change.kind));
    if has_edits {
        command.push_str(" --force");
    }
    if changes.iter().any(|change| change.after.is_none()) {
        command.push_str(" --prune");
    }
    if downgrades {
        command.push_str(" --allow-downgrade");
    }
    if has_edits {
        return format!("# replaces your edits, unless you move them away: {command}");
    }
    if words.iter().any(|word| word.starts_with("--headers")) {
        return format!("# with your headers: {command}");
    }
    command
}

/// Returns the arguments without the value of `--headers`.
fn without_secrets(words: &[String]) -> String {
    let mut shown = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--headers" => {
                words.next();
                shown.push("--headers …".to_owned());
            }
            word if word.starts_with("--headers=") => shown.push("--headers …".to_owned()),
            word => shown.push(shell_word(word)),
        }
    }
    shown.join(" ")
}
