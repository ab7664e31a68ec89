//! A machine in Google Cloud: files, problems of the spec, next steps.
//!
//! Invariant: no file contains the value of a secret; only variables of the module and Secret
//! Manager do.

mod machine_types;
mod module;
pub(super) mod patterns;
pub(super) mod problems;
mod template;

use anyhow::Result;

use self::module::{MODULE, arguments, places};
use self::template::GcpTemplate;
use super::machine::env_files::{self, EnvFile, EnvLine, Segment};
use super::machine::{self, CloudMachine, MachineTemplate};
use super::terraform;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;

fn traits() -> CloudMachine {
    CloudMachine {
        log_options: &["$LOG_OPTIONS"],
        chooses_logs: true,
        detector: "gcp",
        metadata_addresses: &["169.254.169.254"],
        says_whether_chroma_answers: true,
        sends_heartbeats: false,
        place: "$(gcloud config get project)",
    }
}

/// Returns the problems of a valid spec that Google Cloud cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    problems::of(deployment)
}

/// Returns the files of the deployment.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub fn plan(deployment: &Deployment) -> Result<Plan> {
    let template = MachineTemplate::new(deployment, traits(), GcpTemplate::new(deployment));
    let arguments = arguments(&deployment.spec.machine);
    terraform::plan(deployment, &MODULE, arguments, template, &lines(deployment))
}

/// Returns the machine's files of `NAME=value` lines.
fn lines(deployment: &Deployment) -> Vec<EnvFile> {
    let project = || EnvLine::variable("GOOGLE_CLOUD_PROJECT", Segment::Parameter("PROJECT_ID"));
    let own = vec![
        project(),
        EnvLine::variable("DEPLOYMENT", Segment::Name),
        EnvLine::variable("DATA_DEVICE", Segment::Local("data_device")),
    ];
    env_files::of(deployment, own, vec![project()], Vec::new())
}

/// Returns the values that the operator still has to supply.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let secret = "the name of a secret in Secret Manager";
    machine::needs(deployment, &places(&deployment.spec.machine), secret)
}

/// Returns notes on the effect of a changed file on the data.
pub fn notes(change: &Change) -> Vec<String> {
    terraform::notes(change)
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment) -> Vec<String> {
    terraform::next_steps(deployment)
}
