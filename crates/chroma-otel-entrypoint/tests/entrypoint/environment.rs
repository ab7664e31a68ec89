//! Chroma's environment, for each kind of version.

use std::collections::BTreeMap;
use std::process::Command;

use chroma_otel_init::{ChromaVersion, Granularity, rust_log};

use crate::run::{code, entrypoint, finish, stderr, stdout};

pub(crate) const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
pub(crate) const SERVICE_NAME: &str = "CHROMA_OTEL_SERVICE_NAME";
pub(crate) const HEADERS: &str = "CHROMA_OTEL_COLLECTION_HEADERS";
pub(crate) const GRANULARITY: &str = "CHROMA_OTEL_GRANULARITY";
const RUST_ENDPOINT: &str = "CHROMA_OPEN_TELEMETRY__ENDPOINT";
const RUST_SERVICE_NAME: &str = "CHROMA_OPEN_TELEMETRY__SERVICE_NAME";
const OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// Environment of a child, and the messages on standard error.
pub(crate) struct Seen {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) errors: String,
}

impl Seen {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The messages, except that the entrypoint's own spans cannot be sent.
    pub(crate) fn messages(&self) -> Vec<&str> {
        let lines = self.errors.lines();
        lines
            .filter(|line| !line.contains("did not reach"))
            .collect()
    }

    /// The names of tracing variables.
    pub(crate) fn tracing(&self) -> Vec<&str> {
        let prefixes = ["CHROMA_OTEL_", "CHROMA_OPEN_TELEMETRY__", "OTEL_"];
        self.variables
            .keys()
            .map(String::as_str)
            .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .collect()
    }
}

pub(crate) fn print_environment(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = entrypoint(arguments);
    command.args(["--", "env", "-0"]);
    command.envs(variables.iter().copied());
    command
}

/// Starts `env` as Chroma of this version.
pub(crate) fn seen(version: &str, variables: &[(&str, &str)]) -> Seen {
    let mut command = print_environment(&[], variables);
    if !version.is_empty() {
        command.env("CHROMA_VERSION", version);
    }
    let output = finish(&mut command);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let text = stdout(&output);
    let variables = text
        .split_terminator('\0')
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Seen {
        variables,
        errors: stderr(&output),
    }
}

/// No process listens on this port: the entrypoint's own spans are refused at once.
const FOUR: [(&str, &str); 4] = [
    (ENDPOINT, "127.0.0.1:9/"),
    (SERVICE_NAME, "42"),
    (HEADERS, "{'X-Key': 's3cret, =%'}"),
    (GRANULARITY, "ALL"),
];

