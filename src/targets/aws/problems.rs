//! Problems of a valid spec that AWS cannot deploy.
//!
//! Invariant: a value that a rendered template would reject at the first deployment is reported
//! here.

use super::parameters::{name_of, values};
use crate::deployment::Deployment;
use crate::deployment::secrets::SecretVariable;
use crate::problem::Problem;
use crate::spec::Format;
use crate::targets::machine::patterns::SecretName;
use crate::targets::machine::sizes;
use crate::targets::{machine, terraform};

/// The retention periods of CloudWatch Logs, in days (API `PutRetentionPolicy`).
pub(super) const LOG_DAYS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// The longest `PauseTime` of a rolling update, in minutes
/// (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-updatepolicy.html>).
const LONGEST_START: u16 = 60;

/// The format of a secret's name in Secrets Manager.
pub(in crate::targets) const SECRET: SecretName = SecretName {
    rule: is_secret,
    what: "the full ARN of a secret, which ends in `-` and six letters or digits",
    command: "`aws secretsmanager list-secrets`",
};

/// Returns the problems of a valid spec that AWS cannot deploy.
pub(super) fn of(deployment: &Deployment) -> Vec<Problem> {
    let at = &deployment.spec.machine;
    let mut problems = Vec::new();
    let mut wrong = |key: &str, message: String, hint: &str| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    if !deployment
        .spec
        .name
        .to_string()
        .starts_with(|c: char| c.is_ascii_lowercase())
    {
        wrong(
            "name",
            format!(
                "`{}` begins with a digit, which CloudFormation does not allow",
                deployment.spec.name
            ),
            "use a name that begins with a letter",
        );
    }
    let kind = at.kind.as_str();
    if kind.split('.').count() != 2 || kind.contains(['/', ':', '@', '+', '=', '_']) {
        wrong(
            "machine.type",
            format!("`{kind}` is not an instance type"),
            "use an instance type such as `t3.medium` or `t4g.medium` (Arm)",
        );
    }
    let prefixed = [
        ("machine.network", &at.network, "vpc-", "a VPC's id"),
        ("machine.subnet", &at.subnet, "subnet-", "a subnet's id"),
        (
            "machine.restore_from",
            &at.restore_from,
            "snap-",
            "a snapshot's id",
        ),
        ("machine.alarms", &at.alarms, "arn:", "an SNS topic's ARN"),
    ];
    for (key, value, prefix, what) in prefixed {
        let sound = |value: &str| {
            let rest = value.strip_prefix(prefix);
            rest.is_some_and(|rest| prefix == "arn:" || is_hex_id(rest))
        };
        if let Some(value) = value.as_ref().filter(|value| !sound(value.as_str())) {
            let form = if prefix == "arn:" {
                format!("use a value that begins with `{prefix}`")
            } else {
                format!("use `{prefix}` and 8 or 17 hexadecimal digits")
            };
            wrong(key, format!("`{}` is not {what}", value.as_str()), &form);
        }
    }
    if let Some(zone) = at.zone.as_ref().filter(|zone| !is_zone(zone.as_str())) {
        wrong(
            "machine.zone",
            format!("`{}` is not an availability zone", zone.as_str()),
            "write one such as `eu-central-1a`: the region and the letter of the zone",
        );
    }
    if !LOG_DAYS.contains(&at.log_days) {
        let longer = LOG_DAYS.into_iter().find(|days| *days > at.log_days);
        wrong(
            "machine.log_days",
            format!(
                "`{}` is not a retention period of CloudWatch Logs",
                at.log_days
            ),
            &format!("use the next longer period, `{}`", longer.unwrap_or(3653)),
        );
    }
    if deployment.spec.format == Format::CloudFormation && at.start_minutes > LONGEST_START {
        wrong(
            "machine.start_minutes",
            format!(
                "`{}` is longer than CloudFormation waits for an instance",
                at.start_minutes
            ),
            &format!("use `{LONGEST_START}` or less, or `--format terraform`"),
        );
    }
    problems.extend(super::organization::problems(deployment));
    problems.extend(sizes::too_small(deployment, super::instance_types::memory));
    problems.extend(machine::problems(deployment, &SECRET));
    match deployment.spec.format {
        Format::Terraform => {
            problems.extend(terraform::problems(deployment, &super::module::MODULE))
        }
        _ => {
            problems.extend(texts(deployment).into_iter().filter_map(in_template));
            problems.extend(taken(&deployment.secrets, deployment));
        }
    }
    problems
}

