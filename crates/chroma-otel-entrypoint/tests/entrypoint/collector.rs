//! Environment of an OpenTelemetry Collector.

use crate::run::{code, entrypoint, finish, stderr, stdout};

const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
const HEADERS: &str = "CHROMA_OTEL_COLLECTION_HEADERS";

/// Values that shells, YAML and the Collector's own expansion would alter.
const HOSTILE: &str = r##"a$b ${HOME} $$ "q" 'q' \ : # {x} %41"##;

#[test]
fn becomes_the_collector() {
    let mut running = crate::run::Running::start(
        entrypoint(&["collector", "--", "sh", "-c", "echo $$; exit 3"])
            .env(ENDPOINT, "http://jaeger:4317"),
    );
    let process = running.process().as_raw_nonzero().to_string();
    assert_eq!(running.line(), process, "the same process");
    assert_eq!(running.end().0, 3);
}

#[test]
fn hostile_values_arrive_with_their_dollars_doubled() {
    let output = finish(
        entrypoint(&["collector", "--header", "X-Key={KEY}", "--", "env", "-0"])
            .env(ENDPOINT, "https://otlp.example.com/a/v1/traces")
            .env("KEY", HOSTILE),
    );
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    let variable = |name: &str| {
        let mut lines = said.split('\0').filter_map(|line| line.split_once('='));
        lines
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    };
    let escaped = HOSTILE.replace('\\', r"\\").replace('"', "\\\"");
    let expected = format!(r#"{{"x-key":"{}"}}"#, escaped.replace('$', "$$"));
    assert_eq!(variable(HEADERS), Some(expected.as_str()));
    assert_eq!(variable("CHROMA_OTEL_EXPORTER"), Some("otlp_http"));
    assert_eq!(
        variable("CHROMA_OTEL_TRACES_URL"),
        Some("https://otlp.example.com/a/v1/traces")
    );
    assert_eq!(
        variable("CHROMA_OTEL_GRPC_ENDPOINT"),
        Some("otlp.example.com:443")
    );
    assert_eq!(variable("CHROMA_OTEL_GRPC_INSECURE"), Some("false"));
}

#[test]
fn all_missing_variables_are_reported_and_nothing_is_started() {
    let output = finish(
        entrypoint(&[
            "collector",
            "--header",
            "x-key={KEY}",
            "--",
            "echo",
            "started",
        ])
        .env(HEADERS, "{\"a\": \"s3cret\"")
        .env("KEY", " "),
    );
    assert_eq!(code(&output), 64);
    assert_eq!(stdout(&output), "");
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 3, "{said}");
    for name in [ENDPOINT, HEADERS, "KEY"] {
        assert!(said.contains(&format!("error: `{name}`")), "{said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn granularity_and_service_name_are_ignored() {
    let output = finish(
        entrypoint(&["collector", "--no-endpoint", "--", "sh", "-c"])
            .arg("test -z \"${CHROMA_OTEL_EXPORTER+set}\" && printenv CHROMA_OTEL_COLLECTION_HEADERS")
            .env("CHROMA_OTEL_GRANULARITY", "much")
            .env("CHROMA_OTEL_SERVICE_NAME", "a\nb"),
    );
    assert_eq!(stdout(&output), "{}\n", "{}", stderr(&output));
}

#[test]
fn synonyms_are_read_and_the_four_variables_override_them_with_a_warning() {
    let (documented, headers) = (
        "CHROMA_OPEN_TELEMETRY__ENDPOINT",
        "OTEL_EXPORTER_OTLP_HEADERS",
    );
    let mut command = entrypoint(&["collector", "--", "sh", "-c"]);
    command
        .arg("echo \"$CHROMA_OTEL_GRPC_ENDPOINT $CHROMA_OTEL_COLLECTION_HEADERS\"")
        .env(documented, "api.honeycomb.io")
        .env(headers, r#"{"X-Key": "s3cret"}"#);
    let output = finish(&mut command);
    assert_eq!(
        stdout(&output),
        "api.honeycomb.io:443 {\"x-key\":\"s3cret\"}\n"
    );
    assert_eq!(stderr(&output), "");
    let output = finish(command.env(ENDPOINT, "http://jaeger:4317"));
    assert_eq!(stdout(&output), "jaeger:4317 {}\n");
    for name in [documented, headers] {
        let said = stderr(&output);
        assert!(
            said.contains(&format!("warning: `{name}` is ignored")),
            "{said}"
        );
    }
    assert!(!stderr(&output).contains("s3cret"));
    let output = finish(command.env_remove(ENDPOINT).env(documented, "ftp://x"));
    assert_eq!(code(&output), 64);
    assert!(stderr(&output).contains(&format!("error: `{documented}`")));
}

#[test]
fn a_missing_collector_exits_with_127() {
    let output = finish(&mut entrypoint(&["collector", "--no-endpoint", "/no/such"]));
    assert_eq!(code(&output), 127);
}