#[test]
fn python_server_receives_the_four_variables_in_its_forms() {
    let seen = seen("0.6.3", &FOUR);
    assert_eq!(seen.get(ENDPOINT), Some("http://127.0.0.1:9"));
    assert_eq!(seen.get(SERVICE_NAME), Some("42"));
    assert_eq!(seen.get(HEADERS), Some(r#"{"x-key":"s3cret, =%"}"#));
    assert_eq!(seen.get(GRANULARITY), Some("all"));
    assert_eq!(seen.get("OTEL_BSP_SCHEDULE_DELAY"), Some("1000"));
    assert_eq!(seen.tracing().len(), 5, "{:?}", seen.tracing());
    assert!(!seen.errors.contains("s3cret"), "{}", seen.errors);
}

#[test]
fn rust_server_receives_its_own_variables() {
    for version in ["1.0.0", "1.5.9", "v1.5.9", "2.0.0"] {
        let seen = seen(version, &FOUR);
        assert_eq!(
            seen.tracing(),
            [
                "CHROMA_OPEN_TELEMETRY__ENDPOINT",
                "CHROMA_OPEN_TELEMETRY__SERVICE_NAME",
                "OTEL_BSP_SCHEDULE_DELAY",
                "OTEL_EXPORTER_OTLP_HEADERS",
            ]
        );
        assert_eq!(
            seen.get("CHROMA_OPEN_TELEMETRY__ENDPOINT"),
            Some("http://127.0.0.1:9")
        );
        assert_eq!(
            seen.get("CHROMA_OPEN_TELEMETRY__SERVICE_NAME"),
            Some("\"42\"")
        );
        assert_eq!(
            seen.get("OTEL_EXPORTER_OTLP_HEADERS"),
            Some("x-key=s3cret%2C%20%3D%25")
        );
        let version = version.parse().expect("a version");
        let filter = rust_log(None, Granularity::All, version);
        assert_eq!(seen.get("RUST_LOG"), filter.as_deref());
        assert!(!seen.errors.contains("s3cret"), "{}", seen.errors);
    }
}

#[test]
fn off_means_absent() {
    for off in [
        &[][..],
        &[(GRANULARITY, "all"), (SERVICE_NAME, "search")],
        &[(ENDPOINT, "collector"), (GRANULARITY, "none")],
        &[(ENDPOINT, ""), (SERVICE_NAME, " "), (HEADERS, "\"\"")],
    ] {
        for version in ["0.6.3", "1.5.9"] {
            let seen = seen(version, off);
            assert_eq!(seen.tracing(), Vec::<&str>::new(), "{off:?}");
            assert_eq!(seen.errors, "", "{off:?}");
        }
    }
}

#[test]
fn nothing_empty_is_passed_on() {
    let empty = [
        ("CHROMA_OPEN_TELEMETRY__ENDPOINT", ""),
        ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", " "),
        ("CHROMA_PERSIST_PATH", ""),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_EXPORTER_OTLP_HEADERS", "\"\""),
        ("RUST_LOG", ""),
        ("OTHER", ""),
    ];
    let seen = seen("1.5.9", &empty);
    let left: Vec<_> = seen.variables.keys().collect();
    assert_eq!(left, ["CHROMA_VERSION", "OTHER", "PATH"]);
}

#[test]
fn keeps_variables_that_the_operator_set_for_this_server() {
    let own = [
        (ENDPOINT, "127.0.0.1:9"),
        ("CHROMA_OPEN_TELEMETRY__FILTERS", "[]"),
        ("OTEL_BSP_SCHEDULE_DELAY", "250"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ];
    let seen = seen("1.5.9", &own);
    for (name, value) in &own[1..] {
        assert_eq!(seen.get(name), Some(*value));
    }
    assert_eq!(seen.get("RUST_LOG"), None, "it would replace the filters");
}

#[test]
fn synonyms_are_translated_on_every_version() {
    let documented = [
        (RUST_ENDPOINT, "'127.0.0.1:9/'"),
        (RUST_SERVICE_NAME, "\"4 2\""),
        (OTLP_HEADERS, r#"{"X-Key": "s3cret, =%"}"#),
    ];
    let on_rust = seen("1.5.9", &documented);
    assert_eq!(on_rust.get(RUST_ENDPOINT), Some("http://127.0.0.1:9"));
    assert_eq!(on_rust.get(RUST_SERVICE_NAME), Some("\"4 2\""));
    assert_eq!(on_rust.get(OTLP_HEADERS), Some("x-key=s3cret%2C%20%3D%25"));
    let filter = filter(None, Granularity::Operation);
    assert_eq!(on_rust.get("RUST_LOG"), filter.as_deref());
    let on_python = seen("0.6.3", &documented);
    assert_eq!(on_python.get(ENDPOINT), Some("http://127.0.0.1:9"));
    assert_eq!(on_python.get(SERVICE_NAME), Some("4 2"));
    assert_eq!(on_python.get(HEADERS), Some(r#"{"x-key":"s3cret, =%"}"#));
    for name in documented.map(|(name, _)| name) {
        assert_eq!(on_python.get(name), None, "{name}");
    }
    for seen in [on_rust, on_python] {
        assert_eq!(seen.messages(), [""; 0]);
    }
}

#[test]
fn the_four_variables_override_synonyms_with_a_warning() {
    let both = [
        (ENDPOINT, "127.0.0.1:9"),
        (RUST_ENDPOINT, "127.0.0.1:10"),
        (SERVICE_NAME, "ours"),
        (RUST_SERVICE_NAME, "theirs"),
    ];
    let seen = seen("1.5.9", &both);
    assert_eq!(seen.get(RUST_ENDPOINT), Some("http://127.0.0.1:9"));
    assert_eq!(seen.get(RUST_SERVICE_NAME), Some("\"ours\""));
    for name in [RUST_ENDPOINT, RUST_SERVICE_NAME] {
        let said = format!("warning: `{name}` is ignored");
        assert_eq!(seen.errors.matches(&said).count(), 1, "{}", seen.errors);
    }
    assert_eq!(seen.messages().len(), 2, "{}", seen.errors);
}

#[test]
fn an_unreachable_synonym_is_reported_by_its_name() {
    let honeycomb = [
        (RUST_ENDPOINT, "api.honeycomb.com"),
        (OTLP_HEADERS, r#"{"x-honeycomb-team": "s3cret"}"#),
    ];
    let seen = seen("1.5.9", &honeycomb);
    assert_eq!(seen.tracing(), Vec::<&str>::new());
    assert_eq!(seen.messages().len(), 1, "{}", seen.errors);
    assert!(
        seen.errors.contains(&format!("error: `{RUST_ENDPOINT}`")) && seen.errors.contains("TLS"),
        "{}",
        seen.errors
    );
    assert!(!seen.errors.contains("s3cret"), "{}", seen.errors);
}

#[test]
fn headers_of_another_backend_are_never_sent_to_the_endpoint() {
    let foreign = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://vendor.example"),
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "https://vendor.example",
        ),
        (OTLP_HEADERS, "x-key=s3cret"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=s3cret"),
    ];
    for endpoint in [ENDPOINT, RUST_ENDPOINT] {
        for (version, name) in [("1.5.9", OTLP_HEADERS), ("0.6.3", HEADERS)] {
            for (ours, sent) in [(None, None), (Some("x-key=ours"), Some("ours"))] {
                let mut variables = foreign.to_vec();
                variables.push((endpoint, "127.0.0.1:9"));
                variables.extend(ours.map(|headers| (HEADERS, headers)));
                let seen = seen(version, &variables);
                let got = seen.get(name);
                assert_eq!(got.is_some(), sent.is_some(), "{got:?}");
                assert!(got.is_none_or(|got| got.contains("ours")), "{got:?}");
                let all = format!("{:?} {}", seen.variables, seen.errors);
                assert!(!all.contains("s3cret"), "{all}");
                assert!(!all.contains("vendor.example"), "{all}");
                assert_eq!(seen.messages().len(), 1, "one warning: {}", seen.errors);
                for (name, _) in foreign {
                    assert!(
                        seen.errors.contains(&format!("`{name}`")),
                        "{}",
                        seen.errors
                    );
                }
            }
        }
    }
    let alone = seen(
        "1.5.9",
        &[(ENDPOINT, "127.0.0.1:9"), (OTLP_HEADERS, "x-key=s3cret")],
    );
    assert_eq!(alone.get(OTLP_HEADERS), None);
    assert!(
        alone
            .errors
            .contains(&format!("`{OTLP_HEADERS}` is ignored"))
    );
}

#[test]
fn metrics_use_the_headers_of_their_own_endpoint() {
    let on = [(ENDPOINT, "127.0.0.1:9"), (HEADERS, "x-key=ours")];
    let (endpoint, headers) = (
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics:4317"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-key=s3cret"),
    );
    let elsewhere = seen("1.5.9", &[on[0], on[1], endpoint, headers]);
    assert_eq!(
        elsewhere.get(OTLP_HEADERS),
        None,
        "metrics would also have it"
    );
    let traces = elsewhere.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS");
    assert_eq!(traces, Some("x-key=ours"));
    assert_eq!(elsewhere.get(headers.0), Some(headers.1));
    assert_eq!(elsewhere.messages(), [""; 0]);
    let same = seen("1.5.9", &[on[0], on[1], headers]);
    assert_eq!(same.get(OTLP_HEADERS), Some("x-key=ours"));
    assert_eq!(same.get(headers.0), None);
    assert!(same.errors.contains(&format!("`{}` is ignored", headers.0)));
    assert!(!same.errors.contains("s3cret"), "{}", same.errors);
}

#[test]
fn keeps_variables_of_opentelemetry_if_tracing_is_off() {
    let own = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:4317"),
        (OTLP_HEADERS, "a=b"),
    ];
    for version in ["0.6.3", "1.5.9"] {
        let seen = seen(version, &own);
        for (name, value) in own {
            assert_eq!(seen.get(name), Some(value), "{version}");
        }
        assert_eq!(seen.errors, "", "{version}");
    }
}

#[test]
fn switches_of_opentelemetry_disable_tracing_with_one_warning() {
    for switch in [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ] {
        for endpoint in [ENDPOINT, RUST_ENDPOINT] {
            for version in ["0.6.3", "1.5.9"] {
                let on = [
                    (endpoint, "127.0.0.1:9"),
                    (SERVICE_NAME, "search"),
                    (RUST_SERVICE_NAME, "search"),
                    (GRANULARITY, "all"),
                    ("RUST_LOG", "warn"),
                    switch,
                ];
                let seen = seen(version, &on);
                assert_eq!(seen.tracing(), [switch.0], "{version}");
                assert_eq!(seen.get("RUST_LOG"), Some("warn"), "no filter of spans");
                assert_eq!(seen.messages().len(), 1, "{}", seen.errors);
                let said = format!("warning: tracing is off: `{}`", switch.0);
                assert!(seen.errors.contains(&said), "{}", seen.errors);
            }
        }
    }
    for other in [
        ("OTEL_SDK_DISABLED", "1"),
        ("OTEL_TRACES_EXPORTER", "otlp"),
        ("OTEL_TRACES_EXPORTER", "console"),
    ] {
        let seen = seen("1.5.9", &[(ENDPOINT, "127.0.0.1:9"), other]);
        assert!(seen.get(RUST_ENDPOINT).is_some(), "{other:?}");
        let warned = seen.errors.contains("warning: `OTEL_TRACES_EXPORTER`");
        assert_eq!(warned, other.1 == "console", "{}", seen.errors);
    }
}

#[test]
fn names_of_opentelemetry_are_translated() {
    let on = (ENDPOINT, "127.0.0.1:9");
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=attribute");
    let standard = ("OTEL_SERVICE_NAME", "standard");
    for (set, expected) in [
        (
            &[on, attributes, standard, (SERVICE_NAME, "ours")][..],
            "ours",
        ),
        (&[on, attributes, standard], "standard"),
        (&[on, attributes], "attribute"),
        (&[on], "chromadb"),
    ] {
        let quoted = format!("\"{expected}\"");
        assert_eq!(
            seen("1.5.9", set).get(RUST_SERVICE_NAME),
            Some(quoted.as_str())
        );
        assert_eq!(seen("0.6.3", set).get(SERVICE_NAME), Some(expected));
    }
}

#[test]
fn half_a_configuration_does_not_stop_the_server() {
    let half = [
        (RUST_SERVICE_NAME, "search"),
        ("CHROMA_OPEN_TELEMETRY__FILTERS", "[]"),
    ];
    let seen = seen("1.5.9", &half);
    assert_eq!(seen.tracing(), Vec::<&str>::new());
    assert_eq!(seen.messages().len(), 1, "{}", seen.errors);
    assert!(seen.errors.contains("without an endpoint"));
}

#[test]
fn a_log_level_does_not_drop_spans() {
    let on = (ENDPOINT, "127.0.0.1:9");
    for (asked, meant) in [(" ", None), ("error", Some("error"))] {
        let expected = filter(meant, Granularity::Operation).expect("spans need a filter");
        assert!(expected.contains("chroma_tracing="), "{expected}");
        let on_rust = seen("1.5.9", &[on, ("RUST_LOG", asked)]);
        assert_eq!(on_rust.get("RUST_LOG"), Some(expected.as_str()));
        let off = seen("1.5.9", &[("RUST_LOG", asked)]);
        assert_eq!(off.get("RUST_LOG"), meant);
        let on_python = seen("0.6.3", &[on, ("RUST_LOG", asked)]);
        assert_eq!(on_python.get("RUST_LOG"), meant);
    }
}

/// The contract for 1.x.
fn filter(user: Option<&str>, granularity: Granularity) -> Option<String> {
    rust_log(user, granularity, ChromaVersion::new(1, 5, 9))
}
