//! Docker Compose on one machine: files, secrets, next steps.
//!
//! Invariant: values of secrets are in the secret file only.

mod template;

use anyhow::Result;

use self::template::{COLLECTOR_PORTS, DockerTemplate, LOG, OTLP_PORTS, UP, wanted};
use super::{common, problems as shared};
use crate::backend::Exporter;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, Plan, SecretFile};
use crate::problem::Problem;
use crate::render::{render, values_of};
use crate::spec::Secrets;

/// Returns the problems of a valid spec that Compose cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    // The service name is a default in `${NAME:-default}` and an example in `.env.example`.
    let signs = ['$', '{', '}', '"', '\'', '`', '\\'];
    if deployment
        .spec
        .tracing
        .service_name
        .as_str()
        .contains(signs)
    {
        problems.push(
            Problem::new(
                "tracing.service_name",
                "contains a quote, a brace, `$` or `\\`, which Compose would interpret",
            )
            .hint("use a name without these characters"),
        );
    }
    problems.extend(shared::foreign_backend(deployment));
    let ui = deployment
        .backends_in_stack()
        .map(|(_, service, _)| service.ui_port);
    let otlp = OTLP_PORTS.into_iter();
    let otlp = otlp.filter(|_| !deployment.spec.clients.is_empty());
    if COLLECTOR_PORTS
        .into_iter()
        .chain(otlp)
        .chain(ui)
        .any(|port| port == deployment.spec.chroma.port)
    {
        problems.push(
            Problem::new(
                "chroma.port",
                format!(
                    "port `{}` is already published by the collector or a backend",
                    deployment.spec.chroma.port
                ),
            )
            .hint("choose another port"),
        );
    }
    for (name, value) in &deployment.given {
        let value = value.expose();
        problems.extend(shared::expanded(deployment, name, value));
        let ambiguous = value.ends_with('\\') || value.contains("\\'");
        if ambiguous || value.contains(['\n', '\r', '\0']) {
            problems.push(
                Problem::new(name, "contains a line break, or a `\\` at its end or before a quote, which `.env` cannot express")
                    .hint("check that the value was copied completely"),
            );
        }
    }
    problems
}

/// Returns the files of the deployment.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub fn plan(deployment: &Deployment) -> Result<Plan> {
    let mut plan = deployment.images.plan();
    let template = DockerTemplate::new(deployment);
    let context = values_of(&template);
    common::add_configurations(&mut plan, deployment, &context)?;
    let context = values_of(template.with_checksums(&plan));
    for file in [
        "docker-compose.yaml",
        ".env.example",
        ".gitignore",
        "README.md",
    ] {
        let text = render(&format!("docker/{file}.j2"), &context)?;
        plan.files.insert(file.to_owned(), text);
    }
    plan.secrets = secret_file(&deployment.given);
    Ok(plan)
}

/// Returns the `.env` file for the given secrets. In single quotes, Compose expands nothing and
/// reads `\'` as a quote (measured with Compose 2.26).
fn secret_file(secrets: &Secrets) -> Option<SecretFile> {
    if secrets.is_empty() {
        return None;
    }
    let lines = secrets
        .iter()
        .map(|(name, value)| format!("{name}='{}'\n", value.expose().replace('\'', "\\'")));
    Some(SecretFile {
        path: ".env".to_owned(),
        contents: lines.collect(),
        variables: secrets.keys().cloned().collect(),
    })
}

/// Returns the values that the operator has to add to `.env`.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let mut needs = wanted(deployment);
    needs.retain(|need| !deployment.given.contains_key(&need.variable));
    needs
}

/// Returns notes on the effect of a changed Compose file on the data.
pub fn notes(change: &Change) -> Vec<String> {
    if change.path != "docker-compose.yaml" {
        return Vec::new();
    }
    let renamed = change.behind("name: ").map(|(before, after)| {
        format!("`{before}` is now named `{after}` and starts with empty volumes; the old deployment runs until `docker compose --project-name {before} down`")
    });
    let moved = common::version_note(change, "create a backup first");
    renamed.into_iter().chain(moved).collect()
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment) -> Vec<String> {
    let mut steps = common::fill_env_file(deployment, &needs(deployment));
    steps.push(UP.to_owned());
    let backends = deployment.spec.tracing.backends();
    for backend in backends.filter(|_| deployment.spec.is_traced()) {
        steps.push(match backend.exporter {
            Exporter::Debug => LOG.to_owned(),
            _ => format!("# view the traces: {}", backend.traces),
        });
    }
    steps
}
