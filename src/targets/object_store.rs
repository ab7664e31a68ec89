//! The bucket for backups: rclone's configuration and the store's port.
//!
//! Invariant: no variable here is a secret; keys are in the store of secrets.

use crate::spec::backup::{Bucket, ObjectStore};

/// Returns rclone's configuration as variables (rclone's documentation, "Environment Variables"). With
/// `env_auth`, it reads keys from variables and tokens from the identity of the pod or the machine.
pub(super) fn variables(bucket: &Bucket) -> Vec<(&'static str, String)> {
    let path = format!("{}/{}", bucket.name.as_str(), bucket.prefix.as_str());
    let yes = || "true".to_owned();
    let mut variables = vec![("RCLONE_CONFIG", "/tmp/rclone.conf".to_owned())]; // does not exist
    // Without `no_check_…`, it tries to create the bucket.
    match &bucket.store {
        ObjectStore::S3 { .. } | ObjectStore::Aws { .. } => {
            variables.extend([
                ("STORE", format!(":s3:{path}")),
                ("RCLONE_S3_ENV_AUTH", yes()),
            ]);
            let region = bucket.store.region();
            variables.extend(region.map(|region| ("RCLONE_S3_REGION", region.as_str().to_owned())));
            variables.push(("RCLONE_S3_NO_CHECK_BUCKET", yes()));
        }
        ObjectStore::Gcp => variables.extend([
            ("STORE", format!(":gcs:{path}")),
            ("RCLONE_GCS_ENV_AUTH", yes()),
            ("RCLONE_GCS_BUCKET_POLICY_ONLY", yes()), // the account has no rights on ACLs
            ("RCLONE_GCS_NO_CHECK_BUCKET", yes()),
        ]),
        ObjectStore::Azure { account, .. } => variables.extend([
            ("STORE", format!(":azureblob:{path}")),
            ("RCLONE_AZUREBLOB_ENV_AUTH", yes()),
            ("RCLONE_AZUREBLOB_ACCOUNT", account.as_str().to_owned()),
            ("RCLONE_AZUREBLOB_NO_CHECK_CONTAINER", yes()),
        ]),
    }
    match &bucket.store {
        ObjectStore::S3 {
            endpoint: Some(endpoint),
            ..
        } => variables.extend([
            ("RCLONE_S3_PROVIDER", "Other".to_owned()),
            ("RCLONE_S3_ENDPOINT", endpoint.as_str().to_owned()),
        ]),
        ObjectStore::S3 { .. } | ObjectStore::Aws { .. } => {
            variables.push(("RCLONE_S3_PROVIDER", "AWS".to_owned()));
        }
        ObjectStore::Gcp | ObjectStore::Azure { .. } => {}
    }
    variables
}

/// Returns the port of the store: its endpoint's, or the default of the scheme.
pub(super) fn port(bucket: &Bucket) -> u16 {
    let ObjectStore::S3 {
        endpoint: Some(endpoint),
        ..
    } = &bucket.store
    else {
        return 443;
    };
    let plain = endpoint.as_str().starts_with("http://");
    let host = endpoint.as_str().split('/').nth(2).unwrap_or_default();
    let port = host
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(if plain { 80 } else { 443 })
}
