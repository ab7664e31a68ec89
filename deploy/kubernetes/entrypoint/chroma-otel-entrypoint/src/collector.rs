//! What an operator wrote for an OpenTelemetry Collector, in the forms that the Collector reads.
//!
//! Invariant: what is set is complete and never empty; what cannot be read is told by its name
//! and the Collector is not started, as it would stop with a worse message.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use chroma_otel_init::{Endpoint, Headers, Invalid, Protocol, Settings, variable};

use crate::arguments::Collector;
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

/// Becomes the Collector; returns only if it cannot.
pub(crate) fn become_collector(options: &Collector) -> ExitCode {
    let mut variables: Variables = std::env::vars_os().collect();
    match derive(&variables, options) {
        Ok(derived) => {
            for name in [EXPORTER, GRPC_ENDPOINT, GRPC_INSECURE, TRACES_URL] {
                variables.remove(OsStr::new(name));
            }
            let owned = |(name, value): (&str, String)| (name.into(), value.into());
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
) -> Result<Vec<(&'static str, String)>, Vec<String>> {
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
    for (name, source) in &options.headers {
        let added = add_header(&mut headers, name, source, variables);
        problems.extend(added.err());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut derived = vec![(variable::HEADERS, escaped(&headers.to_json()))];
    if let Some(endpoint) = &settings.endpoint {
        derived.extend(endpoint_variables(endpoint));
    }
    Ok(derived)
}

/// All of them whatever the protocol: the Collector also checks the exporter that is not used.
fn endpoint_variables(endpoint: &Endpoint) -> [(&'static str, String); 4] {
    let exporter = match endpoint.protocol() {
        Protocol::Grpc => "otlp_grpc",
        Protocol::Http => "otlp_http",
    };
    [
        (EXPORTER, exporter.to_owned()),
        (GRPC_ENDPOINT, escaped(&endpoint.authority())),
        (GRPC_INSECURE, (!endpoint.is_tls()).to_string()),
        (TRACES_URL, escaped(&endpoint.traces_url())),
    ]
}

/// Adds the header whose value is in the variable `source`; the error never shows the value.
fn add_header(
    headers: &mut Headers,
    name: &str,
    source: &str,
    variables: &Variables,
) -> Result<(), String> {
    let value = text(variables, source).ok_or_else(|| {
        format!("`{source}` is not set; hint: put the value of the header `{name}` there")
    })?;
    headers
        .insert(name, unquoted(&value))
        .map_err(|invalid| format!("`{source}` {}; hint: {}", invalid.what(), invalid.hint()))
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

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINT: &str = variable::ENDPOINT;
    const HEADERS: &str = variable::HEADERS;

    fn derived(
        variables: &[(&str, &str)],
        headers: &[(&str, &str)],
        no_endpoint: bool,
    ) -> Result<Vec<(&'static str, String)>, Vec<String>> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let options = Collector {
            headers: headers.iter().map(owned).collect(),
            no_endpoint,
            zipkin: false,
            command: Vec::new(),
        };
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        derive(&variables.collect(), &options)
    }

    #[test]
    fn zipkin_gets_an_address_of_its_own() {
        for (written, good) in [
            ("zipkin:9411", true),
            ("https://z.example/api/v2/spans", true),
            ("api.example.com", false),
            ("http://zipkin:4318", false),
        ] {
            let options = Collector {
                zipkin: true,
                ..Collector::default()
            };
            let variables = Variables::from([(ENDPOINT.into(), written.into())]);
            assert_eq!(derive(&variables, &options).is_ok(), good, "{written}");
        }
    }

    #[test]
    fn every_form_of_an_endpoint_gives_all_that_the_collector_reads() {
        for (written, expected) in [
            (
                "api.honeycomb.io",
                [
                    "otlp_grpc",
                    "api.honeycomb.io:443",
                    "false",
                    "https://api.honeycomb.io:443/v1/traces",
                ],
            ),
            (
                "http://jaeger:4317/",
                [
                    "otlp_grpc",
                    "jaeger:4317",
                    "true",
                    "http://jaeger:4317/v1/traces",
                ],
            ),
            (
                "http://zipkin:9411/api/v2/spans",
                [
                    "otlp_http",
                    "zipkin:9411",
                    "true",
                    "http://zipkin:9411/api/v2/spans",
                ],
            ),
        ] {
            let derived = derived(&[(ENDPOINT, written)], &[], false).expect(written);
            let names = [HEADERS, EXPORTER, GRPC_ENDPOINT, GRPC_INSECURE, TRACES_URL];
            let [exporter, authority, insecure, url] = expected;
            let values = ["{}", exporter, authority, insecure, url];
            for ((name, value), expected) in derived.iter().zip(names.iter().zip(values)) {
                assert_eq!(
                    (name, value.as_str()),
                    (expected.0, expected.1),
                    "{written}"
                );
            }
            assert_eq!(derived.len(), names.len());
        }
    }

    #[test]
    fn headers_come_from_their_variables_with_dollars_doubled() {
        let variables = [
            (ENDPOINT, "http://h:4317"),
            (HEADERS, "x-a=${HOME}"),
            ("KEY", "\"p$q\""),
        ];
        let derived = derived(&variables, &[("X-Key", "KEY")], false).expect("readable");
        assert_eq!(
            derived[0],
            (HEADERS, r#"{"x-a":"$${HOME}","x-key":"p$$q"}"#.to_owned())
        );
    }

    #[test]
    fn no_endpoint_is_fine_where_none_is_needed() {
        assert_eq!(
            derived(&[], &[], true),
            Ok(vec![(HEADERS, "{}".to_owned())])
        );
    }

    #[test]
    fn all_problems_are_told_and_no_secret_is() {
        let variables = [
            (HEADERS, r#"{"x-a": ["s3cret"]}"#),
            ("BAD", "s3cret\nx"),
            ("BLANK", " "),
        ];
        let headers = [("x-b", "BAD"), ("x-c", "BLANK"), ("x-d", "MISSING")];
        let problems = derived(&variables, &headers, false).expect_err("five problems");
        let named = [HEADERS, ENDPOINT, "BAD", "BLANK", "MISSING"];
        assert_eq!(problems.len(), named.len(), "{problems:#?}");
        for (problem, name) in problems.iter().zip(named) {
            assert!(problem.starts_with(&format!("`{name}`")), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
            assert!(problem.contains("hint: "), "{problem}");
        }
    }

    #[test]
    fn a_bad_endpoint_is_told_once() {
        let problems = derived(&[(ENDPOINT, "ftp://x")], &[], false).expect_err("one problem");
        assert_eq!(problems.len(), 1, "{problems:#?}");
    }
}
