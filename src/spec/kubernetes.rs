//! Settings of a cluster, valid by construction.
//!
//! Invariant: the database is never exposed without a token unless the spec explicitly allows it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use crate::values::{CloudName, DnsLabel, DnsName, ImageRepository, LabelKey};

/// Mode of the collector on Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CollectorMode {
    /// Replicas that share the load.
    Gateway,
    /// Routers in front of a second tier that receives complete traces.
    Tiered,
    /// No collector; the operator runs one elsewhere.
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
    /// Namespace of all resources.
    pub namespace: DnsLabel,
    /// True if the deployment creates the namespace.
    pub create_namespace: bool,
    /// Storage class of the data volume. `None`: the cluster's default, or the rendered one.
    pub storage_class: Option<DnsName>,
    /// Registry that mirrors Docker Hub.
    pub image_registry: Option<ImageRepository>,
    /// Secret that contains the values of keys.
    pub secret: DnsName,
    /// Store from which `machine.secrets` are read. `None`: the rendered one.
    pub secret_store: Option<SecretStore>,
    /// Other namespaces whose pods may connect.
    pub allow_namespaces: Vec<DnsLabel>,
    /// More labels.
    pub labels: BTreeMap<LabelKey, String>,
    /// More annotations.
    pub annotations: BTreeMap<LabelKey, String>,
    /// Node labels that the pods require.
    pub node_selector: BTreeMap<LabelKey, String>,
    /// Node taints that the pods tolerate.
    pub tolerations: Vec<Toleration>,
    /// Priority class.
    pub priority_class: Option<DnsName>,
    /// Secrets for pulling images.
    pub image_pull_secrets: Vec<DnsName>,
    /// Address outside the cluster.
    pub exposure: Option<Exposure>,
    /// True if the deployment has a load balancer inside the cloud's network.
    pub internal_load_balancer: bool,
    /// Region of the cluster, in a cloud.
    pub region: Option<CloudName>,
    /// Name of the cluster, in a cloud.
    pub cluster: Option<CloudName>,
    /// Identity for reading secrets (aws, azure).
    pub identity: Option<CloudName>,
    /// Tenant of that identity (azure).
    pub tenant: Option<CloudName>,
    /// True if Chroma listens on IPv6 addresses as well.
    pub ipv6: bool,
    /// Address of the cluster's DNS, if NetworkPolicies see it instead of the DNS pods.
    pub dns_address: Option<IpAddr>,
    /// True if OpenShift chooses the users of the pods.
    pub openshift: bool,
    /// True for EKS Auto Mode (aws).
    pub auto_mode: bool,
}

/// A store of the External Secrets Operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretStore {
    /// True for a ClusterSecretStore.
    pub of_cluster: bool,
    /// Its name.
    pub name: DnsName,
}

impl SecretStore {
    /// The form in the schema.
    pub const PATTERN: &'static str = r"^((Cluster)?SecretStore/)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
}

/// A taint that pods tolerate, with the fields of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    /// The given fields, in the order of Kubernetes' documentation.
    pub fields: Vec<(&'static str, String)>,
}

impl Toleration {
    /// The values of `operator`.
    pub const OPERATORS: [&'static str; 2] = ["Equal", "Exists"];
    /// The values of `effect`.
    pub const EFFECTS: [&'static str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
}

/// An address outside the cluster.
#[derive(Debug, Clone)]
pub struct Exposure {
    /// The host name.
    pub host: DnsName,
    /// The route to the host.
    pub route: Route,
    /// Annotations of the Ingress or HTTPRoute.
    pub annotations: BTreeMap<LabelKey, String>,
    /// True if a proxy requires a token; false only if the spec explicitly says so.
    pub token: bool,
}

/// A resource of cert-manager that issues certificates.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Its kind.
    pub kind: IssuerKind,
    /// Its name.
    pub name: DnsName,
}

/// The kind of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerKind {
    /// For the whole cluster.
    ClusterIssuer,
    /// For its namespace.
    Issuer,
}

impl IssuerKind {
    /// All kinds; the first one is the default.
    pub const ALL: [Self; 2] = [Self::ClusterIssuer, Self::Issuer];

    /// Returns the name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClusterIssuer => "ClusterIssuer",
            Self::Issuer => "Issuer",
        }
    }

    /// Returns the annotation of an Ingress that names an issuer of the kind.
    pub const fn annotation(self) -> &'static str {
        match self {
            Self::ClusterIssuer => "cert-manager.io/cluster-issuer",
            Self::Issuer => "cert-manager.io/issuer",
        }
    }
}

/// The resource that routes requests into the cluster and terminates TLS.
#[derive(Debug, Clone)]
pub enum Route {
    /// An Ingress.
    Ingress {
        /// Its class.
        class: Option<DnsName>,
        /// Secret with the certificate.
        tls_secret: DnsName,
        /// cert-manager's issuer of the certificate.
        issuer: Option<Issuer>,
    },
    /// An HTTPRoute attached to a Gateway's listener, which terminates TLS.
    Gateway {
        /// The Gateway's namespace.
        namespace: DnsLabel,
        /// The Gateway.
        name: DnsName,
        /// Its listener.
        listener: DnsName,
    },
}
