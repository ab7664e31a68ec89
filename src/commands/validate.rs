//! `validate`: the spec, every file that would be rendered, and what is in the folder; with a folder and
//! no spec, the folder alone.
//!
//! Invariant: a folder is checked as it is, whoever wrote it: that is what will be started.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Answer, deployment, spec_file};
use crate::cli::CheckArgs;
use crate::input::file::read_text;
use crate::problem::Problem;
use crate::report::Output;
use crate::spec::Secrets;
use crate::validate;

/// A rendered file larger than this was not rendered by us.
const MAX_BYTES: u64 = 16 << 20;

/// Runs `validate`. No, with all findings, if anything is wrong.
///
/// # Errors
/// Input that cannot be used, or I/O.
pub(super) fn run(args: &CheckArgs, output: &mut Output) -> Result<Answer> {
    let told = spec_file(&args.spec).is_some() || !args.spec.overrides().is_empty();
    match &args.folder.out {
        Some(folder) if !told => of_folder(folder, output),
        _ => of_spec(args, output),
    }
}

fn of_folder(folder: &Path, output: &mut Output) -> Result<Answer> {
    let mut files = BTreeMap::new();
    read_folder(folder, "", &mut files)?;
    if files.is_empty() {
        let problem = Problem::new(
            folder.display().to_string(),
            "has no file that can be checked",
        );
        output.problems(&[problem.hint("name the folder of a deployment, or a spec")]);
        return Ok(Answer::No);
    }
    let findings = validate::files(&files, &Secrets::default());
    output.problems(&findings);
    let (count, folder) = (files.len(), folder.display());
    output.say(&match findings.len() {
        0 => format!(
            "the {count} files in {folder} are sound; no spec was given to compare them with"
        ),
        problems => format!("{problems} problems"),
    });
    Ok(if findings.is_empty() {
        Answer::Yes
    } else {
        Answer::No
    })
}

/// Adds the files that there are checks for, by their path from the folder. Never `.env`.
fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let entry = entry.with_context(|| folder.display().to_string())?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = format!("{prefix}{name}");
        let ends = [
            ".yaml",
            ".tf",
            ".tftpl",
            "Dockerfile",
            ".env.example",
            "parameters.json",
        ];
        let (hidden, checked) = (
            name.starts_with('.'),
            ends.iter().any(|end| name.ends_with(end)),
        );
        if entry.path().is_dir() && !hidden && !entry.path().is_symlink() {
            read_folder(&entry.path(), &format!("{path}/"), files)?;
        } else if entry.path().is_file() && checked {
            let text = read_text(&entry.path(), MAX_BYTES)
                .map_err(|problem| anyhow::anyhow!("{problem}"))?;
            files.insert(path, text);
        }
    }
    Ok(())
}

fn of_spec(args: &CheckArgs, output: &mut Output) -> Result<Answer> {
    let deployment = deployment(&args.spec, &args.folder, output)?;
    let secrets = &deployment.resolved.secrets;
    let mut findings = validate::files(&deployment.plan.all_files(), secrets);
    // A folder that was edited is checked as it is: that is what will be started.
    let mut on_disk = BTreeMap::new();
    let mut missing = Vec::new();
    for path in deployment.plan.all_files().keys() {
        let place = deployment.folder.join(path);
        match read_text(&place, MAX_BYTES) {
            Ok(text) => drop(on_disk.insert(path.clone(), text)),
            Err(_) if !place.exists() => missing
                .push(Problem::new(place.display().to_string(), "is missing").hint("run `gen`")),
            Err(problem) => findings.push(problem),
        }
    }
    let started = !on_disk.is_empty();
    if started {
        findings.extend(missing);
        findings.extend(validate::files(&on_disk, secrets));
    }
    findings.dedup();
    output.problems(&findings);
    let files = deployment.plan.count();
    let folder = deployment.folder.display();
    match (findings.len(), started) {
        (0, true) => output.say(&format!("the spec is sound, and so are the {files} files in {folder}")),
        (0, false) => output.say(&format!("the spec is sound, and so are the {files} files it renders; there are none in {folder} yet")),
        (count, _) => output.say(&format!("{count} problems")),
    }
    Ok(if findings.is_empty() {
        Answer::Yes
    } else {
        Answer::No
    })
}
