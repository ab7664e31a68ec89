//! The targets as data: one row each.
//!
//! Invariant: differences between targets that need no code are in [`TargetInfo`]. The code of a
//! target is its module in `src/targets`, which only `src/targets.rs` calls.

use super::machine_size::{self, MachineInfo};
use crate::values::Cloud;

/// The platform of a deployment.
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
    /// Kubernetes: any conformant cluster, or a cloud's service.
    Kubernetes(Option<ClusterService>),
}

/// The managed Kubernetes of a cloud. A cloud does not need one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterService {
    /// Amazon Elastic Kubernetes Service.
    Eks,
    /// Google Kubernetes Engine.
    Gke,
    /// Azure Kubernetes Service.
    Aks,
}

impl ClusterService {
    /// Returns its cloud.
    pub fn cloud(self) -> Cloud {
        match self {
            Self::Eks => Cloud::Aws,
            Self::Gke => Cloud::Gcp,
            Self::Aks => Cloud::Azure,
        }
    }
}

/// The format of the rendered files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Docker Compose.
    Compose,
    /// One CloudFormation template.
    CloudFormation,
    /// A Terraform module.
    Terraform,
    /// Kubernetes manifests with a kustomization.
    Manifests,
    /// A chart with the same manifests.
    Helm,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Compose,
        Self::CloudFormation,
        Self::Terraform,
        Self::Manifests,
        Self::Helm,
    ];

    /// Returns the value of `format` in the spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::CloudFormation => "cloudformation",
            Self::Terraform => "terraform",
            Self::Manifests => "manifests",
            Self::Helm => "helm",
        }
    }
}

/// The values of `platform` in the spec, the default first.
pub const PLATFORMS: [&str; 2] = ["vm", "kubernetes"];

/// Properties of a target that do not depend on the spec.
#[derive(Debug)]
pub struct TargetInfo {
    /// The target.
    pub target: Target,
    /// The value of `--target`.
    pub name: &'static str,
    /// Its name in a sentence.
    pub title: &'static str,
    /// The folder of its deployments in `deploy`.
    pub folder: &'static str,
    /// Summary for `list targets`, one line.
    pub summary: &'static str,
    /// The supported formats, the default first.
    pub formats: &'static [Format],
    /// The default backend.
    pub default_backend: &'static str,
    /// Its machines. `None` if the target has none.
    pub machine: Option<&'static MachineInfo>,
    /// The store for values of secrets.
    pub secret_store: &'static str,
    /// The keys of `machine` that have an effect.
    pub machine_keys: Keys,
    /// The keys of `kubernetes` that have an effect.
    pub kubernetes_keys: Keys,
}

/// A subset of a section's keys.
#[derive(Debug, Clone, Copy)]
pub enum Keys {
    /// These keys.
    Only(&'static [&'static str]),
    /// All keys except these.
    AllBut(&'static [&'static str]),
}

impl Keys {
    fn contain(self, key: &str) -> bool {
        match self {
            Self::Only(keys) => keys.contains(&key),
            Self::AllBut(keys) => !keys.contains(&key),
        }
    }
}

const NONE: Keys = Keys::Only(&[]);

const DOCKER: TargetInfo = TargetInfo {
    target: Target::Docker,
    name: "docker",
    title: "target `docker`",
    folder: "docker",
    summary: "Docker Compose on one machine: Chroma, a collector, and Jaeger or Zipkin",
    formats: &[Format::Compose],
    default_backend: "jaeger",
    machine: None,
    secret_store: "`.env`",
    machine_keys: NONE,
    kubernetes_keys: NONE,
};

const AWS: TargetInfo = TargetInfo {
    target: Target::Aws,
    name: "aws",
    title: "target `aws`",
    folder: "aws",
    summary: "One EC2 instance that is replaced when it fails, with CloudFormation or Terraform",
    formats: &[Format::CloudFormation, Format::Terraform],
    default_backend: "aws-xray",
    machine: Some(&machine_size::AWS),
    secret_store: "Secrets Manager",
    machine_keys: Keys::AllBut(&[
        "project",
        "subscription",
        "resource_group",
        "ssh_from",
        "ssh_key",
        "network_project",
        "create_firewall_rules",
        "key_vault",
        "workspace",
        "encryption_at_host",
    ]),
    kubernetes_keys: NONE,
};

