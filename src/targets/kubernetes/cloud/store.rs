//! Keys from a cloud's secret store, read by the External Secrets Operator (API
//! `external-secrets.io/v1`, checked against the definitions of 1.3.2).
//!
//! Invariant: this module contains names of secrets only. The deployment's own account reads them,
//! unless the spec names a store or no identity.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::super::secret_keys;
use super::identity::identity_annotation;
use super::managed::{ManagedKubernetes, StoreAccess};
use super::rows::managed;
use crate::deployment::Deployment;
use crate::spec::Spec;

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
        let own = managed(*target).filter(|_| named.is_none());
        let (kind, name) = match named {
            Some(store) if store.of_cluster => ("ClusterSecretStore", store.name.to_string()),
            Some(store) => ("SecretStore", store.name.to_string()),
            None => ("SecretStore", account(deployment)),
        };
        let keys = machine.secrets.iter().map(|(variable, name)| {
            let key = own.map_or(name.as_str(), |managed| (managed.secret_key)(name.as_str()));
            StoredKey {
                variable: variable.clone(),
                key: key.to_owned(),
            }
        });
        let has_account = own.is_some_and(|managed| has_account(deployment, managed));
        Some(Self {
            account: has_account.then(|| Account {
                name: account(deployment),
                annotations: annotations(deployment),
            }),
            provider: own.and_then(|managed| provider(deployment, managed)),
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
fn has_account(deployment: &Deployment, managed: &ManagedKubernetes) -> bool {
    managed.identity_annotation.is_none() || deployment.spec.kubernetes.identity.is_some()
}

/// Returns the account's annotations.
fn annotations(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut annotations = super::super::component::texts(&deployment.spec.kubernetes.annotations);
    annotations.extend(identity_annotation(
        deployment.spec.target,
        deployment.spec.kubernetes.identity.as_ref(),
    ));
    annotations
}

/// Returns `spec.provider` of the SecretStore.
fn provider(deployment: &Deployment, managed: &ManagedKubernetes) -> Option<Json> {
    let first = deployment.spec.machine.secrets.values().next()?;
    let account = has_account(deployment, managed);
    let access = StoreAccess {
        place: (managed.secret_place)(first.as_str()),
        account: account.then(|| json!({ "name": self::account(deployment) })),
    };
    Some(without_nulls((managed.secret_provider)(
        &deployment.spec,
        access,
    )))
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
