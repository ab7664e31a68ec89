//! Backups of the database, which do not stop it.
//!
//! Invariant: a bucket is in the cloud's own store, or has the address of another one.

use crate::values::{CloudName, DnsName, Memory, Schedule};

/// Backups of the database.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Schedule in cron's syntax.
    pub schedule: Schedule,
    /// Number of backups to keep.
    pub keep: u16,
    /// Storage for backups.
    pub place: BackupPlace,
}

/// Storage for backups.
#[derive(Debug, Clone)]
pub enum BackupPlace {
    /// A volume, of this size on Kubernetes.
    Claim(Memory),
    /// An object store.
    Bucket(Bucket),
    /// Snapshots of Chroma's volume, of this VolumeSnapshotClass.
    Snapshot(DnsName),
}

impl BackupPlace {
    /// Returns the bucket; `None` for a volume and for snapshots.
    pub fn bucket(&self) -> Option<&Bucket> {
        match self {
            Self::Bucket(bucket) => Some(bucket),
            Self::Claim(_) | Self::Snapshot(_) => None,
        }
    }

    /// Returns the size of the volume; `None` without one.
    pub fn disk(&self) -> Option<Memory> {
        match self {
            Self::Claim(size) => Some(*size),
            Self::Bucket(_) | Self::Snapshot(_) => None,
        }
    }

    /// Returns the class of the snapshots; `None` for archives.
    pub fn snapshot_class(&self) -> Option<&DnsName> {
        match self {
            Self::Snapshot(class) => Some(class),
            Self::Claim(_) | Self::Bucket(_) => None,
        }
    }
}

/// A bucket for backups; on Azure, a container.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: CloudName,
    /// Path in the bucket.
    pub prefix: CloudName,
    /// The store that it is in.
    pub store: ObjectStore,
}

/// An object store, and how it identifies the backups.
#[derive(Debug, Clone)]
pub enum ObjectStore {
    /// Amazon S3 or a compatible store, with keys.
    S3 {
        /// Address of the store. `None`: AWS.
        endpoint: Option<CloudName>,
        /// Region.
        region: CloudName,
    },
    /// Amazon S3, by the pod's identity on EKS.
    Aws {
        /// Region.
        region: CloudName,
    },
    /// Google Cloud Storage, by the pod's identity on GKE.
    Gcp,
    /// Azure Blob Storage, by the pod's identity on AKS.
    Azure {
        /// The storage account.
        account: CloudName,
        /// Client ID of the identity. `None` if it is not created yet.
        identity: Option<CloudName>,
    },
}

impl ObjectStore {
    /// Returns true if the pod's identity replaces keys.
    pub fn is_by_identity(&self) -> bool {
        !matches!(self, Self::S3 { .. })
    }
}
