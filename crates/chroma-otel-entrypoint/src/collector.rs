//! Translates the operator's variables into the formats that the OpenTelemetry Collector reads.
//!
//! Invariant: variables that are set are complete and never empty. If a variable cannot be parsed,
//! the message names it and the Collector is not started; it would stop with a worse message.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use chroma_otel_init::{
    Endpoint, Headers, Ignored, Invalid, InvalidSettings, Protocol, Settings, is_mapping, is_word,
    variable,
};

use crate::arguments::Collector;
use crate::message;
use crate::queue;
use crate::supervise::{REFUSED, not_started};
use crate::variables::{Variables, text};

/// Exporter to use: `otlp_grpc` or `otlp_http`, the Collector's own names.
const EXPORTER: &str = "CHROMA_OTEL_EXPORTER";
/// `HOST:PORT` for `otlp_grpc`.
const GRPC_ENDPOINT: &str = "CHROMA_OTEL_GRPC_ENDPOINT";
/// `true` for plain text, `false` for TLS.
const GRPC_INSECURE: &str = "CHROMA_OTEL_GRPC_INSECURE";
/// The complete URL for `otlp_http`, also for Zipkin.
const TRACES_URL: &str = "CHROMA_OTEL_TRACES_URL";
/// The complete URL for the metrics of `otlp_http`.
const METRICS_URL: &str = "CHROMA_OTEL_METRICS_URL";
/// All variables that only the entrypoint sets.
const DERIVED: [&str; 5] = [
    EXPORTER,
    GRPC_ENDPOINT,
    GRPC_INSECURE,
    TRACES_URL,
    METRICS_URL,
];

