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
    Endpoint, Headers, Ignored, Invalid, InvalidSettings, Protocol, Settings, is_mapping, is_word,
    variable,
};

use crate::arguments::Collector;
use crate::message;
use crate::supervise::{REFUSED, not_started};
use crate::variables::{Variables, text};

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
        Ok((derived, warnings)) => {
            warnings.iter().for_each(message::warning);
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

/// What to set for the Collector.
type Derived = Vec<(String, String)>;

/// Of the variables that [`Settings::read`] knows those that say where to send, and with what.
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

/// What to set for the Collector, with warnings; or all that is wrong.
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
    let mut told = BTreeSet::new(); // a key may stand in a header and in the configuration
    problems.retain(|problem| told.insert(problem.clone()));
    if problems.is_empty() {
        let warnings = settings.ignored().iter().map(Ignored::to_string);
        Ok((derived, warnings.chain(misnamed(variables)).collect()))
    } else {
        Err(problems)
    }
}

/// The names that were set by mistake.
fn misnamed(variables: &Variables) -> impl Iterator<Item = String> {
    let ours = |name: &&str| !DERIVED.contains(name);
    let names = variables
        .keys()
        .filter_map(|name| name.to_str())
        .filter(ours);
    names.filter_map(|name| Ignored::misnamed(name).map(|ignored| ignored.to_string()))
}

/// All of them whatever the protocol: the Collector also checks the exporter that is not used.
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

/// The value of a key; the error never shows it.
fn key(name: &str, variables: &Variables) -> Result<String, String> {
    let value = text(variables, name);
    let value = value.as_deref().and_then(variable::given);
    let value = value.map(str::to_owned);
    value.ok_or_else(|| format!("`{name}` is not set; hint: put the backend's key there"))
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
    fn keys_are_there_and_have_their_dollars_doubled() {
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
    fn a_key_that_the_collector_would_read_as_a_mapping_is_refused() {
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
    fn a_word_is_there_and_has_no_signs_that_end_a_text() {
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
    fn no_endpoint_is_fine_where_none_is_needed() {
        assert_eq!(
            derived(&[], &[], true),
            Ok(vec![(HEADERS.to_owned(), "{}".to_owned())])
        );
    }

    #[test]
    fn all_problems_are_told_and_no_secret_is() {
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
    fn a_bad_endpoint_is_told_once() {
        let problems = derived(&[(ENDPOINT, "ftp://x")], &[], false).expect_err("one problem");
        assert_eq!(problems.len(), 1, "{problems:#?}");
    }
}
