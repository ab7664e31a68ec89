//! `.env.example`, for a Secret that the operator creates.

use anyhow::Result;
use serde::Serialize;

use super::secret_keys::{DescribedKey, all, are_in_a_secret, command, described};
use super::template::ClusterTemplate;
use super::templates;
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::values_of;
use crate::spec::kubernetes::CollectorMode;

/// Input of `.env.example` and `.gitignore`.
#[derive(Serialize)]
struct EnvExampleTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    keys: Vec<DescribedKey<'a>>,
    /// The command that creates the Secret.
    command: String,
    /// A setting that accepts any value, if this deployment does not.
    instead: Option<&'static str>,
}

/// Adds `.env.example` and `.gitignore` if the operator creates the Secret.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let all = all(deployment);
    let keys = described(&all);
    if keys.is_empty() || !are_in_a_secret(deployment) {
        return Ok(());
    }
    let collector = &deployment.spec.collector;
    let passes_any = collector.image.has_entrypoint() || collector.mode == CollectorMode::None;
    let instead = if collector.operator {
        "a collector without `collector.operator`"
    } else {
        "`image: wrapped`"
    };
    let template = EnvExampleTemplate {
        base,
        keys,
        command: command(deployment),
        instead: (!passes_any).then_some(instead),
    };
    templates::add(plan, &values_of(template), &[".env.example", ".gitignore"])
}
