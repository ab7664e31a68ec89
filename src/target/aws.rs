//! A machine in AWS: which files, what of the spec AWS cannot have, what the operator does next.
//!
//! Invariant: no file holds the value of a secret; the stack's parameters and Secrets Manager do.

mod context;
mod lines;
mod parameters;
mod stack;
mod terraform;

use anyhow::Result;

use super::{Need, context as shared, image, secrets};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::render::render;
use crate::spec::{Format, Image, Resolved, Spec};
use crate::tree::{Change, hash};

/// The retentions that CloudWatch Logs takes, in days (API `PutRetentionPolicy`).
const LOG_DAYS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// What AWS cannot have, of a spec that is sound otherwise.
pub fn problems(resolved: &Resolved) -> Vec<Problem> {
    let spec = &resolved.spec;
    let machine = &spec.machine;
    let mut problems = Vec::new();
    let mut wrong = |key: &str, message: String, hint: &str| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    if !spec
        .name
        .to_string()
        .starts_with(|c: char| c.is_ascii_lowercase())
    {
        wrong(
            "name",
            format!(
                "`{}` begins with a digit, which no CloudFormation stack may",
                spec.name
            ),
            "begin with a letter",
        );
    }
    if !spec.chroma.version.traces() {
        wrong(
            "chroma.version",
            format!("`{}` cannot be traced", spec.chroma.version),
            "take 0.4.15 or newer",
        );
    }
    let kind = machine.kind.as_str();
    if kind.split('.').count() != 2 || kind.contains(['/', ':', '@', '+', '=', '_']) {
        wrong(
            "machine.type",
            format!("`{kind}` is no instance type"),
            "write one such as `t4g.medium` (Arm) or `t3.medium`",
        );
    }
    let prefixed = [
        ("machine.network", &machine.network, "vpc-", "a VPC's id"),
        (
            "machine.subnet",
            &machine.subnet,
            "subnet-",
            "a subnet's id",
        ),
        (
            "machine.restore_from",
            &machine.restore_from,
            "snap-",
            "a snapshot's id",
        ),
        (
            "machine.alarms",
            &machine.alarms,
            "arn:",
            "an SNS topic's ARN",
        ),
    ];
    for (key, value, prefix, what) in prefixed {
        if let Some(value) = value
            .as_ref()
            .filter(|value| !value.as_str().starts_with(prefix))
        {
            wrong(
                key,
                format!("`{}` is not {what}", value.as_str()),
                &format!("it begins with `{prefix}`"),
            );
        }
    }
    if !LOG_DAYS.contains(&machine.log_days) {
        let longer = LOG_DAYS.into_iter().find(|days| *days > machine.log_days);
        wrong(
            "machine.log_days",
            format!("`{}` is no retention of CloudWatch Logs", machine.log_days),
            &format!("the next one is `{}`", longer.unwrap_or(3653)),
        );
    }
    let known = secrets::secrets(spec);
    for (variable, name) in &machine.secrets {
        let key = format!("machine.secrets.{variable}");
        if !known.iter().any(|secret| &secret.variable == variable) {
            let names: Vec<String> = known.iter().map(|one| one.variable.clone()).collect();
            problems.push(Problem::unknown(key, variable, &names));
        } else if !name.as_str().starts_with("arn:") {
            problems.push(
                Problem::new(key, "is not the ARN of a secret")
                    .hint("`aws secretsmanager list-secrets` shows it; never the value itself"),
            );
        }
    }
    for key in resolved_by_cloudformation(spec) {
        problems.push(
            Problem::new(
                key,
                "has `{{resolve:` in it, which CloudFormation would resolve",
            )
            .hint("for a secret, leave the value out and name the secret in `machine.secrets`"),
        );
    }
    if spec.chroma.image == Image::Stock && spec.tracing.service_name.as_str().contains(['"', '\\'])
    {
        problems.push(
            Problem::new(
                "tracing.service_name",
                "has a `\"` or a `\\` in it, which nobody escapes for Chroma",
            )
            .hint("leave it out, or use `image: wrapped`"),
        );
    }
    problems
}

/// Keys whose text holds a dynamic reference of CloudFormation's.
fn resolved_by_cloudformation(spec: &Spec) -> Vec<String> {
    let environment = spec.chroma.environment.iter();
    let own = environment.filter_map(|(name, value)| {
        Some((
            format!("chroma.environment.{}", name.as_str()),
            value.as_deref()?,
        ))
    });
    let (name, environment) = (&spec.tracing.service_name, &spec.tracing.environment);
    own.chain([
        ("tracing.service_name".to_owned(), name.as_str()),
        ("tracing.environment".to_owned(), environment.as_str()),
    ])
    .filter(|(_, text)| text.contains("{{resolve:"))
    .map(|(key, _)| key)
    .collect()
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

/// What a change of the template means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    let chroma = |text: &Option<String>| {
        let line = text.as_deref()?.lines().next()?.strip_prefix("# Chroma ")?;
        Some(line.split(' ').next()?.to_owned())
    };
    match (chroma(&change.before), chroma(&change.after)) {
        (Some(before), Some(after))
            if ["template.yaml", "main.tf"].contains(&change.path.as_str()) && before != after =>
        {
            vec![format!(
                "Chroma goes from {before} to {after}, which changes the data for good: make a snapshot first, as README.md says"
            )]
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
        _ => context::deploy_command(&resolved.spec),
    });
    steps.push(match resolved.spec.format {
        Format::Terraform => "see the traces: terraform output traces".to_owned(),
        _ => "see the traces: the output `Traces` of the stack".to_owned(),
    });
    steps
}
