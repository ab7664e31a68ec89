//! What an operator wrote for an OpenTelemetry Collector, in the forms that the Collector reads.
//!
//! Invariant: what is set is complete and never empty; what cannot be read is told by its name
//! and the Collector is not started, as it would stop with a worse message.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use chroma_otel_init::{
    Endpoint, Headers, Invalid, Protocol, Settings, is_mapping, is_word, variable,
};

use crate::arguments::{Collector, is_variable};
use crate::environment::{Variables, text};
use crate::message;
use crate::supervise::{REFUSED, not_started};

/// Which exporter to use: `otlp_grpc` or `otlp_http`, the Collector's own names.
const EXPORTER: &str = "CHROMA_OTEL_EXPORTER";
/// `HOST:PORT` for `otlp_grpc`.
const GRPC_ENDPOINT: &str = "CHROMA_OTEL_GRPC_ENDPOINT";
/// `true` for plain text, `false` for TLS.
const GRPC_INSECURE: &str = "CHROMA_OTEL_GRPC_INSECURE";
/// The whole URL for `otlp_http`, also that of Zipkin's spans.
const TRACES_URL: &str = "CHROMA_OTEL_TRACES_URL";
/// The whole URL for the metrics of `otlp_http`.
const METRICS_URL: &str = "CHROMA_OTEL_METRICS_URL";
/// All that are ours to set.
const DERIVED: [&str; 5] = [
    EXPORTER,
    GRPC_ENDPOINT,
    GRPC_INSECURE,
    TRACES_URL,
    METRICS_URL,
];

/// Becomes the Collector; returns only if it cannot.
pub(crate) fn become_collector(options: &Collector) -> ExitCode {
    let mut variables: Variables = std::env::vars_os().collect();
    match derive(&variables, options) {
        Ok(derived) => {
            for name in DERIVED {
                variables.remove(OsStr::new(name));
            }
            let owned = |(name, value): (String, String)| (name.into(), value.into());
            variables.extend(derived.into_iter().map(owned));
        }
        Err(problems) => {
            problems.iter().for_each(message::error);
            return ExitCode::from(REFUSED);
        }
    }
    match replace(&options.command, &variables) {
        Ok(never) => match never {},
        Err(error) => not_started(&options.command, &error),
    }
}

fn replace(command: &[OsString], variables: &Variables) -> std::io::Result<Infallible> {
    let mut program = Command::new(&command[0]);
    program.args(&command[1..]).env_clear().envs(variables);
    Err(program.exec())
}

/// What to set for the Collector, or all that is wrong.
fn derive(
    variables: &Variables,
    options: &Collector,
) -> Result<Vec<(String, String)>, Vec<String>> {
    let mut problems = Vec::new();
    let read = Settings::read(|name| {
        let matters = name == variable::ENDPOINT || name == variable::HEADERS;
        matters.then(|| text(variables, name)).flatten()
    });
    let settings = read.unwrap_or_else(|invalid| {
        problems.extend(invalid.iter().map(Invalid::to_string));
        Settings::default()
    });
    if !options.no_endpoint && text(variables, variable::ENDPOINT).is_none() {
        problems.push(format!(
            "`{}` is not set; hint: say where the traces go, such as `https://api.honeycomb.io`",
            variable::ENDPOINT
        ));
    }
    let endpoint = settings.endpoint.as_ref();
    if options.zipkin && !endpoint.is_none_or(Endpoint::is_zipkin) {
        problems.push(format!(
            "`{}` is no address of Zipkin's; hint: use `http://host:9411`, or a URL that ends in \
             `/api/v2/spans`",
            variable::ENDPOINT
        ));
    }
    let mut headers = settings.headers;
    for (name, text) in &options.headers {
        let added = add_header(&mut headers, name, text, variables);
        problems.extend(added.err());
    }
    let mut derived = vec![(variable::HEADERS.to_owned(), escaped(&headers.to_json()))];
    for name in &options.keys {
        match of_configuration(name, variables) {
            Ok(value) => derived.push((name.clone(), escaped(&value))),
            Err(problem) => problems.push(problem),
        }
    }
    for name in &options.words {
        problems.extend(word(name, variables).err());
    }
    if let Some(endpoint) = &settings.endpoint {
        let own = endpoint_variables(endpoint).into_iter();
        derived.extend(own.map(|(name, value)| (name.to_owned(), value)));
    }
    let mut told = BTreeSet::new(); // a key may stand in a header and in the configuration
    problems.retain(|problem| told.insert(problem.clone()));
    if problems.is_empty() {
        Ok(derived)
    } else {
        Err(problems)
    }
}

