//! Warnings about the environment.

use chroma_otel_init::ChromaVersion;

use crate::environment::{ENDPOINT, GRANULARITY, HEADERS, SERVICE_NAME, print_environment, seen};
use crate::run::{code, entrypoint, finish, stderr, stdout};

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
fn warns_once_of_each_variable_of_another_version() {
    let set = [
        ("PERSIST_DIRECTORY", "/no/such"),
        ("CHROMA_SERVER_AUTHN_PROVIDER", "x"),
        ("CHROMA_SERVER_AUTHN_CREDENTIALS", "s3cret"),
    ];
    let on_rust = seen("1.5.9", &set);
    for (name, _) in set {
        let lines = on_rust.errors.lines();
        let named = lines.filter(|line| line.contains(&format!("`{name}` has no effect")));
        assert_eq!(named.count(), 1, "{}", on_rust.errors);
    }
    assert!(!on_rust.errors.contains("s3cret"), "{}", on_rust.errors);
    assert_eq!(seen("0.6.3", &set).errors, "");
}

#[test]
fn warns_of_an_invalid_version_only() {
    let newest = ChromaVersion::NEWEST;
    for (version, said) in [
        (
            "",
            format!("`CHROMA_VERSION` is not set, so Chroma {newest} is assumed"),
        ),
        ("latest", "`CHROMA_VERSION` is `latest`".to_owned()),
    ] {
        let seen = seen(version, &[]);
        assert_eq!(seen.errors.lines().count(), 1, "{}", seen.errors);
        assert!(seen.errors.contains(&said), "{}", seen.errors);
    }
    for unknown in ["0.7.0", "1.5.3", "1.5.10", "3.0.0"] {
        assert_eq!(seen(unknown, &[]).errors, "");
    }
}

#[test]
fn without_a_version_uvicorn_selects_the_python_server() {
    let mut command = entrypoint(&["--", "env", "-0", "x=/bin/uvicorn"]);
    command.env(ENDPOINT, "127.0.0.1:9");
    let output = finish(&mut command);
    assert!(stdout(&output).contains(ENDPOINT), "{}", stderr(&output));
    assert!(stderr(&output).contains("Chroma 0.6.3 is assumed"));
}

#[test]
fn an_invalid_variable_disables_tracing_and_the_database_starts() {
    let common = [
        ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", "half"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b"),
        ("CHROMA_PERSIST_PATH", "/no/such"),
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
        assert_eq!(seen.get("CHROMA_PERSIST_PATH"), Some("/no/such"));
        assert_eq!(seen.errors.lines().count(), 1, "{}", seen.errors);
        assert!(seen.errors.contains(&format!("error: `{}`", bad.0)));
        assert!(seen.errors.contains("tracing is off"), "{}", seen.errors);
        assert!(!seen.errors.contains("s3cret"), "{}", seen.errors);
    }
}

#[test]
fn strict_rejects_an_invalid_variable() {
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

#[test]
fn warns_of_unknown_names_and_suggests_the_right_one() {
    let copied = [
        ("CHROMA_OTEL_EXPORTER_ENDPOINT", "http://s3cret:4317"),
        ("CHROMA_OTEL_ENDPOINT", "s3cret"),
        ("CHROMA_OTEL_EXPORTER_HEADERS", "s3cret"),
    ];
    let seen = seen("1.5.9", &copied);
    for ((name, _), meant) in copied.into_iter().zip([ENDPOINT, ENDPOINT, HEADERS]) {
        let said = format!(
            "warning: `{name}` is ignored: no version of Chroma reads it; hint: set `{meant}`"
        );
        assert!(seen.errors.contains(&said), "{}", seen.errors);
    }
    assert!(!seen.errors.contains("s3cret"), "{}", seen.errors);
}
