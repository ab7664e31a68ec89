//! The README's section on the cloud: prerequisites, and commands to create and remove them.
//!
//! Invariant: commands contain the spec's names; missing ones are placeholders in capitals.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::component::COLLECTOR;
use super::super::secret_keys;
use super::backup_store::BackupStoreSection;
use super::identity::{identity_label, role};
use super::rows::managed;
use super::{registry, store};
use crate::backend::{Address, Backend};
use crate::deployment::Deployment;
use crate::deployment::registry::Registry;
use crate::spec::{Spec, Tracing};
use crate::targets::common::{Preparation, permissions, preparations};
use crate::targets::machine::patterns::given;
use crate::values::CloudName;

/// Input of the README's section.
#[derive(Serialize)]
pub(super) struct CloudSection {
    cluster: String,
    project: String,
    /// The resource group.
    group: String,
    region: String,
    /// The region of a bucket near the cluster.
    bucket_location: String,
    auto_mode: bool,
    /// The collector's account.
    collector: String,
    /// The role that the account assumes in AWS.
    collector_role: String,
    /// The backends that identify the collector by its identity.
    by_identity: String,
    /// Permissions that the identity needs.
    permissions: BTreeSet<String>,
    /// Google services that the backends need.
    services: BTreeSet<String>,
    /// Steps that backends need once, before the deployment.
    prepare: Vec<Preparation>,
    registry: Option<Registry>,
    /// True if there is a load balancer.
    balances: bool,
    /// True if the deployment creates its storage classes.
    own_class: bool,
    insights: bool,
    /// The accounts that use an identity that the spec names.
    accounts: Vec<String>,
    /// True if the spec lacks the identity, or the address of Application Insights.
    missing: bool,
    store: Option<StoreSection>,
    backup: Option<BackupStoreSection>,
}

/// The secret store.
#[derive(Serialize)]
struct StoreSection {
    /// True if the spec names secrets in it.
    used: bool,
    vault: Option<String>,
    /// Location of the secrets: region, project, vault.
    place: Option<String>,
    account: String,
    /// The role that the account assumes in AWS.
    role: String,
    identity: Option<String>,
    secrets: Vec<StoredSecret>,
}

/// A secret in the store.
#[derive(Serialize)]
struct StoredSecret {
    variable: String,
    what: String,
    /// Its name in the spec.
    name: Option<String>,
    key: Option<String>,
}

impl CloudSection {
    /// Computes the section for a deployment; names that the spec lacks are placeholders in
    /// capitals.
    pub(super) fn new(deployment: &Deployment) -> Self {
        let Spec {
            kubernetes: at,
            machine,
            tracing,
            chroma,
            ..
        } = &deployment.spec;
        let or = |name: &Option<CloudName>, unknown: &str| {
            given(name).unwrap_or_else(|| unknown.to_owned())
        };
        let place = deployment.spec.place().unwrap_or("PLACE");
        let store = StoreSection::new(deployment);
        Self {
            cluster: or(&at.cluster, "CLUSTER"),
            project: or(&machine.project, "PROJECT"),
            group: or(&machine.resource_group, "GROUP"),
            bucket_location: bucket_location(deployment),
            region: or(&at.region, "REGION"),
            auto_mode: at.auto_mode,
            collector: COLLECTOR.name(deployment),
            collector_role: role(deployment, "collector"),
            by_identity: by_identity(tracing),
            permissions: permissions(deployment),
            services: tracing
                .backends()
                .flat_map(Backend::services)
                .cloned()
                .collect(),
            prepare: preparations(deployment, place),
            registry: registry::of(chroma),
            balances: at.internal_load_balancer,
            own_class: at.storage_class.is_none(),
            insights: addresses(tracing).next().is_some(),
            accounts: accounts(deployment, store.as_ref()),
            missing: at.identity.is_none() || addresses(tracing).any(|one| one.value.is_none()),
            store,
            backup: BackupStoreSection::new(deployment),
        }
    }
}

/// Returns the region of the cluster, also of one in a single zone.
fn bucket_location(deployment: &Deployment) -> String {
    let region = deployment.spec.kubernetes.region.as_ref();
    let known = managed(deployment.spec.target).zip(region);
    let region = known.map(|(managed, region)| (managed.location)(region.as_str()).0);
    region.unwrap_or("REGION").to_owned()
}

fn addresses(tracing: &Tracing) -> impl Iterator<Item = &Address> {
    tracing.backends().flat_map(|backend| &backend.addresses)
}

/// Returns the accounts that use an identity: the collector's, and the one that reads the store.
fn accounts(deployment: &Deployment, store: Option<&StoreSection>) -> Vec<String> {
    let sends = identity_label(deployment.spec.target, &deployment.spec.tracing).is_some();
    let collector = sends.then(|| COLLECTOR.name(deployment));
    let reads = store.filter(|store| store.used);
    let reader = reads.map(|store| store.account.clone());
    collector.into_iter().chain(reader).collect()
}

/// Returns the backends that identify the collector by its identity.
fn by_identity(tracing: &Tracing) -> String {
    let known = tracing.backends().filter(|one| one.cloud().is_some());
    let names: Vec<&str> = known.map(|one| one.name.as_str()).collect();
    names.join("`, `")
}

/// Returns the name of a vault from its address.
fn vault(address: &str) -> &str {
    let host = address.strip_prefix("https://").unwrap_or(address);
    host.split('.').next().unwrap_or(host)
}

impl StoreSection {
    /// Computes the section. `None` if no key is needed, or if the store is the operator's own.
    fn new(deployment: &Deployment) -> Option<Self> {
        let at = &deployment.spec.kubernetes;
        let managed = managed(deployment.spec.target)?;
        let named = &deployment.spec.machine.secrets;
        let mut keys = secret_keys::all(deployment);
        keys.retain(|key| key.required || named.contains_key(&key.variable));
        if keys.is_empty() || at.secret_store.is_some() {
            return None;
        }
        let first = named.values().next();
        let first = first.map(|name| (managed.secret_place)(name.as_str()));
        let secrets = keys.into_iter().map(|key| {
            let name = named.get(&key.variable).map(CloudName::as_str);
            StoredSecret {
                key: name.map(|name| (managed.secret_key)(name).to_owned()),
                name: name.map(str::to_owned),
                variable: key.variable,
                what: key.what,
            }
        });
        Some(Self {
            used: !named.is_empty(),
            vault: first.map(|place| vault(place).to_owned()),
            place: first.map(str::to_owned),
            account: store::account(deployment),
            role: role(deployment, "secrets"),
            identity: at.identity.as_ref().map(|one| one.as_str().to_owned()),
            secrets: secrets.collect(),
        })
    }
}
