//! The code of the targets: a module each, dispatched here.
//!
//! Invariant: the five functions below are the only ones that choose a target's module.

pub mod aws;
pub mod azure;
mod clients;
pub(crate) mod common;
pub mod docker;
pub mod gcp;
pub mod kubernetes;
mod machine;
mod monitoring;
mod registry;
mod secrets;
mod terraform;

use anyhow::Result;

use crate::collector::{redact, sampling};
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::spec::Resolved;
use crate::spec::target::Target;

/// What the target cannot deploy, of a spec that is sound otherwise.
pub fn problems(resolved: &Resolved) -> Vec<Problem> {
    let mut problems = match resolved.spec.target {
        Target::Docker => docker::problems(resolved),
        Target::Aws => aws::problems(resolved),
        Target::Gcp => gcp::problems(resolved),
        Target::Azure => azure::problems(resolved),
        Target::Kubernetes(_) => kubernetes::problems(resolved),
    };
    problems.extend(sampling::problems(&resolved.spec));
    problems.extend(redact::problems(&resolved.spec));
    problems.extend(clients::problems(&resolved.spec));
    problems
}

/// The files of the deployment.
///
/// # Errors
/// A template is wrong: a bug.
pub fn plan(resolved: &Resolved) -> Result<Plan> {
    let mut plan = match resolved.spec.target {
        Target::Docker => docker::plan(resolved),
        Target::Aws => aws::plan(resolved),
        Target::Gcp => gcp::plan(resolved),
        Target::Azure => azure::plan(resolved),
        Target::Kubernetes(_) => kubernetes::plan(resolved),
    }?;
    clients::add(&mut plan, &resolved.spec)?;
    monitoring::add(&mut plan, &resolved.spec)?;
    Ok(plan)
}

/// What the operator still has to supply.
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    match resolved.spec.target {
        Target::Docker => docker::needs(resolved),
        Target::Aws => aws::needs(resolved),
        Target::Gcp => gcp::needs(resolved),
        Target::Azure => azure::needs(resolved),
        Target::Kubernetes(_) => kubernetes::needs(resolved),
    }
}

/// What the operator should know of a change to a file of the deployment.
pub fn notes(target: Target, change: &Change) -> Vec<String> {
    match target {
        Target::Docker => docker::notes(change),
        Target::Aws => aws::notes(change),
        Target::Gcp => gcp::notes(change),
        Target::Azure => azure::notes(change),
        Target::Kubernetes(_) => kubernetes::notes(change),
    }
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    match resolved.spec.target {
        Target::Docker => docker::next_steps(resolved),
        Target::Aws => aws::next_steps(resolved),
        Target::Gcp => gcp::next_steps(resolved),
        Target::Azure => azure::next_steps(resolved),
        Target::Kubernetes(_) => kubernetes::next_steps(resolved),
    }
}
