//! `init`: asks for the values that a first deployment needs, then runs `gen`.
//!
//! Invariant: at most five questions, each with a flag, and each repeated until its answer is valid;
//! without a terminal none is asked.

use anyhow::Result;

use super::location::Location;
use super::{Answer, generate};
use crate::backend::{self, Backend, Setting};
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
    let asked = ask_for_backend(args, output)?;
    ask_for(
        args,
        output,
        "name",
        "Name of the deployment",
        default::NAME,
    )?;
    // With the target, the backend and the name, this would be the sixth question.
    if asked < 2 && args.folder.out.is_none() {
        let name = args.spec.text("name").unwrap_or(default::NAME).to_owned();
        args.folder.out = Some(output.ask("Folder", &name)?.into());
    }
    Ok(())
}

/// Asks for the endpoint and the settings without which the backend cannot be used. Returns the number
/// of questions.
fn ask_for_backend(args: &mut GenArgs, output: &mut Output) -> Result<usize> {
    let name = args.spec.text("tracing.backend").unwrap_or_default();
    let Some(backend) = backend::load(name)? else {
        return Ok(0);
    };
    if args.spec.value("tracing.endpoint").is_some() {
        return Ok(0);
    }
    let Open { endpoint, settings } = open(&backend);
    if let Some(example) = endpoint {
        let question = format!("Endpoint of the backend, such as {example}");
        ask_for(args, output, "tracing.endpoint", &question, "")?;
    }
    let open = settings
        .iter()
        .filter(|(name, _)| !args.spec.has_setting(name));
    let open: Vec<_> = open.collect();
    for (name, setting) in &open {
        ask_for_setting(args, output, name, setting)?;
    }
    Ok(open.len() + usize::from(endpoint.is_some()))
}

/// Values that a backend requires and has no default for.
struct Open<'a> {
    /// An example of the endpoint.
    endpoint: Option<&'a str>,
    settings: Vec<(&'a String, &'a Setting)>,
}

fn open(backend: &Backend) -> Open<'_> {
    let needs_endpoint = backend.wants_endpoint() && backend.endpoint.is_none();
    let settings = backend.settings.iter();
    Open {
        endpoint: needs_endpoint.then(|| backend.endpoint_example()),
        settings: settings
            .filter(|(name, _)| backend.requires(name))
            .collect(),
    }
}

fn ask_for_setting(
    args: &mut GenArgs,
    output: &mut Output,
    name: &str,
    setting: &Setting,
) -> Result<()> {
    loop {
        let answer = output.ask(&format!("`{name}`: {}", setting.what), "")?;
        match setting.text(&answer) {
            Err(rule) => {
                let message = format!("`{}` cannot be used", answer.escape_debug());
                output.problems(&[Problem::new(name, message).hint(format!("write {rule}"))]);
            }
            Ok(_) => {
                args.spec.set_setting(name, &answer);
                return Ok(());
            }
        }
    }
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
        args.spec.set(key, answer);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_at_most_five_questions_for_every_backend() {
        for name in backend::names() {
            let backend = backend::load(&name).unwrap().unwrap();
            let Open { endpoint, settings } = open(&backend);
            let asked = settings.len() + usize::from(endpoint.is_some());
            assert!(
                asked <= 2,
                "{name}: {asked} questions beside target, backend and name"
            );
        }
    }
}
