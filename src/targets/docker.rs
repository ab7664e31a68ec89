//! Docker Compose on one machine: which files, which secrets, what the operator does next.
//!
//! Invariant: the value of a secret is in the secret file and nowhere else.

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

/// What Compose cannot carry, of a spec that is sound otherwise.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = Vec::new();
    // It stands as a default in `${NAME:-default}` and as an example in `.env.example`.
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
                "has a quote, a brace, `$` or `\\` in it, which Compose would read as its own",
            )
            .hint("leave it out"),
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
                    "is `{}`, which the stack itself publishes",
                    deployment.spec.chroma.port
                ),
            )
            .hint("take another one"),
        );
    }
    for (name, value) in &deployment.given {
        let value = value.expose();
        problems.extend(shared::expanded(deployment, name, value));
        let ambiguous = value.ends_with('\\') || value.contains("\\'");
        if ambiguous || value.contains(['\n', '\r', '\0']) {
            problems.push(
                Problem::new(name, "has a line break, or a `\\` at its end or before a quote, which `.env` cannot carry")
                    .hint("check that the value was copied whole"),
            );
        }
    }
    problems
}

/// The files of the deployment.
///
/// # Errors
/// A template is wrong: a bug.
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

/// `.env` for the secrets that were handed to us. In single quotes Compose expands nothing, and
/// takes `\'` for a quote (seen with Compose 2.26).
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

/// What the operator has to put into `.env`.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let mut needs = wanted(deployment);
    needs.retain(|need| !deployment.given.contains_key(&need.variable));
    needs
}

/// What a change of the Compose file means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    if change.path != "docker-compose.yaml" {
        return Vec::new();
    }
    let renamed = change.behind("name: ").map(|(before, after)| {
        format!("`{before}` is called `{after}` now and starts with empty volumes; the old one goes on until `docker compose --project-name {before} down`")
    });
    let moved = common::version_note(change, "back it up first");
    renamed.into_iter().chain(moved).collect()
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment) -> Vec<String> {
    let mut steps = common::fill_env_file(deployment, &needs(deployment));
    steps.push(UP.to_owned());
    let backends = deployment.spec.tracing.backends();
    for backend in backends.filter(|_| deployment.spec.is_traced()) {
        steps.push(match backend.exporter {
            Exporter::Debug => LOG.to_owned(),
            _ => format!("# see the traces: {}", backend.traces),
        });
    }
    steps
}
