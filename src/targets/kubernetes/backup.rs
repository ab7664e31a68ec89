//! Backups of the database by a CronJob, and the Job that restores one.
//!
//! Invariant: both run on the node of Chroma's volume; a backup only while Chroma runs, a restore
//! only while it does not. Their scripts are in `templates/kubernetes/backup`, and the tests run
//! them unchanged.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::component::{BACKUP, Component, ComponentTemplate, api, claim};
use super::secret_keys::SecretKey;
use super::template::ClusterTemplate;
use super::templates;
use super::{cloud, secret_keys};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::Plan;
use crate::render::{TEMPLATES, render, values_of};
use crate::spec::kubernetes::{Backup, BackupPlace};

/// Image for the scripts; any Python from 3.11 works, without packages.
pub(super) const PYTHON: &str = env!("PYTHON_IMAGE");

/// Image that connects to the store.
const RCLONE: &str = concat!("rclone/rclone:", env!("RCLONE_VERSION"));

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
    let Some(backup) = &deployment.spec.kubernetes.backup else {
        return Ok(());
    };
    let (back_up, restore) = match backup.place {
        BackupPlace::Claim(_) => (
            vec![Step::new("backup", "backup.py")],
            vec![Step::new("restore", "restore.py")],
        ),
        BackupPlace::Bucket { .. } => (
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
    let mut template = BackupTemplate {
        base,
        backup: BACKUP.template(deployment, &version),
        restore: RESTORE.template(deployment, &version),
        claim: claim(deployment),
        scratch_class: cloud::scratch_class(deployment),
        selinux_level: cloud::selinux_level(deployment),
        in_bucket: store(backup).is_some(),
        store_port: store_port(backup),
        room: deployment.spec.machine.disk.twice().quantity(),
        schedule: backup.schedule.to_string(),
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
    image: &'static str,
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
            ]);
        } else {
            environment.extend(store(backup).unwrap_or_default());
        }
        // With a bucket, the last step keeps and deletes backups; this one keeps one locally.
        let keep = if self.script == "backup.py" && store(backup).is_some() {
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
            image,
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
            let file = TEMPLATES.get_file(format!("kubernetes/backup/{name}"));
            let text = file.and_then(|file| file.contents_utf8());
            let text = text
                .with_context(|| format!("no script `{name}`"))?
                .trim_end();
            Ok(Script { name, text })
        })
        .collect()
}

/// Returns rclone's configuration as variables (rclone's documentation, "Environment Variables") if
/// backups are stored in a bucket. The keys are in the Secret.
fn store(backup: &Backup) -> Option<Vec<(&'static str, String)>> {
    let BackupPlace::Bucket {
        bucket,
        prefix,
        endpoint,
        region,
    } = &backup.place
    else {
        return None;
    };
    let mut variables = vec![
        (
            "STORE",
            format!(":s3:{}/{}", bucket.as_str(), prefix.as_str()),
        ),
        ("RCLONE_CONFIG", "/tmp/rclone.conf".to_owned()), // does not exist
        ("RCLONE_S3_ENV_AUTH", "true".to_owned()),
        ("RCLONE_S3_REGION", region.as_str().to_owned()),
        ("RCLONE_S3_NO_CHECK_BUCKET", "true".to_owned()), // otherwise it tries to create the bucket
    ];
    match endpoint {
        Some(endpoint) => variables.extend([
            ("RCLONE_S3_PROVIDER", "Other".to_owned()),
            ("RCLONE_S3_ENDPOINT", endpoint.as_str().to_owned()),
        ]),
        None => variables.push(("RCLONE_S3_PROVIDER", "AWS".to_owned())),
    }
    Some(variables)
}

/// Returns the port of the store: its endpoint's, or the default of the scheme.
fn store_port(backup: &Backup) -> u16 {
    let BackupPlace::Bucket {
        endpoint: Some(endpoint),
        ..
    } = &backup.place
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
    /// The data directory.
    data: &'static str,
}

impl BackupSection {
    /// Computes the section. `None` without backups.
    pub(super) fn new(deployment: &Deployment) -> Option<Self> {
        let backup = deployment.spec.kubernetes.backup.as_ref()?;
        Some(Self {
            name: BACKUP.name(deployment),
            restore: RESTORE.name(deployment),
            schedule: backup.schedule.to_string(),
            keep: backup.keep,
            store: match &backup.place {
                BackupPlace::Claim(_) => None,
                BackupPlace::Bucket { bucket, prefix, .. } => {
                    Some(format!("{}/{}", bucket.as_str(), prefix.as_str()))
                }
            },
            data: deployment.spec.chroma.version.data_directory(),
        })
    }
}
