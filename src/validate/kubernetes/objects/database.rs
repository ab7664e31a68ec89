//! Chroma's own workload.
//!
//! Invariant: one server at a time on files that outlive its pods.

use super::super::Tell;
use super::super::workload::Workload;

/// The name of the container that is Chroma's server.
pub(super) const CHROMA: &str = "chroma";

/// Two servers on the same files destroy them; a volume that goes with its pod loses them.
pub(super) fn check(workload: &Workload, tell: Tell) {
    if workload.ends() || workload.containers().all(|(_, _, one)| one.name != CHROMA) {
        return;
    }
    if workload.kind != "StatefulSet" {
        let message = format!(
            "is Chroma in a {}: a new pod may start before the old one has ended",
            workload.kind
        );
        tell(workload.of_document("kind"), message);
    }
    if workload.replicas != Some(1) {
        let message = "is not 1: Chroma keeps its data in files that one server alone may open";
        tell(workload.of_document("spec.replicas"), message.to_owned());
    }
    let kept = workload
        .claims
        .iter()
        .filter_map(|claim| claim.metadata.name.as_deref());
    let kept: Vec<&str> = kept.collect();
    let mut mounts = workload
        .containers()
        .flat_map(|(_, _, one)| one.volume_mounts.iter().flatten());
    if !mounts.any(|mount| kept.contains(&mount.name.as_str())) {
        tell(
            workload.at("volumes"),
            "is Chroma without a volume of its own: the data would be lost with the pod".to_owned(),
        );
    }
}
