//! Snapshots of Chroma's volume: the object that a backup creates.
//!
//! Invariant: snapshots are not part of the deployment, so they outlive it.

use serde_json::json;

use super::component::{BACKUP, claim, texts};
use crate::deployment::Deployment;

/// The file with the object, beside the program.
pub(super) const FILE: &str = "snapshot.json";

/// The label of all snapshots of a volume, as in `snapshot.py`.
const CLAIM: &str = "chroma-otel-deploy/claim";

/// Returns the object as JSON, whose name the program completes with the time; `None` for other backups.
///
/// Without the label `app.kubernetes.io/instance`: Argo CD may own what has it, and delete what is not in
/// its repository.
pub(super) fn object(deployment: &Deployment) -> Option<String> {
    let backup = deployment.spec.backup.as_ref()?;
    let class = backup.place.snapshot_class()?.to_string();
    let (spec, source) = (&deployment.spec, claim(deployment));
    let mut labels = BACKUP
        .template(deployment, &spec.chroma.version.to_string())
        .labels;
    labels.remove("app.kubernetes.io/instance");
    labels.insert(CLAIM.to_owned(), source.clone());
    let object = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {
            "name": spec.name.to_string(),
            "namespace": spec.kubernetes.namespace.to_string(),
            "labels": labels,
            "annotations": texts(&spec.kubernetes.annotations),
        },
        "spec": {
            "volumeSnapshotClassName": class,
            "source": {"persistentVolumeClaimName": source},
        },
    });
    let text = serde_json::to_string_pretty(&object);
    Some(text.unwrap_or_else(|_| unreachable!("a tree of JSON is JSON")))
}

/// Returns the selector of the snapshots.
pub(super) fn selector(deployment: &Deployment) -> String {
    format!("{CLAIM}={}", claim(deployment))
}

/// Returns the variables that end the wait for a snapshot: with an error that persists, or before the
/// job's own limit.
pub(super) fn limits() -> [(&'static str, String); 2] {
    let (error, ready) = (5 * 60, 5 * 60 * 60);
    [
        ("ERROR_SECONDS", error.to_string()),
        ("READY_SECONDS", ready.to_string()),
    ]
}
