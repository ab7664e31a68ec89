//! A machine in AWS: files, problems of the spec, next steps.
//!
//! Invariant: no file contains the value of a secret; only parameters of the stack and Secrets
//! Manager do.

mod cloudformation;
mod expressions;
mod instance_types;
mod module;
mod parameters;
pub(super) mod problems;
mod stack;
mod template;
mod volume;

use anyhow::Result;

use self::module::{MODULE, arguments};
use self::template::StackTemplate;
use super::machine;
use super::machine::env_files::{EnvLine, Segment};
use super::terraform;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::render::{render, values_of};
use crate::spec::Format;

/// Returns the problems of a valid spec that AWS cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    problems::of(deployment)
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
    let mut files = stack::lines(deployment);
    files[0]
        .lines
        .push(EnvLine::variable("GROUP_NAME", Segment::Name));
    let template = stack::template(deployment);
    let arguments = arguments(&deployment.spec.machine);
    terraform::plan(deployment, &MODULE, arguments, template, &files)
}

/// Returns the values that the operator still has to supply.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let secret = "the ARN of a secret in Secrets Manager";
    machine::needs(deployment, &parameters::places(&deployment.spec), secret)
}

/// Returns notes on the effect of a changed file on the data.
pub fn notes(change: &Change) -> Vec<String> {
    match change.path.as_str() {
        "template.yaml" => {
            let mut notes = machine::version_note(change);
            notes.extend(volume::note(change));
            notes
        }
        "parameters.json" => parameters::note(change).into_iter().collect(),
        _ => terraform::notes(change),
    }
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
