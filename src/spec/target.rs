//! The targets as data: one row each.
//!
//! Invariant: what differs between targets without code is in [`TargetInfo`]; the code of a target is
//! its module in `src/targets`, called from `src/targets.rs` alone.

use crate::values::Cloud;

/// Where a deployment runs.
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
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Compose,
        Self::CloudFormation,
        Self::Terraform,
        Self::Manifests,
    ];

    /// The value of `format` in the spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compose => "compose",
            Self::CloudFormation => "cloudformation",
            Self::Terraform => "terraform",
            Self::Manifests => "manifests",
        }
    }
}

/// The values of `platform` in the spec, the default first.
pub const PLATFORMS: [&str; 2] = ["vm", "kubernetes"];

/// What is known of a target without reading a spec.
#[derive(Debug)]
pub struct TargetInfo {
    /// The target.
    pub target: Target,
    /// The value of `--target`.
    pub name: &'static str,
    /// Its name in a sentence.
    pub title: &'static str,
    /// The folder of its deployments, below `deploy`.
    pub folder: &'static str,
    /// One line for `list targets`.
    pub summary: &'static str,
    /// The formats it can be rendered in, the default first.
    pub formats: &'static [Format],
    /// The backend of a spec that names none.
    pub default_backend: &'static str,
    /// The machine type of a spec that names none. `None`: no machine is rented.
    pub machine_type: Option<&'static str>,
    /// Where the values of secrets are kept.
    pub secret_store: &'static str,
    /// The variables whose secret the deployment creates itself.
    pub created_secrets: &'static [&'static str],
    /// The keys of `machine` that have an effect.
    pub machine_keys: Keys,
    /// The keys of `kubernetes` that have an effect.
    pub kubernetes_keys: Keys,
}

/// Some of the keys of a section.
#[derive(Debug, Clone, Copy)]
pub enum Keys {
    /// These.
    Only(&'static [&'static str]),
    /// All others.
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

/// Variable of Azure Monitor's exporter.
pub const CONNECTION_STRING: &str = "APPLICATIONINSIGHTS_CONNECTION_STRING";

const DOCKER: TargetInfo = TargetInfo {
    target: Target::Docker,
    name: "docker",
    title: "target `docker`",
    folder: "docker",
    summary: "Docker Compose on one machine: Chroma, a collector, and Jaeger or Zipkin",
    formats: &[Format::Compose],
    default_backend: "jaeger",
    machine_type: None,
    secret_store: "`.env`",
    created_secrets: &[],
    machine_keys: NONE,
    kubernetes_keys: NONE,
};

const AWS: TargetInfo = TargetInfo {
    target: Target::Aws,
    name: "aws",
    title: "target `aws`",
    folder: "aws",
    summary: "One EC2 instance that is replaced when it dies, by CloudFormation or Terraform",
    formats: &[Format::CloudFormation, Format::Terraform],
    default_backend: "aws-xray",
    machine_type: Some("t4g.medium"), // 4 GiB, Arm
    secret_store: "Secrets Manager",
    created_secrets: &[],
    machine_keys: Keys::AllBut(&[
        "project",
        "subscription",
        "resource_group",
        "ssh_from",
        "ssh_key",
    ]),
    kubernetes_keys: NONE,
};

const GCP: TargetInfo = TargetInfo {
    target: Target::Gcp,
    name: "gcp",
    title: "target `gcp`",
    folder: "gcp",
    summary: "One Compute Engine machine with a disk of its own, by Terraform",
    formats: &[Format::Terraform],
    default_backend: "google-cloud-trace",
    machine_type: Some("e2-medium"), // 4 GiB
    secret_store: "Secret Manager",
    created_secrets: &[],
    machine_keys: Keys::AllBut(&["subscription", "resource_group", "ssh_from", "ssh_key"]),
    kubernetes_keys: NONE,
};

const AZURE: TargetInfo = TargetInfo {
    target: Target::Azure,
    name: "azure",
    title: "target `azure`",
    folder: "azure",
    summary: "One virtual machine with a disk of its own, by Terraform",
    formats: &[Format::Terraform],
    default_backend: "azure-monitor",
    machine_type: Some("Standard_B2s_v2"), // 8 GiB
    secret_store: "Key Vault",
    created_secrets: &[CONNECTION_STRING],
    machine_keys: Keys::AllBut(&["project", "network"]),
    kubernetes_keys: NONE,
};

