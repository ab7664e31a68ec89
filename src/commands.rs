//! The commands. One resolution behind all of them: what `check` compares is what `gen` writes.
//!
//! Invariant: until `gen` has a plan that passes its own checks, nothing on disk has changed.

mod check;
mod generate;
mod help;
mod image;
mod list;
mod validate;

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::{Cli, Command, FolderArgs, SpecArgs};
use crate::deployment::Deployment;
use crate::input::{self, file};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::report::{Output, Reported};
use crate::spec::Resolved;
use crate::targets;

/// Yes or no, as `diff` says it.
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
/// There is no answer: input that cannot be used, I/O, or a bug.
pub fn run(cli: Cli, output: &mut Output) -> Result<Answer> {
    match cli.command {
        Command::Gen(args) => generate::run(&args, output),
        Command::Check(args) => check::run(&args, output),
        Command::Validate(args) => validate::run(&args, output),
        Command::Image(args) => image::run(&args, output),
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

fn refuse<T>(problems: &[Problem], output: &mut Output) -> Result<T> {
    output.problems(problems);
    Err(Reported(problems.len()).into())
}

/// A deployment, its files, and where they go.
struct Rendered {
    deployment: Deployment,
    plan: Plan,
    folder: PathBuf,
}

/// The spec's file: the one that is named, else the usual one, if it is here.
fn spec_file(spec: &SpecArgs) -> Option<PathBuf> {
    spec.spec.clone().or_else(|| {
        let usual = Path::new("chroma-otel.yaml");
        usual.exists().then(|| usual.to_owned())
    })
}

fn rendered(spec: &SpecArgs, folder: &FolderArgs, output: &mut Output) -> Result<Rendered> {
    let file = spec_file(spec);
    let resolved = resolved(spec, file.as_deref(), None, output)?;
    let deployment = Deployment::new(resolved)?;
    let problems = targets::problems(&deployment);
    if !problems.is_empty() {
        return refuse(&problems, output);
    }
    let plan = targets::plan(&deployment)?;
    let target = deployment.spec.target;
    let folder = match (&folder.out, &file) {
        (Some(out), _) => out.clone(),
        (None, Some(file)) => file.parent().unwrap_or(Path::new("")).to_owned(),
        (None, None) => Path::new("deploy").join(target.info().folder),
    };
    Ok(Rendered {
        deployment,
        plan,
        folder: plain(&folder),
    })
}

/// The spec of a file and flags, with the target where neither has one.
fn resolved(
    spec: &SpecArgs,
    file: Option<&Path>,
    target: Option<&str>,
    output: &mut Output,
) -> Result<Resolved> {
    let mut input = match file::read(file, spec.overrides()) {
        Ok(input) => input,
        Err(problem) => return refuse(&[problem], output),
    };
    let given = input.spec.target.take();
    input.spec.target = given.or(target.map(str::to_owned));
    match input::resolve(input, &|name| std::env::var(name).ok()) {
        Ok(resolved) => Ok(resolved),
        Err(problems) => refuse(&problems, output),
    }
}

/// A folder's path without `/` or `/.` at the end, behind which a link would not be seen as one.
fn plain(folder: &Path) -> PathBuf {
    let folder: PathBuf = folder.components().collect();
    // An empty path is the current folder by another name.
    if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder
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
