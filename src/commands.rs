//! The commands. All share one resolution: `check` compares exactly the files that `gen` writes.
//!
//! Invariant: nothing on disk changes before `gen` has a plan that passes its own checks.

mod check;
mod conflicts;
mod generate;
mod help;
mod image;
mod init;
mod list;
mod location;
mod validate;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};

use self::location::Location;
use crate::cli::{Cli, Command, FolderArgs, SpecArgs};
use crate::deployment::Deployment;
use crate::folder;
use crate::input::file::Override;
use crate::input::{self, file};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::report::{Output, Reported};
use crate::spec::Resolved;
use crate::targets;

/// Positive or negative answer, like that of `diff`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done, fresh, valid.
    Yes,
    /// Stale, invalid, refused.
    No,
}

/// Runs one command.
///
/// # Errors
/// Invalid input, an I/O error, or a bug.
pub fn run(cli: Cli, output: &mut Output) -> Result<Answer> {
    match cli.command {
        Command::Gen(args) => generate::run(&args, output).map_err(nothing_written),
        Command::Init(args) => init::run(args, output).map_err(nothing_written),
        Command::Check(args) => check::run(&args, output),
        Command::Validate(args) => validate::run(&args, output),
        Command::Image(args) => image::run(&args, output).map_err(nothing_written),
        Command::List { what } => list::run(&what, output),
        Command::Schema => {
            let schema = file::schema();
            let text = format!("{schema:#}\n");
            output.data("schema", schema, &text);
            Ok(Answer::Yes)
        }
        Command::Completions { shell } => Ok(help::completions(shell, output)),
        Command::Man { command } => help::man(command.as_deref(), output),
        Command::Help { topic } => help::help(topic.as_deref(), output),
    }
}

/// Reports the problems of a command that writes.
fn nothing_written(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Reported>() {
        Some(reported) => reported.clone().with_nothing_written().into(),
        None => error,
    }
}

fn refuse<T>(problems: &[Problem], output: &mut Output) -> Result<T> {
    output.problems(problems);
    Err(Reported::new(problems.len()).into())
}

/// A deployment, its files and their location.
struct Rendered {
    deployment: Deployment,
    plan: Plan,
    location: Location,
    /// The values of flags and exported variables.
    values: Vec<Override>,
}

fn rendered(spec: &SpecArgs, folder: &FolderArgs, output: &mut Output) -> Result<Rendered> {
    let location = Location::new(spec, folder);
    let mut values = values(spec);
    let existing = location.spec.as_deref();
    let previous = existing.and_then(|spec| Some((conflicts::previous(&values, spec)?, spec)));
    if let Some((previous, spec)) = previous {
        if let Some((removal, note)) = conflicts::dropped_settings(&previous) {
            values.insert(0, removal);
            output.note(&note);
        }
        if let Some(problem) = conflicts::another_backend(&previous, &values, spec) {
            return refuse(&[problem], output);
        }
    }
    let resolved = resolved(&values, location.spec.as_deref(), None, output)?;
    let deployment = Deployment::new(resolved)?;
    let problems = targets::problems(&deployment);
    if !problems.is_empty() {
        return refuse(&problems, output);
    }
    let plan = targets::plan(&deployment)?;
    Ok(Rendered {
        deployment,
        plan,
        location,
        values,
    })
}

/// Checks the files of a plan as `validate` does.
///
/// # Errors
/// A problem of a file, which is reported.
fn check_rendered(rendered: &Rendered, output: &mut Output) -> Result<()> {
    let Rendered {
        deployment, plan, ..
    } = rendered;
    let problems = crate::validate::files(&plan.all_files(), &deployment.given);
    if !problems.is_empty() {
        output.problems(&problems);
        bail!("the rendered files fail their own checks, and nothing was written");
    }
    Ok(())
}