const GCP: TargetInfo = TargetInfo {
    target: Target::Gcp,
    name: "gcp",
    title: "target `gcp`",
    folder: "gcp",
    summary: "One Compute Engine machine with a separate data disk, with Terraform",
    formats: &[Format::Terraform],
    default_backend: "google-cloud-trace",
    machine: Some(&machine_size::GCP),
    secret_store: "Secret Manager",
    machine_keys: Keys::AllBut(&[
        "subscription",
        "resource_group",
        "ssh_from",
        "ssh_key",
        "permissions_boundary",
        "policies",
        "public_address",
        "key_vault",
        "workspace",
        "encryption_at_host",
    ]),
    kubernetes_keys: NONE,
};

const AZURE: TargetInfo = TargetInfo {
    target: Target::Azure,
    name: "azure",
    title: "target `azure`",
    folder: "azure",
    summary: "One virtual machine with a separate data disk, with Terraform",
    formats: &[Format::Terraform],
    default_backend: "azure-monitor",
    machine: Some(&machine_size::AZURE),
    secret_store: "Key Vault",
    machine_keys: Keys::AllBut(&[
        "project",
        "network",
        "network_project",
        "create_firewall_rules",
        "permissions_boundary",
        "policies",
        "public_address",
    ]),
    kubernetes_keys: NONE,
};

const KUBERNETES: TargetInfo = TargetInfo {
    target: Target::Kubernetes(None),
    name: "kubernetes",
    title: "target `kubernetes`",
    folder: "kubernetes",
    summary: "Manifests with a kustomization, or a Helm chart, for any conformant cluster",
    formats: &[Format::Manifests, Format::Helm],
    default_backend: "jaeger",
    machine: None,
    secret_store: "`.env`",
    machine_keys: Keys::Only(&["disk", "allow_from", "secrets"]),
    kubernetes_keys: Keys::AllBut(&[
        "cluster",
        "identity",
        "tenant",
        "auto_mode",
        "internal_load_balancer",
    ]),
};

const EKS: TargetInfo = TargetInfo {
    target: Target::Kubernetes(Some(ClusterService::Eks)),
    name: "aws",
    title: "target `aws`, platform `kubernetes`",
    folder: "aws-kubernetes",
    summary: "Manifests with a kustomization, or a Helm chart, for EKS",
    default_backend: "aws-xray",
    machine_keys: Keys::Only(&["disk", "allow_from", "secrets"]),
    kubernetes_keys: Keys::AllBut(&["tenant", "openshift"]),
    ..KUBERNETES
};

const GKE: TargetInfo = TargetInfo {
    target: Target::Kubernetes(Some(ClusterService::Gke)),
    name: "gcp",
    title: "target `gcp`, platform `kubernetes`",
    folder: "gcp-kubernetes",
    summary: "Manifests with a kustomization, or a Helm chart, for GKE",
    default_backend: "google-cloud-trace",
    machine_keys: Keys::Only(&["disk", "allow_from", "secrets", "project"]),
    kubernetes_keys: Keys::AllBut(&["identity", "tenant", "auto_mode", "openshift"]),
    ..KUBERNETES
};

const AKS: TargetInfo = TargetInfo {
    target: Target::Kubernetes(Some(ClusterService::Aks)),
    name: "azure",
    title: "target `azure`, platform `kubernetes`",
    folder: "azure-kubernetes",
    summary: "Manifests with a kustomization, or a Helm chart, for AKS",
    default_backend: "azure-monitor",
    machine_keys: Keys::Only(&[
        "disk",
        "allow_from",
        "secrets",
        "subscription",
        "resource_group",
    ]),
    kubernetes_keys: Keys::AllBut(&["auto_mode", "openshift"]),
    ..KUBERNETES
};

impl Target {
    /// All targets.
    pub const ALL: [Self; 8] = [
        Self::Docker,
        Self::Kubernetes(None),
        Self::Aws,
        Self::Kubernetes(Some(ClusterService::Eks)),
        Self::Gcp,
        Self::Kubernetes(Some(ClusterService::Gke)),
        Self::Azure,
        Self::Kubernetes(Some(ClusterService::Aks)),
    ];

