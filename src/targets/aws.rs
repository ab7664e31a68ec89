//! A machine in AWS: files, problems of the spec, next steps.
//!
//! Invariant: no file contains the value of a secret; only parameters of the stack and Secrets
//! Manager do.

mod cloudformation;
mod expressions;
mod instance_types;
mod module;
mod organization;
mod parameters;
pub(super) mod problems;
mod stack;
mod template;
mod user_data;
mod volume;

use anyhow::Result;

use self::module::{MODULE, arguments};
use self::template::StackTemplate;
use super::machine;
use super::machine::env_files::{EnvFile, EnvLine, Segment};
use super::terraform;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::render::{render, values_of};
use crate::spec::Format;

/// Returns the problems of a valid spec that AWS cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = problems::of(deployment);
    if problems.is_empty() && deployment.spec.format == Format::Terraform {
        problems.extend(user_data_problem(deployment));
    }
    problems
}

/// Returns the files of the deployment.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub fn plan(deployment: &Deployment) -> Result<Plan> {
    if deployment.spec.format == Format::Terraform {
        return module(deployment);
    }
    let mut plan = deployment.images.plan();
    let context = values_of(StackTemplate::new(deployment)?);
    for file in ["template.yaml", "README.md"] {
        let text = render(&format!("aws/{file}.j2"), &context)?;
        plan.files.insert(file.to_owned(), text);
    }
    let parameters = parameters::file(deployment);
    plan.files.insert("parameters.json".to_owned(), parameters);
    Ok(plan)
}

fn module(deployment: &Deployment) -> Result<Plan> {
    let template = stack::template(deployment);
    let arguments = arguments(&deployment.spec.machine);
    let files = module_lines(deployment);
    terraform::plan(deployment, &MODULE, arguments, template, &files)
}

/// Returns the files of lines on the instance of a module.
fn module_lines(deployment: &Deployment) -> Vec<EnvFile> {
    let mut files = stack::lines(deployment);
    files[0]
        .lines
        .push(EnvLine::variable("GROUP_NAME", Segment::Name));
    files
}

/// Returns the problem of a module whose user data is too large.
fn user_data_problem(deployment: &Deployment) -> Option<Problem> {
    let plan = module(deployment).ok()?; // an error is reported when the files are written
    let first_boot = |(path, _): &(&String, &String)| path.ends_with("cloud-config.yaml.tftpl");
    let (_, template) = plan.files.iter().find(first_boot)?;
    user_data::problem(deployment, template, &module_lines(deployment))
}

/// Returns the values that the operator still has to supply.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let secret = "the ARN of a secret in Secrets Manager";
    machine::needs(
        deployment,
        &parameters::places(deployment.spec.format, &deployment.spec.machine),
        secret,
    )
}

/// Returns notes on the effect of a changed file on the data.
pub fn notes(change: &Change) -> Vec<String> {
    match change.path.as_str() {
        "template.yaml" => {
            let mut notes = machine::version_note(change);
            notes.extend(volume::note(change));
            notes
        }
        "README.md" => stack_note(change).into_iter().collect(),
        "parameters.json" => parameters::notes(change),
        _ => terraform::notes(change),
    }
}

/// Returns a note if the name of the stack changes.
fn stack_note(change: &Change) -> Option<String> {
    let name = |rest: &str| rest.split(' ').next().unwrap_or_default().to_owned();
    let (before, after) = change.behind("aws cloudformation deploy --stack-name ")?;
    let (before, after) = (name(&before), name(&after));
    (before != after).then(|| {
        format!("`{before}` is now named `{after}` and is deployed as a second stack with an empty volume; the stack `{before}` keeps its data and runs until you delete it")
    })
}

/// Returns the problem of changes with which an existing deployment would lose data, or could not be
/// updated. Terraform refuses to replace the volume itself.
pub fn data_loss(changes: &[Change]) -> Option<Problem> {
    volume::problem(changes)
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment) -> Vec<String> {
    if deployment.spec.format == Format::Terraform {
        return terraform::next_steps(deployment);
    }
    let mut steps: Vec<String> = machine::build_step(deployment).into_iter().collect();
    steps.push("# deploy: README.md, \"Deploy\"".to_owned());
    if deployment.spec.is_traced() {
        let outputs = if deployment.spec.tracing.others.is_empty() {
            "output `Traces`"
        } else {
            "outputs `Traces…`"
        };
        steps.push(format!("# view the traces: the {outputs} of the stack"));
    }
    steps
}