const KUBERNETES: TargetInfo = TargetInfo {
    target: Target::Kubernetes(None),
    name: "kubernetes",
    title: "target `kubernetes`",
    folder: "kubernetes",
    summary: "Manifests with a kustomization, for any conformant cluster",
    formats: &[Format::Manifests],
    default_backend: "jaeger",
    machine_type: None,
    secret_store: "`.env`",
    created_secrets: &[],
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
    target: Target::Kubernetes(Some(Cloud::Aws)),
    name: "aws",
    title: "target `aws`, platform `kubernetes`",
    folder: "aws-kubernetes",
    summary: "The same for EKS",
    default_backend: "aws-xray",
    machine_keys: Keys::Only(&["disk", "allow_from", "secrets"]),
    kubernetes_keys: Keys::AllBut(&["tenant"]),
    ..KUBERNETES
};

const GKE: TargetInfo = TargetInfo {
    target: Target::Kubernetes(Some(Cloud::Gcp)),
    name: "gcp",
    title: "target `gcp`, platform `kubernetes`",
    folder: "gcp-kubernetes",
    summary: "The same for GKE",
    default_backend: "google-cloud-trace",
    machine_keys: Keys::Only(&["disk", "allow_from", "secrets", "project"]),
    kubernetes_keys: Keys::AllBut(&["identity", "tenant", "auto_mode"]),
    ..KUBERNETES
};

const AKS: TargetInfo = TargetInfo {
    target: Target::Kubernetes(Some(Cloud::Azure)),
    name: "azure",
    title: "target `azure`, platform `kubernetes`",
    folder: "azure-kubernetes",
    summary: "The same for AKS",
    default_backend: "azure-monitor",
    machine_keys: Keys::Only(&[
        "disk",
        "allow_from",
        "secrets",
        "subscription",
        "resource_group",
    ]),
    kubernetes_keys: Keys::AllBut(&["auto_mode"]),
    ..KUBERNETES
};

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

    /// Its row.
    pub fn info(self) -> &'static TargetInfo {
        match self {
            Self::Docker => &DOCKER,
            Self::Aws => &AWS,
            Self::Gcp => &GCP,
            Self::Azure => &AZURE,
            Self::Kubernetes(None) => &KUBERNETES,
            Self::Kubernetes(Some(Cloud::Aws)) => &EKS,
            Self::Kubernetes(Some(Cloud::Gcp)) => &GKE,
            Self::Kubernetes(Some(Cloud::Azure)) => &AKS,
        }
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

    /// Whether a machine is rented in a cloud.
    pub fn is_machine(self) -> bool {
        self.info().machine_type.is_some()
    }

    /// Whether it is a cluster, anywhere.
    pub fn is_kubernetes(self) -> bool {
        matches!(self, Self::Kubernetes(_))
    }

    /// The flags that choose it, behind `--target`.
    pub fn flags(self) -> String {
        let name = self.info().name;
        if self.is_kubernetes() && self.cloud().is_some() {
            format!("{name} --platform kubernetes")
        } else {
            name.to_owned()
        }
    }

    /// Whether a key of the spec (`SECTION.KEY`) has no effect on it, whatever the others say.
    pub fn ignores(self, key: &str) -> bool {
        match key.split_once('.') {
            Some(("machine", key)) => !self.info().machine_keys.contain(key),
            Some(("kubernetes", key)) => !self.info().kubernetes_keys.contain(key),
            Some(("collector", key)) => {
                !self.is_kubernetes() && !["repository", "memory"].contains(&key)
            }
            Some(("chroma", "bind")) => self != Self::Docker,
            Some(("chroma", "open_to_world")) => self.is_machine(),
            _ => key == "platform" && self.cloud().is_none(),
        }
    }

    /// Whether the deployment creates the secret of this variable itself.
    pub fn creates_secret(self, variable: &str) -> bool {
        self.info().created_secrets.contains(&variable)
    }

    /// The target of that name; of a cloud its Kubernetes, if that is the platform.
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

    /// The names of all targets, each once.
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
    use super::Target;

    #[test]
    fn every_row_is_its_targets() {
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
