//! Backups of the database by a CronJob, and the Job that restores one.
//!
//! Invariant: both run on the node of Chroma's volume; a backup only while Chroma runs, a restore
//! only while it does not. Their scripts are in `templates/backup`, and the tests run
//! them unchanged.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::cloud::Egress;
use super::component::{self, BACKUP, Component, ComponentTemplate, DATABASE, api, claim, texts};
use super::ephemeral_storage::EphemeralStorage;
use super::secret_keys::SecretKey;
use super::template::ClusterTemplate;
use super::templates;
use super::{cloud, object_store, secret_keys};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::Plan;
use crate::render::{render, values_of};
use crate::spec::backup::{Backup, BackupPlace, Bucket, ObjectStore};
use crate::targets::backup_scripts::{PYTHON, script};
use crate::values::Memory;

/// Image that connects to the store.
const RCLONE: &str = concat!("rclone/rclone:", env!("RCLONE_VERSION"));

/// MiB of `/tmp`. SQLite has its temporary files on the volume for backups.
const TMP: u64 = 64;

/// The restore.
const RESTORE: Component<'static> = Component {
    suffix: "restore",
    program: BACKUP.program,
    role: "restore",
};

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
        account: if by_identity { BACKUP } else { DATABASE }.name(deployment),
        by_identity,
        account_annotations: account_annotations(deployment),
        token_egress: if by_identity {
            cloud::token_egress(deployment)
        } else {
            Vec::new()
        },
        claim: claim(deployment),
        scratch_class: cloud::scratch_class(deployment),
        selinux_level: cloud::selinux_level(deployment),
        in_bucket: backup.place.bucket().is_some(),
        store_port: backup.place.bucket().map_or(443, object_store::port),
        room: deployment.spec.machine.disk.twice().quantity(),
        schedule: backup.schedule.to_string(),
        ephemeral: EphemeralStorage::new(deployment, 64, TMP),
        tmp: Memory::mebibytes(TMP).quantity(),
        policy_labels,
        scripts: scripts(back_up.iter().chain(&restore))?,
        pod_of_backup: String::new(),
        pod_of_restore: String::new(),
    };
    let pod = |affinity, steps: &[Step]| {
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
    let (of_backup, of_restore) = (
        pod("podAffinity", &back_up)?,
        pod("podAntiAffinity", &restore)?,
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
    account_annotations: BTreeMap<String, String>,
    /// Addresses that provide the account's identity.
    token_egress: Vec<Egress>,
    /// The claim of Chroma's data.
    claim: String,
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
    affinity: &'static str,
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
    text: &'static str,
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
        let mut environment = vec![("BACKUPS", "/backups".to_owned())];
        if python {
            environment.extend([
                ("DATA", "/data".to_owned()),
                ("CHROMA_VERSION", deployment.spec.chroma.version.to_string()),
                ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
                ("SQLITE_TMPDIR", "/backups".to_owned()),
            ]);
        } else {
            environment.extend(
                backup
                    .place
                    .bucket()
                    .map(object_store::variables)
                    .unwrap_or_default(),
            );
        }
        // With a bucket, the last step keeps and deletes backups; this one keeps one locally.
        let keep = if self.script == "backup.py" && backup.place.bucket().is_some() {
            1
        } else {
            backup.keep
        };
        match self.script {
            "restore.py" => environment.extend([
                ("ARCHIVE", "newest".to_owned()),
                ("CHROMA_URL", chroma(deployment)),
            ]),
            "fetch.sh" => environment.push(("ARCHIVE", "newest".to_owned())),
            _ => environment.push(("KEEP", keep.to_string())),
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
            has_data: python,
        }
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

/// Returns the files that the steps run, and the module that two of them share.
fn scripts<'a>(steps: impl Iterator<Item = &'a Step>) -> Result<Vec<Script>> {
    let names = ["archive.py"]
        .into_iter()
        .chain(steps.map(|step| step.script));
    names
        .map(|name| {
            let text = script(name)?.trim_end();
            Ok(Script { name, text })
        })
        .collect()
}

/// Returns true if the store identifies the backups by the account of their pods.
fn by_identity(deployment: &Deployment) -> bool {
    bucket(deployment).is_some_and(|bucket| bucket.store.is_by_identity())
}

/// Returns the bucket; `None` if backups are off or on a volume.
fn bucket(deployment: &Deployment) -> Option<&Bucket> {
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
    /// `BUCKET/PREFIX`. `None` for a claim.
    store: Option<String>,
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
            store: bucket(deployment)
                .map(|one| format!("{}/{}", one.name.as_str(), one.prefix.as_str())),
            by_keys: bucket(deployment).is_some() && !by_identity(deployment),
            data: deployment.spec.chroma.version.data_directory(),
        })
    }
}
