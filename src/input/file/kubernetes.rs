//! `kubernetes`: what a cluster wants to know, as a person writes it.
//!
//! Invariant: as in the rest of the file, everything is optional, and nothing here is a secret.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The cluster, for target kubernetes and platform kubernetes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesSection {
    /// Namespace. Default: the deployment's name.
    pub namespace: Option<String>,
    /// Storage class of the data's volume: block storage, never a network file system. Default: the
    /// cluster's own default, and on a cloud a class that is rendered.
    pub storage_class: Option<String>,
    /// Deprecated: use `chroma.registry`, which means the same.
    pub registry: Option<String>,
    /// Secret with the values of keys, by the names of their variables. Default: NAME-keys.
    pub secret: Option<String>,
    /// Store of the External Secrets Operator that `machine.secrets` are read from: the name of a
    /// ClusterSecretStore, or `SecretStore/NAME`. Default on a cloud: a store that is rendered.
    pub secret_store: Option<String>,
    /// Other namespaces whose pods may connect to Chroma and to the collector.
    pub allow_namespaces: Option<Vec<String>>,
    /// More labels for everything.
    pub labels: Option<BTreeMap<String, String>>,
    /// More annotations for everything.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels of the nodes that pods run on.
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Taints of nodes that pods put up with.
    pub tolerations: Option<Vec<TolerationSection>>,
    /// Priority class of Chroma and the collector.
    pub priority_class: Option<String>,
    /// Secrets that images are pulled with.
    pub image_pull_secrets: Option<Vec<String>>,
    /// An address outside of the cluster. Default: none.
    #[schemars(with = "ExposeSection")]
    pub expose: Option<ExposeSection>,
    /// Backups; `{}` for one a day on a volume. Default: none.
    #[schemars(with = "BackupSection")]
    pub backup: Option<BackupSection>,
    /// On a cloud, a load balancer inside of its network, for those of `machine.allow_from`.
    pub internal_load_balancer: Option<bool>,
    /// On a cloud, the cluster's region; on gcp the zone, where it is in one only.
    pub region: Option<String>,
    /// On a cloud, the cluster's name, for the commands in the recipe.
    pub cluster: Option<String>,
    /// On aws the ARN of the role, on azure the client id of the identity, that secrets are read with.
    pub identity: Option<String>,
    /// On azure, the id of that identity's tenant.
    pub tenant: Option<String>,
    /// On aws, whether it is EKS Auto Mode, whose disks and load balancers have names of their own.
    /// Default: false.
    pub auto_mode: Option<bool>,
}

/// A section that stands there with nothing below it is an empty one: `backup:` asks for backups; and
/// `sampling:` for nothing.
pub(super) fn open_blank_sections(tree: &mut Value) {
    if let Some(Value::Object(tracing)) = tree.get_mut("tracing") {
        tracing
            .retain(|name, value| !value.is_null() || !["sampling", "redact"].contains(&&**name));
    }
    let Some(kubernetes) = tree.get_mut("kubernetes") else {
        return;
    };
    for name in ["expose", "backup"] {
        if let Some(section @ Value::Null) = kubernetes.get_mut(name) {
            *section = Value::Object(Map::new());
        }
    }
}

/// A taint that pods put up with, as Kubernetes has it.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TolerationSection {
    /// The taint's key. Default: any.
    pub key: Option<String>,
    /// `Equal` (default where there is a value) or `Exists`.
    pub operator: Option<String>,
    /// The taint's value.
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`. Default: any.
    pub effect: Option<String>,
}

/// An address outside of the cluster, by TLS, with a token (`chroma.open_to_world` does without).
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExposeSection {
    /// The host name, such as `chroma.example.com`.
    pub host: Option<String>,
    /// Class of the Ingress. Default: the cluster's own default.
    pub ingress_class: Option<String>,
    /// Instead of an Ingress, the listener of a Gateway that ends TLS: `NAMESPACE/GATEWAY/LISTENER`.
    pub gateway: Option<String>,
    /// Secret with the certificate. Default: NAME-tls.
    pub tls_secret: Option<String>,
    /// ClusterIssuer of cert-manager that makes the certificate.
    pub issuer: Option<String>,
    /// Annotations of the Ingress or the HTTPRoute, for what its controller must be told.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Backups of the database.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BackupSection {
    /// When, as cron has it, in UTC. Default: `17 3 * * *`.
    pub schedule: Option<String>,
    /// How many are kept. Default: 7.
    #[schemars(range(min = 1, max = 1000))]
    pub keep: Option<u16>,
    /// Size of the volume that they are kept on. Default: twice `machine.disk`.
    pub disk: Option<String>,
    /// Bucket of an S3-compatible store that they are kept in, instead of a volume.
    pub bucket: Option<String>,
    /// Path in the bucket. Default: the deployment's name.
    pub prefix: Option<String>,
    /// Address of the S3-compatible store. Default: AWS.
    pub endpoint: Option<String>,
    /// Region of the bucket. Default: `kubernetes.region`, else us-east-1.
    pub region: Option<String>,
}
