//! `init`: asks for the values that a first deployment needs, then runs `gen`.
//!
//! Invariant: at most five questions, each with a flag, and each repeated until its answer is valid;
//! without a terminal none is asked.

use anyhow::Result;

use super::location::Location;
use super::{Answer, generate};
use crate::backend;
use crate::cli::GenArgs;
use crate::input::{self, file};
use crate::problem::Problem;
use crate::report::Output;
use crate::spec::{Target, default};

/// Runs `init`.
///
/// # Errors
/// As `gen`.
pub(super) fn run(mut args: GenArgs, output: &mut Output) -> Result<Answer> {
    match Location::new(&args.spec, &args.folder).spec {
        Some(spec) => output.note(&format!(
            "{} exists, so nothing is asked; use `--name` or `--out` for another deployment",
            spec.display()
        )),
        None if output.can_ask() => ask(&mut args, output)?,
        None => {}
    }
    generate::run(&args, output)
}

fn ask(args: &mut GenArgs, output: &mut Output) -> Result<()> {
    let targets = Target::names().join(", ");
    ask_for(
        args,
        output,
        "target",
        &format!("Target ({targets})"),
        "docker",
    )?;
    let target = args.spec.text("target").unwrap_or_default().to_owned();
    let is_cluster = args.spec.text("platform") == Some("kubernetes");
    let known = Target::from_name(&target, is_cluster);
    let backend = known.map_or("jaeger", |target| target.info().default_backend);
    let question = "Trace backend (see `chroma-otel-deploy list backends`)";
    ask_for(args, output, "tracing.backend", question, backend)?;
    if let Some(example) = endpoint_example(args) {
        let question = format!("Endpoint of the backend, such as {example}");
        ask_for(args, output, "tracing.endpoint", &question, "")?;
    }
    ask_for(
        args,
        output,
        "name",
        "Name of the deployment",
        default::NAME,
    )?;
    if args.folder.out.is_none() {
        let name = args.spec.text("name").unwrap_or(default::NAME).to_owned();
        args.folder.out = Some(output.ask("Folder", &name)?.into());
    }
    Ok(())
}

/// Returns an example of an endpoint, if the backend has no default.
fn endpoint_example(args: &GenArgs) -> Option<String> {
    let backend = backend::load(args.spec.text("tracing.backend")?).ok()??;
    let open = backend.wants_endpoint() && backend.endpoint.is_none();
    open.then(|| backend.endpoint_example().to_owned())
}

fn ask_for(
    args: &mut GenArgs,
    output: &mut Output,
    key: &str,
    question: &str,
    default: &str,
) -> Result<()> {
    if args.spec.value(key).is_some() {
        return Ok(());
    }
    loop {
        let answer = output.ask(question, default)?;
        if answer.is_empty() {
            return Ok(());
        }
        args.spec.set(key, &answer);
        match problem(args, key) {
            Some(problem) => output.problems(&[problem]),
            None => return Ok(()),
        }
    }
}

/// Returns the problem of a key's value.
fn problem(args: &GenArgs, key: &str) -> Option<Problem> {
    let input = file::read(None, args.spec.overrides().to_vec()).ok()?;
    let problems = input::resolve(input, &|_| None).err()?;
    let flag = file::flags().iter().find(|flag| flag.key == key)?;
    let mut problems = problems.into_iter();
    problems.find(|problem| problem.at == flag.name || problem.at == key)
}
