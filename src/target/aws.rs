//! A machine in AWS: which files, what of the spec AWS cannot have, what the operator does next.
//!
//! Invariant: no file holds the value of a secret; the stack's parameters and Secrets Manager do.

mod context;
mod lines;
mod parameters;
mod problems;
mod stack;
mod terraform;

use anyhow::Result;

use super::{Need, context as shared, image, secrets};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::render::render;
use crate::spec::{Format, Image, Resolved, Spec};
use crate::tree::{Change, hash};

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
    let mut plan = Plan::default();
    if spec.chroma.image == Image::Wrapped {
        image::add(&mut plan, &shared::of(spec))?;
    }
    // Names what the images are made of: a tag that is pushed never changes its meaning.
    let sources: String = plan
        .files
        .iter()
        .map(|(path, text)| format!("{path}\n{text}\n"))
        .collect();
    let sources = &hash(sources.as_bytes())[..8];
    match spec.format {
        Format::Terraform => terraform::add(&mut plan, spec, sources)?,
        _ => {
            let context = context::of(spec, sources)?;
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

/// What the operator still has to say.
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    let spec = &resolved.spec;
    let machine = &spec.machine;
    let places = [
        (
            "machine.network",
            "vpc_id",
            machine.network.is_none(),
            "the VPC's id",
        ),
        (
            "machine.subnet",
            "subnet_id",
            machine.subnet.is_none(),
            "the id of a private subnet",
        ),
        (
            "machine.zone",
            "availability_zone",
            machine.zone.is_none(),
            "the subnet's availability zone",
        ),
        (
            "machine.allow_from",
            "allowed_cidr",
            machine.allow_from.is_none(),
            "who may connect: a range such as `10.0.0.0/16`, or a security group",
        ),
    ];
    let missing = places.into_iter().filter(|(_, _, missing, _)| *missing);
    let mut needs: Vec<Need> = missing
        .map(|(key, parameter, _, what)| Need {
            variable: match spec.format {
                Format::Terraform => format!("{key} ({parameter})"),
                _ => format!("{key} ({})", parameters::name_of(parameter)),
            },
            what: what.to_owned(),
        })
        .collect();
    if let Some(need) = shared::endpoint_need(spec) {
        needs.push(Need {
            variable: "tracing.endpoint".to_owned(),
            ..need
        });
    }
    for secret in missing_secrets(spec) {
        needs.push(Need {
            variable: format!("machine.secrets.{}", secret.variable),
            what: format!(
                "the ARN of a secret in Secrets Manager with {}{}",
                secret.what,
                match resolved.secrets.contains_key(&secret.variable) {
                    true => "; the value given here went nowhere",
                    false => "",
                }
            ),
        });
    }
    needs
}

/// The secrets that the deployment needs and the spec names no place for.
fn missing_secrets(spec: &Spec) -> Vec<secrets::SecretVariable> {
    let mut missing = secrets::secrets(spec);
    missing
        .retain(|secret| secret.required && !spec.machine.secrets.contains_key(&secret.variable));
    missing
}

/// What a change of a file means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    let chroma = |text: &Option<String>| {
        let line = text.as_deref()?.lines().next()?.strip_prefix("# Chroma ")?;
        Some(line.split(' ').next()?.to_owned())
    };
    let of = |text: &Option<String>, parameter: &str| {
        let values: Vec<String> = serde_json::from_str(text.as_deref()?).ok()?;
        let start = format!("{parameter}=");
        values
            .into_iter()
            .find_map(|value| Some(value.strip_prefix(&start)?.to_owned()))
    };
    match change.path.as_str() {
        "template.yaml" | "main.tf" => {
            let (before, after) = (chroma(&change.before), chroma(&change.after));
            let moved = before.zip(after).filter(|(before, after)| before != after);
            let note = moved.map(|(before, after)| format!(
                "Chroma goes from {before} to {after}, which changes the data for good: make a snapshot first, as README.md says"
            ));
            note.into_iter().collect()
        }
        "parameters.json" => {
            let changed =
                |parameter: &&str| of(&change.before, parameter) != of(&change.after, parameter);
            let replacing = ["AvailabilityZone", "SnapshotId"]
                .into_iter()
                .filter(changed);
            let from = of(&change.after, "SnapshotId").unwrap_or_default();
            let new = match from.is_empty() {
                true => "an empty one".to_owned(),
                false => format!("one made from {from}"),
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
    let mut steps = Vec::new();
    if resolved.spec.chroma.image == Image::Wrapped {
        steps.push("build and push the images: README.md, \"Build\"".to_owned());
    }
    steps.push(match resolved.spec.format {
        Format::Terraform => terraform::APPLY.to_owned(),
        _ => "deploy: README.md, \"Deploy\"".to_owned(),
    });
    steps.push(match resolved.spec.format {
        Format::Terraform => "see the traces: terraform output traces".to_owned(),
        _ => "see the traces: the output `Traces` of the stack".to_owned(),
    });
    steps
}
