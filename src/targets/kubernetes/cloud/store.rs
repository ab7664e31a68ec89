//! Keys from a cloud's secret store, read by the External Secrets Operator (API
//! `external-secrets.io/v1`, checked against the definitions of 1.3.2).
//!
//! Invariant: this module contains names of secrets only. The deployment's own account reads them,
//! unless the spec names a store or no identity.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::secret_keys;
use crate::deployment::Deployment;
use crate::spec::Spec;
use crate::targets::machine::patterns::given;
use crate::values::Cloud;

/// Input of `secrets.yaml` for the store.
#[derive(Serialize)]
pub(in crate::targets::kubernetes) struct SecretStore {
    name: String,
    /// The deployment's own account that reads the store.
    account: Option<Account>,
    /// `spec.provider` of the SecretStore if the deployment creates one.
    provider: Option<Json>,
    reference: StoreReference,
    keys: Vec<StoredKey>,
}

/// A ServiceAccount.
#[derive(Serialize)]
struct Account {
    name: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct StoreReference {
    kind: &'static str,
    name: String,
}

/// A variable, and the key of its secret in the store.
#[derive(Serialize)]
struct StoredKey {
    variable: String,
    key: String,
}

impl SecretStore {
    /// Computes the input. `None` if the operator creates the Secret.
    pub(in crate::targets::kubernetes) fn new(deployment: &Deployment) -> Option<Self> {
        if secret_keys::are_in_a_secret(deployment) {
            return None;
        }
        let Spec {
            target,
            kubernetes,
            machine,
            ..
        } = &deployment.spec;
        let named = &kubernetes.secret_store;
        let own = target.cloud().filter(|_| named.is_none());
        let (kind, name) = match named {
            Some(store) if store.of_cluster => ("ClusterSecretStore", store.name.to_string()),
            Some(store) => ("SecretStore", store.name.to_string()),
            None => ("SecretStore", account(deployment)),
        };
        let keys = machine.secrets.iter().map(|(variable, name)| {
            let key = own.map_or(name.as_str(), |cloud| key(cloud, name.as_str()));
            StoredKey {
                variable: variable.clone(),
                key: key.to_owned(),
            }
        });
        let has_account = own.is_some_and(|cloud| has_account(deployment, cloud));
        Some(Self {
            account: has_account.then(|| Account {
                name: account(deployment),
                annotations: annotations(deployment),
            }),
            provider: own.and_then(|cloud| provider(deployment, cloud)),
            keys: keys.collect(),
            reference: StoreReference {
                kind,
                name: name.clone(),
            },
            name,
        })
    }
}

/// Returns the name of the ServiceAccount that reads the store, which is also the store's.
pub(super) fn account(deployment: &Deployment) -> String {
    format!("{}-secrets", deployment.spec.name)
}

/// Returns true if the deployment's own account reads the store; otherwise the Operator's does.
fn has_account(deployment: &Deployment, cloud: Cloud) -> bool {
    cloud == Cloud::Gcp || deployment.spec.kubernetes.identity.is_some()
}

/// Returns the annotations by which the cloud identifies the account. GKE identifies it by its
/// name.
fn annotations(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut annotations = super::super::component::texts(&deployment.spec.kubernetes.annotations);
    let name = match deployment.spec.target.cloud() {
        Some(Cloud::Aws) => "eks.amazonaws.com/role-arn",
        Some(Cloud::Azure) => "azure.workload.identity/client-id",
        Some(Cloud::Gcp) | None => return annotations,
    };
    let identity = deployment.spec.kubernetes.identity.iter();
    annotations.extend(identity.map(|identity| (name.to_owned(), identity.as_str().to_owned())));
    annotations
}

/// Returns `spec.provider` of the SecretStore.
fn provider(deployment: &Deployment, cloud: Cloud) -> Option<Json> {
    let at = &deployment.spec.kubernetes;
    let place = place(
        cloud,
        deployment.spec.machine.secrets.values().next()?.as_str(),
    );
    let account = has_account(deployment, cloud).then(|| json!({ "name": account(deployment) }));
    let provider = match cloud {
        Cloud::Aws => json!({ "aws": {
            "service": "SecretsManager", "region": place,
            "auth": account.map(|account| json!({ "jwt": { "serviceAccountRef": account } })),
        } }),
        Cloud::Gcp => json!({ "gcpsm": {
            "projectID": place,
            "auth": { "workloadIdentity": {
                // The Operator reads missing values from the metadata server.
                "clusterProjectID": given(&deployment.spec.machine.project),
                "clusterLocation": given(&at.region),
                "clusterName": given(&at.cluster),
                "serviceAccountRef": account,
            } },
        } }),
        Cloud::Azure => json!({ "azurekv": {
            "authType": "WorkloadIdentity", "vaultUrl": place,
            "tenantId": given(&at.tenant), "serviceAccountRef": account,
        } }),
    };
    Some(without_nulls(provider))
}

fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect(),
        other => other,
    }
}

/// Returns the place of a secret, which all secrets of a store share: region, project, vault.
pub(super) fn place(cloud: Cloud, secret: &str) -> &str {
    match cloud {
        Cloud::Aws => secret.split(':').nth(3).unwrap_or_default(),
        Cloud::Gcp => secret.split('/').nth(1).unwrap_or_default(),
        Cloud::Azure => secret.split("/secrets/").next().unwrap_or_default(),
    }
}

/// Returns the store's key of a secret: the ARN on AWS, the last part of the name elsewhere.
pub(super) fn key(cloud: Cloud, secret: &str) -> &str {
    match cloud {
        Cloud::Aws => secret,
        Cloud::Gcp | Cloud::Azure => secret.rsplit('/').next().unwrap_or(secret),
    }
}
