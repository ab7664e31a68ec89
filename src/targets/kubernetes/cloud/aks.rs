//! AKS.

use serde_json::json;

use super::managed::{ByMode, LINK_LOCAL, ManagedKubernetes};
use crate::problem::Problem;
use crate::spec::Spec;
use crate::spec::backup::ObjectStore;
use crate::targets::azure;
use crate::targets::machine::patterns::{Named, given, malformed};

/// A region of Azure.
const REGION: &str = "^[a-z0-9]+$";
/// The name of a cluster ("Naming rules and restrictions for Azure resources").
const CLUSTER: &str = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$";

pub(super) const AKS: ManagedKubernetes = ManagedKubernetes {
    provisioner: ByMode::always("disk.csi.azure.com"),
    disk_parameters: &[("skuName", "Premium_LRS")],
    load_balancer_class: None,
    load_balancer_annotations: &[(
        "service.beta.kubernetes.io/azure-load-balancer-internal",
        "true",
    )],
    dns_address: ByMode::always(LINK_LOCAL),
    provider: "azure",
    platform: "azure.aks",
    account: |machine| machine.subscription.as_ref(),
    location: |region| (region, None),
    identity_egress: &[],
    identity_egress_ipv6: &[],
    isolates_volumes: false,
    request_is_ephemeral_limit: false,
    readme_section: "kubernetes/sections/_aks.md.j2",
    secret_name: &azure::problems::SECRET,
    secret_place: |id| id.split("/secrets/").next().unwrap_or_default(),
    secret_key: |id| id.rsplit('/').next().unwrap_or(id),
    identity_annotation: Some("azure.workload.identity/client-id"),
    identity_label: Some(("azure.workload.identity/use", "true")),
    secret_provider: |spec, access| {
        json!({ "azurekv": {
            "authType": "WorkloadIdentity", "vaultUrl": access.place,
            "tenantId": given(&spec.kubernetes.tenant), "serviceAccountRef": access.account,
        } })
    },
    names: |spec| {
        let (at, machine) = (&spec.kubernetes, &spec.machine);
        malformed([
            Named::new(
                "kubernetes.region",
                given(&at.region),
                REGION,
                "not a region",
                "use a region such as `westeurope`; see `az account list-locations --query '[].name'`",
            ),
            Named::new(
                "kubernetes.cluster",
                given(&at.cluster),
                CLUSTER,
                "not the name of a cluster",
                "use the name, not the id; see `az aks list --query '[].name'`",
            ),
            Named::new(
                "kubernetes.identity",
                given(&at.identity),
                azure::patterns::SUBSCRIPTION,
                "not a client id",
                "see `az identity list --query '[].clientId'`",
            ),
            Named::new(
                "backup.identity",
                backup_identity(spec),
                azure::patterns::SUBSCRIPTION,
                "not a client id",
                "see `az identity list --query '[].clientId'`",
            ),
            Named::new(
                "kubernetes.tenant",
                given(&at.tenant),
                azure::patterns::SUBSCRIPTION,
                "not the id of a tenant",
                "see `az account show --query tenantId`",
            ),
            azure::problems::subscription(machine),
            azure::problems::resource_group(machine),
        ])
    },
    // The address at which the identity gets its token.
    missing_for_backend: |_, at, _| azure::problems::other_cloud("kubernetes.region", &at.region),
    missing_for_identity: |at| {
        let message = "required, because `kubernetes.identity` belongs to a tenant";
        let hint = "see `az account show --query tenantId`";
        let missing = at.identity.is_some() && at.tenant.is_none();
        missing.then(|| Problem::new("kubernetes.tenant", message).hint(hint))
    },
};

fn backup_identity(spec: &Spec) -> Option<String> {
    let bucket = spec.backup.as_ref()?.place.bucket()?;
    match &bucket.store {
        ObjectStore::Azure { identity, .. } => given(identity),
        _ => None,
    }
}
