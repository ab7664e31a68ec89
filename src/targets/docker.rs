//! Docker Compose on one machine: which files, which secrets, what the operator does next.
//!
//! Invariant: the value of a secret is in the secret file and nowhere else.

mod context;

use anyhow::Result;
use minijinja::context;

use self::context::{COLLECTOR_PORTS, LOG, OTLP_PORTS, UP, wanted};
use super::common;
use crate::backend::Exporter;
use crate::image;
use crate::plan::{Need, Plan, SecretFile};
use crate::problem::Problem;
use crate::render::render;
use crate::spec::{Resolved, Secrets};
use crate::{digest::hash, plan::Change};

/// What Compose cannot carry, of a spec that is sound otherwise.
pub fn problems(resolved: &Resolved) -> Vec<Problem> {
    let mut problems = Vec::new();
    // It stands as a default in `${NAME:-default}` and as an example in `.env.example`.
    let signs = ['$', '{', '}', '"', '\'', '`', '\\'];
    if resolved.spec.tracing.service_name.as_str().contains(signs) {
        problems.push(
            Problem::new(
                "tracing.service_name",
                "has a quote, a brace, `$` or `\\` in it, which Compose would read as its own",
            )
            .hint("leave it out"),
        );
    }
    problems.extend(common::foreign_backend(&resolved.spec));
    let ui = common::in_stack(&resolved.spec).map(|(_, service, _)| service.ui_port);
    let otlp = OTLP_PORTS.into_iter();
    let otlp = otlp.filter(|_| !resolved.spec.clients.is_empty());
    if COLLECTOR_PORTS
        .into_iter()
        .chain(otlp)
        .chain(ui)
        .any(|port| port == resolved.spec.chroma.port)
    {
        problems.push(
            Problem::new(
                "chroma.port",
                format!(
                    "is `{}`, which the stack itself publishes",
                    resolved.spec.chroma.port
                ),
            )
            .hint("take another one"),
        );
    }
    for (name, value) in &resolved.secrets {
        let value = value.expose();
        problems.extend(common::expanded(&resolved.spec, name, value));
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
pub fn plan(resolved: &Resolved) -> Result<Plan> {
    let spec = &resolved.spec;
    let (mut plan, tags) = image::built(spec)?;
    let context = context::of(spec, &tags);
    common::add_configurations(&mut plan, spec, &context)?;
    let checksum = |file: &str| {
        plan.files
            .get(file)
            .map(|text| hash(text.as_bytes())[..16].to_owned())
    };
    let context = context! {
        config_checksum => checksum("config.yaml"),
        collector_checksum => checksum("otel-collector.yaml"),
        ..context
    };
    for file in [
        "docker-compose.yaml",
        ".env.example",
        ".gitignore",
        "README.md",
    ] {
        let text = render(&format!("docker/{file}.j2"), &context)?;
        plan.files.insert(file.to_owned(), text);
    }
    plan.secrets = secret_file(&resolved.secrets);
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
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    let Resolved { spec, secrets, .. } = resolved;
    let mut needs = wanted(spec);
    needs.retain(|need| !secrets.contains_key(&need.variable));
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
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    let mut steps = Vec::new();
    if !needs(resolved).is_empty() && resolved.secrets.is_empty() {
        steps.push("cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env".to_owned());
    }
    steps.push(UP.to_owned());
    for backend in resolved.spec.tracing.backends() {
        let traces = match backend.exporter {
            Exporter::Debug => LOG,
            _ => &backend.traces,
        };
        steps.push(format!("see the traces: {traces}"));
    }
    steps
}
