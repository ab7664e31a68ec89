//! Kubernetes: manifests with a kustomization, or a chart for Helm, for any conformant cluster or for
//! a cloud's.
//!
//! Invariant: no file contains the value of a secret. Deleting the kustomization never deletes
//! data: resources with data are in `keep.yaml`, which is not part of it.

mod annotations;
mod backend;
mod backup;
mod backup_section;
mod chart;
mod cloud;
mod cloud_files;
mod collector;
mod commands;
mod component;
mod database;
mod env_example;
mod ephemeral_storage;
mod exposure;
mod immutable;
mod leftovers;
mod manifest;
mod monitoring;
mod problems;
mod readme;
mod scanners;
mod secret_keys;
mod template;
mod templates;
mod volume_snapshot;

use anyhow::Result;
use serde::Serialize;

use self::commands::Commands;
use self::leftovers::BY_HAND;
use self::readme::ReadmeTemplate;
use self::template::ClusterTemplate;
use super::common;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, NeedPlace, Plan};
use crate::render::values_of;
use crate::spec::Format;
use crate::spec::backup::ObjectStore;
use crate::spec::kubernetes::Route;
use crate::values::Cloud;

pub use chart::stale_problem;
pub use leftovers::{Leftovers, leftovers};
pub use problems::problems;

/// Returns the files of the deployment.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub fn plan(deployment: &Deployment) -> Result<Plan> {
    let base = ClusterTemplate::new(deployment);
    let mut plan = Plan::default();
    database::add(&mut plan, deployment, &base)?;
    collector::add(&mut plan, deployment, &base)?;
    backend::add(&mut plan, deployment, &base)?;
    env_example::add(&mut plan, deployment, &base)?;
    exposure::add(&mut plan, deployment, &base)?;
    backup::add(&mut plan, deployment, &base)?;
    monitoring::add(&mut plan, deployment, &base)?;
    cloud_files::add(&mut plan, deployment, &base)?;
    scanners::add(&mut plan);
    if deployment.spec.format == Format::Helm {
        chart::wrap(&mut plan, deployment, &base)?;
    } else {
        add_kustomization(&mut plan, &base)?;
    }
    let secrets = secret_keys::all(deployment);
    let readme = ReadmeTemplate::new(deployment, &secrets, &base);
    templates::add(&mut plan, &values_of(readme), &["README.md"])?;
    let built = deployment.images.plan();
    plan.files.extend(built.files);
    plan.shared = built.shared;
    if secret_keys::are_in_a_secret(deployment) {
        // `kubectl create secret --from-env-file` reads everything after `=`, without quotes.
        plan.secrets = common::env_file(&deployment.given, str::to_owned);
    }
    Ok(plan)
}

fn add_kustomization(plan: &mut Plan, base: &ClusterTemplate) -> Result<()> {
    let resources = plan
        .files
        .keys()
        .filter(|path| path.ends_with(".yaml") && !BY_HAND.contains(&path.as_str()));
    let resources = resources.cloned().collect();
    let context = values_of(KustomizationTemplate { base, resources });
    templates::add(plan, &context, &["kustomization.yaml"])
}

/// Input of `kustomization.yaml`.
#[derive(Serialize)]
struct KustomizationTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    /// The files that it applies.
    resources: Vec<String>,
}

/// Returns the values that the operator still has to supply.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let endpoint = common::endpoint_need(deployment, "tracing.endpoint", NeedPlace::Spec);
    let mut needs: Vec<Need> = endpoint.into_iter().collect();
    if deployment.spec.chroma.image.is_built() && deployment.spec.chroma.registry.is_none() {
        needs.push(Need {
            variable: "chroma.registry".to_owned(),
            what: "the registry from which nodes pull the images that you build; without it the images must be on the nodes. `--image stock` builds no images".to_owned(),
            place: NeedPlace::Spec,
        });
    }
    needs.extend(cluster_needs(deployment));
    needs.extend(identity_needs(deployment));
    needs.extend(secret_keys::needs(deployment));
    needs
}

