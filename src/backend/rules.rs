//! Consistency rules between the fields of a backend's file.
//!
//! Invariant: a backend that breaks no rule can be rendered on every target that has its identity.

mod identity;

use std::collections::BTreeSet;
use std::str::FromStr;

use chroma_otel_init::{Endpoint, Headers, Protocol};
use serde_json::Value;

use super::definition::{Backend, ComponentSettings, Exporter};
use crate::values::{Cloud, VariableName, in_place};

/// Returns every rule that the backend breaks, one sentence each.
pub(super) fn broken(backend: &Backend) -> Vec<String> {
    let over_otlp = matches!(backend.exporter, Exporter::Otlp | Exporter::OtlpHttp);
    let queued = match &backend.exporter {
        Exporter::Debug => false,
        Exporter::Component(component) => component.queue,
        Exporter::Otlp | Exporter::OtlpHttp | Exporter::Zipkin => true,
    };
    let retries_itself = backend.retries_itself();
    let one_line = |text: &str| !text.trim().is_empty() && !text.contains('\n');
    let rules = [
        (
            one_line(&backend.summary) && one_line(&backend.traces),
            "`summary` and `traces` are one line each",
        ),
        (
            backend.documentation.starts_with("https://"),
            "`documentation` is an address, `https://…`",
        ),
        (
            backend.endpoint.is_none() || backend.wants_endpoint(),
            "`endpoint` is for OTLP and Zipkin",
        ),
        (
            backend.extension.is_none()
                || over_otlp
                || matches!(backend.exporter, Exporter::Component(_)),
            "`extension` is for OTLP and for components",
        ),
        (
            [backend.spans_per_request, backend.bytes_per_request]
                .into_iter()
                .flatten()
                .all(|most| most > 0 && queued),
            "`spans_per_request` and `bytes_per_request` are for an exporter with a queue",
        ),
        (
            backend.spans_per_request.is_none() || backend.bytes_per_request.is_none(),
            "set only one of `spans_per_request` and `bytes_per_request`",
        ),
        (
            backend.longest_value.is_none_or(|most| most > 0),
            "`longest_value` is a number of characters",
        ),
        (
            backend.headers.is_empty() || backend.wants_endpoint(),
            "`headers` are for OTLP and Zipkin",
        ),
        (
            backend.metrics.is_none() || over_otlp,
            "`metrics` are for OTLP",
        ),
        (
            backend.example.is_none() || (backend.wants_endpoint() && backend.endpoint.is_none()),
            "`example` is for a backend without its own `endpoint`",
        ),
        (
            !retries_itself || queued,
            "`retries_itself` is for an exporter with a queue",
        ),
        (
            backend
                .resource
                .iter()
                .all(|(name, text)| is_attribute(name) && one_line(text)),
            "`resource` contains names of attributes, and one line of text for each",
        ),
        (
            backend
                .prepare
                .as_ref()
                .is_none_or(|todo| one_line(&todo.what) && !todo.commands.trim().is_empty()),
            "`prepare` needs `what` in one line, and `commands`",
        ),
    ];
    let mut broken: Vec<String> = rules
        .into_iter()
        .filter(|(kept, _)| !kept)
        .map(|(_, rule)| rule.to_owned())
        .collect();
    broken.extend(endpoints(backend));
    broken.extend(headers(backend));
    broken.extend(keys(backend));
    broken.extend(placeholders(backend));
    broken.extend(names(backend));
    broken.extend(identity::identity(backend));
    broken
}

/// Returns true for names as in OpenTelemetry's conventions.
fn is_attribute(name: &str) -> bool {
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    })
}

/// Checks that the exporter can send to the endpoints, with every choice of the settings.
fn endpoints(backend: &Backend) -> Vec<String> {
    let metrics = backend
        .metrics
        .as_ref()
        .and_then(|metrics| metrics.endpoint.as_deref());
    [
        ("endpoint", backend.endpoint.as_deref()),
        ("example", backend.example.as_deref()),
        ("metrics.endpoint", metrics),
    ]
    .into_iter()
    .filter_map(|(field, text)| Some((field, text?)))
    .flat_map(|(field, text)| {
        let filled = filled(backend, &in_place(text, "place-1"));
        filled.into_iter().filter_map(move |text| {
            let read = match field {
                "metrics.endpoint" => Endpoint::of_metrics(&text),
                _ => text.parse(),
            };
            let endpoint = match read {
                Ok(endpoint) => endpoint,
                Err(invalid) => return Some(format!("`{field}` {}", invalid.what())),
            };
            let (fits, rule) = match backend.exporter {
                Exporter::OtlpHttp => (
                    field != "endpoint" || endpoint.protocol() == Protocol::Http,
                    "has a path or port 4318, as OTLP over HTTP does",
                ),
                Exporter::Zipkin => (endpoint.is_zipkin(), "ends in `/api/v2/spans`"),
                _ => (true, ""),
            };
            (!fits).then(|| format!("`{field}` {rule}"))
        })
    })
    .collect()
}

/// Returns the text with every choice of its settings in turn.
fn filled(backend: &Backend, text: &str) -> Vec<String> {
    backend
        .settings
        .iter()
        .fold(vec![text.to_owned()], |texts, (name, setting)| {
            let placeholder = format!("{{{name}}}");
            let words: Vec<String> = match &setting.choices {
                Some(choices) => choices.values().cloned().collect(),
                None => vec!["word-1".to_owned()],
            };
            let mut filled: Vec<String> = texts
                .iter()
                .flat_map(|text| words.iter().map(|word| text.replace(&placeholder, word)))
                .collect();
            filled.dedup();
            filled
        })
}

