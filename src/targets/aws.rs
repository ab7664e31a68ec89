//! A machine in AWS: which files, what of the spec AWS cannot have, what the operator does next.
//!
//! Invariant: no file holds the value of a secret; the stack's parameters and Secrets Manager do.

mod cloudformation;
mod context;
mod expressions;
mod module;
mod parameters;
pub(super) mod problems;
mod stack;

use anyhow::Result;

use self::module::MODULE;
use super::machine::env_files::{EnvLine, Segment};
use super::machine::{self, RequiredKey};
use super::terraform;
use crate::image::{self, Tags};
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::render::render;
use crate::spec::{Format, Resolved, Spec};

/// What AWS cannot have, of a spec that is sound otherwise.
pub fn problems(resolved: &Resolved) -> Vec<Problem> {
    problems::of(resolved)
}

/// The files of the deployment.
///
/// # Errors
/// A template is wrong: a bug.
pub fn plan(resolved: &Resolved) -> Result<Plan> {
    let spec = &resolved.spec;
    let (mut plan, tags) = image::built(spec)?;
    match spec.format {
        Format::Terraform => add_module(&mut plan, spec, &tags)?,
        _ => {
            let context = context::of(spec, &tags)?;
            for file in ["template.yaml", "README.md"] {
                let text = render(&format!("aws/{file}.j2"), &context)?;
                plan.files.insert(file.to_owned(), text);
            }
            let parameters = parameters::file(spec);
            plan.files.insert("parameters.json".to_owned(), parameters);
        }
    }
    Ok(plan)
}

fn add_module(plan: &mut Plan, spec: &Spec, tags: &Tags) -> Result<()> {
    let instance = format!(
        "INSTANCE=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names {} \
         --query 'AutoScalingGroups[0].Instances[0].InstanceId' --output text)",
        spec.name
    );
    let context = minijinja::context! { instance, ..stack::of(spec, tags) };
    let mut files = stack::lines(spec, tags);
    files[0]
        .lines
        .push(EnvLine::variable("GROUP_NAME", Segment::Name));
    terraform::add(plan, spec, &MODULE, context, &files)
}

/// What the operator still has to say.
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    let spec = &resolved.spec;
    let at = &spec.machine;
    let parameter = |variable: &str| match spec.format {
        Format::Terraform => variable.to_owned(),
        _ => parameters::name_of(variable),
    };
    let places = [
        RequiredKey::new(
            "machine.network",
            parameter("vpc_id"),
            "the VPC's id",
            &at.network,
        ),
        RequiredKey::new(
            "machine.subnet",
            parameter("subnet_id"),
            "the id of a private subnet",
            &at.subnet,
        ),
        RequiredKey::new(
            "machine.zone",
            parameter("availability_zone"),
            "the subnet's availability zone",
            &at.zone,
        ),
        RequiredKey::new(
            "machine.allow_from",
            parameter("allowed_cidr"),
            "who may connect: a range such as `10.0.0.0/16`, or a security group",
            &at.allow_from,
        ),
    ];
    machine::needs(resolved, &places, "the ARN of a secret in Secrets Manager")
}

/// What a change of a file means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    let of = |text: &Option<String>, parameter: &str| {
        let values: Vec<String> = serde_json::from_str(text.as_deref()?).ok()?;
        let start = format!("{parameter}=");
        values
            .into_iter()
            .find_map(|value| Some(value.strip_prefix(&start)?.to_owned()))
    };
    match change.path.as_str() {
        "template.yaml" | "main.tf" => machine::version_note(change),
        "parameters.json" => {
            let changed =
                |parameter: &&str| of(&change.before, parameter) != of(&change.after, parameter);
            let replacing = ["AvailabilityZone", "SnapshotId"]
                .into_iter()
                .filter(changed);
            let from = of(&change.after, "SnapshotId").unwrap_or_default();
            let new = if from.is_empty() {
                "an empty one".to_owned()
            } else {
                format!("one made from {from}")
            };
            replacing
                .take(1)
                .map(|parameter| format!("`{parameter}` is another: a stack that exists gets a new data volume, {new}; the old one becomes a snapshot"))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    if resolved.spec.format == Format::Terraform {
        return terraform::next_steps(&resolved.spec);
    }
    let build = machine::build_step(&resolved.spec).into_iter();
    build
        .chain([
            "deploy: README.md, \"Deploy\"".to_owned(),
            if resolved.spec.tracing.others.is_empty() {
                "see the traces: the output `Traces` of the stack".to_owned()
            } else {
                "see the traces: the outputs `Traces…` of the stack".to_owned()
            },
        ])
        .collect()
}
