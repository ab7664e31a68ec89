//! Examples of applications that use Chroma and send spans of their own.
//!
//! Invariant: an example is complete: what it needs is pinned, and its settings are in one place.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use minijinja::Value;
use serde::Serialize;

use super::shared::SharedTemplate;
use crate::backend::Exporter;
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::render::{TEMPLATES, render, values_of};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Client;
use crate::spec::{Spec, Target};
use crate::values::{has_place, in_place};

/// What the examples cannot do: their client speaks `/api/v2` alone (measured: 1.5.9 with servers of
/// 0.4.24 and 0.5.11, which answer 404, and of 0.5.16, which it works with).
pub(super) fn problems(deployment: &Deployment) -> Option<Problem> {
    let version = deployment.spec.chroma.version;
    let old = version.health_path().starts_with("/api/v1");
    (old && !deployment.spec.clients.is_empty()).then(|| {
        let message = format!("need `/api/v2`, which Chroma {version} does not have");
        Problem::new("clients", message).hint("take Chroma 0.5.16 or newer, or leave out `clients`")
    })
}

/// Adds `clients/NAME/…` for each that is asked for.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment) -> Result<()> {
    if deployment.spec.clients.is_empty() {
        return Ok(());
    }
    let template = ClientsTemplate {
        reach: Reach::new(&deployment.spec),
        traces: traces(deployment),
        shared: SharedTemplate::new(deployment),
    };
    let context = values_of(template);
    for client in &deployment.spec.clients {
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

/// What the templates in `templates/clients` read.
#[derive(Serialize)]
struct ClientsTemplate<'a> {
    #[serde(flatten)]
    shared: SharedTemplate<'a>,
    reach: Reach,
    /// The address where the traces are, where it is known.
    traces: Option<String>,
}

/// Where an application finds Chroma and the collector.
#[derive(Serialize)]
struct Reach {
    /// Chroma's host.
    host: String,
    /// Chroma's port.
    port: u16,
    /// The endpoint for the application's own spans.
    endpoint: String,
    /// Whether that is the operator's own collector.
    own: bool,
    /// The section of the deployment's README that says how to get there.
    section: Option<&'static str>,
}

impl Reach {
    fn new(spec: &Spec) -> Self {
        let host = match spec.target {
            Target::Docker => host(spec.chroma.bind),
            // Forwarded.
            Target::Aws | Target::Gcp | Target::Azure | Target::Kubernetes(_) => {
                "127.0.0.1".to_owned()
            }
        };
        let own = spec.tracing.endpoint.as_ref();
        let own = own.filter(|_| spec.collector.mode == CollectorMode::None);
        Self {
            endpoint: match own {
                Some(endpoint) => endpoint.to_string(),
                None => format!("http://{host}:4317"),
            },
            host,
            own: own.is_some(),
            port: spec.chroma.port,
            section: section(spec.target),
        }
    }
}

/// The address where the traces are; nothing where only the deployment's README can say it, because the place is
/// not known yet, the deployment makes it, a port has to be forwarded, or it takes a command.
fn traces(deployment: &Deployment) -> Option<String> {
    let backend = &deployment.spec.tracing.backend;
    let traces = match deployment.spec.place() {
        Some(place) => in_place(&backend.traces, place),
        None => backend.traces.clone(),
    };
    let forwarded = backend.service.is_some() && deployment.spec.target != Target::Docker;
    let elsewhere = deployment.spec.collector.mode == CollectorMode::None;
    let made = deployment.creates_key_of(backend);
    let told = backend.exporter == Exporter::Debug || has_place(&traces) || made;
    (!forwarded && !elsewhere && !told).then_some(traces)
}

/// The part of the deployment's README that says how to get there; nothing where no way is to be made.
fn section(target: Target) -> Option<&'static str> {
    match target {
        Target::Docker => None,
        Target::Aws | Target::Gcp | Target::Azure => Some("See a trace"),
        Target::Kubernetes(_) => Some("Run a client"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::file::{Override, read};
    use crate::input::resolve;

    fn problems_of(version: &str, client: Option<&str>) -> Vec<Problem> {
        let given = |key: &'static str, value: &str| Override {
            key,
            flag: "",
            value: value.into(),
        };
        let mut overrides = vec![given("target", "docker"), given("chroma.version", version)];
        overrides.extend(client.map(|client| Override {
            key: "clients",
            flag: "--client",
            value: vec![client].into(),
        }));
        let resolved = resolve(read(None, overrides).expect("the spec reads"), &|_| None)
            .expect("the spec is sound");
        let deployment = Deployment::new(resolved).expect("it renders");
        crate::targets::problems(&deployment)
    }

    #[test]
    fn an_example_needs_a_server_that_it_can_speak_to() {
        let [problem] = &problems_of("0.5.15", Some("python"))[..] else {
            panic!("one problem");
        };
        assert_eq!(problem.at, "--client");
        assert_eq!(problems_of("0.5.16", Some("python")), []);
        assert_eq!(problems_of("0.5.15", None), []);
    }
}
