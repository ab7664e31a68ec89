//! What runs on a machine in a cloud: boot script, container units, configurations. The same for
//! every cloud, but for the functions in its own file `cloud` and the log driver.
//!
//! Invariant: no value that an operator sets later is in these files; they come in beside them, in
//! files of `NAME=value` that no shell reads.

use anyhow::Result;
use minijinja::value::{Serde, merge_maps};
use minijinja::{Value, context};

use super::context as shared;
use crate::plan::Plan;
use crate::render::{as_is, render};
use crate::spec::{Image, Spec};

/// What the system needs for itself, in MiB.
const SYSTEM_MEMORY: u64 = 384;

/// A file on the machine.
pub(super) struct MachineFile {
    pub(super) path: String,
    /// As `chmod` takes it, `000644`.
    pub(super) mode: &'static str,
    pub(super) text: String,
}

/// What the templates in `templates/machine` and the cloud's own read.
/// `log_options` are words for `docker run`, `cloud` what only this cloud's file reads.
pub(super) fn context(spec: &Spec, log_options: &[String], cloud: Value) -> Value {
    let shared = shared::of(spec);
    let part = |name: &str, more: Value| {
        let part = shared.get_attr(name).unwrap_or_default();
        merge_maps([part, more])
    };
    let wrapped = spec.chroma.image == Image::Wrapped;
    let backend = &spec.tracing.backend;
    let port = spec
        .tracing
        .endpoint
        .as_ref()
        .map(|endpoint| endpoint.port());
    let service = backend.service.as_ref().map(|service| {
        let more = context! { name => backend.name.as_str(), otlp_port => port, memory_mib => service.memory.as_mebibytes() };
        merge_maps([Value::from(Serde(service)), more])
    });
    context! {
        service,
        log_options => log_options.to_vec(),
        version_attribute => as_is("\"${env:CHROMA_VERSION}\""),
        listen => context! { receivers => "198.18.0.1", local => "127.0.0.1" },
        chroma => part("chroma", context! {
            least_memory_mib => spec.chroma.memory.as_mebibytes(),
            system_memory_mib => SYSTEM_MEMORY,
            data_owner => if wrapped { "10001:10001" } else { "0:0" },
        }),
        collector => part("collector", context! {
            memory_mib => spec.collector.memory.as_mebibytes(),
            command => if wrapped { shared::collector_command(spec) } else { Vec::new() },
        }),
        ..merge_maps([shared, cloud])
    }
}

/// The files that are the same on every machine of this deployment.
/// `folder` is the cloud's template folder, `context` that of [`context`].
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn files(spec: &Spec, folder: &str, context: &Value) -> Result<Vec<MachineFile>> {
    let mut files = Vec::new();
    let mut configurations = Plan::default();
    shared::add_configurations(&mut configurations, spec, context)?;
    for (name, text) in configurations.files {
        files.push(MachineFile {
            path: format!("/etc/chroma-otel/{name}"),
            mode: "000644",
            text,
        });
    }
    let mut add = |template: String, path: &str, mode: &'static str| -> Result<()> {
        let text = render(&template, context)?;
        files.push(MachineFile {
            path: path.to_owned(),
            mode,
            text,
        });
        Ok(())
    };
    add(
        "machine/daemon.json.j2".into(),
        "/etc/docker/daemon.json",
        "000644",
    )?;
    add(
        format!("{folder}/cloud.j2"),
        "/etc/chroma-otel/cloud",
        "000644",
    )?;
    for script in ["boot", "watch"] {
        add(
            format!("machine/{script}.j2"),
            &format!("/etc/chroma-otel/{script}"),
            "000755",
        )?;
    }
    let mut units = vec![
        ("chroma-otel.service", "chroma-otel.service".to_owned()),
        (
            "chroma-otel-watch.service",
            "chroma-otel-watch.service".to_owned(),
        ),
        (
            "chroma-otel-watch.timer",
            "chroma-otel-watch.timer".to_owned(),
        ),
        (
            "otel-collector.service",
            "otel-collector.service".to_owned(),
        ),
        ("chroma.service", "chroma.service".to_owned()),
    ];
    if spec.tracing.backend.service.is_some() {
        units.push((
            "backend.service",
            format!("{}.service", spec.tracing.backend.name),
        ));
    }
    for (template, name) in units {
        let path = format!("/etc/systemd/system/{name}");
        add(format!("machine/units/{template}.j2"), &path, "000644")?;
    }
    Ok(files)
}
