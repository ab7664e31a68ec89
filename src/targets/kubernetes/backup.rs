//! Backups of the database by a CronJob, and the Job or the claim that restores one.
//!
//! Invariant: archives are packed and restored on the node of Chroma's volume; packed only while Chroma
//! runs, restored only while it does not. A snapshot needs neither the node nor the volume. The
//! scripts are in `templates/backup`, and the tests run them unchanged.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::cloud::Egress;
use super::component::{self, BACKUP, ComponentTemplate, DATABASE, RESTORE, api, claim, texts};
use super::ephemeral_storage::EphemeralStorage;
use super::secret_keys::SecretKey;
use super::template::ClusterTemplate;
use super::templates;
use super::{cloud, secret_keys, volume_snapshot};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::Plan;
use crate::render::{render, values_of};
use crate::spec::backup::{Backup, BackupPlace, Bucket, ObjectStore, PYTHON, RCLONE};
use crate::targets::backup_scripts::script;
use crate::targets::object_store;
use crate::values::Memory;

/// MiB of `/tmp`. SQLite has its temporary files on the volume for backups.
const TMP: u64 = 64;

/// The program that creates a snapshot.
const SNAPSHOT: &str = "snapshot.py";

/// One container; the steps run in order.
struct Step {
    name: &'static str,
    script: &'static str,
}

/// Adds `backup.yaml` and `restore.yaml` if the spec enables backups.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let Some(backup) = &deployment.spec.backup else {
        return Ok(());
    };
    let (back_up, restore) = match backup.place {
        BackupPlace::Claim(_) => (
            vec![Step::new("backup", "backup.py")],
            vec![Step::new("restore", "restore.py")],
        ),
        BackupPlace::Snapshot(_) => (vec![Step::new("snapshot", SNAPSHOT)], Vec::new()),
        BackupPlace::Bucket(_) => (
            vec![
                Step::new("backup", "backup.py"),
                Step::new("send", "send.sh"),
            ],
            vec![
                Step::new("fetch", "fetch.sh"),
                Step::new("restore", "restore.py"),
            ],
        ),
    };
    let mut policy_labels = BACKUP.selector(deployment);
    policy_labels.remove("app.kubernetes.io/component"); // the policy is for both
    let version = deployment.spec.chroma.version.to_string();
    let (backup_part, restore_part) = (
        BACKUP.template(deployment, &version),
        RESTORE.template(deployment, &version),
    );
    let by_identity = by_identity(deployment);
    let snapshots = backup.place.snapshot_class().is_some();
    let identity = by_identity
        .then(|| cloud::pod_identity(deployment))
        .flatten();
    let labelled = |part: &ComponentTemplate| {
        let mut labels = part.labels.clone();
        labels.extend(identity.map(|(name, value)| (name.to_owned(), value.to_owned())));
        labels
    };
    let mut template = BackupTemplate {
        base,
        backup_pod_labels: labelled(&backup_part),
        restore_pod_labels: labelled(&restore_part),
        backup: backup_part,
        restore: restore_part,
        account: if by_identity || snapshots {
            BACKUP
        } else {
            DATABASE
        }
        .name(deployment),
        by_identity,
        snapshots,
        api_ports: cloud::api_ports(deployment),
        account_annotations: account_annotations(deployment),
        token_egress: if by_identity {
            cloud::token_egress(deployment)
        } else {
            Vec::new()
        },
        claim: claim(deployment),
        disk: deployment.spec.machine.disk.quantity(),
        storage_class: cloud::storage_class(deployment),
        scratch_class: cloud::scratch_class(deployment),
        selinux_level: cloud::selinux_level(deployment),
        in_bucket: backup.place.bucket().is_some(),
        store_port: backup.place.bucket().map_or(443, object_store::port),
        room: deployment.spec.machine.disk.twice().quantity(),
        schedule: backup.schedule.to_string(),
        ephemeral: EphemeralStorage::new(deployment, 64, if snapshots { 0 } else { TMP }),
        tmp: Memory::mebibytes(TMP).quantity(),
        policy_labels,
        scripts: scripts(deployment, back_up.iter().chain(&restore))?,
        pod_of_backup: String::new(),
        pod_of_restore: String::new(),
    };
    let pod = |affinity: Option<&'static str>, steps: &[Step]| {
        let steps = steps.iter();
        let steps = steps
            .map(|step| step.template(deployment, backup))
            .collect();
        let pod = PodTemplate {
            backup: &template,
            affinity,
            steps,
        };
        let text = render("kubernetes/backup_pod.yaml.j2", &values_of(pod))?;
        anyhow::Ok(text.trim().to_owned())
    };
    let near_chroma = |affinity| (!snapshots).then_some(affinity);
    let (of_backup, of_restore) = (
        pod(near_chroma("podAffinity"), &back_up)?,
        pod(near_chroma("podAntiAffinity"), &restore)?,
    );
    template.pod_of_backup = of_backup;
    template.pod_of_restore = of_restore;
    templates::add(plan, &values_of(template), &["backup.yaml", "restore.yaml"])
}

