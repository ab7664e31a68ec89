//! The exported spans of each granularity, which no other variable changes.
//!
//! Invariant: the expected sets are written out in full.

use crate::{PATIENCE, Ran, over_grpc, run, sink};
use otlp_sink::{Mode, Span};

const OPERATION: &[&str] = &["GET /books", "at info", "by interface"];
const OPERATION_AND_SEGMENT: &[&str] = &["GET /books", "at debug", "at info", "by interface"];
const ALL: &[&str] = &[
    "GET /books",
    "at debug",
    "at info",
    "at trace",
    "by interface",
];

/// Returns the spans that arrive, by name, for a granularity and a `RUST_LOG`; blank is not set.
fn arriving(granularity: &str, rust_log: &str) -> (Vec<Span>, String) {
    let sink = sink(Mode::Accept);
    let endpoint = over_grpc(&sink);
    let mut variables = vec![("CHROMA_OTEL_COLLECTION_ENDPOINT", endpoint.as_str())];
    for (name, value) in [
        ("CHROMA_OTEL_GRANULARITY", granularity),
        ("RUST_LOG", rust_log),
    ] {
        if !value.is_empty() {
            variables.push((name, value));
        }
    }
    let ran = run("spans", &variables);
    let expected = ran.number("exported") as usize;
    let mut spans = sink
        .wait_for(expected, PATIENCE)
        .expect("the exported spans arrive");
    spans.sort_by(|one, other| one.name.cmp(&other.name));
    (spans, ran.stderr)
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

#[test]
fn each_granularity_has_its_set() {
    for (granularity, expected) in [
        ("none", &[][..]),
        ("", OPERATION),
        ("operation", OPERATION),
        ("operation_and_segment", OPERATION_AND_SEGMENT),
        ("ALL", ALL),
    ] {
        let (spans, _) = arriving(granularity, "");
        assert_eq!(names(&spans), expected, "{granularity}");
    }
}

#[test]
fn rust_log_selects_logs_and_never_spans() {
    for (rust_log, logged) in [
        ("off", [false, false, false]),
        ("info", [true, false, false]),
        ("error", [false, false, false]),
        ("trace", [true, true, true]),
        ("off,init=debug", [true, true, false]),
    ] {
        let (spans, stderr) = arriving("operation_and_segment", rust_log);
        assert_eq!(names(&spans), OPERATION_AND_SEGMENT, "{rust_log}");
        let seen =
            ["info", "debug", "trace"].map(|level| stderr.contains(&format!("event at {level}")));
        assert_eq!(seen, logged, "{rust_log}: {stderr}");
    }
}

#[test]
fn granularity_also_selects_events_on_spans() {
    for (granularity, expected) in [
        ("operation", &["event at info"][..]),
        (
            "operation_and_segment",
            &["event at info", "event at debug"],
        ),
    ] {
        for rust_log in ["off", "trace"] {
            let (spans, _) = arriving(granularity, rust_log);
            let info = spans.iter().find(|span| span.name == "at info");
            let events: Vec<_> = info
                .expect("it is exported at any granularity")
                .events
                .iter()
                .map(|event| event.name.as_str())
                .collect();
            assert_eq!(events, expected, "{granularity}, {rust_log}");
        }
    }
}

#[test]
fn an_invalid_rust_log_is_reported_and_drops_neither_spans_nor_logs() {
    let (spans, stderr) = arriving("operation", "init[span]=debug=x");
    assert_eq!(names(&spans), OPERATION);
    assert!(stderr.contains("`RUST_LOG`"), "{stderr}");
    assert!(stderr.contains("event at info"), "{stderr}");
}

#[test]
fn spans_keep_kind_parent_attributes_and_events() {
    let (spans, _) = arriving("all", "off");
    let [request, _, info, _, interface] = &spans[..] else {
        panic!("five spans, not {spans:?}");
    };
    assert_eq!(request.kind, "SERVER");
    assert_eq!(info.kind, "INTERNAL");
    assert_eq!(info.attributes["answer"], 42);
    assert_eq!(info.parent_span_id, "");
    assert!(
        info.events
            .iter()
            .any(|event| event.name == "event at info")
    );
    for span in &spans {
        assert_eq!(span.trace_id, info.trace_id, "{}", span.name);
        if span.name != info.name {
            assert_eq!(span.parent_span_id, info.span_id, "{}", span.name);
        }
    }
    assert_eq!(interface.scope, "direct");
}

#[test]
fn the_export_does_not_trace_itself() {
    let sink = sink(Mode::Accept);
    let ran = run(
        "export stack",
        &[
            ("CHROMA_OTEL_COLLECTION_ENDPOINT", &over_grpc(&sink)),
            ("CHROMA_OTEL_GRANULARITY", "all"),
            ("RUST_LOG", "trace"),
        ],
    );
    assert_eq!(ran.number("exported"), 1);
    assert_eq!(names(&sink.spans()), ["of the program"]);
}

/// Returns the line of the event in the scenario, from its context on.
fn deep_line(ran: &Ran) -> String {
    let line = ran.stderr.lines().find(|line| line.contains("deep"));
    let line = line.unwrap_or_else(|| panic!("no line in {}", ran.stderr));
    let (_, rest) = line.split_once(" INFO ").expect("a level");
    rest.to_owned()
}

#[test]
fn tracing_does_not_change_log_lines() {
    let sink = sink(Mode::Accept);
    let off = deep_line(&run("log context", &[]));
    assert!(
        off.starts_with(r#"search{otel.kind="server" collection="books" user=42}:inner{x=1}: "#),
        "{off}"
    );
    for granularity in ["none", "operation", "all"] {
        let on = run(
            "log context",
            &[
                ("CHROMA_OTEL_COLLECTION_ENDPOINT", &over_grpc(&sink)),
                ("CHROMA_OTEL_GRANULARITY", granularity),
            ],
        );
        assert_eq!(deep_line(&on), off, "{granularity}");
    }
}