/// Returns true if it is an id of EC2 behind its prefix: 17 hexadecimal digits, or 8 if it is old.
fn is_hex_id(text: &str) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    [8, 17].contains(&text.len()) && text.chars().all(hex)
}

/// Returns true if it is a region and something behind its number: `a`, or in a Local Zone `-lax-1a`.
fn is_zone(text: &str) -> bool {
    let Some((region, rest)) = text
        .find(|c: char| c.is_ascii_digit())
        .map(|number| text.split_at(number))
    else {
        return false;
    };
    let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let letter = behind.len() == 1 && behind.starts_with(|c: char| c.is_ascii_lowercase());
    let is_region = region.ends_with('-') && region.split('-').count() >= 3;
    is_region && (letter || (behind.starts_with('-') && behind.len() > 1))
}

/// Returns the operator's texts in a template, by their keys.
fn texts(deployment: &Deployment) -> Vec<(String, &str)> {
    let (name, environment) = (
        &deployment.spec.tracing.service_name,
        &deployment.spec.tracing.environment,
    );
    let mut texts = vec![
        ("tracing.service_name".to_owned(), name.as_str()),
        ("tracing.environment".to_owned(), environment.as_str()),
    ];
    let tags = &deployment.spec.machine.organization.tags;
    texts.extend(tags.iter().flat_map(|(name, value)| {
        [name.as_str(), value.as_str()].map(|text| (format!("machine.tags.{name}"), text))
    }));
    texts.extend(
        deployment
            .spec
            .chroma
            .environment
            .iter()
            .filter_map(|(name, value)| {
                let key = format!("chroma.environment.{}", name.as_str());
                Some((key, value.as_deref()?))
            }),
    );
    texts
}

/// Returns problems for secrets whose parameter's name is invalid or already in use.
fn taken(secrets: &[SecretVariable], deployment: &Deployment) -> Vec<Problem> {
    let names: Vec<String> = secrets.iter().map(|one| name_of(&one.variable)).collect();
    let others = values(deployment);
    let wrong = secrets.iter().zip(&names).filter(|(_, name)| {
        let alike = names.iter().filter(|other| other == name).count() > 1;
        alike || others.contains_key(*name) || !name.starts_with(|c: char| c.is_ascii_uppercase())
    });
    wrong
        .map(|(secret, name)| {
            let key = format!("chroma.environment.{}", secret.variable);
            Problem::new(
                key,
                format!(
                    "cannot be a secret: the parameter name `{name}` is invalid or already in use"
                ),
            )
            .hint("give its value here if it is not secret, or rename it")
        })
        .collect()
}

/// Returns a problem if CloudFormation would change a text in a template.
fn in_template((key, text): (String, &str)) -> Option<Problem> {
    if text.contains("{{resolve:") {
        let message = "contains `{{resolve:`, which CloudFormation would resolve";
        let hint = "for a secret, omit the value and name the secret in `machine.secrets`";
        return Some(Problem::new(key, message).hint(hint));
    }
    // CloudFormation preserves parameters, but returns a template's non-ASCII characters as `?`
    // (aws-cloudformation/cloudformation-coverage-roadmap#814).
    if !text.is_ascii() && key != "tracing.service_name" {
        let message = "contains a non-ASCII character, which CloudFormation may replace by `?`";
        return Some(
            Problem::new(key, message).hint("remove the character, or use `--format terraform`"),
        );
    }
    None
}

/// Returns true if a text is the full ARN of a secret; a policy for a shorter one allows nothing.
fn is_secret(arn: &str) -> bool {
    let random = arn.rsplit_once('-').map_or("", |(_, random)| random);
    arn.starts_with("arn:")
        && arn.contains(":secretsmanager:")
        && random.len() == 6
        && random.chars().all(|c| c.is_ascii_alphanumeric())
}
