//! What a cluster is told, valid by construction.
//!
//! Invariant: nothing here opens the database without a token unless the spec says so in words.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::values::{CloudName, DnsLabel, DnsName, LabelKey, Memory, Schedule};

/// How the collector runs on Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectorMode {
    /// Replicas that share the work.
    Gateway,
    /// Routers before a second tier that sees whole traces.
    Tiered,
    /// The operator's own, elsewhere.
    None,
}

impl CollectorMode {
    /// Every mode, with the value of `collector.mode`.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Gateway, "gateway"),
        (Self::Tiered, "tiered"),
        (Self::None, "none"),
    ];
}

impl FromStr for CollectorMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, name)| *name == text)
            .map(|(mode, _)| mode)
            .ok_or("one of `gateway`, `tiered`, `none`")
    }
}

/// The cluster.
#[derive(Debug, Clone)]
pub struct Kubernetes {
    /// Namespace of everything.
    pub namespace: DnsLabel,
    /// Storage class of the data's volume. Absent: the cluster's default, or the one that is rendered.
    pub storage_class: Option<DnsName>,
    /// Secret with the values of keys.
    pub secret: DnsName,
    /// Store that `machine.secrets` are read from. Absent: the one that is rendered.
    pub secret_store: Option<SecretStore>,
    /// Other namespaces whose pods may connect.
    pub allow_namespaces: Vec<DnsLabel>,
    /// More labels.
    pub labels: BTreeMap<LabelKey, String>,
    /// More annotations.
    pub annotations: BTreeMap<LabelKey, String>,
    /// Labels of nodes.
    pub node_selector: BTreeMap<LabelKey, String>,
    /// Taints of nodes.
    pub tolerations: Vec<Toleration>,
    /// Priority class.
    pub priority_class: Option<DnsName>,
    /// Secrets that images are pulled with.
    pub image_pull_secrets: Vec<DnsName>,
    /// An address outside of the cluster.
    pub exposure: Option<Exposure>,
    /// Backups.
    pub backup: Option<Backup>,
    /// Whether there is a load balancer inside of the cloud's network.
    pub internal_load_balancer: bool,
    /// Region of the cluster, on a cloud.
    pub region: Option<CloudName>,
    /// Name of the cluster, on a cloud.
    pub cluster: Option<CloudName>,
    /// Identity that secrets are read with, on aws and azure.
    pub identity: Option<CloudName>,
    /// The tenant of that identity, on azure.
    pub tenant: Option<CloudName>,
    /// Whether it is EKS Auto Mode, on aws.
    pub auto_mode: bool,
}

/// A store of the External Secrets Operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStore {
    /// Whether it is a ClusterSecretStore.
    pub of_cluster: bool,
    /// Its name.
    pub name: DnsName,
}

impl SecretStore {
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^((Cluster)?SecretStore/)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
}

/// A taint that pods put up with: fields as in Kubernetes, absent where not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The fields, in the order of Kubernetes' documentation.
    pub fields: Vec<(&'static str, String)>,
}

impl Toleration {
    /// The values of `operator`.
    pub const OPERATORS: [&'static str; 2] = ["Equal", "Exists"];
    /// The values of `effect`.
    pub const EFFECTS: [&'static str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
}

/// An address outside of the cluster.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// The host name.
    pub host: DnsName,
    /// By what.
    pub route: Route,
    /// Annotations of the Ingress or HTTPRoute.
    pub annotations: BTreeMap<LabelKey, String>,
    /// Whether a proxy asks for a token; not, if the spec says so in words.
    pub token: bool,
}

/// What brings requests into the cluster and ends TLS.
#[derive(Debug, Clone)]
pub enum Route {
    /// An Ingress.
    Ingress {
        /// Its class.
        class: Option<DnsName>,
        /// Secret with the certificate.
        tls_secret: DnsName,
        /// ClusterIssuer that makes the certificate.
        issuer: Option<DnsName>,
    },
    /// An HTTPRoute at a Gateway's listener, which ends TLS.
    Gateway {
        /// The Gateway's namespace.
        namespace: DnsLabel,
        /// The Gateway.
        name: DnsName,
        /// Its listener.
        listener: DnsName,
    },
}

/// Backups of the database.
#[derive(Debug, Clone)]
pub struct Backup {
    /// When, as cron has it.
    pub schedule: Schedule,
    /// How many are kept.
    pub keep: u16,
    /// Where.
    pub place: BackupPlace,
}

/// Where backups are kept.
#[derive(Debug, Clone)]
pub enum BackupPlace {
    /// A volume of this size.
    Claim(Memory),
    /// An S3-compatible store.
    Bucket {
        /// The bucket.
        bucket: CloudName,
        /// Path in it.
        prefix: CloudName,
        /// Address of the store. Absent: AWS.
        endpoint: Option<CloudName>,
        /// Region.
        region: CloudName,
    },
}
