//! Targets: where a deployment goes. A target is one variant here, one module, one template folder.
//!
//! Invariant: the matches below are the only places that tell targets apart.

pub mod docker;
mod exporters;
mod sources;

use anyhow::Result;

use crate::plan::Plan;
use crate::problem::Problem;
use crate::spec::Resolved;
use crate::tree::Change;

/// The collector release that the images pin and the templates are written for.
pub const COLLECTOR_VERSION: &str = "0.158.0";

/// Where a deployment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Docker Compose on one machine.
    Docker,
}

/// A value that the operator has to supply after `gen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The variable it goes under.
    pub variable: String,
    /// What it is and where to get it.
    pub what: String,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 1] = [Self::Docker];

    /// What `--target` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
        }
    }

    /// One line for `list targets`.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Docker => {
                "Docker Compose on one machine: Chroma, a collector, and Jaeger or Zipkin"
            }
        }
    }

    /// The target of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// The names of all targets.
    pub fn names() -> Vec<String> {
        Self::ALL
            .iter()
            .map(|target| target.name().to_owned())
            .collect()
    }

    /// What this target cannot write, of a spec that is sound otherwise.
    pub fn problems(self, resolved: &Resolved) -> Vec<Problem> {
        match self {
            Self::Docker => docker::problems(resolved),
        }
    }

    /// The files of the deployment.
    ///
    /// # Errors
    /// A template is wrong: a bug.
    pub fn plan(self, resolved: &Resolved) -> Result<Plan> {
        match self {
            Self::Docker => docker::plan(resolved),
        }
    }

    /// What the operator still has to supply.
    pub fn needs(self, resolved: &Resolved) -> Vec<Need> {
        match self {
            Self::Docker => docker::needs(resolved),
        }
    }

    /// What the operator should know of a change to a file of the deployment.
    pub fn notes(self, change: &Change) -> Vec<String> {
        match self {
            Self::Docker => docker::notes(change),
        }
    }

    /// The commands that come after `gen`, to be run in the deployment's folder.
    pub fn next_steps(self, resolved: &Resolved) -> Vec<String> {
        match self {
            Self::Docker => docker::next_steps(resolved),
        }
    }
}
