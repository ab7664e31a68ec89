//! `kubernetes.backup`: schedule, number and location of backups.
//!
//! Invariant: a key that is set has an effect or is rejected.

use crate::input::file::BackupSection;
use crate::input::resolve::machine::LEAST_DISK;
use crate::input::resolve::reading::sound;
use crate::input::resolve::reading::{Reading, given};
use crate::spec::default;
use crate::spec::kubernetes::{Backup, BackupPlace};
use crate::values::{CloudName, DnsLabel, DnsName, Memory};

impl Reading {
    pub(super) fn backup(
        &mut self,
        file: &BackupSection,
        name: &DnsLabel,
        disk: Memory,
        region: Option<&CloudName>,
    ) -> Backup {
        let schedule = self.optional("kubernetes.backup.schedule", &file.schedule);
        Backup {
            schedule: schedule.unwrap_or_default(),
            keep: file.keep.unwrap_or(default::BACKUPS),
            place: match given(&file.bucket) {
                None => self.claim(file, disk),
                Some(bucket) => self.bucket(bucket, file, name, region),
            },
        }
    }

    fn claim(&mut self, file: &BackupSection, disk: Memory) -> BackupPlace {
        for (key, of_bucket) in [
            ("prefix", &file.prefix),
            ("endpoint", &file.endpoint),
            ("region", &file.region),
        ] {
            if given(of_bucket).is_some() {
                self.wrong(
                    &format!("kubernetes.backup.{key}"),
                    "requires `kubernetes.backup.bucket`",
                    "set the bucket, or remove this key",
                );
            }
        }
        let size: Option<Memory> = self.optional("kubernetes.backup.disk", &file.disk);
        if let Some(size) = size {
            self.at_least("kubernetes.backup.disk", size, LEAST_DISK, &file.disk);
        }
        BackupPlace::Claim(size.unwrap_or(disk.twice()))
    }

    fn bucket(
        &mut self,
        bucket: &str,
        file: &BackupSection,
        name: &DnsLabel,
        region: Option<&CloudName>,
    ) -> BackupPlace {
        if given(&file.disk).is_some() {
            self.wrong(
                "kubernetes.backup.disk",
                "applies to a volume only, and `kubernetes.backup.bucket` selects a bucket",
                "remove one of them",
            );
        }
        if !(3..=63).contains(&bucket.len()) || bucket.parse::<DnsName>().is_err() {
            self.wrong(
                "kubernetes.backup.bucket",
                format!("`{}` is not a bucket name", bucket.escape_debug()),
                "3 to 63 lower-case letters, digits, `-` and `.`; a path is `kubernetes.backup.prefix`",
            );
        }
        let own_region = self.optional("kubernetes.backup.region", &file.region);
        BackupPlace::Bucket {
            bucket: bucket.parse().unwrap_or_else(|_| sound("wrong")),
            prefix: self
                .prefix(&file.prefix)
                .unwrap_or_else(|| sound(&name.to_string())),
            endpoint: self.store(&file.endpoint),
            region: own_region
                .or_else(|| region.cloned())
                .unwrap_or_else(|| sound("us-east-1")),
        }
    }

    fn prefix(&mut self, text: &Option<String>) -> Option<CloudName> {
        let prefix: CloudName = self.optional("kubernetes.backup.prefix", text)?;
        let mut parts = prefix.as_str().split('/');
        if parts.any(|part| part.is_empty() || part == "..") {
            self.wrong(
                "kubernetes.backup.prefix",
                format!("`{}` is not a path in a bucket", prefix.as_str()),
                "names with `/` between them, such as `backups/chroma`",
            );
        }
        Some(prefix)
    }

    /// Returns the address of an S3-compatible store. Messages omit parts that may be credentials.
    fn store(&mut self, text: &Option<String>) -> Option<CloudName> {
        let key = "kubernetes.backup.endpoint";
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