/// Checks the headers, which are sent as written except for placeholders.
fn headers(backend: &Backend) -> impl Iterator<Item = String> {
    backend.headers.iter().filter_map(|(name, text)| {
        let secret = ["authorization", "cookie", "key", "token", "secret", "password"];
        if in_braces(text).is_empty() && secret.iter().any(|word| name.ends_with(word)) {
            return Some(format!(
                "header `{name}` has a value that looks like a secret: declare a variable in `keys`, and \
                 write `{{VARIABLE}}`"
            ));
        }
        let sound = Headers::default().insert(name, text).is_ok()
            && !name.chars().any(|c| c.is_ascii_uppercase())
            && text.trim() == text;
        (!sound).then(|| {
            format!("header `{name}` needs a name in lower case and one line of text")
        })
    })
}

/// Checks that every key has a place: otherwise it would never be sent.
fn keys(backend: &Backend) -> impl Iterator<Item = String> {
    backend.keys.iter().filter_map(|key| {
        let place = format!("{{{}}}", key.variable);
        let mut texts = backend
            .headers
            .values()
            .map(String::as_str)
            .chain(settings(backend));
        let placed = texts.any(|text| text.contains(&place));
        let sound = VariableName::from_str(&key.variable).is_ok() && !key.what.trim().is_empty();
        if is_taken(&key.variable) {
            return Some(format!(
                "key `{}` has the name of a variable with another use in the collector",
                key.variable
            ));
        }
        (!placed || !sound).then(|| {
            format!(
                "key `{}` needs a description, and a header or a setting that contains it",
                key.variable
            )
        })
    })
}

/// Returns true for variables that have another use.
fn is_taken(variable: &str) -> bool {
    let ours = variable.starts_with("CHROMA_") || variable.starts_with("OTEL_");
    let mut places = Cloud::ALL.into_iter().filter_map(Cloud::place);
    let mut of_identity = Cloud::ALL.into_iter().flat_map(Cloud::identity_variables);
    ours || variable == "GOMEMLIMIT"
        || variable == "PATH"
        || variable == "HOME"
        || places.any(|place| place.variable == variable)
        || of_identity.any(|name| *name == variable)
}

/// Checks that each placeholder is a key, a setting or the place, and that every setting is used.
fn placeholders(backend: &Backend) -> Vec<String> {
    let place = backend.cloud().and_then(Cloud::place);
    let known = |name: &str| {
        backend.settings.contains_key(name)
            || backend.variables().any(|variable| variable == name)
            || Cloud::ALL
                .into_iter()
                .filter_map(Cloud::place)
                .any(|one| one.placeholder == format!("{{{name}}}"))
    };
    let used: BTreeSet<&str> = texts_of(backend).flat_map(in_braces).collect();
    let unknown = used.iter().filter(|name| !known(name));
    let mut broken: Vec<String> = unknown
        .map(|name| format!("`{{{name}}}` is neither a key nor one of `settings`"))
        .collect();
    for (name, setting) in &backend.settings {
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        let is_place = place.is_some_and(|one| one.placeholder == format!("{{{name}}}"));
        let default = setting.default.as_ref();
        let sound = is_name
            && !is_place
            && name != "endpoint"
            && used.contains(name.as_str())
            && !setting.what.trim().is_empty()
            && default.is_none_or(|default| setting.text(default).is_ok());
        if !sound {
            broken.push(format!(
                "setting `{name}` needs a description, a text that contains it, and one of its choices as default"
            ));
        }
    }
    broken
}

/// Returns the names in braces: `{NAME}`, `{name}`.
fn in_braces(text: &str) -> Vec<&str> {
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
    };
    let parts = text.split('{').skip(1);
    parts
        .filter_map(|part| Some(part.split_once('}')?.0))
        .filter(is_name)
        .collect()
}

/// Checks the names of components, which are written into the collector's configuration, next to
/// the components that every collector has.
fn names(backend: &Backend) -> impl Iterator<Item = String> {
    components(backend).into_iter().filter_map(|(name, _)| {
        let taken = [
            "prometheus",
            "forward",
            "span_metrics",
            "health_check",
            "file_storage",
        ];
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        (!sound || taken.contains(&name)).then(|| {
            format!(
                "`{name}` is not a valid name of a component, or every collector already has it"
            )
        })
    })
}

/// Returns every text with placeholders, except the commands, which contain braces of bash.
fn texts_of(backend: &Backend) -> impl Iterator<Item = &str> {
    let metrics = backend
        .metrics
        .as_ref()
        .and_then(|metrics| metrics.endpoint.as_deref());
    [
        Some(backend.traces.as_str()),
        backend.endpoint.as_deref(),
        metrics,
    ]
    .into_iter()
    .flatten()
    .chain(backend.headers.values().map(String::as_str))
    .chain(backend.resource.values().map(String::as_str))
    .chain(settings(backend))
}

fn components(backend: &Backend) -> Vec<(&str, &ComponentSettings)> {
    let exporter = match &backend.exporter {
        Exporter::Component(component) => Some((component.name.as_str(), &component.settings)),
        _ => None,
    };
    let extension = backend.extension.iter().flat_map(|extension| {
        let all = [
            &extension.settings,
            &extension.on_machine,
            &extension.in_cluster,
        ];
        all.map(|settings| (extension.name.as_str(), settings))
    });
    exporter.into_iter().chain(extension).collect()
}

/// Returns every text in the settings of its components.
pub(super) fn settings(backend: &Backend) -> impl Iterator<Item = &str> {
    components(backend)
        .into_iter()
        .flat_map(|(_, settings)| settings.values().flat_map(texts))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