/// All of them whatever the protocol: the Collector also checks the exporter that is not used.
fn endpoint_variables(endpoint: &Endpoint) -> [(&'static str, String); 5] {
    let exporter = match endpoint.protocol() {
        Protocol::Grpc => "otlp_grpc",
        Protocol::Http => "otlp_http",
    };
    let traces = endpoint.traces_url();
    let metrics = endpoint.metrics_url();
    [
        (EXPORTER, exporter.to_owned()),
        (GRPC_ENDPOINT, escaped(&endpoint.authority())),
        (GRPC_INSECURE, (!endpoint.is_tls()).to_string()),
        (
            METRICS_URL,
            escaped(&metrics.unwrap_or_else(|| traces.clone())),
        ),
        (TRACES_URL, escaped(&traces)),
    ]
}

/// Adds the header; the error never shows a value.
fn add_header(
    headers: &mut Headers,
    name: &str,
    text: &str,
    variables: &Variables,
) -> Result<(), String> {
    let (mut value, mut rest, mut sources) = (String::new(), text, Vec::new());
    while let Some((before, brace)) = rest.split_once('{') {
        value += before;
        match brace.split_once('}').filter(|(name, _)| is_variable(name)) {
            Some((source, after)) => {
                value += &key(source, variables)?;
                sources.push(format!("`{source}`"));
                rest = after;
            }
            None => {
                value.push('{');
                rest = brace;
            }
        }
    }
    value += rest;
    let whose = match sources.is_empty() {
        true => format!("`--header` {name}"),
        false => sources.join(", "),
    };
    headers
        .insert(name, &value)
        .map_err(|invalid| format!("{whose} {}; hint: {}", invalid.what(), invalid.hint()))
}

/// The value of a key; the error never shows it.
fn key(name: &str, variables: &Variables) -> Result<String, String> {
    let value = text(variables, name);
    let value =
        value.ok_or_else(|| format!("`{name}` is not set; hint: put the backend's key there"))?;
    Ok(unquoted(&value).to_owned())
}

/// The value of a key that the configuration names, which the Collector reads as YAML first.
fn of_configuration(name: &str, variables: &Variables) -> Result<String, String> {
    let value = key(name, variables)?;
    if is_mapping(&value) || value.chars().any(char::is_control) {
        return Err(format!(
            "`{name}` has a line break, or the form of a mapping (`: ` in it, `:` at its end, `{{` or `?` at its \
             start), which the collector cannot read; hint: check that the value was copied whole, or \
             use another key"
        ));
    }
    Ok(value)
}

/// Whether a variable can stand in the middle of a text, where a quote would end it.
fn word(name: &str, variables: &Variables) -> Result<(), String> {
    let value = text(variables, name);
    let hint = "hint: `openssl rand -hex 32` makes one";
    let value = value.ok_or_else(|| format!("`{name}` is not set; {hint}"))?;
    is_word(&value).then_some(()).ok_or_else(|| {
        format!("`{name}` has more in it than letters, digits and `._~+/=-`; {hint}")
    })
}

/// Without the quotes that an env file leaves around a value.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

/// The Collector expands `${NAME}` and `$$` inside the values of variables too.
fn escaped(value: &str) -> String {
    value.replace('$', "$$")
}
