//! The files of a cloud's cluster only: an internal load balancer, and keys from the secret store.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::cloud::{SecretStore, managed};
use super::component::texts;
use super::template::ClusterTemplate;
use super::templates;
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::values_of;

/// Returns the settings of a load balancer inside the cloud's network. In every cloud it sends to
/// nodes with the pod and keeps the client's address, so that a NetworkPolicy can filter by it.
fn load_balancer(deployment: &Deployment) -> Option<LoadBalancer> {
    let cluster = &deployment.spec.kubernetes;
    let managed = managed(deployment.spec.target).filter(|_| cluster.internal_load_balancer)?;
    let ranges: Vec<String> = deployment
        .spec
        .machine
        .allowed_ranges()
        .map(str::to_owned)
        .collect();
    if ranges.is_empty() {
        return None; // `problems` reports this
    }
    let mut all = texts(&cluster.annotations);
    all.extend(
        managed
            .load_balancer_annotations
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    Some(LoadBalancer {
        class: managed
            .load_balancer_class
            .as_ref()
            .map(|class| class.of(cluster)),
        annotations: all,
        ranges,
    })
}

/// A load balancer inside the cloud's network.
#[derive(Serialize)]
struct LoadBalancer {
    class: Option<&'static str>,
    annotations: BTreeMap<String, String>,
    /// The allowed clients.
    ranges: Vec<String>,
}

/// Input of `load-balancer.yaml`.
#[derive(Serialize)]
struct LoadBalancerTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    load_balancer: LoadBalancer,
}

/// Input of `secrets.yaml`.
#[derive(Serialize)]
struct SecretsTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    store: SecretStore,
}

/// Adds `load-balancer.yaml` and `secrets.yaml` if the spec enables them.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    if let Some(load_balancer) = load_balancer(deployment) {
        let template = LoadBalancerTemplate {
            base,
            load_balancer,
        };
        templates::add(plan, &values_of(template), &["load-balancer.yaml"])?;
    }
    if let Some(store) = SecretStore::new(deployment) {
        let template = SecretsTemplate { base, store };
        templates::add(plan, &values_of(template), &["secrets.yaml"])?;
    }
    Ok(())
}