/// Becomes the Collector; returns only if this fails.
pub(crate) fn become_collector(options: &Collector) -> ExitCode {
    let mut variables: Variables = std::env::vars_os().collect();
    match derive(&variables, options) {
        Ok((derived, warnings)) => {
            warnings.iter().for_each(message::warning);
            for name in DERIVED {
                variables.remove(OsStr::new(name));
            }
            let owned = |(name, value): (String, String)| (name.into(), value.into());
            variables.extend(derived.into_iter().map(owned));
            let damaged = queue::set_damaged_aside(&options.queue);
            damaged.iter().for_each(message::warning);
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

/// Variables to set for the Collector.
type Derived = Vec<(String, String)>;

/// Reads only the endpoint and the headers of the variables that [`Settings::read`] knows.
fn destination(variables: &Variables) -> Result<Settings, InvalidSettings> {
    const OTHERS: [&str; 3] = [
        variable::ENDPOINT,
        variable::RUST_ENDPOINT,
        variable::HEADERS,
    ];
    Settings::read(|name| {
        let mut matter = OTHERS
            .iter()
            .chain(variable::OVERRIDING)
            .chain(variable::OTLP_ENDPOINTS);
        let matters = matter.any(|one| *one == name);
        matters.then(|| text(variables, name)).flatten()
    })
}

/// Returns the variables to set for the Collector and the warnings, or all problems.
fn derive(
    variables: &Variables,
    options: &Collector,
) -> Result<(Derived, Vec<String>), Vec<String>> {
    let mut problems = Vec::new();
    let settings = destination(variables).unwrap_or_else(|invalid| {
        problems.extend(invalid.iter().map(Invalid::to_string));
        Settings::default()
    });
    let endpoints = [variable::ENDPOINT, variable::RUST_ENDPOINT];
    let named = endpoints.iter().any(|name| text(variables, name).is_some());
    if !options.no_endpoint && !named {
        problems.push(format!(
            "`{}` is not set; hint: set it to the endpoint of the traces, such as `https://api.honeycomb.io`",
            variable::ENDPOINT
        ));
    }
    let endpoint = settings.endpoint.as_ref();
    if endpoint.is_some_and(is_own_receiver) {
        problems.push(format!(
            "`{}` is the Collector's own receiver, so it would send to itself without end; hint: \
             use the address by which other machines reach the backend, or \
             `host.docker.internal` for one on Docker's host",
            variable::ENDPOINT
        ));
    }
    if options.zipkin && !endpoint.is_none_or(Endpoint::is_zipkin) {
        problems.push(format!(
            "`{}` is not a Zipkin endpoint; hint: use `http://host:9411`, or a URL that ends in \
             `/api/v2/spans`",
            variable::ENDPOINT
        ));
    }
    let mut headers = settings.headers.clone();
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
    let mut reported = BTreeSet::new(); // a key can be in a header and in the configuration
    problems.retain(|problem| reported.insert(problem.clone()));
    if problems.is_empty() {
        let warnings = settings.ignored().iter().map(Ignored::to_string);
        Ok((derived, warnings.chain(misnamed(variables)).collect()))
    } else {
        Err(problems)
    }
}

/// Returns true for the address and the ports on which the rendered configuration receives spans.
fn is_own_receiver(endpoint: &Endpoint) -> bool {
    const HOSTS: [&str; 5] = ["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"];
    const PORTS: [u16; 2] = [4317, 4318];
    let host = endpoint.host().trim_matches(['[', ']']);
    HOSTS.contains(&host) && PORTS.contains(&endpoint.port())
}

/// Returns the variables of [`DERIVED`] that the operator set by mistake.
fn misnamed(variables: &Variables) -> impl Iterator<Item = String> {
    let ours = |name: &&str| !DERIVED.contains(name);
    let names = variables
        .keys()
        .filter_map(|name| name.to_str())
        .filter(ours);
    names.filter_map(|name| Ignored::misnamed(name).map(|ignored| ignored.to_string()))
}

/// Returns all of them for every protocol, because the Collector also checks the exporter that is
/// not used.
fn endpoint_variables(endpoint: &Endpoint) -> [(&'static str, String); 5] {
    let exporter = if endpoint.protocol() == Protocol::Grpc {
        "otlp_grpc"
    } else {
        "otlp_http"
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

/// Adds the header. The error never contains a value.
fn add_header(
    headers: &mut Headers,
    name: &str,
    text: &str,
    variables: &Variables,
) -> Result<(), String> {
    let (mut value, mut rest, mut sources) = (String::new(), text, Vec::new());
    while let Some((before, brace)) = rest.split_once('{') {
        value += before;
        match brace
            .split_once('}')
            .filter(|(name, _)| variable::is_name(name))
        {
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
    let whose = if sources.is_empty() {
        format!("`--header` {name}")
    } else {
        sources.join(", ")
    };
    headers
        .insert(name, &value)
        .map_err(|invalid| format!("{whose} {}; hint: {}", invalid.what(), invalid.hint()))
}

/// Returns the value of a key. The error never contains it.
fn key(name: &str, variables: &Variables) -> Result<String, String> {
    let value = text(variables, name);
    let value = value.as_deref().and_then(variable::given);
    let value = value.map(str::to_owned);
    value.ok_or_else(|| format!("`{name}` is not set; hint: set it to the backend's key"))
}

/// Returns the value of a key in the configuration, which the Collector first parses as YAML.
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

/// Checks that the variable can be inserted into the middle of a text, where a quote would end the
/// text.
fn word(name: &str, variables: &Variables) -> Result<(), String> {
    let value = text(variables, name);
    let hint = "hint: generate one with `openssl rand -hex 32`";
    let value = value.ok_or_else(|| format!("`{name}` is not set; {hint}"))?;
    is_word(&value).then_some(()).ok_or_else(|| {
        format!("`{name}` contains characters other than letters, digits and `._~+/=-`; {hint}")
    })
}

/// Doubles `$`, because the Collector expands `${NAME}` and `$$` also in the values of variables.
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
    ) -> Result<Vec<(String, String)>, Vec<String>> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let options = Collector {
            headers: headers.iter().map(owned).collect(),
            no_endpoint,
            ..Collector::default()
        };
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        derive(&variables.collect(), &options).map(|(derived, _)| derived)
    }

    #[test]
    fn zipkin_endpoint_becomes_a_url() {
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
    fn own_receiver_is_refused_as_endpoint() {
        for (written, good) in [
            ("localhost:4317", false),
            ("http://127.0.0.1:4318", false),
            ("http://[::1]:4317", false),
            ("http://0.0.0.0:4317", false),
            ("http://127.0.0.1:14317", true),
            ("http://127.0.0.2:4317", true),
            ("http://host.docker.internal:4317", true),
        ] {
            let derived = derived(&[(ENDPOINT, written)], &[], false);
            assert_eq!(derived.is_ok(), good, "{written}: {derived:?}");
        }
    }

    #[test]
    fn every_form_of_endpoint_sets_all_variables_of_the_collector() {
        for (written, expected) in [
            (
                "api.honeycomb.io",
                [
                    "otlp_grpc",
                    "api.honeycomb.io:443",
                    "false",
                    "https://api.honeycomb.io/v1/traces",
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
            let [exporter, authority, insecure, url] = expected;
            let metrics = url.replace("/v1/traces", "/v1/metrics");
            let expected = [
                (HEADERS, "{}"),
                (EXPORTER, exporter),
                (GRPC_ENDPOINT, authority),
                (GRPC_INSECURE, insecure),
                (METRICS_URL, &metrics),
                (TRACES_URL, url),
            ];
            let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
            assert_eq!(derived, expected, "{written}");
        }
    }

    #[test]
    fn headers_come_from_their_variables_with_dollars_doubled() {
        let variables = [
            (ENDPOINT, "http://h:4317"),
            (HEADERS, "x-a=${HOME}"),
            ("KEY", "\"p$q\""),
        ];
        let headers = [
            ("X-Key", "Bearer {KEY}"),
            ("x-b", "1 {not it} {KEY} {"),
            ("x-c", "{KEY}:{KEY}"),
        ];
        let derived = derived(&variables, &headers, false).expect("readable");
        let json = r#"{"x-a":"$${HOME}","x-b":"1 {not it} p$$q {","x-c":"p$$q:p$$q","x-key":"Bearer p$$q"}"#;
        assert_eq!(derived[0], (HEADERS.to_owned(), json.to_owned()));
    }

    #[test]
    fn keys_are_required_and_their_dollars_are_doubled() {
        let options = Collector {
            keys: vec!["KEY".to_owned(), "BLANK".to_owned()],
            no_endpoint: true,
            ..Collector::default()
        };
        let with = |blank: &str| {
            let variables = [("KEY", "'p${q}'"), ("BLANK", blank)];
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            derive(&variables.into(), &options).map(|(derived, _)| derived)
        };
        let problems = with(" ").expect_err("one is blank");
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(
            problems[0].starts_with("`BLANK` is not set; hint: "),
            "{problems:#?}"
        );
        let derived = with("0123").expect("both are there");
        assert_eq!(derived[1], ("KEY".to_owned(), "p$${q}".to_owned()));
        assert_eq!(derived[2], ("BLANK".to_owned(), "0123".to_owned()));
    }

    #[test]
    fn rejects_keys_that_the_collector_would_parse_as_a_mapping() {
        for (key, sound) in [
            ("s3cret: 1", false),
            ("s3cret:", false),
            ("{s3cret: 1}", false),
            ("? s3cret", false),
            ("s3cret\nx", false),
            ("InstrumentationKey=0;Endpoint=https://h/", true),
            ("[a]", true),
        ] {
            let options = Collector {
                keys: vec!["KEY".to_owned()],
                no_endpoint: true,
                ..Collector::default()
            };
            let derived = derive(&Variables::from([("KEY".into(), key.into())]), &options);
            assert_eq!(derived.is_ok(), sound, "{key}");
            let problems = derived.err().unwrap_or_default().concat();
            assert!(!problems.contains("s3cret"), "{problems}");
        }
    }

    #[test]
    fn words_are_required_and_contain_no_special_characters() {
        let options = Collector {
            words: vec!["WORD".to_owned()],
            no_endpoint: true,
            ..Collector::default()
        };
        for (word, sound) in [
            ("", false),
            ("s3cr\"t", false),
            ("${HOME}", false),
            ("aB0._~+/=-", true),
        ] {
            let variables = Variables::from([("WORD".into(), word.into())]);
            let derived = derive(&variables, &options);
            assert_eq!(derived.is_ok(), sound, "{word}");
            let problems = derived.err().unwrap_or_default().concat();
            assert!(!problems.contains("s3cr"), "{problems}");
        }
    }

    #[test]
    fn endpoint_is_optional_with_no_endpoint() {
        assert_eq!(
            derived(&[], &[], true),
            Ok(vec![(HEADERS.to_owned(), "{}".to_owned())])
        );
    }

    #[test]
    fn all_problems_are_reported_without_secrets() {
        let variables = [
            (HEADERS, r#"{"x-a": ["s3cret"]}"#),
            ("BAD", "s3cret\nx"),
            ("BLANK", " "),
        ];
        let headers = [("x-b", "{BAD}"), ("x-c", "{BLANK}"), ("x-d", "a {MISSING}")];
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
    fn an_invalid_endpoint_is_reported_once() {
        let problems = derived(&[(ENDPOINT, "ftp://x")], &[], false).expect_err("one problem");
        assert_eq!(problems.len(), 1, "{problems:#?}");
    }
}