/// Returns the missing names of a cloud's cluster: without them, README.md contains placeholders.
fn cluster_needs(deployment: &Deployment) -> Vec<Need> {
    let Some(cloud) = deployment.spec.target.cloud() else {
        return Vec::new();
    };
    let (at, machine) = (&deployment.spec.kubernetes, &deployment.spec.machine);
    let names = [
        (
            "kubernetes.cluster",
            "the name of the cluster",
            at.cluster.is_none(),
        ),
        (
            "kubernetes.region",
            "the region of the cluster",
            at.region.is_none() && cloud != Cloud::Azure,
        ),
        (
            "machine.project",
            "the project of the cluster",
            machine.project.is_none() && cloud == Cloud::Gcp,
        ),
        (
            "machine.resource_group",
            "the resource group of the cluster",
            machine.resource_group.is_none() && cloud == Cloud::Azure,
        ),
    ];
    let missing = names.into_iter().filter(|(_, _, missing)| *missing);
    let need = |(key, what, _): (&str, &str, bool)| Need {
        variable: key.to_owned(),
        what: format!("{what}, for the commands in README.md"),
        place: NeedPlace::Spec,
    };
    missing.map(need).collect()
}

/// Returns the missing values of backends and backups that an identity authenticates. They are not
/// secret.
fn identity_needs(deployment: &Deployment) -> Vec<Need> {
    let need = |variable: String, what: &str| Need {
        variable,
        what: what.to_owned(),
        place: NeedPlace::Spec,
    };
    let spec = &deployment.spec;
    let labelled = cloud::identity_label(spec.target, &spec.tracing)
        .filter(|_| spec.kubernetes.identity.is_none());
    let identity = labelled.map(|_| {
        let what = "the client ID of the identity that sends traces: README.md";
        need("kubernetes.identity".to_owned(), what)
    });
    let addresses = spec.tracing.backends().flat_map(|one| &one.addresses);
    let unknown = addresses.filter(|address| address.value.is_none());
    let settings = unknown.filter_map(|address| {
        let setting = address.key.setting.as_ref()?;
        Some(need(
            format!("tracing.settings.{setting}"),
            &address.key.what,
        ))
    });
    let bucket = spec.backup.as_ref().and_then(|one| one.place.bucket());
    let of_backup =
        bucket.filter(|one| matches!(one.store, ObjectStore::Azure { identity: None, .. }));
    let of_backup = of_backup.map(|_| {
        let what = "the client ID of the identity that stores backups: README.md";
        need("backup.identity".to_owned(), what)
    });
    let needs = identity.into_iter().chain(settings).chain(of_backup);
    needs.collect()
}

/// Returns notes on a change of a deployment's file.
pub fn notes(change: &Change) -> Vec<String> {
    let change = chart::as_manifest(change);
    let mut notes = database::notes(&change);
    notes.extend(immutable::notes(&change));
    notes
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment, needs: &[Need], env_file: bool) -> Vec<String> {
    let mut steps = common::fill_env_file(needs, env_file);
    if deployment.spec.chroma.image.is_built() {
        let build = match deployment.spec.chroma.registry {
            Some(_) => "# build and push the images: README.md, \"Build\"",
            None => "# build the images: README.md, \"Build\"",
        };
        steps.push(build.to_owned());
    }
    if template::keeps(deployment) {
        steps.push("kubectl apply --filename keep.yaml".to_owned());
    }
    if let Some(step) = secret_keys::step(deployment) {
        steps.push(step);
    }
    steps.push(Commands::new(deployment).apply);
    if let Some(exposure) = &deployment.spec.kubernetes.exposure
        && let Route::Ingress {
            tls_secret,
            issuer: None,
            ..
        } = &exposure.route
    {
        steps.push(format!(
            "# store the certificate in the Secret {tls_secret}: README.md, \"From outside\""
        ));
    }
    let more = if deployment.spec.is_traced() {
        "# view a trace, back up, upgrade: README.md"
    } else {
        "# back up, upgrade: README.md"
    };
    steps.push(more.to_owned());
    steps
}