/// Input of `backup.yaml` and `restore.yaml`.
#[derive(Serialize)]
struct BackupTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    backup: ComponentTemplate,
    restore: ComponentTemplate,
    backup_pod_labels: BTreeMap<String, String>,
    restore_pod_labels: BTreeMap<String, String>,
    /// The ServiceAccount of both pods.
    account: String,
    /// True if that account is for backups only, because the store identifies it.
    by_identity: bool,
    /// True if backups are snapshots: the account has a role, and the pod no volume.
    snapshots: bool,
    /// Ports of the API server.
    api_ports: &'static [u16],
    account_annotations: BTreeMap<String, String>,
    /// Addresses that provide the account's identity.
    token_egress: Vec<Egress>,
    /// The claim of Chroma's data.
    claim: String,
    /// Its size and its storage class.
    disk: String,
    storage_class: Option<String>,
    scratch_class: Option<String>,
    selinux_level: Option<String>,
    /// True if backups are stored in a bucket.
    in_bucket: bool,
    store_port: u16,
    /// The size of the scratch volume, for the copy and its archive.
    room: String,
    schedule: String,
    ephemeral: EphemeralStorage,
    /// The size of `/tmp`.
    tmp: String,
    policy_labels: BTreeMap<String, String>,
    scripts: Vec<Script>,
    /// The specs of both pods, as YAML.
    pod_of_backup: String,
    pod_of_restore: String,
}

/// Input of a pod's spec.
#[derive(Serialize)]
struct PodTemplate<'a> {
    #[serde(flatten)]
    backup: &'a BackupTemplate<'a>,
    /// Its place relative to Chroma; `None` for any node.
    affinity: Option<&'static str>,
    steps: Vec<StepTemplate>,
}

/// A container. Python has access to the data, and a shell to the keys of the store.
#[derive(Serialize)]
struct StepTemplate {
    name: &'static str,
    image: String,
    command: [String; 2],
    environment: Vec<Variable>,
    keys: Vec<SecretKey>,
    has_data: bool,
}

#[derive(Serialize)]
struct Variable {
    name: &'static str,
    value: String,
}

/// A file that a step runs.
#[derive(Serialize)]
struct Script {
    name: &'static str,
    text: String,
}

impl Step {
    const fn new(name: &'static str, script: &'static str) -> Self {
        Self { name, script }
    }

    fn template(&self, deployment: &Deployment, backup: &Backup) -> StepTemplate {
        let python = self.script.ends_with(".py");
        let (image, program) = if python {
            (PYTHON, "python3")
        } else {
            (RCLONE, "/bin/sh")
        };
        let mut environment = Vec::new();
        if self.script == SNAPSHOT {
            environment.extend(volume_snapshot::limits());
        } else {
            environment.push(("BACKUPS", "/backups".to_owned()));
        }
        if self.has_data() {
            environment.extend([
                ("DATA", "/data".to_owned()),
                ("CHROMA_VERSION", deployment.spec.chroma.version.to_string()),
                ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
                ("SQLITE_TMPDIR", "/backups".to_owned()),
            ]);
        } else if !python {
            environment.extend(
                backup
                    .place
                    .bucket()
                    .map(object_store::variables)
                    .unwrap_or_default(),
            );
        }
        // With a bucket, the last step keeps and deletes backups; this one keeps one locally.
        let local = self.script == "backup.py" && backup.place.bucket().is_some();
        let keep = if local { 1 } else { backup.keep };
        let keeps = !local && !["restore.py", "fetch.sh"].contains(&self.script);
        match self.script {
            "restore.py" => environment.extend([
                ("ARCHIVE", "newest".to_owned()),
                ("CHROMA_URL", chroma(deployment)),
            ]),
            "fetch.sh" => environment.push(("ARCHIVE", "newest".to_owned())),
            _ => environment.push(("KEEP", keep.to_string())),
        }
        if let Some(days) = backup.keep_days.filter(|_| keeps) {
            environment.push(("KEEP_DAYS", days.to_string()));
        }
        let environment = environment.into_iter();
        let keys = if python {
            Vec::new()
        } else {
            secret_keys::of(deployment, Container::Backup)
        };
        StepTemplate {
            name: self.name,
            image: component::image(deployment, image),
            command: [program.to_owned(), format!("/scripts/{}", self.script)],
            environment: environment
                .map(|(name, value)| Variable { name, value })
                .collect(),
            keys,
            has_data: self.has_data(),
        }
    }

    /// Returns true for a program that reads or writes Chroma's files.
    fn has_data(&self) -> bool {
        ["backup.py", "restore.py"].contains(&self.script)
    }
}

/// Returns the address of Chroma's server.
fn chroma(deployment: &Deployment) -> String {
    format!(
        "http://{}:{}/",
        api(deployment),
        deployment.spec.chroma.port
    )
}

/// Returns the files that the steps run, with the module that others share and the repair, or the object
/// that one creates.
fn scripts<'a>(
    deployment: &Deployment,
    steps: impl Iterator<Item = &'a Step>,
) -> Result<Vec<Script>> {
    let object = volume_snapshot::object(deployment);
    let shared = ["archive.py", "repair.py"];
    let copies = object.is_none();
    let shared = shared.into_iter().filter(|_| copies);
    let names = shared.chain(steps.map(|step| step.script));
    let scripts = names.map(|name| {
        let text = script(name)?.trim_end().to_owned();
        Ok(Script { name, text })
    });
    let object = object.map(|text| {
        let name = volume_snapshot::FILE;
        Ok(Script { name, text })
    });
    scripts.chain(object).collect()
}

/// Returns true if the store identifies the backups by the account of their pods.
pub(super) fn by_identity(deployment: &Deployment) -> bool {
    bucket(deployment).is_some_and(|bucket| bucket.store.is_by_identity())
}

/// Returns the bucket; `None` if backups are off or on a volume.
pub(super) fn bucket(deployment: &Deployment) -> Option<&Bucket> {
    let backup = deployment.spec.backup.as_ref()?;
    backup.place.bucket()
}

fn account_annotations(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut annotations = texts(&deployment.spec.kubernetes.annotations);
    if let Some(ObjectStore::Azure { identity, .. }) = bucket(deployment).map(|one| &one.store) {
        annotations.extend(cloud::identity_annotation(
            deployment.spec.target,
            identity.as_ref(),
        ));
    }
    annotations
}
