//! Backups of the database, which do not stop it.
//!
//! Invariant: a bucket is in the cloud's own store, or has the address of another one.

use crate::values::{CloudName, DnsName, ImageRepository, Memory, Schedule};

/// Image for the programs; any Python from 3.11 works, without packages.
pub const PYTHON: &str = env!("PYTHON_IMAGE");

/// Image that connects to an object store.
pub const RCLONE: &str = concat!("rclone/rclone:", env!("RCLONE_VERSION"));

/// Backups of the database.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Schedule in cron's syntax.
    pub schedule: Schedule,
    /// Number of backups to keep.
    pub keep: u16,
    /// Age in days up to which they are kept. `None`: any.
    pub keep_days: Option<u16>,
    /// Storage for backups.
    pub place: BackupPlace,
    /// A registry with copies of Docker Hub's images. `None`: Docker Hub.
    pub image_registry: Option<ImageRepository>,
}

impl Backup {
    /// Returns the place of an image of Docker Hub.
    pub fn image(&self, image: &str) -> String {
        let registry = self.image_registry.as_ref();
        registry.map_or_else(|| image.to_owned(), |registry| registry.mirror_of(image))
    }
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
    /// Amazon S3, by the identity of the machine or of the pod on EKS.
    Aws {
        /// Region. `None`: the machine's.
        region: Option<CloudName>,
    },
    /// Google Cloud Storage, by the identity of the machine or of the pod on GKE.
    Gcp,
    /// Azure Blob Storage, by the identity of the machine or of the pod on AKS.
    Azure {
        /// The storage account.
        account: CloudName,
        /// Client ID of the pod's identity. `None` if it is not created yet.
        identity: Option<CloudName>,
    },
}

impl ObjectStore {
    /// Returns the region of a bucket in S3, unless it is the machine's.
    pub fn region(&self) -> Option<&CloudName> {
        match self {
            Self::S3 { region, .. } => Some(region),
            Self::Aws { region } => region.as_ref(),
            Self::Gcp | Self::Azure { .. } => None,
        }
    }

    /// Returns true if an identity replaces keys.
    pub fn is_by_identity(&self) -> bool {
        !matches!(self, Self::S3 { .. })
    }
}
