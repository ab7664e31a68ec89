//! `validate`: the spec, every file that would be rendered, and what is in the folder.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Answer, deployment};
use crate::cli::CheckArgs;
use crate::problem::Problem;
use crate::report::Output;
use crate::spec::file::read_text;
use crate::validate;

/// A rendered file larger than this was not rendered by us.
const MAX_BYTES: u64 = 16 << 20;

/// Runs `validate`. No, with all findings, if anything is wrong.
///
/// # Errors
/// Input that cannot be used, or I/O.
pub(super) fn run(args: &CheckArgs, output: &mut Output) -> Result<Answer> {
    let deployment = deployment(&args.spec, &args.folder, output)?;
    let secrets = &deployment.resolved.secrets;
    let mut findings = validate::files(&deployment.plan.files, secrets);
    // A folder that was edited is checked as it is: that is what will be started.
    let mut on_disk = BTreeMap::new();
    let mut missing = Vec::new();
    for path in deployment.plan.files.keys() {
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
    let files = deployment.plan.files.len();
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
