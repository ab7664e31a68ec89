//! Example applications that use Chroma and send their own spans.
//!
//! Invariant: an example is complete: its dependencies are pinned, and its settings are in one
//! place.

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
use crate::spec::Target;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Client;
use crate::values::{has_place, in_place};

/// Returns a problem if the server is too old: the examples' client uses `/api/v2` only (measured:
/// client 1.5.9 with servers 0.4.24 and 0.5.11, which answer 404, and 0.5.16, which works).
pub(super) fn problems(deployment: &Deployment) -> Option<Problem> {
    let version = deployment.spec.chroma.version;
    let old = version.health_path().starts_with("/api/v1");
    (old && !deployment.spec.clients.is_empty()).then(|| {
        let message = format!("the examples need `/api/v2`, which Chroma {version} does not have");
        Problem::new("clients", message).hint("use Chroma 0.5.16 or newer, or remove `clients`")
    })
}

/// Adds `clients/NAME/…` for each client of the spec.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment) -> Result<()> {
    if deployment.spec.clients.is_empty() {
        return Ok(());
    }
    let template = ClientsTemplate {
        reach: Reach::new(deployment),
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

/// Returns the templates of an example: those in its folder, and those that it shares with others.
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

/// Returns the rendered template, or the text of any other file unchanged.
fn text(file: &str, context: &Value) -> Result<String> {
    if file.ends_with(".j2") {
        return render(file, context);
    }
    let found = TEMPLATES.get_file(file);
    let text = found.and_then(|file| file.contents_utf8());
    Ok(text.with_context(|| format!("no `{file}`"))?.to_owned())
}

/// Input of `templates/clients`.
#[derive(Serialize)]
struct ClientsTemplate<'a> {
    #[serde(flatten)]
    shared: SharedTemplate<'a>,
    reach: Reach,
    /// The address of the traces, if it is known.
    traces: Option<String>,
}

/// Addresses of Chroma and the collector for an application.
#[derive(Serialize)]
struct Reach {
    host: String,
    port: u16,
    /// True if clients must send the deployment's token.
    token: bool,
    /// The endpoint for the application's own spans.
    endpoint: String,
    /// True if the endpoint is the operator's own collector.
    own: bool,
    /// The section of the deployment's README that describes how to connect.
    section: Option<&'static str>,
}

impl Reach {
    fn new(deployment: &Deployment) -> Self {
        let spec = &deployment.spec;
        let host = match spec.target {
            Target::Docker => host(spec.chroma.bind),
            // Through a forwarded port.
            Target::Aws | Target::Gcp | Target::Azure | Target::Kubernetes(_) => {
                "127.0.0.1".to_owned()
            }
        };
        let proxy_host = spec.chroma.access.tls.proxy_host();
        let own = spec.tracing.endpoint.as_ref();
        let own = own.filter(|_| spec.collector.mode == CollectorMode::None);
        Self {
            endpoint: match own {
                Some(endpoint) => endpoint.to_string(),
                None => format!("http://{host}:4317"),
            },
            own: own.is_some(),
            port: if proxy_host.is_some() {
                443
            } else {
                spec.chroma.port
            },
            token: spec.chroma.access.token,
            host: match proxy_host {
                Some(name) => format!("https://{name}"),
                None => host,
            },
            section: section(spec.target),
        }
    }
}

/// Returns the address of the traces. `None` if only the deployment's README can give it: it is not
/// known yet, the deployment creates it, or a forwarded port or a command is needed.
fn traces(deployment: &Deployment) -> Option<String> {
    let backend = &deployment.spec.tracing.backend;
    let traces = match deployment.spec.place() {
        Some(place) => in_place(&backend.traces, place),
        None => backend.traces.clone(),
    };
    let forwarded = backend.service.is_some() && deployment.spec.target != Target::Docker;
    let elsewhere = deployment.spec.collector.mode == CollectorMode::None;
    let made = deployment.creates_resource_of(backend);
    let told = backend.exporter == Exporter::Debug || has_place(&traces) || made;
    (!forwarded && !elsewhere && !told).then_some(traces)
}

/// Returns the section of the deployment's README that describes how to connect. `None` if no
/// preparation is needed.
fn section(target: Target) -> Option<&'static str> {
    match target {
        Target::Docker => None,
        Target::Aws | Target::Gcp | Target::Azure => Some("See a trace"),
        Target::Kubernetes(_) => Some("Run a client"),
    }
}

/// Returns the host to connect to; the loopback address if Chroma listens on all addresses.
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
        let resolved = resolve(read(None, overrides).expect("the spec parses"), &|_| None)
            .expect("the spec is valid");
        let deployment = Deployment::new(resolved).expect("it renders");
        crate::targets::problems(&deployment)
    }

    #[test]
    fn rejects_examples_for_servers_without_api_v2() {
        let [problem] = &problems_of("0.5.15", Some("python"))[..] else {
            panic!("one problem");
        };
        assert_eq!(problem.at, "--client");
        assert_eq!(problems_of("0.5.16", Some("python")), []);
        assert_eq!(problems_of("0.5.15", None), []);
    }
}
