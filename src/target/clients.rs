//! Examples of applications that use Chroma and send spans of their own.
//!
//! Invariant: an example is complete: what it needs is pinned, and its settings are in one place.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use minijinja::{Value, context};

use super::{Target, context as shared};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::render::{TEMPLATES, render};
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Client;

/// The clients speak `/api/v2`: those that do not are for servers that nobody should start with.
pub(super) fn problems(spec: &Spec) -> Option<Problem> {
    let version = spec.chroma.version;
    let old = version.health_path().starts_with("/api/v1");
    (old && !spec.clients.is_empty()).then(|| {
        let message = format!("need `/api/v2`, which Chroma {version} does not have");
        Problem::new("clients", message).hint("take Chroma 0.5.16 or newer, or leave out `clients`")
    })
}

/// Adds `clients/NAME/…` for each that is asked for.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec) -> Result<()> {
    if spec.clients.is_empty() {
        return Ok(());
    }
    let context = context! { reach => reach(spec), ..shared::of(spec) };
    for client in &spec.clients {
        for file in files(*client) {
            let text = text(&file, &context)?;
            let name = file.rsplit('/').next().unwrap_or(&file);
            let name = name.trim_end_matches(".j2");
            plan.files.insert(format!("clients/{client}/{name}"), text);
        }
    }
    Ok(())
}

/// The templates that an example is made of: those of its folder, and what it shares with others.
fn files(client: Client) -> Vec<String> {
    let shared: &[&str] = match client {
        Client::Python => &["books.py", "constraints.txt", "propagation.py.j2"],
        Client::Openllmetry | Client::Openlit => &[
            "books.py",
            "constraints.txt",
            "export.py",
            "propagation.py.j2",
        ],
    };
    let shared = shared.iter().map(|file| format!("clients/shared/{file}"));
    let folder = TEMPLATES.get_dir(format!("clients/{client}"));
    let own = folder.into_iter().flat_map(|folder| folder.files());
    own.map(|file| file.path().display().to_string())
        .chain(shared)
        .collect()
}

/// A template rendered; any other file as it is.
fn text(file: &str, context: &Value) -> Result<String> {
    if file.ends_with(".j2") {
        return render(file, context);
    }
    let found = TEMPLATES.get_file(file);
    let text = found.and_then(|file| file.contents_utf8());
    Ok(text.with_context(|| format!("no `{file}`"))?.to_owned())
}

/// Where an application finds Chroma and the collector, and what it takes to get there.
fn reach(spec: &Spec) -> Value {
    let through = match spec.target {
        Target::Docker => "",
        Target::Kubernetes(_) => ": forwarded from the cluster, as README.md says",
        Target::Aws | Target::Gcp | Target::Azure => {
            ": its port forwarded from the machine, as ../../README.md says, or the machine's address"
        }
    };
    let host = match spec.target {
        Target::Docker => host(spec.chroma.bind),
        _ => "127.0.0.1".to_owned(),
    };
    let endpoint = match (&spec.tracing.endpoint, spec.collector.mode) {
        (Some(endpoint), CollectorMode::None) if spec.target.is_kubernetes() => {
            endpoint.to_string()
        }
        _ => format!("http://{host}:4317"),
    };
    context! { host, through, endpoint, port => spec.chroma.port, steps => steps(spec) }
}

/// What has to be done before, in the words of the README.
fn steps(spec: &Spec) -> Option<String> {
    let name = &spec.name;
    match spec.target {
        Target::Docker => None,
        Target::Kubernetes(_) if spec.collector.mode == CollectorMode::None => {
            Some("Chroma forwarded as `../../README.md` says (\"See a trace\")".to_owned())
        }
        Target::Kubernetes(_) => Some(format!(
            "with Chroma forwarded as `../../README.md` says (\"See a trace\"), and likewise `service/{name}-otel-collector 4317`"
        )),
        Target::Aws | Target::Gcp | Target::Azure => Some(
            "with Chroma's port forwarded as `../../README.md` says (\"See a trace\"), and likewise 4317, the collector's".to_owned(),
        ),
    }
}

/// What a connection to this address is made with; to any of a machine's, its own.
fn host(bind: IpAddr) -> String {
    match bind {
        _ if bind.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
