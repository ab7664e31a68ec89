//! `list backends NAME`: everything that a spec can set for a backend.

use serde_json::{Map, Value, json};

use super::table::{WIDTH, wrapped};
use crate::backend::{Backend, Key, Setting};
use crate::cli::PROGRAM;
use crate::spec::Target;
use crate::values::Cloud;

/// Describes a backend as text.
pub(super) fn description(backend: &Backend) -> String {
    let title = format!("{}: {}", backend.name, backend.summary);
    let mut text = format!("{}\n\n", wrapped(&title, 0));
    for (name, value) in facts(&backend.clone().described()) {
        text += &format!("  {name:<14}{}\n", wrapped(&value, 16).trim_start());
    }
    if !backend.keys.is_empty() {
        let place = match backend.cloud() {
            Some(cloud) => format!(" outside of {}", cloud.name()),
            None => String::new(),
        };
        text += &format!("\nKeys, which are secret and required{place}:\n");
    }
    for key in &backend.keys {
        text += &format!("  {}\n{}\n", key.variable, wrapped(&key.what, 6));
    }
    let addresses = backend.keys.iter().filter_map(address);
    if !backend.settings.is_empty() || addresses.clone().next().is_some() {
        text += "\nSettings, by --setting NAME=VALUE or under `tracing.settings`:\n";
    }
    for (name, setting) in &backend.settings {
        let required = if backend.requires(name) {
            "required"
        } else {
            "optional"
        };
        text += &format!("  {name} ({required})\n{}\n", wrapped(&what(setting), 6));
    }
    for (name, what) in addresses {
        text += &format!("  {name} (optional)\n{}\n", wrapped(&what, 6));
    }
    text + &format!("\nExample:\n  {}\n", example(backend))
}

/// Returns the setting for a key that an identity makes a mere address.
fn address(key: &Key) -> Option<(&String, String)> {
    let what = format!("instead of {}, with an identity", key.variable);
    Some((key.setting.as_ref()?, what))
}

/// Describes a backend for `--json`.
pub(super) fn data(backend: &Backend) -> Value {
    let described = backend.clone().described();
    let settings = backend.settings.iter().map(|(name, setting)| {
        let choices = setting.choices.as_ref();
        let value = json!({
            "what": setting.what,
            "required": backend.requires(name),
            "default": setting.default,
            "choices": choices.map(|choices| choices.keys().collect::<Vec<_>>()),
        });
        (name.clone(), value)
    });
    let addresses = backend.keys.iter().filter_map(address);
    let addresses = addresses.map(|(name, what)| {
        let value = json!({ "what": what, "required": false, "default": null, "choices": null });
        (name.clone(), value)
    });
    json!({
        "name": backend.name,
        "summary": backend.summary,
        "cloud": backend.only_cloud().map(Cloud::name),
        "endpoint": described.endpoint,
        "endpoint_required": backend.endpoint.is_none() && backend.wants_endpoint(),
        "metrics": backend.metrics.is_some(),
        "traces": described.traces,
        "documentation": backend.documentation,
        "keys": backend.keys,
        "settings": settings.chain(addresses).collect::<Map<_, _>>(),
        "example": example(backend),
    })
}

fn facts(backend: &Backend) -> Vec<(&'static str, String)> {
    let endpoint = match &backend.endpoint {
        Some(endpoint) => format!("{endpoint} by default"),
        None if backend.wants_endpoint() => {
            format!("required, such as {}", backend.endpoint_example())
        }
        None => "none: the exporter needs no endpoint".to_owned(),
    };
    let runs = match (backend.cloud(), backend.only_cloud()) {
        (None, _) => "every target".to_owned(),
        (Some(cloud), only) => {
            let place = if only.is_some() {
                ""
            } else {
                "every target; in "
            };
            let name = cloud.name();
            format!("{place}{name}, by the identity of the machine or cluster")
        }
    };
    let metrics = match &backend.metrics {
        Some(intake) if intake.delta => "accepted, as deltas",
        Some(_) => "accepted, as cumulative sums",
        None => "not accepted",
    };
    vec![
        ("runs on", runs),
        ("endpoint", endpoint),
        ("metrics", metrics.to_owned()),
        ("traces at", backend.traces.clone()),
        ("see", backend.documentation.clone()),
    ]
}

fn what(setting: &Setting) -> String {
    let mut text = setting.what.clone();
    if let Some(choices) = &setting.choices {
        let names: Vec<&str> = choices.keys().map(String::as_str).collect();
        text += &format!(" [possible values: {}]", names.join(", "));
    }
    if let Some(default) = &setting.default {
        text += &format!(" [default: {default}]");
    }
    text
}

/// Returns a command that selects the backend, with its required options.
fn example(backend: &Backend) -> String {
    let target = backend
        .only_cloud()
        .map_or(Target::Docker.info().name, |cloud| cloud.target());
    let mut options = vec![
        format!("{PROGRAM} gen --target {target}"),
        format!("--backend {}", backend.name),
    ];
    if backend.endpoint.is_none() && backend.wants_endpoint() {
        options.push(format!("--endpoint {}", backend.endpoint_example()));
    }
    let names = backend.settings.keys();
    options.extend(
        names
            .filter(|name| backend.requires(name))
            .map(|name| match name.as_str() {
                "region" => "--region REGION".to_owned(),
                name => format!("--setting {name}=VALUE"),
            }),
    );
    let one_line = options.join(" ");
    if one_line.len() + 2 <= WIDTH {
        one_line
    } else {
        options.join(
            " \\
      ",
        )
    }
}
