//! What a cloud's cluster cannot have, of a spec that is sound otherwise.
//!
//! Invariant: a manifest has nobody to ask later, so what it cannot do without is missing here, by its
//! key.

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
/// A cluster's name at EKS (API `CreateCluster`).
const EKS_CLUSTER: &str = "^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$";
/// A role.
const ROLE: &str = "^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$";
/// A region or a zone of Google's.
const GCP_LOCATION: &str = "^[a-z]+-[a-z]+[0-9]+(-[a-z])?$";
/// A cluster's name at GKE (API `projects.locations.clusters`).
const GKE_CLUSTER: &str = "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$";
/// A region of Azure.
const AZURE_REGION: &str = "^[a-z0-9]+$";
/// A cluster's name at AKS ("Naming rules and restrictions for Azure resources").
const AKS_CLUSTER: &str = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$";

/// Everything that is a cloud's, and cannot be had.
pub(in crate::targets::kubernetes) fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = names(deployment);
    problems.extend(missing(deployment));
    problems.extend(secrets(deployment));
    problems
}

/// Names that do not have the form that the cloud gives them.
fn names(deployment: &Deployment) -> Vec<Problem> {
    let Some(cloud) = deployment.spec.target.cloud() else {
        return Vec::new();
    };
    let (at, machine) = (&deployment.spec.kubernetes, &deployment.spec.machine);
    let (region, cluster) = ("kubernetes.region", "kubernetes.cluster");
    let is_cluster = "no cluster's name";
    match cloud {
        Cloud::Aws => malformed([
            Named::new(
                region,
                given(&at.region),
                AWS_REGION,
                "no region of AWS",
                "write one such as `eu-central-1`",
            ),
            Named::new(
                cluster,
                given(&at.cluster),
                EKS_CLUSTER,
                is_cluster,
                "`aws eks list-clusters` shows it: not its ARN",
            ),
            Named::new(
                "kubernetes.identity",
                given(&at.identity),
                ROLE,
                "no role",
                "its ARN: `aws iam get-role --role-name … --query Role.Arn`",
            ),
        ]),
        Cloud::Gcp => malformed([
            Named::new(
                region,
                given(&at.region),
                GCP_LOCATION,
                "no region or zone",
                "`gcloud container clusters list` shows it as the location",
            ),
            Named::new(
                cluster,
                given(&at.cluster),
                GKE_CLUSTER,
                is_cluster,
                "`gcloud container clusters list` shows it",
            ),
            gcp::problems::project(machine),
        ]),
        Cloud::Azure => malformed([
            Named::new(
                region,
                given(&at.region),
                AZURE_REGION,
                "no region",
                "write one such as `westeurope`: `az account list-locations --query '[].name'`",
            ),
            Named::new(
                cluster,
                given(&at.cluster),
                AKS_CLUSTER,
                is_cluster,
                "`az aks list --query '[].name'` shows it: not its id",
            ),
            Named::new(
                "kubernetes.identity",
                given(&at.identity),
                azure::patterns::SUBSCRIPTION,
                "no client id",
                "`az identity list --query '[].clientId'` shows it",
            ),
            Named::new(
                "kubernetes.tenant",
                given(&at.tenant),
                azure::patterns::SUBSCRIPTION,
                "no tenant's id",
                "`az account show --query tenantId` shows it",
            ),
            azure::problems::subscription(machine),
            azure::problems::resource_group(machine),
        ]),
    }
}

/// What is not there, and that something else in the spec needs.
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
                &format!("is missing, and `{name}` is another in every region"),
                "write one such as `eu-central-1`",
            ),
            Some(Cloud::Gcp) if machine.project.is_none() => missing(
                "machine.project",
                &format!("is missing, and `{name}` has the traces of one project"),
                "the project's id: `gcloud projects list` shows it",
            ),
            _ => {}
        }
    }
    let range = matches!(machine.allow_from, Some(Peer::Range(_)));
    if deployment.spec.target.cloud().is_some() && at.internal_load_balancer && !range {
        missing(
            "machine.allow_from",
            "is missing, and `kubernetes.internal_load_balancer` lets in whom it names",
            "a range such as `10.0.0.0/16`: Chroma has no authentication of its own",
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
            "is missing, without which nobody finds `kubernetes.identity`",
            "`az account show --query tenantId` shows it",
        );
    }
    if from_store && at.secret_store.is_none() && deployment.spec.target.cloud().is_none() {
        missing(
            "kubernetes.secret_store",
            "is missing, and `machine.secrets` names secrets in a store",
            "the name of a ClusterSecretStore, or `SecretStore/NAME`",
        );
    }
    problems
}

/// What is wrong with `machine.secrets`: all keys come from a store, or none. In a store that the spec
/// names, a secret may be called anything.
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
            let message = format!(
                "is missing, {}, and the other keys come from a store",
                key.what
            );
            let hint = "name all of them in `machine.secrets`, or none: then they come from `.env`";
            Problem::new(format!("machine.secrets.{}", key.variable), message).hint(hint)
        }));
    }
    problems
}

/// Secrets that are not where the first one is: a store is in one place.
fn scattered(deployment: &Deployment, cloud: Cloud) -> Option<Problem> {
    let mut named = deployment.spec.machine.secrets.iter();
    let first = store::place(cloud, named.next()?.1.as_str());
    let (variable, other) = named.find(|(_, name)| store::place(cloud, name.as_str()) != first)?;
    let other = store::place(cloud, other.as_str());
    let message = format!("is in `{other}`, and the first one in `{first}`");
    let key = format!("machine.secrets.{variable}");
    Some(Problem::new(key, message).hint("all of them in one region, project or vault"))
}
