//! The backend that runs beside the collector, where it has a container of its own: Jaeger, Zipkin.
//!
//! Invariant: it takes spans from the collector alone, and its user interface is for who may forward a
//! port; it keeps nothing on disk.

use anyhow::{Context as _, Result};
use chroma_otel_init::Endpoint;
use minijinja::{Value, context};

use super::context::{self, backend};
use crate::plan::Plan;
use crate::spec::Spec;

/// Adds `backend.yaml`, if the backend is part of the stack.
///
/// # Errors
/// A template is wrong, or a backend's file: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec, base: &Value) -> Result<()> {
    let Some(service) = &spec.tracing.backend.service else {
        return Ok(());
    };
    let endpoint = spec.tracing.backend.endpoint.as_deref();
    let endpoint: Endpoint = endpoint
        .context("a backend in the stack has an endpoint")?
        .parse()?;
    let (_, version) = service
        .image
        .rsplit_once(':')
        .context("its image has a tag")?;
    let context = context! {
        part => backend(spec).context(spec, version),
        port => endpoint.port(),
        memory => service.memory.quantity(),
        folders => service.tmpfs.iter().enumerate().map(|(number, path)| {
            context! { name => format!("writable-{number}"), path }
        }).collect::<Vec<_>>(),
        senders => context::senders(spec),
        ..base.clone()
    };
    super::add(plan, &context, &["backend.yaml"])
}
