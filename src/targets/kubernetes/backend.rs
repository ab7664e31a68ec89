//! Backends that run next to the collector, each in its own container: Jaeger, Zipkin.
//!
//! Invariant: each accepts spans from the collector only, its user interface is reachable by port
//! forwarding only, and it stores nothing on disk.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::component::{self, ComponentTemplate, backend};
use super::ephemeral_storage::EphemeralStorage;
use super::template::ClusterTemplate;
use crate::backend::Service;
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::{render, values_of};
use crate::values::Memory;

/// MiB of a writable directory.
const FOLDER: u64 = 256;

/// Adds a file for each backend in the stack, such as `jaeger.yaml`.
///
/// # Errors
/// Fails if a template or a backend's file is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    for (one, service, endpoint) in deployment.backends_in_stack() {
        let (_, version) = service
            .image
            .rsplit_once(':')
            .context("its image has a tag")?;
        let folders = service.tmpfs.iter().enumerate();
        let template = BackendTemplate {
            base,
            part: backend(one).template(deployment, version),
            backend_name: &one.name,
            backend_summary: &one.summary,
            service,
            port: endpoint
                .context("a backend in the stack has an endpoint")?
                .port(),
            memory: service.memory.quantity(),
            ephemeral: EphemeralStorage::new(deployment, 64, FOLDER * service.tmpfs.len() as u64),
            folder_size: Memory::mebibytes(FOLDER).quantity(),
            folders: folders
                .map(|(number, path)| Folder {
                    name: format!("writable-{number}"),
                    path,
                })
                .collect(),
            senders: component::senders(deployment),
        };
        let text = render("kubernetes/backend.yaml.j2", &values_of(template))?;
        plan.files.insert(format!("{}.yaml", one.name), text);
    }
    Ok(())
}

/// Input of a backend's file.
#[derive(Serialize)]
struct BackendTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    part: ComponentTemplate,
    backend_name: &'a str,
    backend_summary: &'a str,
    service: &'a Service,
    /// The port that accepts spans.
    port: u16,
    memory: String,
    ephemeral: EphemeralStorage,
    /// The size of a writable directory.
    folder_size: String,
    /// Writable directories.
    folders: Vec<Folder<'a>>,
    /// The labels of the pods that send to it.
    senders: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Folder<'a> {
    name: String,
    path: &'a str,
}
