//! Effects of the variables: protocols, TLS, headers, resource, sampler, and invalid values.
//!
//! Invariant: a value that a test calls secret is searched in all output of the process.

use crate::{PATIENCE, Ran, http_traces, over_grpc, over_http, run, sink};
use otlp_sink::{Mode, Options, Sink};
use std::{fs::File, io::Write, path::PathBuf};

const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
const SECRET: &str = "s3cr3t+/=value";

fn with_tls() -> Sink {
    Sink::start(Options {
        tls: Some(Vec::new()),
        ..Options::default()
    })
    .expect("loopback can be listened on")
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut file = File::create(&path).expect("cargo made the folder");
    file.write_all(text.as_bytes()).expect("there is room");
    path
}

#[test]
fn grpc_and_http_carry_headers_service_name_and_resource() {
    let headers = format!(r#"{{"X-Honeycomb-Team": "{SECRET}", "x-two": "2"}}"#);
    for protocol in [over_grpc, over_http] {
        let sink = sink(Mode::Accept);
        let endpoint = protocol(&sink);
        let endpoint = if endpoint.ends_with(&sink.http().to_string()) {
            format!("{endpoint}/v1/traces")
        } else {
            endpoint
        };
        let ran = run(
            "spans",
            &[
                (ENDPOINT, &endpoint),
                ("CHROMA_OTEL_SERVICE_NAME", "search"),
                ("CHROMA_OTEL_COLLECTION_HEADERS", &headers),
                (
                    "OTEL_RESOURCE_ATTRIBUTES",
                    "deployment.environment.name=test,service.name=not",
                ),
                ("RUST_LOG", "trace"),
            ],
        );
        assert_eq!((ran.number("exported"), ran.number("lost")), (3, 0));
        let spans = sink.spans();
        assert_eq!(spans.len(), 3);
        for span in spans {
            assert_eq!(span.headers["x-honeycomb-team"], SECRET);
            assert_eq!(span.headers["x-two"], "2");
            assert_eq!(span.resource["service.name"], "search");
            assert_eq!(span.resource["deployment.environment.name"], "test");
            assert_eq!(span.resource["telemetry.sdk.language"], "rust");
        }
        assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
    }
}

/// The key is another vendor's, for the endpoint in the other variable.
#[test]
fn headers_of_another_endpoint_are_not_sent() {
    for protocol in [over_grpc as fn(&Sink) -> String, http_traces] {
        let sink = sink(Mode::Accept);
        for headers in [
            "OTEL_EXPORTER_OTLP_HEADERS",
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        ] {
            let ran = run(
                "spans",
                &[
                    (ENDPOINT, &protocol(&sink)),
                    ("CHROMA_OTEL_COLLECTION_HEADERS", "x-key=ours"),
                    ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://vendor.example"),
                    (headers, "x-key=foreign-secret,x-other=foreign-secret"),
                ],
            );
            assert_eq!(ran.number("exported"), 3, "{}", ran.stderr);
            assert!(!ran.stderr.contains("foreign-secret"), "{}", ran.stderr);
        }
        assert_eq!(sink.spans().len(), 6);
        for span in sink.spans() {
            assert_eq!(span.headers["x-key"], "ours");
            assert!(!span.headers.contains_key("x-other"), "{:?}", span.headers);
        }
    }
}

#[test]
fn tls_is_checked_against_the_named_authority() {
    let sink = with_tls();
    let file = file("authority.pem", sink.ca_pem().expect("a sink with TLS"));
    let file = file.to_str().expect("a plain path");
    let grpc = format!("https://localhost:{}", sink.grpc().port());
    let http = format!("https://localhost:{}/v1/traces", sink.http().port());
    for (endpoint, arrived) in [(&grpc, 3), (&http, 6)] {
        let ran = run(
            "spans",
            &[
                (ENDPOINT, endpoint),
                ("OTEL_EXPORTER_OTLP_CERTIFICATE", file),
            ],
        );
        assert_eq!(ran.number("exported"), 3, "{endpoint}: {}", ran.stderr);
        assert_eq!(sink.spans().len(), arrived);
    }
    for endpoint in [grpc, http] {
        let ran = run("spans", &[(ENDPOINT, &endpoint)]);
        assert_eq!(ran.number("lost"), 3, "{endpoint}");
        assert!(ran.stderr.contains("UnknownIssuer"), "{}", ran.stderr);
    }
    assert_eq!(sink.spans().len(), 6, "an unknown authority is not trusted");
}

#[test]
fn compression_is_honoured_on_both_protocols() {
    for protocol in [over_grpc, |sink: &Sink| over_http(sink) + "/v1/traces"] {
        let sink = sink(Mode::Accept);
        let compressed = ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        let ran = run("spans", &[(ENDPOINT, &protocol(&sink)), compressed]);
        assert_eq!(ran.number("exported"), 3, "{}", ran.stderr);
        let headers = &sink.spans()[0].headers;
        let encoding = headers
            .get("grpc-encoding")
            .or(headers.get("content-encoding"));
        assert_eq!(encoding.map(String::as_str), Some("gzip"));
    }
}

#[test]
fn the_sampler_is_honoured() {
    for (sampler, argument, low, high) in [
        ("always_off", "", 0, 0),
        ("always_on", "", 200, 200),
        ("traceidratio", "0.5", 40, 160),
        ("parentbased_traceidratio", "0", 0, 0),
    ] {
        let sink = sink(Mode::Accept);
        let ran = run(
            "burst",
            &[
                (ENDPOINT, &over_grpc(&sink)),
                ("OTEL_TRACES_SAMPLER", sampler),
                ("OTEL_TRACES_SAMPLER_ARG", argument),
            ],
        );
        assert_eq!(
            ran.number("lost"),
            0,
            "spans that are not sampled are not lost"
        );
        let arrived = sink.spans().len() as u64;
        assert_eq!(arrived, ran.number("exported"));
        assert!(
            (low..=high).contains(&arrived),
            "{sampler} {argument}: {arrived}"
        );
    }
}

#[test]
fn switches_of_opentelemetry_disable_tracing() {
    const DISABLED: &str = "OTEL_SDK_DISABLED";
    const EXPORTER: &str = "OTEL_TRACES_EXPORTER";
    for (name, value, exported) in [
        (DISABLED, "true", 0),
        (DISABLED, "TRUE", 0),
        (DISABLED, "false", 3),
        (DISABLED, "", 3),
        (DISABLED, "1", 3),
        (EXPORTER, "none", 0),
        (EXPORTER, "otlp", 3),
    ] {
        let sink = sink(Mode::Accept);
        let ran = run("spans", &[(ENDPOINT, &over_grpc(&sink)), (name, value)]);
        assert_eq!(ran.number("exported"), exported, "`{name}={value}`");
        assert_eq!(sink.spans().len() as u64, exported);
        assert_eq!(
            ran.messages(),
            [""; 0],
            "a tracing that is off by choice is not reported"
        );
    }
}

#[test]
fn warns_of_ignored_variables_and_traces() {
    let sink = sink(Mode::Accept);
    let ran = run(
        "spans",
        &[
            (ENDPOINT, &over_grpc(&sink)),
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={SECRET}")),
            ("CHROMA_OTEL_EXPORTER_ENDPOINT", SECRET),
        ],
    );
    assert_eq!(ran.number("exported"), 3);
    let messages = ran.messages();
    for name in [
        "OTEL_TRACES_EXPORTER",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "CHROMA_OTEL_EXPORTER_ENDPOINT",
    ] {
        let about = messages
            .iter()
            .filter(|said| said.contains(&format!("`{name}` is ignored")));
        assert_eq!(about.count(), 1, "{messages:?}");
    }
    assert!(!ran.stderr.contains(SECRET), "{}", ran.stderr);
}

#[test]
fn a_client_program_has_opentelemetrys_default_name() {
    let standard = ("OTEL_SERVICE_NAME", "books");
    let attribute = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=attribute");
    let synonym = ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", "documented");
    for (set, expected) in [
        (&[attribute, standard, synonym][..], "documented"),
        (&[attribute, standard], "books"),
        (&[attribute], "attribute"),
        (&[], "unknown_service:init"),
    ] {
        let sink = sink(Mode::Accept);
        let endpoint = over_grpc(&sink);
        run("spans", &[&[(ENDPOINT, endpoint.as_str())], set].concat());
        let name = sink.spans()[0].resource["service.name"].to_string();
        // The name of the test's program ends with a hash.
        assert!(
            name.trim_matches('"').starts_with(expected),
            "{name} {set:?}"
        );
    }
}

#[test]
fn without_an_endpoint_there_is_no_tracing_and_there_are_logs() {
    let ran = run("spans", &[]);
    assert_eq!(ran.report["enabled"], false);
    assert_eq!(ran.number("exported") + ran.number("lost"), 0);
    assert!(ran.stderr.contains("event at info"), "{}", ran.stderr);
    assert_eq!(ran.messages(), [""; 0]);
}

fn refused(ran: &Ran, variable: &str) {
    assert_eq!(ran.report["enabled"], false);
    assert_eq!(ran.number("exported") + ran.number("lost"), 0);
    let [message] = ran.messages()[..] else {
        panic!("one message, not {}", ran.stderr);
    };
    assert!(message.contains("tracing is off"), "{message}");
    assert!(message.contains(variable), "{message}");
    assert!(message.contains("hint: "), "{message}");
    assert!(!ran.stderr.contains(SECRET), "{message}");
    assert!(ran.stderr.contains("event at info"), "the program goes on");
}

#[test]
fn an_invalid_value_is_one_error_and_the_program_continues() {
    let good = ("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://localhost:4317");
    refused(&run("spans", &[(ENDPOINT, "http://")]), ENDPOINT);
    refused(&run("spans", &[(ENDPOINT, "localhost:99999")]), ENDPOINT);
    refused(
        &run("spans", &[(ENDPOINT, "http://zipkin:9411/api/v2/spans")]),
        "Zipkin",
    );
    let headers = "CHROMA_OTEL_COLLECTION_HEADERS";
    refused(
        &run(
            "spans",
            &[good, (headers, SECRET.trim_end_matches("=value"))],
        ),
        headers,
    );
    refused(
        &run(
            "spans",
            &[good, (headers, &format!("{{\"a\": [\"{SECRET}\"]}}"))],
        ),
        headers,
    );
    let granularity = ("CHROMA_OTEL_GRANULARITY", "some");
    refused(&run("spans", &[good, granularity]), granularity.0);
}

#[test]
fn an_invalid_certificate_file_is_named() {
    let empty = file("empty.pem", "");
    let variable = "OTEL_EXPORTER_OTLP_CERTIFICATE";
    for endpoint in ["https://localhost:4317", "https://localhost/v1/traces"] {
        for path in ["/nonexistent.pem", empty.to_str().expect("a plain path")] {
            refused(
                &run("spans", &[(ENDPOINT, endpoint), (variable, path)]),
                path,
            );
        }
    }
}

#[test]
fn the_batch_processor_is_tuned_by_its_variables() {
    let sink = sink(Mode::Accept);
    let ran = run(
        "burst",
        &[
            (ENDPOINT, &over_grpc(&sink)),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "20"),
        ],
    );
    assert_eq!(ran.number("exported"), 200);
    assert!(sink.requests() >= 10, "{} requests", sink.requests());
}

#[test]
fn spans_are_sent_after_the_schedule_delay() {
    let sink = sink(Mode::Accept);
    let endpoint = over_grpc(&sink);
    let mut command = crate::command(
        "steps",
        &[(ENDPOINT, &endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")],
    );
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .spawn()
        .expect("the test binary can be run");
    let mut stdin = child.stdin.take().expect("piped");
    for count in 1..=3 {
        stdin.write_all(b".").expect("the process reads");
        sink.wait_for(count, PATIENCE)
            .expect("a span comes without a flush");
    }
    drop(stdin);
    assert!(child.wait_with_output().expect("it ends").status.success());
}