/// Returns the problem of a folder that `--out` names and that has no deployment to look at.
fn no_deployment(spec: &SpecArgs, folder: &FolderArgs) -> Option<Problem> {
    let out = folder.out.as_ref()?;
    let is_given = spec.value("target").is_some() || Location::new(spec, folder).spec.is_some();
    let message = if out.exists() {
        "has no spec (`chroma-otel.yaml`)"
    } else {
        "not found"
    };
    let problem = Problem::new(out.display().to_string(), message);
    let hint =
        "name the folder (`--out`) or the spec (`--spec`) of a deployment that `gen` created";
    (!is_given).then(|| problem.hint(hint))
}

/// Returns the values of exported variables, overridden by those of flags.
fn values(spec: &SpecArgs) -> Vec<Override> {
    let flags = spec.overrides();
    let mut values = input::exported(flags, &|name| std::env::var(name).ok());
    values.extend_from_slice(flags);
    values
}

/// Resolves a file and values to a spec; `target` is the default target.
fn resolved(
    values: &[Override],
    file: Option<&Path>,
    target: Option<&str>,
    output: &mut Output,
) -> Result<Resolved> {
    let mut input = match file::read(file, values.to_vec()) {
        Ok(input) => input,
        Err(problem) => return refuse(&[problem], output),
    };
    let given = input.spec.target.take();
    input.spec.target = given.or(target.map(str::to_owned));
    let mut resolved = match input::resolve(input, &|name| std::env::var(name).ok()) {
        Ok(resolved) => resolved,
        Err(problems) => return refuse(&problems, output),
    };
    let exported = values.iter().filter(|one| !one.flag.starts_with('-'));
    let notes = exported.map(|one| format!("`{}` comes from the variable {}", one.key, one.flag));
    resolved.notes.splice(0..0, notes);
    Ok(resolved)
}

/// Returns the problem of a folder that holds the deployment of another spec.
fn another_spec(location: &Location) -> Result<Option<Problem>> {
    let (owner, spec) = (folder::owner(&location.folder)?, location.spec_name());
    Ok(owner.filter(|owner| *owner != spec).map(|owner| {
        let message = format!("holds the deployment of `{owner}`, not of `{spec}`");
        let hint = format!(
            "use `--spec {owner}` or another folder (`--out`), or replace the deployment with `gen --force`"
        );
        Problem::new(location.folder.display().to_string(), message).hint(hint)
    }))
}

/// Returns a note on variables of Chroma and OpenTelemetry in `.env` that no file of the deployment reads,
/// nor the operator's own settings of Compose.
///
/// # Errors
/// `.env` is a link or a folder, or cannot be read.
fn unread_variables(rendered: &Rendered) -> Result<Option<String>> {
    let Rendered { plan, location, .. } = rendered;
    if !plan.files.contains_key(".env.example") {
        return Ok(None);
    }
    let own = plan.files.iter();
    let own = own.filter(|(path, _)| !path.contains('/') && *path != "README.md");
    let added = file::text(&location.folder.join("docker-compose.override.yaml"));
    let added = added.unwrap_or_default();
    let texts = own.map(|(_, text)| text).chain([&added]);
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = texts.flat_map(|text| text.split(|c| !is_part(c)));
    let known: BTreeSet<&str> = words.collect();
    let set = folder::set_variables(&location.folder, ".env")?;
    let mut unread: Vec<String> = set.into_keys().collect();
    unread.retain(|name| {
        let is_ours = name.starts_with("CHROMA_") || name.starts_with("OTEL_");
        is_ours && !known.contains(name.as_str())
    });
    let file = location.folder.join(".env");
    Ok((!unread.is_empty()).then(|| {
        let unread = unread.join(", ");
        let file = file.display();
        format!("{file} sets {unread}, which this deployment does not read: see .env.example")
    }))
}

/// Returns the command that changes to a folder.
fn cd(folder: &str) -> String {
    // `cd -` changes to the previous folder.
    let here = if folder.starts_with('-') { "./" } else { "" };
    format!("cd {here}{}", shell_word(folder))
}

/// Quotes a word for a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
