//! What the README says must exist in the cloud first, and how to make it and to remove it.
//!
//! Invariant: a command names what the spec names; what it does not name stands there in capitals.

use std::collections::BTreeSet;

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::super::component::COLLECTOR;
use super::super::secret_keys;
use super::{registry, store};
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::spec::target::CONNECTION_STRING;
use crate::targets::common::{permissions, preparations};
use crate::targets::machine::patterns::given;
use crate::values::CloudName;
use crate::{backend::Backend, values::Cloud};

/// The longest name of a role at AWS.
const LONGEST_ROLE: usize = 64;

/// The README's section, by its template.
pub(super) fn section(deployment: &Deployment) -> Option<&'static str> {
    Some(match deployment.spec.target.cloud()? {
        Cloud::Aws => "kubernetes/sections/_eks.md.j2",
        Cloud::Gcp => "kubernetes/sections/_gke.md.j2",
        Cloud::Azure => "kubernetes/sections/_aks.md.j2",
    })
}

/// What that template reads.
pub(super) fn context(deployment: &Deployment) -> Value {
    let (at, machine) = (&deployment.spec.kubernetes, &deployment.spec.machine);
    let or =
        |name: &Option<CloudName>, unknown: &str| given(name).unwrap_or_else(|| unknown.to_owned());
    let region = or(&at.region, "REGION");
    let place = deployment.spec.place().unwrap_or("PLACE");
    context! {
        cluster => or(&at.cluster, "CLUSTER"),
        project => or(&machine.project, "PROJECT"),
        group => or(&machine.resource_group, "GROUP"),
        region,
        auto_mode => at.auto_mode,
        collector => COLLECTOR.name(deployment),
        collector_role => role(deployment, "collector"),
        by_identity => by_identity(deployment),
        permissions => permissions(deployment),
        services => deployment.spec.tracing.backends().flat_map(Backend::services).cloned().collect::<BTreeSet<String>>(),
        prepare => Value::from(Serde(preparations(deployment, place))),
        registry => registry::context(deployment),
        balances => at.internal_load_balancer,
        own_class => at.storage_class.is_none(),
        insights => insights(deployment),
        store => store(deployment),
    }
}

/// The backends that know the collector by its identity.
fn by_identity(deployment: &Deployment) -> String {
    let known = deployment
        .spec
        .tracing
        .backends()
        .filter(|one| one.cloud().is_some());
    let names: Vec<&str> = known.map(|one| one.name.as_str()).collect();
    names.join("`, `")
}

/// The connection string of Application Insights, where it is wanted: its variable, and its place in a
/// vault, if the spec names one.
fn insights(deployment: &Deployment) -> Option<Value> {
    let mut keys = secret_keys::all(deployment).into_iter();
    let variable = keys.find(|key| key.variable == CONNECTION_STRING)?.variable;
    let named = deployment
        .spec
        .machine
        .secrets
        .get(&variable)
        .map(|name| name.as_str());
    let named = named.filter(|_| deployment.spec.kubernetes.secret_store.is_none());
    Some(context! {
        variable,
        vault => named.map(|name| vault(store::place(Cloud::Azure, name)).to_owned()),
        key => named.map(|name| store::key(Cloud::Azure, name)),
    })
}

/// A vault's name, out of its address.
fn vault(address: &str) -> &str {
    let host = address.strip_prefix("https://").unwrap_or(address);
    host.split('.').next().unwrap_or(host)
}

/// What is said of the secret store; nothing where no key is needed, or the store is the operator's own.
fn store(deployment: &Deployment) -> Option<Value> {
    let (at, cloud) = (&deployment.spec.kubernetes, deployment.spec.target.cloud()?);
    let named = &deployment.spec.machine.secrets;
    let mut keys = secret_keys::all(deployment);
    keys.retain(|key| key.required || named.contains_key(&key.variable));
    if keys.is_empty() || at.secret_store.is_some() {
        return None;
    }
    let first = named
        .values()
        .next()
        .map(|name| store::place(cloud, name.as_str()).to_owned());
    let secrets = keys.iter().map(|key| {
        let name = named.get(&key.variable).map(|name| name.as_str());
        context! {
            variable => key.variable.as_str(), what => key.what.as_str(), name,
            // Its own part of the recipe makes it.
            made => key.variable == CONNECTION_STRING,
            key => name.map(|name| store::key(cloud, name)),
        }
    });
    Some(context! {
        used => !named.is_empty(),
        vault => first.as_deref().map(vault),
        place => first.as_deref(),
        account => store::account(deployment),
        role => role(deployment, "secrets"),
        identity => at.identity.as_ref().map(|identity| identity.as_str()),
        secrets => secrets.collect::<Vec<_>>(),
    })
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
