//! Kubernetes: manifests with a kustomization, for any conformant cluster or for a cloud's own.
//!
//! Invariant: no file holds the value of a secret, and deleting what the kustomization names never
//! deletes data: what holds any is in `keep.yaml`, which is not part of it.

mod backend;
mod backup;
mod cloud;
mod collector;
mod component;
mod context;
mod database;
mod exposure;
mod monitoring;
mod problems;
mod readme;
mod secret_keys;
mod templates;

use anyhow::Result;
use minijinja::context;

use super::common;
use crate::image;
use crate::plan::{Change, Need, Plan, SecretFile};
use crate::spec::{Resolved, Secrets};

pub use problems::problems;

/// Files that are applied by hand, and that a kustomization must not name.
const BY_HAND: [&str; 2] = ["keep.yaml", "restore.yaml"];

/// The files of the deployment.
///
/// # Errors
/// A template is wrong: a bug.
pub fn plan(resolved: &Resolved) -> Result<Plan> {
    let spec = &resolved.spec;
    let (built, tags) = image::built(spec)?;
    let context = context::of(spec, &tags);
    let mut plan = Plan::default();
    database::add(&mut plan, spec, &context)?;
    collector::add(&mut plan, spec, &context)?;
    backend::add(&mut plan, spec, &context)?;
    secret_keys::add(&mut plan, spec, &context)?;
    exposure::add(&mut plan, spec, &context)?;
    backup::add(&mut plan, spec, &context)?;
    monitoring::add(&mut plan, spec, &context)?;
    cloud::add(&mut plan, spec, &context)?;
    let resources: Vec<String> = plan
        .files
        .keys()
        .filter(|path| path.ends_with(".yaml") && !BY_HAND.contains(&path.as_str()))
        .cloned()
        .collect();
    templates::add(
        &mut plan,
        &context! { resources, ..context.clone() },
        &["kustomization.yaml"],
    )?;
    templates::add(&mut plan, &readme::context(spec, &context), &["README.md"])?;
    plan.files.extend(built.files);
    plan.shared = built.shared;
    plan.secrets = secret_file(resolved);
    Ok(plan)
}

/// `.env` for the secrets that were handed to us, as `kubectl create secret --from-env-file` reads it:
/// a value is all that follows `=`, with no quotes around it.
fn secret_file(resolved: &Resolved) -> Option<SecretFile> {
    let secrets: &Secrets = &resolved.secrets;
    if secrets.is_empty() || !secret_keys::are_in_a_secret(&resolved.spec) {
        return None;
    }
    let lines = secrets
        .iter()
        .map(|(name, value)| format!("{name}={}\n", value.expose()));
    Some(SecretFile {
        path: ".env".to_owned(),
        contents: lines.collect(),
        variables: secrets.keys().cloned().collect(),
    })
}

/// What the operator still has to supply.
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    let spec = &resolved.spec;
    let mut needs: Vec<Need> = common::endpoint_need(spec, "tracing.endpoint")
        .into_iter()
        .collect();
    if spec.chroma.image.is_built() && spec.chroma.registry.is_none() {
        needs.push(Need {
            variable: "chroma.registry".to_owned(),
            what: "where the nodes pull the images from that you build; without it they must be on the nodes".to_owned(),
        });
    }
    needs.extend(secret_keys::needs(resolved));
    needs
}

/// What the operator should know of a change to a file of the deployment.
pub fn notes(change: &Change) -> Vec<String> {
    database::notes(change)
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    let spec = &resolved.spec;
    let mut steps = Vec::new();
    if spec.chroma.image.is_built() {
        steps.push("build the images: README.md, \"Build\"".to_owned());
    }
    steps.push("kubectl apply --filename keep.yaml".to_owned());
    if let Some(step) = secret_keys::step(resolved) {
        steps.push(step);
    }
    steps.push("kubectl apply --kustomize .".to_owned());
    steps.push("see a trace, back up, upgrade: README.md".to_owned());
    steps
}
