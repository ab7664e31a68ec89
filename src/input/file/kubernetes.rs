//! The section `kubernetes` of the spec file.
//!
//! Invariant: as in the rest of the file, everything is optional, and nothing here is a secret.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::spec::kubernetes::{SecretStore, Toleration};
use crate::values::{CloudName, DnsLabel, DnsName, ImageRepository};

/// Kubernetes cluster. No effect on other targets.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KubernetesSection {
    /// Namespace of the deployment. Default: the deployment's name.
    #[schemars(extend("x-pattern" = DnsLabel::PATTERN, "x-flag" = "namespace", "x-value" = "NAME"))]
    pub namespace: Option<String>,
    /// Create the namespace. With `false`, apply the deployment to an existing one, whose Pod Security
    /// level does not change.
    #[schemars(extend("x-default" = true))]
    pub create_namespace: Option<bool>,
    /// Storage class of the data volume, such as `gp3`; network file systems are refused. Default: the
    /// cluster's default class, or on a cloud a rendered class.
    #[schemars(extend("x-pattern" = DnsName::PATTERN, "x-flag" = "storage-class", "x-value" = "NAME"))]
    pub storage_class: Option<String>,
    /// Deprecated: use `chroma.registry`.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN, "x-deprecated" = true))]
    pub registry: Option<String>,
    /// Registry that mirrors Docker Hub, with a path, such as `registry.example.com/docker-hub`, for all
    /// images that are not built. `chroma.repository`, `collector.repository` and
    /// `BACKEND.repository` override it. Default: Docker Hub.
    #[schemars(extend("x-pattern" = ImageRepository::PATTERN))]
    pub image_registry: Option<String>,
    /// Secret that holds the values of keys by the names of their variables. Default: NAME-keys.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub secret: Option<String>,
    /// Store of the External Secrets Operator to read `machine.secrets` from: the name of a
    /// ClusterSecretStore, or `SecretStore/NAME`. Default on a cloud: a rendered store.
    #[schemars(extend("x-pattern" = SecretStore::PATTERN))]
    pub secret_store: Option<String>,
    /// Other namespaces whose pods may connect to Chroma and the collector.
    #[schemars(extend("x-pattern" = DnsLabel::PATTERN))]
    pub allow_namespaces: Option<Vec<String>>,
    /// Additional labels of all resources.
    pub labels: Option<BTreeMap<String, String>>,
    /// Additional annotations of all resources.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Labels of the nodes that pods may run on.
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Tolerations of all pods.
    pub tolerations: Option<Vec<TolerationSection>>,
    /// Priority class of Chroma and the collector.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub priority_class: Option<String>,
    /// Secrets with credentials for pulling images.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub image_pull_secrets: Option<Vec<String>>,
    /// Access from outside the cluster, over TLS and with a token. Default: none.
    #[schemars(with = "ExposeSection")]
    pub expose: Option<ExposeSection>,
    /// Create a load balancer in the cloud's network for the clients of `machine.allow_from`.
    #[schemars(extend("x-default" = false))]
    pub internal_load_balancer: Option<bool>,
    /// Region of the cluster on a cloud; on gcp the zone of a zonal cluster.
    #[schemars(extend("x-pattern" = CloudName::PATTERN, "x-flag" = "cluster-region"))]
    pub region: Option<String>,
    /// Name of the cluster on a cloud, for the commands in the rendered README.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub cluster: Option<String>,
    /// Identity that reads secrets: the ARN of a role on aws, the client ID of an identity on azure,
    /// which also sends traces to Azure Monitor.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub identity: Option<String>,
    /// Tenant ID of that identity on azure.
    #[schemars(extend("x-pattern" = CloudName::PATTERN))]
    pub tenant: Option<String>,
    /// Listen on IPv6 and IPv4 addresses, for clusters whose pods have an IPv6 address first. Requires
    /// Chroma 1.x.
    #[schemars(extend("x-default" = false))]
    pub ipv6: Option<bool>,
    /// Address of the cluster's DNS, such as `10.96.0.10`, with NodeLocal DNSCache and kube-proxy in
    /// iptables mode: NetworkPolicies then see this address instead of the DNS pods.
    pub dns_address: Option<String>,
    /// Let OpenShift choose the users of the pods, as its default SCC `restricted-v2` requires. Requires
    /// Chroma 1.x.
    #[schemars(extend("x-default" = false))]
    pub openshift: Option<bool>,
    /// Support EKS Auto Mode on aws, which has its own storage and load balancers.
    #[schemars(extend("x-default" = false))]
    pub auto_mode: Option<bool>,
}

/// Reads a section without a value as an empty one: `backup:` enables backups,
/// `sampling:` has no effect.
pub(super) fn open_blank_sections(tree: &mut Value) {
    if let Some(Value::Object(tracing)) = tree.get_mut("tracing") {
        tracing
            .retain(|name, value| !value.is_null() || !["sampling", "redact"].contains(&&**name));
    }
    for section in ["/kubernetes/expose", "/backup"] {
        if let Some(section @ Value::Null) = tree.pointer_mut(section) {
            *section = Value::Object(Map::new());
        }
    }
}

/// Toleration of a taint, with the fields of Kubernetes.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TolerationSection {
    /// Key of the taint. Default: any.
    pub key: Option<String>,
    /// Operator. Default: `Equal` with a value, else `Exists`.
    #[schemars(extend("x-enum" = Toleration::OPERATORS))]
    pub operator: Option<String>,
    /// Value of the taint.
    pub value: Option<String>,
    /// Effect of the taint. Default: any.
    #[schemars(extend("x-enum" = Toleration::EFFECTS))]
    pub effect: Option<String>,
}

/// Access from outside the cluster, over TLS and with a token (without a token if
/// `chroma.open_to_world` is true).
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExposeSection {
    /// Host name that clients call, such as `chroma.example.com`. Required.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub host: Option<String>,
    /// Class of the Ingress. Default: the cluster's default class.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub ingress_class: Option<String>,
    /// Listener of a Gateway that terminates TLS, as `NAMESPACE/GATEWAY/LISTENER`, in place of an Ingress.
    #[schemars(extend("x-pattern" = "^[^/]+/[^/]+/[^/]+$"))]
    pub gateway: Option<String>,
    /// Secret that holds the certificate. Default: NAME-tls.
    #[schemars(extend("x-pattern" = DnsName::PATTERN))]
    pub tls_secret: Option<String>,
    /// Issuer of cert-manager for the certificate, as `ClusterIssuer/NAME`, `Issuer/NAME` (in the namespace of the
    /// deployment), or the name of a ClusterIssuer.
    #[schemars(extend("x-pattern" = "^((Cluster)?Issuer/)?[a-z0-9.-]+$"))]
    pub issuer: Option<String>,
    /// Annotations of the Ingress or HTTPRoute, for its controller.
    pub annotations: Option<BTreeMap<String, String>>,
}
