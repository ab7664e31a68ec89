//! Docker Compose on one machine: files, secrets, next steps.
//!
//! Invariant: values of secrets are in the secret file only.

mod template;

use std::collections::BTreeSet;

use anyhow::Result;

use self::template::{COLLECTOR_PORTS, DockerTemplate, LOG, UP, otlp_ports, wanted};
use super::backup_scripts::script;
use super::{common, problems as shared};
use crate::backend::Exporter;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::render::{render, values_of};
use crate::spec::Tls;

/// The programs of the service that backs up.
const BACKUP_SCRIPTS: [&str; 5] = [
    "archive.py",
    "backup.py",
    "repair.py",
    "restore.py",
    "schedule.py",
];

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
    if COLLECTOR_PORTS
        .into_iter()
        .chain(otlp_ports(&deployment.spec.clients))
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
    if deployment.spec.chroma.access.has_proxy() {
        let text = template.caddyfile().text()?;
        plan.files.insert("Caddyfile".to_owned(), text);
    }
    if deployment.spec.backup.is_some() {
        for name in BACKUP_SCRIPTS {
            plan.files
                .insert(format!("backup/{name}"), script(name)?.to_owned());
        }
    }
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
    // In single quotes, Compose expands nothing and reads `\'` as a quote (measured with Compose
    // 2.26).
    let quoted = |value: &str| format!("'{}'", value.replace('\'', "\\'"));
    plan.secrets = common::env_file(&deployment.given, quoted);
    Ok(plan)
}

/// Returns the values that the operator has to add to `.env`.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let mut needs = wanted(deployment);
    needs.retain(|need| !deployment.given.contains_key(&need.variable));
    needs
}

/// Returns notes on the effect of a new or changed Compose file.
pub fn notes(change: &Change) -> Vec<String> {
    let name = |text: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix("name: ").map(str::to_owned))
    };
    match (change.path.as_str(), &change.before) {
        ("docker-compose.yaml", Some(_)) => {}
        ("docker-compose.yaml", None) => {
            let name = change.after.as_deref().and_then(name);
            return name.map(|name| second(&name)).into_iter().collect();
        }
        _ => return Vec::new(),
    }
    let renamed = change.behind("name: ").map(|(before, after)| {
        format!("`{before}` is now named `{after}` and starts with empty volumes; the `down` command below stops the old deployment and keeps its volumes")
    });
    let moved = common::version_note(change, "create a backup first");
    let sets_owner = |text: &Option<String>| {
        let mut lines = text.as_deref().unwrap_or_default().lines();
        lines.any(|line| line == "  prepare-volumes:")
    };
    let owned = sets_owner(&change.before) && !sets_owner(&change.after);
    let owned = owned.then(|| "Chroma ran as root and now runs as user 10001: before the next start, change the owner of its volume as in README.md, \"Upgrade\"".to_owned());
    renamed.into_iter().chain(moved).chain(owned).collect()
}

/// Returns the note on another deployment on the same machine.
fn second(name: &str) -> String {
    format!(
        "a second deployment on this machine needs another `--name` than `{name}`, with which it would replace this one, and other ports: `--port`, and in .env the ports that .env.example lists"
    )
}

/// Adds the command that stops a deployment with another name, which holds the ports, and removes
/// containers that the new file lacks. Otherwise it removes none: a container of another origin can
/// belong to a project of this name.
pub fn adapt_steps(changes: &[Change], steps: &mut Vec<String>) {
    let Some(up) = steps.iter().position(|step| step == UP) else {
        return;
    };
    // A removed file belonged to a service.
    if changes.iter().any(|change| change.after.is_none()) {
        steps[up] = format!("{UP} --remove-orphans");
    }
    let file = |change: &&Change| change.path == "docker-compose.yaml";
    let Some(change) = changes.iter().find(file) else {
        return;
    };
    let services = |text: &Option<String>| services(text.as_deref().unwrap_or_default());
    if !services(&change.before).is_subset(&services(&change.after)) {
        steps[up] = format!("{UP} --remove-orphans");
    }
    if let Some((before, _)) = change.behind("name: ") {
        let stop = format!("docker compose --project-name {before} down --remove-orphans");
        steps.insert(up, stop);
    }
}

/// Returns the names of the services in a Compose file.
fn services(text: &str) -> BTreeSet<String> {
    let all: serde_yaml::Value = serde_yaml::from_str(text).unwrap_or_default();
    let names = all["services"].as_mapping().into_iter().flatten();
    names
        .filter_map(|(name, _)| Some(name.as_str()?.to_owned()))
        .collect()
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment, needs: &[Need], env_file: bool) -> Vec<String> {
    let mut steps = common::fill_env_file(needs, env_file);
    if let Tls::Folder(_, folder) = &deployment.spec.chroma.access.tls {
        let folder = folder.as_str();
        steps.push(format!(
            "# put the certificate into {folder}: tls.crt with its chain, tls.key"
        ));
    }
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
