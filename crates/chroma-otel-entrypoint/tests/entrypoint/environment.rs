//! What Chroma finds in its environment, on each kind of version.

use std::collections::BTreeMap;
use std::process::Command;

use chroma_otel_init::{ChromaVersion, Granularity, rust_log};

use crate::run::{code, entrypoint, finish, stderr, stdout};

const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
const SERVICE_NAME: &str = "CHROMA_OTEL_SERVICE_NAME";
const HEADERS: &str = "CHROMA_OTEL_COLLECTION_HEADERS";
const GRANULARITY: &str = "CHROMA_OTEL_GRANULARITY";

/// What a child got, and what was said on standard error.
struct Seen {
    variables: BTreeMap<String, String>,
    errors: String,
}

impl Seen {
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names that have to do with tracing.
    fn tracing(&self) -> Vec<&str> {
        let prefixes = ["CHROMA_OTEL_", "CHROMA_OPEN_TELEMETRY__", "OTEL_"];
        self.variables
            .keys()
            .map(String::as_str)
            .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
            .collect()
    }
}

fn print_environment(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = entrypoint(arguments);
    command.args(["--", "env", "-0"]);
    command.envs(variables.iter().copied());
    command
}

/// Starts `env` as Chroma of this version.
fn seen(version: &str, variables: &[(&str, &str)]) -> Seen {
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

/// Nobody listens there: the spans of the entrypoint's own are refused at once.
const FOUR: [(&str, &str); 4] = [
    (ENDPOINT, "127.0.0.1:9/"),
    (SERVICE_NAME, "42"),
    (HEADERS, "{'X-Key': 's3cret, =%'}"),
    (GRANULARITY, "ALL"),
];

#[test]
fn the_python_server_gets_the_four_in_its_own_forms() {
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
fn the_rust_server_gets_variables_of_its_own() {
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
        assert_eq!(
            seen.get("RUST_LOG"),
            filter(None, Granularity::All).as_deref()
        );
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
fn what_the_operator_set_for_this_server_is_kept() {
    let own = [
        (ENDPOINT, "127.0.0.1:9"),
        ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", "own"),
        ("CHROMA_OPEN_TELEMETRY__FILTERS", "[]"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
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
fn what_would_send_the_spans_elsewhere_is_left_out() {
    let elsewhere = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://elsewhere:4317");
    let seen_on = seen("1.5.9", &[(ENDPOINT, "127.0.0.1:9"), elsewhere]);
    assert_eq!(seen_on.get(elsewhere.0), None);
    assert_eq!(
        seen_on.errors.matches(elsewhere.0).count(),
        1,
        "{}",
        seen_on.errors
    );
    // The Python server does not read it, and without the four variables it is nobody's business.
    for (version, variables) in [
        ("0.6.3", &[(ENDPOINT, "127.0.0.1:9"), elsewhere][..]),
        ("1.5.9", &[elsewhere]),
    ] {
        let seen = seen(version, variables);
        assert_eq!(seen.get(elsewhere.0), Some(elsewhere.1), "{version}");
    }
}

#[test]
fn a_log_level_does_not_cost_the_spans() {
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

/// What the contract asks for on 1.x.
fn filter(user: Option<&str>, granularity: Granularity) -> Option<String> {
    rust_log(user, granularity, ChromaVersion::NEWEST)
}

#[test]
fn service_links_are_removed_with_one_warning() {
    let links = [
        ("CHROMA_PORT", "tcp://10.0.0.1:8000"),
        ("CHROMA_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("CHROMA_PORT_8000_TCP_PORT", "8000"),
        ("CHROMA_SERVICE_HOST", "10.0.0.1"),
        ("CHROMA_SERVICE_PORT_HTTP", "8000"),
    ];
    let seen = seen("1.5.9", &links);
    let left: Vec<_> = seen.variables.keys().collect();
    assert_eq!(left, ["CHROMA_VERSION", "PATH"]);
    assert_eq!(seen.errors.lines().count(), 1, "{}", seen.errors);
    assert!(seen.errors.contains("enableServiceLinks: false"));
}

#[test]
fn variables_of_another_version_are_named_once_each() {
    let set = [
        ("PERSIST_DIRECTORY", "/data"),
        ("CHROMA_SERVER_AUTHN_PROVIDER", "x"),
        ("CHROMA_SERVER_AUTHN_CREDENTIALS", "s3cret"),
    ];
    let on_rust = seen("1.5.9", &set);
    for (name, _) in set {
        let lines = on_rust.errors.lines();
        let named = lines.filter(|line| line.contains(&format!("`{name}` does not work")));
        assert_eq!(named.count(), 1, "{}", on_rust.errors);
    }
    assert!(!on_rust.errors.contains("s3cret"), "{}", on_rust.errors);
    assert_eq!(seen("0.6.3", &set).errors, "");
}

#[test]
fn a_version_that_is_not_known_is_told_once() {
    for (version, said) in [
        (
            "",
            "`CHROMA_VERSION` is not set, so Chroma 1.5.9 is assumed",
        ),
        ("latest", "`CHROMA_VERSION` is `latest`"),
        ("0.7.0", "which was never released"),
        ("3.0.0", "newer than the newest known"),
    ] {
        let seen = seen(version, &[]);
        assert_eq!(seen.errors.lines().count(), 1, "{}", seen.errors);
        assert!(seen.errors.contains(said), "{}", seen.errors);
    }
}

#[test]
fn without_a_version_uvicorn_means_the_python_server() {
    let mut command = entrypoint(&["--", "env", "-0", "x=/bin/uvicorn"]);
    command.env(ENDPOINT, "127.0.0.1:9");
    let output = finish(&mut command);
    assert!(stdout(&output).contains(ENDPOINT), "{}", stderr(&output));
    assert!(stderr(&output).contains("Chroma 0.6.3 is assumed"));
}

#[test]
fn a_bad_variable_switches_tracing_off_and_the_database_starts() {
    let common = [
        ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", "half"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
        ("CHROMA_PERSIST_PATH", "/data"),
    ];
    for bad in [
        (ENDPOINT, "ftp://x"),
        (ENDPOINT, "https://api.honeycomb.io"),
        (HEADERS, r#"{"a": ["s3cret"]}"#),
        (GRANULARITY, "much"),
        (SERVICE_NAME, "a\nb"),
    ] {
        let mut variables = vec![(ENDPOINT, "http://127.0.0.1:9"), bad];
        variables.extend(common);
        let seen = seen("1.5.9", &variables);
        assert_eq!(seen.tracing(), Vec::<&str>::new(), "{bad:?}");
        assert_eq!(seen.get("CHROMA_PERSIST_PATH"), Some("/data"));
        assert_eq!(seen.errors.lines().count(), 1, "{}", seen.errors);
        assert!(seen.errors.contains(&format!("error: `{}`", bad.0)));
        assert!(seen.errors.contains("tracing is off"), "{}", seen.errors);
        assert!(!seen.errors.contains("s3cret"), "{}", seen.errors);
    }
}

#[test]
fn strict_refuses_a_bad_variable() {
    let bad = [(ENDPOINT, "ftp://x"), (GRANULARITY, "much")];
    let output = finish(print_environment(&["--strict"], &bad).env("CHROMA_VERSION", "1.5.9"));
    assert_eq!(code(&output), 64);
    assert_eq!(stdout(&output), "", "the child was not started");
    for (name, _) in bad {
        assert!(stderr(&output).contains(name), "{}", stderr(&output));
    }
    let output = finish(print_environment(&["--strict"], &[]).env("CHROMA_VERSION", "1.5.9"));
    assert_eq!(code(&output), 0, "nothing set is nothing bad");
}
