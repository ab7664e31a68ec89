//! Problems of a valid spec that a cloud's cluster cannot deploy.
//!
//! Invariant: manifests cannot ask for values when they are deployed, so every value that they
//! require is reported here as missing, by its key.

use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::targets::kubernetes::secret_keys;
use crate::targets::machine::patterns::{self, Named, SecretName, given, malformed};
use crate::targets::{aws, azure, gcp};
use crate::values::Peer;
use crate::{backend::Backend, values::Cloud};

use super::store;

/// A region of AWS.
const AWS_REGION: &str = "^[a-z]{2}(-[a-z]+)+-[0-9]+$";
/// The name of an EKS cluster (API `CreateCluster`).
const EKS_CLUSTER: &str = "^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$";
/// The ARN of a role.
const ROLE: &str = "^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$";
/// A region or a zone of Google Cloud.
const GCP_LOCATION: &str = "^[a-z]+-[a-z]+[0-9]+(-[a-z])?$";
/// The name of a GKE cluster (API `projects.locations.clusters`).
const GKE_CLUSTER: &str = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$";
/// A region of Azure.
const AZURE_REGION: &str = "^[a-z0-9]+$";
/// The name of an AKS cluster ("Naming rules and restrictions for Azure resources").
const AKS_CLUSTER: &str = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$";

/// Returns the problems that are specific to a cloud's cluster.
pub(in crate::targets::kubernetes) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = names(deployment);
    problems.extend(missing(deployment));
    problems.extend(secrets(deployment));
    problems
}

/// Returns problems for names that the cloud does not accept.
fn names(deployment: &Deployment) -> Vec<Problem> {
    let Some(cloud) = deployment.spec.target.cloud() else {
        return Vec::new();
    };
    let (at, machine) = (&deployment.spec.kubernetes, &deployment.spec.machine);
    let (region, cluster) = ("kubernetes.region", "kubernetes.cluster");
    let is_cluster = "not the name of a cluster";
    match cloud {
        Cloud::Aws => malformed([
            Named::new(
                region,
                given(&at.region),
                AWS_REGION,
                "not an AWS region",
                "use a region such as `eu-central-1`",
            ),
            Named::new(
                cluster,
                given(&at.cluster),
                EKS_CLUSTER,
                is_cluster,
                "use the name, not the ARN; see `aws eks list-clusters`",
            ),
            Named::new(
                "kubernetes.identity",
                given(&at.identity),
                ROLE,
                "not the ARN of a role",
                "use the ARN; see `aws iam get-role --role-name … --query Role.Arn`",
            ),
        ]),
        Cloud::Gcp => malformed([
            Named::new(
                region,
                given(&at.region),
                GCP_LOCATION,
                "not a region or zone",
                "use the cluster's location; see `gcloud container clusters list`",
            ),
            Named::new(
                cluster,
                given(&at.cluster),
                GKE_CLUSTER,
                is_cluster,
                "see `gcloud container clusters list`",
            ),
            gcp::problems::project(machine),
        ]),
        Cloud::Azure => malformed([
            Named::new(
                region,
                given(&at.region),
                AZURE_REGION,
                "not a region",
                "use a region such as `westeurope`; see `az account list-locations --query '[].name'`",
            ),
            Named::new(
                cluster,
                given(&at.cluster),
                AKS_CLUSTER,
                is_cluster,
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
                "kubernetes.tenant",
                given(&at.tenant),
                azure::patterns::SUBSCRIPTION,
                "not the id of a tenant",
                "see `az account show --query tenantId`",
            ),
            azure::problems::subscription(machine),
            azure::problems::resource_group(machine),
        ]),
    }
}

