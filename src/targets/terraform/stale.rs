//! Files of an earlier version in a Terraform folder.
//!
//! Invariant: Terraform reads no file that `gen` wrote for another version of the deployment.

use std::collections::BTreeSet;

use crate::plan::{Change, Plan};
use crate::problem::Problem;

/// Returns the problem of files that are no longer part of the deployment, in a folder whose files
/// Terraform reads.
pub(in crate::targets) fn stale_problem(plan: &Plan, stale: &[Change]) -> Option<Problem> {
    let read: BTreeSet<&str> = plan
        .files
        .keys()
        .filter_map(|path| module_of(path))
        .collect();
    let paths = stale.iter().map(|change| change.path.as_str());
    let is_read = |path: &&str| module_of(path).is_some_and(|folder| read.contains(folder));
    let left: Vec<&str> = paths.filter(is_read).collect();
    (!left.is_empty()).then(|| {
        let message = "no longer part of the deployment, but Terraform reads all `.tf` files";
        Problem::new(left.join(", "), message).hint("remove with `gen --prune`")
    })
}

/// Returns the folder of a file that Terraform reads as part of a module.
fn module_of(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    file.ends_with(".tf").then_some(folder)
}
