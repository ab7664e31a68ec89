//! Backends that run beside the collector, in a container of their own: Jaeger, Zipkin.
//!
//! Invariant: each takes spans from the collector alone, and its user interface is for who may forward a
//! port; it keeps nothing on disk.

use anyhow::{Context as _, Result};
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::component::{self, backend};
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::render;

/// Adds a file for each backend that is part of the stack: `jaeger.yaml`.
///
/// # Errors
/// A template is wrong, or a backend's file: a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &Value) -> Result<()> {
    for (one, service, endpoint) in deployment.backends_in_stack() {
        let (_, version) = service
            .image
            .rsplit_once(':')
            .context("its image has a tag")?;
        let folders = service.tmpfs.iter().enumerate();
        let context = context! {
            part => backend(one).context(deployment, version),
            backend_name => one.name.as_str(),
            backend_summary => one.summary.as_str(),
            service => Serde(service),
            port => endpoint.context("a backend in the stack has an endpoint")?.port(),
            memory => service.memory.quantity(),
            folders => folders.map(|(number, path)| {
                context! { name => format!("writable-{number}"), path }
            }).collect::<Vec<_>>(),
            senders => component::senders(deployment),
            ..base.clone()
        };
        let text = render("kubernetes/backend.yaml.j2", &context)?;
        plan.files.insert(format!("{}.yaml", one.name), text);
    }
    Ok(())
}
