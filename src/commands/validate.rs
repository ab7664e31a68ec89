//! `validate`: checks the spec and its rendered files in the folder; with a folder and no
//! spec, checks every file of a folder that `gen` wrote.
//!
//! Invariant: the answer lists the files that were checked and those that were not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::location::Location;
use super::{Answer, Rendered, refuse, rendered};
use crate::cli::CheckArgs;
use crate::folder::STATE;
use crate::input::file::{SCHEMA, read_text};
use crate::problem::Problem;
use crate::report::{Output, count};
use crate::spec::Secrets;
use crate::validate::{self, Report};

/// Maximum size of a file; `gen` never writes a larger one.
const MAX_BYTES: u64 = 16 << 20;

/// Runs `validate`. The answer is negative if there is a problem; all are reported.
///
/// # Errors
/// Invalid input, or an I/O error.
pub(super) fn run(args: &CheckArgs, output: &mut Output) -> Result<Answer> {
    let spec = Location::new(&args.spec, &args.folder).spec;
    let has_spec = spec.is_some() || !args.spec.overrides().is_empty();
    match &args.folder.out {
        Some(folder) if !has_spec => of_folder(folder, output),
        _ => of_spec(args, output),
    }
}

fn of_folder(folder: &Path, output: &mut Output) -> Result<Answer> {
    let shown = folder.display();
    fs::read_dir(folder).with_context(|| shown.to_string())?;
    if !folder.join(STATE).exists() {
        let problem = Problem::new(shown.to_string(), "was not written by `gen`");
        let hint = "`validate` checks deployments that `gen` wrote; it does not know the properties that other files need";
        return refuse(&[problem.hint(hint)], output);
    }
    let mut files = Files::default();
    files.read(folder, "", true)?;
    let report = validate::check(&files.texts, &files.others, &Secrets::default());
    Ok(answer(
        &report,
        &format!("{shown}: no problems, not compared with a spec"),
        output,
    ))
}

fn of_spec(args: &CheckArgs, output: &mut Output) -> Result<Answer> {
    let prepared = rendered(&args.spec, &args.folder, output)?;
    let Rendered {
        deployment,
        plan,
        location,
        ..
    } = &prepared;
    let folder = &location.folder;
    let (files, shown) = (plan.all_files(), folder.display());
    let mut rendered = validate::check(&files, &[], &deployment.given);
    if !files.keys().any(|path| folder.join(path).exists()) {
        let sound =
            format!("no problems in the spec and the files that it renders; {shown} has none yet");
        return Ok(answer(&rendered, &sound, output));
    }
    let (mut files, unread) = on_disk(&prepared)?;
    let spec = location
        .spec
        .as_ref()
        .and_then(|spec| spec.canonicalize().ok());
    let is_spec = |path: &String| folder.join(path).canonicalize().ok() == spec;
    files.texts.retain(|path, _| !is_spec(path)); // read already
    let report = validate::check(&files.texts, &files.others, &deployment.given);
    rendered.coverage = report.coverage;
    let known = rendered.problems.clone();
    let new = report.problems.into_iter().chain(unread);
    let new = new.filter(|problem| !known.contains(problem));
    rendered.problems.extend(new);
    let sound = format!("{shown}: no problems in the spec and the files");
    Ok(answer(&rendered, &sound, output))
}

/// Reads the rendered files and the files next to them from the folder, and lists unreadable ones.
fn on_disk(rendered: &Rendered) -> Result<(Files, Vec<Problem>)> {
    let (plan, folder) = (&rendered.plan, &rendered.location.folder);
    let mut files = Files::default();
    let mut problems = Vec::new();
    for path in plan.all_files().keys() {
        files.known.insert(path.clone());
        let place = folder.join(path);
        match read_text(&place, MAX_BYTES) {
            Ok(text) => drop(files.texts.insert(path.clone(), text)),
            Err(_) if !place.exists() => {
                let problem = Problem::new(place.display().to_string(), "missing");
                problems.push(problem.hint("run `gen`"));
            }
            Err(problem) => problems.push(problem),
        }
    }
    files.read(folder, "", false)?;
    Ok((files, problems))
}

/// Prints the problems and the coverage.
fn answer(report: &Report, sound: &str, output: &mut Output) -> Answer {
    output.problems(&report.problems);
    let (line, answer) = match report.problems.len() {
        0 => (sound.to_owned(), Answer::Yes),
        number => (count(number, "problem"), Answer::No),
    };
    output.say(&line);
    output.coverage(&report.coverage);
    answer
}

/// The files of a folder.
#[derive(Default)]
struct Files {
    /// Path from the folder to text, of the files that a check reads.
    texts: BTreeMap<String, String>,
    /// The paths of the other files.
    others: Vec<String>,
    /// The paths of files that were checked on their own.
    known: BTreeSet<String>,
}

impl Files {
    /// Adds the files of a folder, and with `deep` those of its subfolders. Hidden folders belong to tools.
    /// `.env` is never read.
    fn read(&mut self, folder: &Path, prefix: &str, deep: bool) -> Result<()> {
        let context = || folder.display().to_string();
        for entry in fs::read_dir(folder).with_context(context)? {
            let place = entry.with_context(context)?.path();
            let Some(name) = place.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let path = format!("{prefix}{name}");
            if place.is_dir() {
                if deep && !name.starts_with('.') && !place.is_symlink() {
                    self.read(&place, &format!("{path}/"), deep)?;
                }
            } else if place.is_file()
                && ![STATE, SCHEMA].contains(&name)
                && !self.known.contains(&path)
            {
                self.file(&place, path)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, place: &Path, path: String) -> Result<()> {
        let size = place.metadata().map_or(0, |file| file.len());
        if validate::is_checked(&path) && size <= MAX_BYTES {
            let text = read_text(place, MAX_BYTES);
            self.texts
                .insert(path, text.map_err(|problem| anyhow::anyhow!("{problem}"))?);
        } else {
            self.others.push(path);
        }
        Ok(())
    }
}