    /// Returns the target's row.
    pub fn info(self) -> &'static TargetInfo {
        match self {
            Self::Docker => &DOCKER,
            Self::Aws => &AWS,
            Self::Gcp => &GCP,
            Self::Azure => &AZURE,
            Self::Kubernetes(None) => &KUBERNETES,
            Self::Kubernetes(Some(ClusterService::Eks)) => &EKS,
            Self::Kubernetes(Some(ClusterService::Gke)) => &GKE,
            Self::Kubernetes(Some(ClusterService::Aks)) => &AKS,
        }
    }

    /// Returns the target's cloud.
    pub fn cloud(self) -> Option<Cloud> {
        match self {
            Self::Docker => None,
            Self::Aws => Some(Cloud::Aws),
            Self::Gcp => Some(Cloud::Gcp),
            Self::Azure => Some(Cloud::Azure),
            Self::Kubernetes(service) => service.map(ClusterService::cloud),
        }
    }

    /// Returns true if the target is a machine in a cloud.
    pub fn is_machine(self) -> bool {
        self.info().machine.is_some()
    }

    /// Returns true for a cluster, in a cloud or elsewhere.
    pub fn is_kubernetes(self) -> bool {
        matches!(self, Self::Kubernetes(_))
    }

    /// Returns the flags that choose the target, as they follow `--target`.
    pub fn flags(self) -> String {
        let name = self.info().name;
        if self.is_kubernetes() && self.cloud().is_some() {
            format!("{name} --platform kubernetes")
        } else {
            name.to_owned()
        }
    }

    /// Returns true if a key of the spec (`SECTION.KEY`) never has an effect on the target.
    pub fn ignores(self, key: &str) -> bool {
        match key.split_once('.') {
            Some(("machine", key)) => !self.info().machine_keys.contain(key),
            Some(("kubernetes", key)) => !self.info().kubernetes_keys.contain(key),
            Some(("collector", "repository" | "version" | "memory")) => false,
            Some(("collector", "networks") | ("chroma", "bind")) => self != Self::Docker,
            Some(("chroma", "access")) => self.is_kubernetes(),
            Some(("collector", _)) => !self.is_kubernetes(),
            Some(("backup", "schedule" | "keep" | "keep_days")) => false,
            Some(("backup", "image_registry")) => self.is_kubernetes(),
            Some(("backup", "disk" | "identity" | "snapshot_class")) => !self.is_kubernetes(),
            Some(("backup", _)) => self == Self::Docker,
            Some(("chroma", "open_to_world")) => self.is_machine(),
            _ => key == "platform" && self.cloud().is_none(),
        }
    }

    /// Returns the target of that name; for a cloud, its Kubernetes if that is the platform.
    pub fn from_name(name: &str, kubernetes: bool) -> Option<Self> {
        let mut named = Self::ALL
            .into_iter()
            .filter(|target| target.info().name == name);
        let first = named.next()?;
        if kubernetes {
            named.find(|target| target.is_kubernetes()).or(Some(first))
        } else {
            Some(first)
        }
    }

    /// Returns the names of all targets, each once.
    pub fn names() -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for target in Self::ALL {
            let name = target.info().name;
            if names.iter().all(|known| known != name) {
                names.push(name.to_owned());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusterService, Target};

    #[test]
    fn all_contains_every_target() {
        // A new variant does not compile here: add it to `ALL` as well.
        let position = |target| match target {
            Target::Docker => 0,
            Target::Kubernetes(None) => 1,
            Target::Aws => 2,
            Target::Kubernetes(Some(ClusterService::Eks)) => 3,
            Target::Gcp => 4,
            Target::Kubernetes(Some(ClusterService::Gke)) => 5,
            Target::Azure => 6,
            Target::Kubernetes(Some(ClusterService::Aks)) => 7,
        };
        assert_eq!(Target::ALL.map(position), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn every_target_has_its_own_row() {
        for target in Target::ALL {
            assert_eq!(target.info().target, target);
            let platform = target.is_kubernetes();
            assert_eq!(
                Target::from_name(target.info().name, platform),
                Some(target)
            );
        }
    }
}
