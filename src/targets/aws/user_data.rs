//! The size of the user data of a Terraform module, which contains all files of the instance.
//!
//! Invariant: the estimate is at most 3 % wrong for values of the spec. Values that the operator sets
//! when deploying are unknown, so the module checks the size again.

use super::parameters::{name_of, values};
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::render::gzip_size;
use crate::targets::machine::env_files::{self, EnvFile, EnvLine, Segment, Text};
use crate::values::USER_DATA_LIMIT;

/// Values that are known after the deployment: the ARN of a secret, and the ID of a resource.
const ARN: &str =
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-name-0a1b2c3d4e5f-AbCdEf";
const ID: &str = "vol-0a1b2c3d4e5f6a7b8";

/// Returns the problem of user data that EC2 would reject. `template` is the rendered file of the
/// first boot, and `files` are inserted into it.
pub(super) fn problem(
    deployment: &Deployment,
    template: &str,
    files: &[EnvFile],
) -> Option<Problem> {
    let size = size(deployment, template, files);
    let environment = &deployment.spec.chroma.environment;
    let given = environment.values().flatten().map(|value| value.len());
    (size > USER_DATA_LIMIT).then(|| {
        let message = format!("`terraform` delivers the instance's files in user data of at most {USER_DATA_LIMIT} bytes, and this deployment needs about {size}");
        let given: usize = given.sum();
        let hint = if given > size / 10 {
            format!("shorten `chroma.environment`, whose values have {given} bytes, or use `--format cloudformation`")
        } else if env_files::in_bucket(deployment).is_some() {
            "use `--format cloudformation`, which has room for the programs of backups, or remove `backup.bucket`".to_owned()
        } else {
            "remove a backend, `clients` or `metrics.monitoring`, or use `--format cloudformation`".to_owned()
        };
        Problem::new("format", message).hint(hint)
    })
}

/// Returns the estimated size. The lines are inserted in Base64, which gzip hardly compresses below
/// their own size: Go's, which Terraform uses, less than others.
fn size(deployment: &Deployment, template: &str, files: &[EnvFile]) -> usize {
    let lines = files.iter().flat_map(|file| &file.lines);
    let inserted: usize = lines.map(|line| value(deployment, line).len() + 1).sum();
    gzip_size(template) + inserted
}

fn value(deployment: &Deployment, line: &EnvLine) -> String {
    match &line.text {
        Text::Parts(parts) => parts.iter().map(|part| segment(deployment, part)).collect(),
        Text::ByGranularity { all, .. } => all.clone(),
        Text::EndpointOr(own) => own.clone(),
    }
}

fn segment(deployment: &Deployment, part: &Segment) -> String {
    match part {
        Segment::Text(text) => text.clone(),
        Segment::Parameter(variable) => {
            let given = values(deployment).remove(&name_of(variable));
            given.unwrap_or_default()
        }
        Segment::Name => deployment.spec.name.to_string(),
        Segment::Local(_) => ID.to_owned(),
        Segment::Secret(_) => ARN.to_owned(),
    }
}
