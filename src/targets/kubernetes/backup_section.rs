//! The README's section on backups.
//!
//! Invariant: its commands refer to objects of `backup.yaml` and `restore.yaml` only.

use serde::Serialize;

use super::backup::{bucket, by_identity};
use super::component::{BACKUP, RESTORE};
use super::volume_snapshot;
use crate::deployment::Deployment;

/// The README's section on backups.
#[derive(Serialize)]
pub(super) struct BackupSection {
    /// The name of the CronJob.
    name: String,
    /// The name of the Job that restores.
    restore: String,
    schedule: String,
    /// Number of backups to keep.
    keep: u16,
    keep_days: Option<u16>,
    /// `BUCKET/PREFIX`. `None` for a claim.
    store: Option<String>,
    /// The class of the snapshots. `None` for archives.
    snapshot_class: Option<String>,
    /// The label of the snapshots, as a selector.
    snapshots: String,
    /// True if the Secret contains the keys of the store.
    by_keys: bool,
    /// The data directory.
    data: &'static str,
}

impl BackupSection {
    /// Computes the section. `None` without backups.
    pub(super) fn new(deployment: &Deployment) -> Option<Self> {
        let backup = deployment.spec.backup.as_ref()?;
        Some(Self {
            name: BACKUP.name(deployment),
            restore: RESTORE.name(deployment),
            schedule: backup.schedule.to_string(),
            keep: backup.keep,
            keep_days: backup.keep_days,
            store: bucket(deployment)
                .map(|one| format!("{}/{}", one.name.as_str(), one.prefix.as_str())),
            snapshot_class: backup.place.snapshot_class().map(ToString::to_string),
            snapshots: volume_snapshot::selector(deployment),
            by_keys: bucket(deployment).is_some() && !by_identity(deployment),
            data: deployment.spec.chroma.version.data_directory(),
        })
    }
}
