//! The README's section on the bucket in the cloud's own store.
//!
//! Invariant: the identity of the backups has permissions on this bucket only.

use serde::Serialize;

use super::super::component::BACKUP;
use super::identity::role;
use crate::deployment::Deployment;
use crate::spec::backup::ObjectStore;
use crate::values::CloudName;

/// The bucket, and the account that has access to it.
#[derive(Serialize)]
pub(super) struct BackupStoreSection {
    bucket: String,
    prefix: String,
    /// Region of the bucket in AWS.
    region: String,
    /// Storage account in Azure.
    storage_account: String,
    /// The ServiceAccount.
    account: String,
    /// The role that it assumes in AWS, or its identity in Azure.
    role: String,
    /// True if the spec must name the identity and does not.
    missing: bool,
}

impl BackupStoreSection {
    /// Computes the section. `None` without a bucket in the cloud's own store.
    pub(super) fn new(deployment: &Deployment) -> Option<Self> {
        let backup = deployment.spec.backup.as_ref()?;
        let bucket = backup.place.bucket()?;
        let (region, storage_account, missing) = match &bucket.store {
            ObjectStore::S3 { .. } => return None,
            ObjectStore::Aws { region } => {
                let region = region.as_ref().map(CloudName::as_str);
                (region.unwrap_or_default(), "", false)
            }
            ObjectStore::Gcp => ("", "", false),
            ObjectStore::Azure { account, identity } => ("", account.as_str(), identity.is_none()),
        };
        Some(Self {
            bucket: bucket.name.as_str().to_owned(),
            prefix: bucket.prefix.as_str().to_owned(),
            region: region.to_owned(),
            storage_account: storage_account.to_owned(),
            account: BACKUP.name(deployment),
            role: role(deployment, "backup"),
            missing,
        })
    }
}
