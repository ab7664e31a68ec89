//! Programs of every kind: with and without an async runtime, with their own subscriber,
//! initialized twice, in the middle of a distributed trace.
//!
//! Invariant: none of them panics or waits because of tracing.

use crate::{over_grpc, over_http, run, sink};
use otlp_sink::{Mode, Sink};

const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";

#[test]
fn the_kind_of_runtime_makes_no_difference() {
    for protocol in [over_grpc, |sink: &Sink| over_http(sink) + "/v1/traces"] {
        for (scenario, spans) in [("spans", 3), ("current thread", 4), ("many threads", 4)] {
            let sink = sink(Mode::Accept);
            let ran = run(scenario, &[(ENDPOINT, &protocol(&sink))]);
            assert_eq!(ran.number("exported"), spans, "{scenario}: {}", ran.stderr);
            assert_eq!(sink.spans().len() as u64, spans);
            assert_eq!(ran.messages(), [""; 0]);
        }
    }
}

#[test]
fn a_second_init_has_no_effect_on_the_first() {
    let sink = sink(Mode::Accept);
    let ran = run("twice", &[(ENDPOINT, &over_grpc(&sink))]);
    assert_eq!(
        ran.report["second"],
        serde_json::json!({"enabled": false, "problems": 1})
    );
    assert_eq!(ran.number("exported"), 3);
    assert_eq!(ran.messages().len(), 1, "{}", ran.stderr);
}

#[test]
fn an_existing_subscriber_is_kept_and_reported() {
    let sink = sink(Mode::Accept);
    let ran = run("subscriber", &[(ENDPOINT, &over_grpc(&sink))]);
    let names: Vec<_> = sink.spans().into_iter().map(|span| span.name).collect();
    assert_eq!(
        names,
        ["by interface"],
        "only OpenTelemetry's own interface is exported"
    );
    assert_eq!(ran.number("problems"), 1);
    let [message] = ran.messages()[..] else {
        panic!("one message, not {}", ran.stderr);
    };
    assert!(message.contains("chroma_otel_init::layer()"), "{message}");
}

#[test]
fn the_layer_can_be_added_to_a_subscriber_of_the_program() {
    let sink = sink(Mode::Accept);
    let variables = [(ENDPOINT, over_grpc(&sink)), ("RUST_LOG", "off".to_owned())];
    let ran = run(
        "layer",
        &variables
            .each_ref()
            .map(|(name, value)| (*name, value.as_str())),
    );
    assert_eq!(ran.number("exported"), 3, "{}", ran.stderr);
    assert_eq!(sink.spans().len(), 3);
}

#[test]
fn a_distributed_trace_continues_in_both_directions() {
    let sink = sink(Mode::Accept);
    let ran = run("propagation", &[(ENDPOINT, &over_grpc(&sink))]);
    assert_eq!(ran.report["continued"], true);
    assert_eq!(ran.report["stranger"], false);
    let spans = sink.spans();
    let named = |name: &str| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no `{name}` in {spans:?}"))
    };
    let (served, called, alone) = (named("served"), named("called"), named("alone"));
    assert_eq!(served.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(served.parent_span_id, "b7ad6b7169203331");
    assert_eq!(called.parent_span_id, served.span_id);
    assert_ne!(alone.trace_id, served.trace_id);
    let expected = format!("00-{}-{}-01", called.trace_id, called.span_id);
    assert_eq!(ran.report["outgoing"]["traceparent"], expected);
    assert_eq!(
        ran.report["outgoing"].get("tracestate"),
        None,
        "an empty one is not sent"
    );
    assert_eq!(
        ran.report["carried"]["baggage"], "tenant=acme",
        "also without a caller"
    );
}

#[test]
fn spans_are_sent_if_the_program_panics() {
    let sink = sink(Mode::Accept);
    let ran = run("panic", &[(ENDPOINT, &over_grpc(&sink))]);
    assert_eq!(ran.report["panicked"], true);
    assert_eq!(sink.spans().len(), 1);
}

#[test]
fn installs_the_named_propagators() {
    let sink = sink(Mode::Accept);
    let named = ("OTEL_PROPAGATORS", "baggage,b3");
    let ran = run("propagation", &[(ENDPOINT, &over_grpc(&sink)), named]);
    assert_eq!(ran.report["continued"], false);
    assert_eq!(ran.report["outgoing"].get("traceparent"), None);
    assert_eq!(ran.report["carried"]["baggage"], "tenant=acme");
    let [message] = ran.messages()[..] else {
        panic!("one message, not {}", ran.stderr);
    };
    assert!(message.contains("`b3`, which is unsupported"), "{message}");
}
