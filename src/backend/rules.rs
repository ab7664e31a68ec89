//! What the fields of a backend's file must be to each other.
//!
//! Invariant: a backend that breaks no rule here renders on every target that has its identity.

use std::str::FromStr;

use chroma_otel_init::{Endpoint, Headers, Protocol};
use serde_json::Value;

use super::{Backend, Cloud, Exporter, REGION, Settings, in_region};
use crate::spec::values::VariableName;

/// Every rule that the backend breaks, one sentence each.
pub(super) fn broken(backend: &Backend) -> Vec<String> {
    let over_otlp = matches!(backend.exporter, Exporter::Otlp | Exporter::OtlpHttp);
    let queued = match &backend.exporter {
        Exporter::Debug => false,
        Exporter::Component(component) => component.queue,
        Exporter::Otlp | Exporter::OtlpHttp | Exporter::Zipkin => true,
    };
    let one_line = |text: &str| !text.trim().is_empty() && !text.contains('\n');
    let rules = [
        (
            one_line(&backend.summary) && one_line(&backend.traces),
            "`summary` and `traces` are one line each",
        ),
        (
            backend.documentation.starts_with("https://"),
            "`documentation` is an address",
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
            backend
                .spans_per_request
                .is_none_or(|most| most > 0 && queued),
            "`spans_per_request` is for an exporter with a queue",
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
    broken.extend(endpoint(backend));
    broken.extend(keys(backend));
    broken.extend(names(backend));
    broken.extend(identity(backend));
    broken
}

/// The default must be what the exporter can send to.
fn endpoint(backend: &Backend) -> Option<String> {
    let text = in_region(backend.endpoint.as_deref()?, "region-1");
    let fits = match text.parse::<Endpoint>() {
        Err(invalid) => return Some(format!("`endpoint` {}", invalid.what())),
        Ok(endpoint) => match backend.exporter {
            Exporter::OtlpHttp => endpoint.protocol() == Protocol::Http,
            Exporter::Zipkin => endpoint.is_zipkin(),
            _ => true,
        },
    };
    (!fits).then(|| "`endpoint` is not one of the exporter's".to_owned())
}

/// A key without a place is never sent.
fn keys(backend: &Backend) -> impl Iterator<Item = String> {
    backend.keys.iter().filter_map(|key| {
        let placed = match &key.header {
            Some(header) => {
                backend.wants_endpoint() && Headers::default().insert(header, "x").is_ok()
            }
            None => {
                let place = format!("{{{}}}", key.variable);
                settings(backend).any(|text| text.contains(&place))
            }
        };
        let sound = VariableName::from_str(&key.variable).is_ok() && !key.what.trim().is_empty();
        (!placed || !sound).then(|| {
            format!(
                "key `{}` says what it is, and is a header or stands in settings",
                key.variable
            )
        })
    })
}

/// Names of components are the collector's: they land in its configuration as they are.
fn names(backend: &Backend) -> impl Iterator<Item = String> {
    components(backend).into_iter().filter_map(|(name, _)| {
        let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        (!sound).then(|| format!("`{name}` is no name of a component"))
    })
}

/// A cloud's words and regions are for its own machines.
fn identity(backend: &Backend) -> Vec<String> {
    let mut broken = Vec::new();
    let commands = backend.prepare.as_ref().map(|todo| todo.commands.as_str());
    let mut places = [
        Some(backend.traces.as_str()),
        backend.endpoint.as_deref(),
        commands,
    ]
    .into_iter()
    .flatten()
    .chain(settings(backend));
    if backend.cloud().is_none() && places.any(|text| text.contains(REGION)) {
        broken.push(format!("`{REGION}` is for a backend with an `identity`"));
    }
    if let Some(identity) = &backend.identity {
        let is_one = |word: &String| match identity.cloud {
            // `service:Action`, each by its name: no wildcard.
            Cloud::Aws => word.split_once(':').is_some_and(|(service, action)| {
                let letters = |text: &str| {
                    !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric())
                };
                letters(service) && letters(action)
            }),
        };
        if identity.permissions.is_empty() || !identity.permissions.iter().all(is_one) {
            broken.push("`permissions` are the cloud's own, each by its name".to_owned());
        }
    }
    broken
}

fn components(backend: &Backend) -> Vec<(&str, &Settings)> {
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
fn settings(backend: &Backend) -> impl Iterator<Item = &str> {
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
mod tests {
    use super::super::{load, names, read};

    #[test]
    fn every_backend_file_is_sound() {
        assert!(names().len() >= 5);
        for name in names() {
            let backend = load(&name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            assert_eq!(backend.map(|backend| backend.name), Some(name));
        }
    }

    #[test]
    fn a_file_that_breaks_a_rule_is_refused() {
        let sound = "summary: s\ndocumentation: https://d\ntraces: t\n";
        let aws = "identity: {cloud: aws, permissions: [xray:PutSpans]}\n";
        for (rest, why) in [
            ("exporter: otlp\n", None),
            ("exporter: otpl\n", Some("Exporter")),
            ("exporter: otlp\ntypo: 1\n", Some("typo")),
            (
                "exporter: {name: a_b, queue: true, typo: 1}\n",
                Some("Exporter"),
            ),
            (
                "exporter: {name: A-B, queue: true}\n",
                Some("no name of a component"),
            ),
            (
                "exporter: debug\nendpoint: http://h:4317\n",
                Some("`endpoint` is for"),
            ),
            ("exporter: otlp\nendpoint: ftp://h\n", Some("ftp")),
            (
                "exporter: otlp_http\nendpoint: http://h:4317\n",
                Some("not one of the exporter's"),
            ),
            (
                "exporter: zipkin\nendpoint: http://h:4318\n",
                Some("not one of the exporter's"),
            ),
            (
                "exporter: zipkin\nextension: {name: a}\n",
                Some("`extension`"),
            ),
            (
                "exporter: debug\nspans_per_request: 1\n",
                Some("`spans_per_request`"),
            ),
            (
                "exporter: otlp\nprepare: {what: '', commands: x}\n",
                Some("`prepare`"),
            ),
            (
                "exporter: otlp\nkeys: [{variable: A, header: 'a b', what: w}]\n",
                Some("key `A`"),
            ),
            (
                "exporter: {name: a, queue: true}\nkeys: [{variable: A, header: a, what: w}]\n",
                Some("key `A`"),
            ),
            (
                "exporter: {name: a, queue: true, settings: {b: x}}\nkeys: [{variable: A, what: w}]\n",
                Some("key `A`"),
            ),
            (
                "exporter: {name: a, queue: true, settings: {b: 'x {A}'}}\nkeys: [{variable: A, what: w}]\n",
                None,
            ),
            (
                "exporter: otlp\nendpoint: https://h.{region}.x\n",
                Some("`{region}`"),
            ),
            (
                "exporter: {name: a, queue: true, settings: {b: [{c: '{region}'}]}}\n",
                Some("`{region}`"),
            ),
            (
                "exporter: otlp\nidentity: {cloud: aws, permissions: ['xray:*']}\n",
                Some("`permissions`"),
            ),
            (
                "exporter: otlp\nidentity: {cloud: mars, permissions: [a]}\n",
                Some("mars"),
            ),
        ] {
            let read = read("name", format!("{sound}{rest}").as_bytes());
            match (read, why) {
                (Ok(_), None) => {}
                (Err(error), Some(why)) => {
                    assert!(format!("{error:#}").contains(why), "{rest}{error:#}");
                }
                (read, _) => panic!("{rest}{read:?}"),
            }
        }
        let region = format!(
            "{sound}{aws}exporter: otlp_http\nendpoint: https://x.{{region}}.y/v1/traces\n"
        );
        assert!(read("name", region.as_bytes()).is_ok());
    }
}
