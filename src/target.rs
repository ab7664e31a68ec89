//! Targets: where a deployment goes. A target is one variant here, one module, one template folder.
//!
//! Invariant: the matches below are the only places that tell targets apart.

pub mod aws;
pub mod azure;
mod clients;
mod context;
pub mod docker;
mod exporters;
pub mod gcp;
pub mod image;
pub mod kubernetes;
mod machine;
mod monitoring;
mod redact;
mod registry;
mod sampling;
mod secrets;
mod terraform;

pub use redact::NAMES_KEY;

use anyhow::Result;

use crate::backend::Cloud;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::spec::{Format, Resolved};
use crate::tree::Change;

/// The collector release that the images pin and the templates are written for.
pub const COLLECTOR_VERSION: &str = "0.158.0";

/// Where a deployment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Docker Compose on one machine.
    Docker,
    /// A machine in AWS.
    Aws,
    /// A machine in Google Cloud.
    Gcp,
    /// A machine in Azure.
    Azure,
    /// Kubernetes: any conformant cluster, or a cloud's own.
    Kubernetes(Option<Cloud>),
}

/// A value that the operator has to supply after `gen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The variable it goes under.
    pub variable: String,
    /// What it is and where to get it.
    pub what: String,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 8] = [
        Self::Docker,
        Self::Kubernetes(None),
        Self::Aws,
        Self::Kubernetes(Some(Cloud::Aws)),
        Self::Gcp,
        Self::Kubernetes(Some(Cloud::Gcp)),
        Self::Azure,
        Self::Kubernetes(Some(Cloud::Azure)),
    ];

    /// What `--target` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Kubernetes(None) => "kubernetes",
            Self::Kubernetes(Some(cloud)) => cloud.target(),
        }
    }

    /// Its name in a sentence.
    pub fn title(self) -> String {
        match self {
            Self::Kubernetes(Some(cloud)) => {
                format!("target `{}`, platform `kubernetes`", cloud.target())
            }
            _ => format!("target `{}`", self.name()),
        }
    }

    /// What names it on the command line, behind `--target`.
    pub fn flags(self) -> String {
        match self {
            Self::Kubernetes(Some(cloud)) => format!("{} --platform kubernetes", cloud.target()),
            _ => self.name().to_owned(),
        }
    }

    /// The folder of its deployments, below `deploy`.
    pub fn folder(self) -> String {
        match self {
            Self::Kubernetes(Some(cloud)) => format!("{}-kubernetes", cloud.target()),
            _ => self.name().to_owned(),
        }
    }

    /// One line for `list targets`.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Docker => {
                "Docker Compose on one machine: Chroma, a collector, and Jaeger or Zipkin"
            }
            Self::Aws => {
                "One EC2 instance that is replaced when it dies, by CloudFormation or Terraform"
            }
            Self::Gcp => "One Compute Engine machine with a disk of its own, by Terraform",
            Self::Azure => "One virtual machine with a disk of its own, by Terraform",
            Self::Kubernetes(None) => "Manifests with a kustomization, for any conformant cluster",
            Self::Kubernetes(Some(Cloud::Aws)) => "The same for EKS",
            Self::Kubernetes(Some(Cloud::Gcp)) => "The same for GKE",
            Self::Kubernetes(Some(Cloud::Azure)) => "The same for AKS",
        }
    }

    /// What the files can be written for, the usual one first.
    pub fn formats(self) -> &'static [Format] {
        match self {
            Self::Docker => &[Format::Compose],
            Self::Aws => &[Format::CloudFormation, Format::Terraform],
            Self::Gcp | Self::Azure => &[Format::Terraform],
            Self::Kubernetes(_) => &[Format::Manifests],
        }
    }

    /// The machine's type where the spec says none; nothing where no machine is rented.
    pub fn machine_type(self) -> Option<&'static str> {
        match self {
            Self::Docker | Self::Kubernetes(_) => None,
            Self::Aws => Some("t4g.medium"),        // 4 GiB, Arm
            Self::Gcp => Some("e2-medium"),         // 4 GiB
            Self::Azure => Some("Standard_B2s_v2"), // 8 GiB
        }
    }

    /// Whether the key `machine.…` means something here.
    pub fn reads_of_machine(self, key: &str) -> bool {
        let elsewhere: &[&str] = match self {
            Self::Docker => return false,
            Self::Kubernetes(cloud) => return kubernetes::reads_of_machine(cloud, key),
            Self::Aws => &[
                "project",
                "subscription",
                "resource_group",
                "ssh_from",
                "ssh_key",
            ],
            Self::Gcp => &["subscription", "resource_group", "ssh_from", "ssh_key"],
            Self::Azure => &["project", "network"],
        };
        !elsewhere.contains(&key)
    }

    /// Whether the key `kubernetes.…` means something here.
    pub fn reads_of_kubernetes(self, key: &str) -> bool {
        self.is_kubernetes() && kubernetes::reads_of_kubernetes(self.cloud(), key)
    }

    /// Whether a machine is rented in a cloud.
    pub fn is_machine(self) -> bool {
        self.machine_type().is_some()
    }

    /// Whether it is a cluster, anywhere.
    pub fn is_kubernetes(self) -> bool {
        matches!(self, Self::Kubernetes(_))
    }

    /// The cloud that it is in.
    pub fn cloud(self) -> Option<Cloud> {
        match self {
            Self::Docker => None,
            Self::Aws => Some(Cloud::Aws),
            Self::Gcp => Some(Cloud::Gcp),
            Self::Azure => Some(Cloud::Azure),
            Self::Kubernetes(cloud) => cloud,
        }
    }

    /// Where the traces end up when the spec does not say.
    pub fn default_backend(self) -> &'static str {
        match self.cloud() {
            None => "jaeger",
            Some(Cloud::Aws) => "aws-xray",
            Some(Cloud::Gcp) => "google-cloud-trace",
            Some(Cloud::Azure) => "azure-monitor",
        }
    }

    /// Where the values of secrets are kept.
    pub fn secret_store(self) -> &'static str {
        match self {
            Self::Docker | Self::Kubernetes(_) => "`.env`",
            Self::Aws => "Secrets Manager",
            Self::Gcp => "Secret Manager",
            Self::Azure => "Key Vault",
        }
    }

    /// Whether the deployment makes the secret with this variable's value by itself.
    pub fn makes_secret(self, variable: &str) -> bool {
        match self {
            Self::Docker | Self::Aws | Self::Gcp | Self::Kubernetes(_) => false,
            Self::Azure => azure::makes_secret(variable),
        }
    }

    /// Where the operator puts what [`Target::needs`] names, of a deployment in `folder`.
    pub fn place_of_needs(self, folder: &str) -> String {
        match self {
            Self::Docker => format!("in {folder}/.env"),
            Self::Kubernetes(_) => format!("in {folder}/.env or in the spec"),
            Self::Aws | Self::Gcp | Self::Azure => "in the spec, or when you deploy".to_owned(),
        }
    }

    /// The target of that name; of a cloud its Kubernetes, if that is the platform.
    pub fn from_name(name: &str, kubernetes: bool) -> Option<Self> {
        let mut named = Self::ALL.into_iter().filter(|target| target.name() == name);
        let first = named.next()?;
        match kubernetes {
            true => named.find(|target| target.is_kubernetes()).or(Some(first)),
            false => Some(first),
        }
    }

    /// The names of all targets, each once.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for target in Self::ALL {
            if names.iter().all(|name| name != target.name()) {
                names.push(target.name().to_owned());
            }
        }
        names
    }

    /// What this target cannot write, of a spec that is sound otherwise.
    pub fn problems(self, resolved: &Resolved) -> Vec<Problem> {
        let mut problems = match self {
            Self::Docker => docker::problems(resolved),
            Self::Aws => aws::problems(resolved),
            Self::Gcp => gcp::problems(resolved),
            Self::Azure => azure::problems(resolved),
            Self::Kubernetes(_) => kubernetes::problems(resolved),
        };
        problems.extend(sampling::problems(&resolved.spec));
        problems.extend(redact::problems(&resolved.spec));
        problems.extend(clients::problems(&resolved.spec));
        problems
    }

    /// The files of the deployment.
    ///
    /// # Errors
    /// A template is wrong: a bug.
    pub fn plan(self, resolved: &Resolved) -> Result<Plan> {
        let mut plan = match self {
            Self::Docker => docker::plan(resolved),
            Self::Aws => aws::plan(resolved),
            Self::Gcp => gcp::plan(resolved),
            Self::Azure => azure::plan(resolved),
            Self::Kubernetes(_) => kubernetes::plan(resolved),
        }?;
        clients::add(&mut plan, &resolved.spec)?;
        monitoring::add(&mut plan, &resolved.spec)?;
        Ok(plan)
    }

    /// What the operator still has to supply.
    pub fn needs(self, resolved: &Resolved) -> Vec<Need> {
        match self {
            Self::Docker => docker::needs(resolved),
            Self::Aws => aws::needs(resolved),
            Self::Gcp => gcp::needs(resolved),
            Self::Azure => azure::needs(resolved),
            Self::Kubernetes(_) => kubernetes::needs(resolved),
        }
    }

    /// What the operator should know of a change to a file of the deployment.
    pub fn notes(self, change: &Change) -> Vec<String> {
        match self {
            Self::Docker => docker::notes(change),
            Self::Aws => aws::notes(change),
            Self::Gcp => gcp::notes(change),
            Self::Azure => azure::notes(change),
            Self::Kubernetes(_) => kubernetes::notes(change),
        }
    }

    /// The commands that come after `gen`, to be run in the deployment's folder.
    pub fn next_steps(self, resolved: &Resolved) -> Vec<String> {
        match self {
            Self::Docker => docker::next_steps(resolved),
            Self::Aws => aws::next_steps(resolved),
            Self::Gcp => gcp::next_steps(resolved),
            Self::Azure => azure::next_steps(resolved),
            Self::Kubernetes(_) => kubernetes::next_steps(resolved),
        }
    }
}