/// Returns problems for missing values that something else in the spec needs.
fn missing(deployment: &Deployment) -> Vec<Problem> {
    let (at, machine) = (&deployment.spec.kubernetes, &deployment.spec.machine);
    let mut problems = Vec::new();
    let mut missing = |key: &str, message: &str, hint: &str| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    let mut backends = deployment.spec.tracing.backends();
    let of_cloud = |backend: &&Backend| {
        backend
            .cloud()
            .is_some_and(|own| Some(own) == deployment.spec.target.cloud())
    };
    if let Some(backend) = backends.find(of_cloud) {
        let name = &backend.name;
        match backend.cloud() {
            Some(Cloud::Aws) if at.region.is_none() => missing(
                "kubernetes.region",
                &format!("required, because the endpoint of `{name}` depends on the region"),
                "use a region such as `eu-central-1`",
            ),
            Some(Cloud::Gcp) if machine.project.is_none() => missing(
                "machine.project",
                &format!("required, because `{name}` stores traces by project"),
                "use the project's id; see `gcloud projects list`",
            ),
            _ => {}
        }
    }
    let range = matches!(machine.allow_from, Some(Peer::Range(_)));
    if deployment.spec.target.cloud().is_some() && at.internal_load_balancer && !range {
        missing(
            "machine.allow_from",
            "required, because `kubernetes.internal_load_balancer` allows only these clients",
            "use an address range such as `10.0.0.0/16`; Chroma itself has no authentication",
        );
    }
    let from_store = !machine.secrets.is_empty();
    if from_store
        && at.identity.is_some()
        && at.tenant.is_none()
        && deployment.spec.target.cloud() == Some(Cloud::Azure)
    {
        missing(
            "kubernetes.tenant",
            "required, because `kubernetes.identity` belongs to a tenant",
            "see `az account show --query tenantId`",
        );
    }
    if from_store && at.secret_store.is_none() && deployment.spec.target.cloud().is_none() {
        missing(
            "kubernetes.secret_store",
            "required, because `machine.secrets` names secrets in a store",
            "use the name of a ClusterSecretStore, or `SecretStore/NAME`",
        );
    }
    problems
}

/// Returns the problems of `machine.secrets`: all keys must come from a store, or none. In a store
/// that the spec names, a secret may have any name.
fn secrets(deployment: &Deployment) -> Vec<Problem> {
    let named = &deployment.spec.machine.secrets;
    if named.is_empty() {
        return Vec::new();
    }
    let all = secret_keys::all(deployment);
    let known: Vec<String> = all.iter().map(|one| one.variable.clone()).collect();
    let own = deployment
        .spec
        .target
        .cloud()
        .filter(|_| deployment.spec.kubernetes.secret_store.is_none());
    let name: Option<(Cloud, &SecretName)> = own.map(|cloud| match cloud {
        Cloud::Aws => (cloud, &aws::problems::SECRET),
        Cloud::Gcp => (cloud, &gcp::problems::SECRET),
        Cloud::Azure => (cloud, &azure::problems::SECRET),
    });
    let mut problems = patterns::secrets(deployment, &known, name.map(|(_, name)| name));
    if problems.is_empty() {
        problems.extend(name.and_then(|(cloud, _)| scattered(deployment, cloud)));
        let forgotten = all
            .iter()
            .filter(|key| key.required && !named.contains_key(&key.variable));
        problems.extend(forgotten.map(|key| {
            let message = format!("required: {}; the other keys come from a store", key.what);
            let hint = "name all keys in `machine.secrets`, or none to read them from `.env`";
            Problem::new(format!("machine.secrets.{}", key.variable), message).hint(hint)
        }));
    }
    problems
}

/// Returns a problem if the secrets are in different places; a store has one place.
fn scattered(deployment: &Deployment, cloud: Cloud) -> Option<Problem> {
    let mut named = deployment.spec.machine.secrets.iter();
    let first = store::place(cloud, named.next()?.1.as_str());
    let (variable, other) = named.find(|(_, name)| store::place(cloud, name.as_str()) != first)?;
    let other = store::place(cloud, other.as_str());
    let message = format!("the secret is in `{other}`, but the first one is in `{first}`");
    let key = format!("machine.secrets.{variable}");
    Some(Problem::new(key, message).hint("store all secrets in one region, project or vault"))
}
