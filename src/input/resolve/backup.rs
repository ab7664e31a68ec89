//! `backup`: schedule, number and location of backups.
//!
//! Invariant: a bucket is never looked for in the store of another cloud. Each backup has one location.

use crate::input::file::BackupSection;
use crate::input::resolve::machine::LEAST_DISK;
use crate::input::resolve::reading::sound;
use crate::input::resolve::reading::{Reading, given};
use crate::spec::backup::{Backup, BackupPlace, Bucket, ObjectStore};
use crate::spec::{Target, default};
use crate::values::{Cloud, CloudName, DnsLabel, DnsName, Memory};

/// The place of the cluster or machine.
struct Place<'a> {
    /// `None` outside of a cloud.
    cloud: Option<Cloud>,
    /// True for a machine, false for a cluster.
    is_machine: bool,
    region: Option<&'a CloudName>,
}

impl Reading {
    /// Reads the section; `disk` is the size of Chroma's volume, `region` that of the cluster.
    pub(super) fn backup(
        &mut self,
        target: Option<Target>,
        name: &DnsLabel,
        disk: Memory,
        region: Option<&CloudName>,
    ) -> Option<Backup> {
        let file = self.input.spec.backup.take()?;
        let is_machine = target.is_some_and(Target::is_machine);
        let place = Place {
            cloud: target.and_then(Target::cloud),
            is_machine,
            region,
        };
        let bucket = given(&file.bucket);
        if let Some(target) = target.filter(|_| is_machine && bucket.is_none()) {
            let title = target.info().title;
            self.notes.push(format!(
                "`backup` has no effect on {title}, whose backups are snapshots of the disk"
            ));
        }
        if target == Some(Target::Docker) && bucket.is_some() {
            self.wrong(
                "backup.bucket",
                "has no effect on target `docker`, where backups are on a volume",
                "remove it; README.md describes how to copy the backups to another place",
            );
        }
        let schedule = self.optional("backup.schedule", &file.schedule);
        Some(Backup {
            schedule: schedule.unwrap_or_default(),
            keep: file.keep.unwrap_or(default::BACKUPS),
            keep_days: file.keep_days,
            place: match (given(&file.snapshot_class), bucket) {
                (Some(_), _) if !is_machine || bucket.is_none() => self.snapshot(&file, disk),
                (_, None) => self.claim(&file, disk),
                (_, Some(bucket)) => self.bucket(bucket, &file, name, &place),
            },
            image_registry: self.optional("backup.image_registry", &file.image_registry),
        })
    }

    /// Returns the class of the snapshots, and rejects the keys of archives.
    fn snapshot(&mut self, file: &BackupSection, disk: Memory) -> BackupPlace {
        self.reject(
            &[
                ("disk", &file.disk),
                ("bucket", &file.bucket),
                ("prefix", &file.prefix),
                ("endpoint", &file.endpoint),
                ("region", &file.region),
                ("account", &file.account),
                ("identity", &file.identity),
            ],
            "applies to archives only, and `backup.snapshot_class` selects snapshots",
            "remove one of them",
        );
        let class = self.optional("backup.snapshot_class", &file.snapshot_class);
        class.map_or(BackupPlace::Claim(disk), BackupPlace::Snapshot)
    }

    /// Rejects each of these keys that has a value.
    fn reject(&mut self, keys: &[(&str, &Option<String>)], message: &str, hint: &str) {
        for (key, value) in keys {
            if given(value).is_some() {
                self.wrong(&format!("backup.{key}"), message, hint);
            }
        }
    }

    fn claim(&mut self, file: &BackupSection, disk: Memory) -> BackupPlace {
        self.reject(
            &[
                ("prefix", &file.prefix),
                ("endpoint", &file.endpoint),
                ("region", &file.region),
                ("account", &file.account),
                ("identity", &file.identity),
            ],
            "requires `backup.bucket`",
            "set the bucket, or remove this key",
        );
        let size: Option<Memory> = self.optional("backup.disk", &file.disk);
        if let Some(size) = size {
            self.at_least("backup.disk", size, LEAST_DISK, &file.disk);
        }
        BackupPlace::Claim(size.unwrap_or(disk.twice()))
    }

    fn bucket(
        &mut self,
        bucket: &str,
        file: &BackupSection,
        name: &DnsLabel,
        place: &Place<'_>,
    ) -> BackupPlace {
        if given(&file.disk).is_some() && !place.is_machine {
            self.wrong(
                "backup.disk",
                "applies to a volume only, and `backup.bucket` selects a bucket",
                "remove one of them",
            );
        }
        let elsewhere = given(&file.endpoint).is_some();
        if elsewhere && place.is_machine {
            self.wrong(
                "backup.endpoint",
                "applies to Kubernetes only: machines back up to the cloud's own store, without keys",
                "remove it, and set `backup.bucket` to a bucket of the cloud",
            );
        }
        // A store with an address is S3-compatible, also in a cloud.
        let cloud = place.cloud.filter(|_| !elsewhere);
        if !is_bucket(bucket, cloud) {
            self.wrong(
                "backup.bucket",
                format!("`{}` is not a bucket name", bucket.escape_debug()),
                match cloud {
                    Some(Cloud::Azure) => {
                        "the name of a container: 3 to 63 lower-case letters, digits and single `-`"
                    }
                    _ => {
                        "3 to 63 lower-case letters, digits, `-` and `.`; a path is `backup.prefix`"
                    }
                },
            );
        }
        BackupPlace::Bucket(Bucket {
            name: bucket.parse().unwrap_or_else(|_| sound("wrong")),
            prefix: self
                .prefix(&file.prefix)
                .unwrap_or_else(|| sound(&name.to_string())),
            store: match cloud {
                None => self.s3(file, place),
                Some(Cloud::Aws) => ObjectStore::Aws {
                    region: self.s3_region(file, place),
                },
                Some(Cloud::Gcp) => {
                    self.without(file, &["region", "account", "identity"], "Cloud Storage");
                    ObjectStore::Gcp
                }
                Some(Cloud::Azure) => self.blob_storage(file, place),
            },
        })
    }

