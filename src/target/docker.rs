//! Docker Compose on one machine: which files, which secrets, what the operator does next.
//!
//! Invariant: the value of a secret is in the secret file and nowhere else.

mod context;

use anyhow::Result;
use chroma_otel_init::{Server, variable};
use minijinja::context;

use super::{Need, sources};
use crate::plan::{Plan, SecretFile};
use crate::problem::Problem;
use crate::render::render;
use crate::spec::{Image, Resolved, Secrets, Spec, header_variable};
use crate::tree::{Change, hash};

/// Ports of the collector on this machine: its own metrics, and those of the requests.
const COLLECTOR_PORTS: [u16; 2] = [8888, 8889];

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
    let ui = resolved
        .spec
        .tracing
        .backend
        .service
        .as_ref()
        .map(|service| service.ui_port);
    if COLLECTOR_PORTS
        .into_iter()
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
        // With the entrypoint, they are escaped on the way.
        let expanded = value.contains("${") || value.contains("$$");
        if expanded && resolved.spec.chroma.image == Image::Stock {
            problems.push(
                Problem::new(
                    name,
                    "has `${` or `$$` in it, which the collector would expand",
                )
                .hint("use `image: wrapped`, which passes any value on unchanged"),
            );
        }
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
    let mut plan = Plan::default();
    let context = context::of(spec);
    for template in ["config.yaml", "otel-collector.yaml"] {
        if template == "config.yaml" && spec.chroma.version.server() == Server::Python {
            continue; // 0.x has no configuration file
        }
        let text = render(&template_path(template), &context)?;
        plan.files.insert(template.to_owned(), text);
    }
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
    for template in [
        "docker-compose.yaml",
        ".env.example",
        ".gitignore",
        "README.md",
    ] {
        plan.files.insert(
            template.to_owned(),
            render(&template_path(template), &context)?,
        );
    }
    if spec.chroma.image == Image::Wrapped {
        for template in ["Dockerfile", ".dockerignore"] {
            plan.files.insert(
                template.to_owned(),
                render(&template_path(template), &context)?,
            );
        }
        sources::add(&mut plan)?;
    }
    plan.secrets = secret_file(&resolved.secrets);
    Ok(plan)
}

/// The collector's configuration is shared by all targets; the rest is this target's own.
fn template_path(file: &str) -> String {
    let folder = if file == "otel-collector.yaml" {
        "collector"
    } else {
        "docker"
    };
    format!("{folder}/{file}.j2")
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

/// Every variable without which the deployment does not start.
fn wanted(spec: &Spec) -> Vec<Need> {
    let tracing = &spec.tracing;
    let need = |variable: &str, what: String| Need {
        variable: variable.to_owned(),
        what,
    };
    let mut needs: Vec<Need> = Vec::new();
    if tracing.backend.wants_endpoint() && tracing.endpoint.is_none() {
        needs.push(need(
            variable::ENDPOINT,
            "the backend's OTLP endpoint, such as `https://otlp.example.com:443`".to_owned(),
        ));
    }
    needs.extend(
        tracing
            .backend
            .keys
            .iter()
            .map(|key| need(&key.variable, key.what.clone())),
    );
    match spec.chroma.image {
        Image::Wrapped if !tracing.header_names.is_empty() => needs.push(need(
            variable::HEADERS,
            format!(
                "the headers {}, as a JSON object or as k=v,k2=v2",
                tracing.header_names.join(", ")
            ),
        )),
        Image::Wrapped => {}
        Image::Stock => needs.extend(tracing.header_names.iter().map(|name| {
            need(
                &header_variable(name),
                format!("the value of the header {name}"),
            )
        })),
    }
    let by_name = spec
        .chroma
        .environment
        .iter()
        .filter(|(_, value)| value.is_none());
    needs.extend(by_name.map(|(name, _)| need(name.as_str(), "for Chroma".to_owned())));
    needs
}

/// What a change of the Compose file means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    let of = |text: &Option<String>, start: &str| {
        let line = text
            .iter()
            .flat_map(|text| text.lines())
            .find_map(|line| line.strip_prefix(start));
        line.map(|rest| rest.split(',').next().unwrap_or(rest).to_owned())
    };
    let changed = |start: &str| {
        let (before, after) = (of(&change.before, start)?, of(&change.after, start)?);
        (change.path == "docker-compose.yaml" && before != after).then_some((before, after))
    };
    let renamed = changed("name: ").map(|(before, after)| {
        format!("`{before}` is called `{after}` now and starts with empty volumes; the old one goes on until `docker compose --project-name {before} down`")
    });
    let moved = changed("# Chroma ").map(|(before, after)| {
        format!("Chroma goes from {before} to {after}, which changes the data for good: back it up first, as README.md says")
    });
    renamed.into_iter().chain(moved).collect()
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    let mut steps = Vec::new();
    if !needs(resolved).is_empty() && resolved.secrets.is_empty() {
        steps.push(
            "cp -n .env.example .env && chmod 600 .env   # then set what is missing in it"
                .to_owned(),
        );
    }
    steps.push(match resolved.spec.chroma.image {
        Image::Wrapped => "docker compose up --build --detach --wait --remove-orphans".to_owned(),
        Image::Stock => "docker compose up --detach --wait --remove-orphans".to_owned(),
    });
    steps.push(format!(
        "see the traces: {}",
        resolved.spec.tracing.backend.traces
    ));
    steps
}
