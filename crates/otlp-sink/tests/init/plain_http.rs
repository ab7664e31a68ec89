//! `init_plain_http()`, the pipeline without gRPC and TLS.

use crate::{Ran, command, over_grpc, over_http, ran, sink};
use otlp_sink::{Mode, Options, Sink};
use std::{io::Write, net::TcpListener, process::Stdio};

const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";

/// Creates two spans with `variables` set.
fn two_spans(variables: &[(&str, &str)]) -> Ran {
    let mut child = command("plain http", variables)
        .stdin(Stdio::piped())
        .spawn()
        .expect("the test binary can be run");
    let mut stdin = child.stdin.take().expect("piped");
    // A program without tracing may have ended already.
    let _ = stdin.write_all(b"..");
    drop(stdin);
    ran(child)
}

#[test]
fn sends_headers_service_name_and_resource() {
    let sink = sink(Mode::Accept);
    let ran = two_spans(&[
        (ENDPOINT, &(over_http(&sink) + "/v1/traces")),
        ("CHROMA_OTEL_SERVICE_NAME", "search"),
        ("CHROMA_OTEL_COLLECTION_HEADERS", "x-key=s3cret"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        ),
    ]);
    assert_eq!(
        (ran.number("exported"), ran.number("lost")),
        (2, 0),
        "{}",
        ran.stderr
    );
    let spans = sink.spans();
    assert_eq!(spans.len(), 2);
    for span in spans {
        assert_eq!(span.headers["x-key"], "s3cret");
        assert_eq!(span.resource["service.name"], "search");
        assert_eq!(span.resource["deployment.environment.name"], "test");
        assert_eq!(span.scope, "direct");
    }
    assert!(!ran.stderr.contains("s3cret"));
}

/// The pair of ports of a collector, on an address that no other test uses.
#[test]
fn port_4317_is_replaced_by_the_same_collectors_port_4318() {
    let sink = Sink::start(Options {
        http: "127.43.17.18:4318".parse().expect("an address"),
        ..Options::default()
    })
    .expect("loopback can be listened on");
    for endpoint in ["http://127.43.17.18:4317", "http://127.43.17.18"] {
        let ran = two_spans(&[(ENDPOINT, endpoint)]);
        assert_eq!(ran.number("exported"), 2, "{endpoint}: {}", ran.stderr);
    }
    assert_eq!(sink.spans().len(), 4);
}

#[test]
fn any_other_port_is_used_unchanged() {
    let sink = sink(Mode::Accept);
    let ran = two_spans(&[(ENDPOINT, &over_grpc(&sink))]);
    assert_eq!(ran.number("lost"), 2, "a gRPC server speaks no HTTP/1.1");
    assert!(
        ran.stderr.contains(&sink.grpc().to_string()),
        "{}",
        ran.stderr
    );
}

#[test]
fn rejects_tls_with_a_hint() {
    let ran = two_spans(&[(ENDPOINT, "https://api.example.com")]);
    assert_eq!(ran.report["enabled"], false);
    let [message] = ran.messages()[..] else {
        panic!("one message, not {}", ran.stderr);
    };
    assert!(
        message.contains("which needs TLS; hint: send to a collector"),
        "{message}"
    );
}

#[test]
fn an_unreachable_collector_delays_the_end_little() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let ran = two_spans(&[(ENDPOINT, &format!("http://{address}/v1/traces"))]);
    assert_eq!(ran.number("lost"), 2);
    let [first, last] = ran.messages()[..] else {
        panic!("a first warning and a last one, not {}", ran.stderr);
    };
    assert!(first.contains("spans do not reach"), "{first}");
    assert!(last.contains("onnection refused"), "{last}");
    assert!(ran.number("milliseconds") < 5_000);
}

#[test]
fn a_busy_collector_receives_the_spans_later() {
    let sink = sink(Mode::Unavailable);
    let endpoint = over_http(&sink) + "/v1/traces";
    let child = std::thread::spawn(move || two_spans(&[(ENDPOINT, &endpoint)]));
    while sink.requests() == 0 {
        std::thread::yield_now();
    }
    sink.set_mode(Mode::Accept);
    let ran = child.join().expect("it ends");
    assert_eq!(
        (ran.number("exported"), ran.number("lost")),
        (2, 0),
        "{}",
        ran.stderr
    );
}