    /// Returns the S3-compatible store of a cluster outside of a cloud, or with an address.
    fn s3(&mut self, file: &BackupSection, place: &Place<'_>) -> ObjectStore {
        self.without(file, &["account", "identity"], "an S3-compatible store");
        let own: Option<CloudName> = self.optional("backup.region", &file.region);
        let near = place.region.filter(|_| place.cloud.is_none());
        ObjectStore::S3 {
            endpoint: self.store(&file.endpoint),
            region: own
                .or_else(|| near.cloned())
                .unwrap_or_else(|| sound("us-east-1")),
        }
    }

    /// Returns the region of a bucket in Amazon S3; `None` for that of the machine.
    fn s3_region(&mut self, file: &BackupSection, place: &Place<'_>) -> Option<CloudName> {
        self.without(file, &["account", "identity"], "Amazon S3");
        let key = "backup.region";
        let own: Option<CloudName> = self.optional(key, &file.region);
        let region = own.or_else(|| place.region.filter(|_| !place.is_machine).cloned());
        let missing = region.is_none() && !place.is_machine;
        if missing && !self.is_wrong(key) && !self.is_wrong("kubernetes.region") {
            let message = "required, because `kubernetes.region` is not set";
            self.wrong(
                key,
                message,
                "the region of the bucket, such as `eu-central-1`",
            );
        }
        region
    }

    fn blob_storage(&mut self, file: &BackupSection, place: &Place<'_>) -> ObjectStore {
        self.without(file, &["region"], "Blob Storage");
        let key = "backup.account";
        let hint = if place.is_machine {
            "the name of the storage account with the container"
        } else {
            "the name of the storage account with the container; for an S3-compatible store, set `backup.endpoint`"
        };
        let account = given(&file.account);
        match account {
            None => self.wrong(key, "is missing", hint),
            Some(name) if !is_storage_account(name) => {
                let message = format!("`{}` is not a storage account", name.escape_debug());
                self.wrong(key, message, "3 to 24 lower-case letters and digits");
            }
            Some(_) => {}
        }
        let account = account.filter(|name| is_storage_account(name));
        ObjectStore::Azure {
            account: sound(account.unwrap_or("wrong")),
            identity: self.optional("backup.identity", &file.identity),
        }
    }

    /// Adds a note about each of the keys that the store does not have.
    fn without(&mut self, file: &BackupSection, keys: &[&str], store: &str) {
        let all = [
            ("region", &file.region),
            ("account", &file.account),
            ("identity", &file.identity),
        ];
        for (key, value) in all {
            if keys.contains(&key) && given(value).is_some() {
                self.notes
                    .push(format!("`backup.{key}` has no effect on {store}"));
            }
        }
    }

    fn prefix(&mut self, text: &Option<String>) -> Option<CloudName> {
        let prefix: CloudName = self.optional("backup.prefix", text)?;
        let mut parts = prefix.as_str().split('/');
        if parts.any(|part| part.is_empty() || part == "..") {
            self.wrong(
                "backup.prefix",
                format!("`{}` is not a path in a bucket", prefix.as_str()),
                "names with `/` between them, such as `backups/chroma`",
            );
        }
        Some(prefix)
    }

    /// Returns the address of an S3-compatible store. Messages omit parts that may be credentials.
    fn store(&mut self, text: &Option<String>) -> Option<CloudName> {
        let key = "backup.endpoint";
        let hint = "`https://HOST` of the S3-compatible store; keys are in the Secret";
        let address = given(text)?;
        let schemes = ["https://", "http://"];
        let host = schemes.iter().find_map(|one| address.strip_prefix(one));
        if address.contains('@') {
            self.wrong(key, "contains credentials", hint);
        } else if host.is_none_or(str::is_empty) {
            let message = format!("`{}` is not the address of a store", address.escape_debug());
            self.wrong(key, message, hint);
        } else {
            return self.optional(key, text);
        }
        None
    }
}

/// Returns true for the name of a bucket, on Azure of a container.
fn is_bucket(name: &str, cloud: Option<Cloud>) -> bool {
    let fits = match cloud {
        Some(Cloud::Azure) => name.parse::<DnsLabel>().is_ok() && !name.contains("--"),
        _ => name.parse::<DnsName>().is_ok(),
    };
    fits && (3..=63).contains(&name.len())
}

/// Returns true for the name of a storage account ("Storage account name").
fn is_storage_account(name: &str) -> bool {
    let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=24).contains(&name.len()) && name.chars().all(known)
}
