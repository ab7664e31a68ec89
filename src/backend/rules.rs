//! What the fields of a backend's file must be to each other.
//!
//! Invariant: a backend that breaks no rule here renders on every target that has its identity.

mod identity;

use std::collections::BTreeSet;
use std::str::FromStr;

use chroma_otel_init::{Endpoint, Headers, Protocol};
use serde_json::Value;

use super::definition::{Backend, ComponentSettings, Exporter};
use crate::values::{Cloud, VariableName, in_place};

/// Every rule that the backend breaks, one sentence each.
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
            backend.extension.is_none() || over_otlp,
            "`extension` is for OTLP",
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
            "`spans_per_request` or `bytes_per_request`: a batch ends by one of them",
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
            "`example` is for a backend that has no `endpoint` of its own",
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
            "`resource` has names of attributes, and a line for each",
        ),
        (
            backend
                .prepare
                .as_ref()
                .is_none_or(|todo| one_line(&todo.what) && !todo.commands.trim().is_empty()),
            "`prepare` says what in one line, and how",
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

/// Names as OpenTelemetry's conventions have them.
fn is_attribute(name: &str) -> bool {
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
    })
}

/// Endpoints must be what the exporter can send to, whatever is chosen.
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

/// The text with every choice of its settings in turn.
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

/// Headers are sent as they are written here, but for placeholders.
fn headers(backend: &Backend) -> impl Iterator<Item = String> {
    backend.headers.iter().filter_map(|(name, text)| {
        let secret = ["authorization", "cookie", "key", "token", "secret", "password"];
        if in_braces(text).is_empty() && secret.iter().any(|word| name.ends_with(word)) {
            return Some(format!(
                "header `{name}` has a value that looks like a secret: name a variable under `keys`, and \
                 write `{{VARIABLE}}`"
            ));
        }
        let sound = Headers::default().insert(name, text).is_ok()
            && !name.chars().any(|c| c.is_ascii_uppercase())
            && text.trim() == text;
        (!sound).then(|| {
            format!("a header has a name in lower case and a line of text, which `{name}` has not")
        })
    })
}

/// A key without a place is never sent.
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
                "key `{}` has the name of a variable that the collector reads for something else",
                key.variable
            ));
        }
        (!placed || !sound).then(|| {
            format!(
                "key `{}` says what it is, and stands in a header or in settings",
                key.variable
            )
        })
    })
}

/// Variables that are somebody's already.
fn is_taken(variable: &str) -> bool {
    let ours = variable.starts_with("CHROMA_") || variable.starts_with("OTEL_");
    let mut places = Cloud::ALL.into_iter().filter_map(Cloud::place);
    ours || variable == "GOMEMLIMIT"
        || variable == "PATH"
        || variable == "HOME"
        || places.any(|place| place.variable == variable)
}

/// What stands in braces is a key, a setting or the place; and every setting stands somewhere.
fn placeholders(backend: &Backend) -> Vec<String> {
    let place = backend.cloud().and_then(Cloud::place);
    let known = |name: &str| {
        backend.settings.contains_key(name)
            || backend.keys.iter().any(|key| key.variable == name)
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
                "setting `{name}` says what it is, stands in a text, and has one of its choices as default"
            ));
        }
    }
    broken
}

/// The names in braces: `{NAME}`, `{name}`.
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

/// Names of components are the collector's: they land in its configuration as they are, beside those that
/// every collector has.
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
            format!("`{name}` is no name of a component, or one that every collector has already")
        })
    })
}

/// Every text with placeholders, but the commands, which have braces of bash's own.
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
    let extension = backend
        .extension
        .as_ref()
        .map(|extension| (extension.name.as_str(), &extension.settings));
    exporter.into_iter().chain(extension).collect()
}

/// Every text in the settings of its components.
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
