//! The section `backup` of the spec file.
//!
//! Invariant: as in `sections.rs`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::spec::default;
use crate::values::{CloudName, DnsName, ImageRepository, Memory, Schedule};

/// Backups of the data.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSection {
    /// Schedule in cron syntax, in UTC.
    #[schemars(extend("x-pattern" = Schedule::PATTERN, "x-default" = Schedule::DEFAULT))]
    pub schedule: Option<String>,
    /// Number of backups to keep.
    #[schemars(range(min = 1, max = 1000), extend("x-default" = default::BACKUPS))]
    pub keep: Option<u16>,
    /// Days after which a backup is deleted, except the newest one, even if there are fewer than `keep`.
    /// Default: none.
    #[schemars(range(min = 1, max = 3650))]
    pub keep_days: Option<u16>,
    /// Size of the volume for backups on Kubernetes. Default: twice `machine.disk`.
    #[schemars(extend("x-pattern" = Memory::PATTERN))]
    pub disk: Option<String>,
    /// Bucket for backups, in place of a volume. In a cloud, it is in the cloud's own store (S3, Cloud
    /// Storage, or a container of Blob Storage) and needs no key. Machines need it for backups.
    pub bucket: Option<String>,
    /// Path in the bucket. Default: the deployment's name.
    pub prefix: Option<String>,
    /// Address of an S3-compatible store on Kubernetes, such as `https://s3.example.com`, with keys in the Secret.
    /// Default: the cloud's own store; outside of a cloud AWS, with keys.
    #[schemars(extend("x-pattern" = "^https?://[^@]+$"))]
    pub endpoint: Option<String>,
    /// Region of a bucket in S3. Default: that of the machine or `kubernetes.region` on aws, else us-east-1.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub region: Option<String>,
    /// Storage account of the container on azure. Required there.
    #[schemars(extend("x-pattern" = "^[a-z0-9]{3,24}$"))]
    pub account: Option<String>,
    /// Client ID of the identity that stores backups on azure with Kubernetes.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub identity: Option<String>,
    /// Registry with copies of the images `python` and `rclone/rclone`, such as a pull-through cache. Default:
    /// Docker Hub. On Kubernetes, see `kubernetes.image_registry`.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN))]
    pub image_registry: Option<String>,
    /// VolumeSnapshotClass on Kubernetes. Backups are then snapshots of Chroma's volume by its CSI driver, in
    /// place of archives on a volume or in a bucket.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub snapshot_class: Option<String>,
}
