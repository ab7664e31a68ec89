//! What the README says must exist in the cloud first, and how to make it and to remove it.
//!
//! Invariant: a command names what the spec names; what it does not name stands there in capitals.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::component::COLLECTOR;
use super::super::secret_keys;
use super::{registry, store};
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::registry::Registry;
use crate::digest::hash;
use crate::spec::target::CONNECTION_STRING;
use crate::spec::{Spec, Tracing};
use crate::targets::common::{Preparation, permissions, preparations};
use crate::targets::machine::patterns::given;
use crate::values::{Cloud, CloudName};

/// The longest name of a role at AWS.
const LONGEST_ROLE: usize = 64;

/// The README's section, by its template.
pub(super) fn section(cloud: Option<Cloud>) -> Option<&'static str> {
    Some(match cloud? {
        Cloud::Aws => "kubernetes/sections/_eks.md.j2",
        Cloud::Gcp => "kubernetes/sections/_gke.md.j2",
        Cloud::Azure => "kubernetes/sections/_aks.md.j2",
    })
}

/// What that template reads.
#[derive(Serialize)]
pub(super) struct CloudSection {
    cluster: String,
    project: String,
    /// The resource group.
    group: String,
    region: String,
    auto_mode: bool,
    /// The collector's account.
    collector: String,
    /// The role that it takes at AWS.
    collector_role: String,
    /// The backends that know the collector by its identity.
    by_identity: String,
    /// What that identity must be allowed.
    permissions: BTreeSet<String>,
    /// Google's services that the backends need.
    services: BTreeSet<String>,
    /// What the backends ask to have been done once.
    prepare: Vec<Preparation>,
    registry: Option<Registry>,
    /// Whether there is a load balancer.
    balances: bool,
    /// Whether the deployment makes its storage classes.
    own_class: bool,
    insights: Option<Insights>,
    store: Option<StoreSection>,
}

/// The connection string of Application Insights.
#[derive(Serialize)]
struct Insights {
    variable: String,
    /// The vault that holds it, where the spec names one.
    vault: Option<String>,
    /// Its key in the vault.
    key: Option<String>,
}

/// The secret store.
#[derive(Serialize)]
struct StoreSection {
    /// Whether the spec names secrets in it.
    used: bool,
    vault: Option<String>,
    /// Where the secrets are: region, project, vault.
    place: Option<String>,
    account: String,
    /// The role that the account takes at AWS.
    role: String,
    identity: Option<String>,
    secrets: Vec<StoredSecret>,
}

/// A secret in the store.
#[derive(Serialize)]
struct StoredSecret {
    variable: String,
    what: String,
    /// What the spec calls it.
    name: Option<String>,
    /// Whether another part of the recipe makes it.
    made: bool,
    key: Option<String>,
}

impl CloudSection {
    /// Of a deployment; what the spec does not name is in capitals.
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
        Self {
            cluster: or(&at.cluster, "CLUSTER"),
            project: or(&machine.project, "PROJECT"),
            group: or(&machine.resource_group, "GROUP"),
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
            insights: Insights::new(deployment),
            store: StoreSection::new(deployment),
        }
    }
}

/// The backends that know the collector by its identity.
fn by_identity(tracing: &Tracing) -> String {
    let known = tracing.backends().filter(|one| one.cloud().is_some());
    let names: Vec<&str> = known.map(|one| one.name.as_str()).collect();
    names.join("`, `")
}

impl Insights {
    /// Absent: no backend wants it.
    fn new(deployment: &Deployment) -> Option<Self> {
        let Spec {
            machine,
            kubernetes,
            ..
        } = &deployment.spec;
        let mut keys = secret_keys::all(deployment).into_iter();
        let variable = keys.find(|key| key.variable == CONNECTION_STRING)?.variable;
        let named = machine.secrets.get(&variable).map(CloudName::as_str);
        let named = named.filter(|_| kubernetes.secret_store.is_none());
        Some(Self {
            variable,
            vault: named.map(|name| vault(store::place(Cloud::Azure, name)).to_owned()),
            key: named.map(|name| store::key(Cloud::Azure, name).to_owned()),
        })
    }
}

/// A vault's name, out of its address.
fn vault(address: &str) -> &str {
    let host = address.strip_prefix("https://").unwrap_or(address);
    host.split('.').next().unwrap_or(host)
}

impl StoreSection {
    /// Absent: no key is needed, or the store is the operator's own.
    fn new(deployment: &Deployment) -> Option<Self> {
        let (at, cloud) = (&deployment.spec.kubernetes, deployment.spec.target.cloud()?);
        let named = &deployment.spec.machine.secrets;
        let mut keys = secret_keys::all(deployment);
        keys.retain(|key| key.required || named.contains_key(&key.variable));
        if keys.is_empty() || at.secret_store.is_some() {
            return None;
        }
        let first = named.values().next();
        let first = first.map(|name| store::place(cloud, name.as_str()));
        let secrets = keys.into_iter().map(|key| {
            let name = named.get(&key.variable).map(CloudName::as_str);
            StoredSecret {
                made: key.variable == CONNECTION_STRING,
                key: name.map(|name| store::key(cloud, name).to_owned()),
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

/// A role's name at AWS, where all clusters of an account share the names.
pub(super) fn role(deployment: &Deployment, what: &str) -> String {
    let at = &deployment.spec.kubernetes;
    let mut parts = vec![deployment.spec.name.to_string()];
    parts.extend(Some(at.namespace.to_string()).filter(|namespace| *namespace != parts[0]));
    parts.extend(
        at.cluster
            .as_ref()
            .map(|cluster| cluster.as_str().to_owned()),
    );
    parts.push(what.to_owned());
    let name = parts.join("-");
    if name.len() <= LONGEST_ROLE {
        name
    } else {
        format!(
            "{}-{}",
            &name[..LONGEST_ROLE - 9],
            &hash(name.as_bytes())[..8]
        )
    }
}
