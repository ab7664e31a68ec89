//! Collectors that are gone, hang, or reject: the program does not wait beyond its limit, and every
//! span is counted.
//!
//! Invariant: `exported + lost` is the number of created spans, in every case.

use crate::{PATIENCE, Ran, http_traces, over_grpc, run, sink, subject::FLUSH};
use otlp_sink::Mode;
use std::net::TcpListener;

const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
/// Scheduling delay of a busy machine that is added to a time limit.
const SLACK: u64 = 2_000;

/// Asserts that there is exactly one message, about `lost` of `made` spans.
pub(crate) fn reported(ran: &Ran, lost: u64, made: u64) {
    assert_eq!(ran.number("lost"), lost, "{}", ran.stderr);
    let reports: Vec<_> = ran
        .messages()
        .into_iter()
        .filter(|line| line.contains(&format!("{lost} of {made} spans did not reach")))
        .collect();
    assert_eq!(reports.len(), 1, "{}", ran.stderr);
}

#[test]
fn an_unreachable_collector_costs_little_time_and_is_reported_once() {
    for path in ["", "/v1/traces"] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let ran = run("spans", &[(ENDPOINT, &format!("http://{address}{path}"))]);
        reported(&ran, 3, 3);
        assert_eq!(ran.messages().len(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("onnection refused"), "{}", ran.stderr);
        assert!(ran.number("milliseconds") < 5_000 + SLACK);
    }
}

#[test]
fn a_hanging_collector_delays_the_end_by_the_flush_timeout() {
    for protocol in [over_grpc, http_traces] {
        let sink = sink(Mode::Hang);
        let ran = run("spans", &[(ENDPOINT, &protocol(&sink)), (FLUSH, "1500")]);
        let taken = ran.number("milliseconds");
        assert!((1_500..1_500 + SLACK).contains(&taken), "{taken} ms");
        assert_eq!(sink.requests(), 1, "it was asked");
        reported(&ran, 3, 3);
    }
}

#[test]
fn by_default_the_drop_takes_five_seconds_at_most() {
    let sink = sink(Mode::Hang);
    let ran = run("drop", &[(ENDPOINT, &over_grpc(&sink))]);
    let taken = ran.number("milliseconds");
    assert!((5_000..5_000 + SLACK).contains(&taken), "{taken} ms");
    assert!(
        ran.stderr.contains("3 of 3 spans did not reach"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_port_that_accepts_and_never_answers_does_not_block() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    for endpoint in [
        format!("http://{address}"),
        format!("https://{address}"),
        format!("http://{address}/v1/traces"),
        format!("https://{address}/v1/traces"),
    ] {
        let ran = run("spans", &[(ENDPOINT, &endpoint), (FLUSH, "300")]);
        assert!(ran.number("milliseconds") < 300 + SLACK, "{endpoint}");
        reported(&ran, 3, 3);
    }
}

#[test]
fn the_export_timeout_is_honoured_with_a_runtime_or_without() {
    let sink = sink(Mode::Hang);
    for protocol in [over_grpc, http_traces] {
        let limit = ("OTEL_EXPORTER_OTLP_TIMEOUT", "200");
        let ran = run("spans", &[(ENDPOINT, &protocol(&sink)), limit]);
        let taken = ran.number("milliseconds");
        assert!((200..200 + SLACK).contains(&taken), "{taken} ms");
        reported(&ran, 3, 3);
    }
}

#[test]
fn a_refusing_collector_is_reported() {
    for mode in [Mode::Reject, Mode::Unavailable] {
        for protocol in [over_grpc, http_traces] {
            let sink = sink(mode);
            let ran = run("spans", &[(ENDPOINT, &protocol(&sink))]);
            reported(&ran, 3, 3);
            assert_eq!(sink.spans().len(), 0);
        }
    }
}

#[test]
fn spans_that_exceed_the_queue_are_counted_exactly() {
    let sink = sink(Mode::Accept);
    let ran = run(
        "flood",
        &[
            (ENDPOINT, &over_grpc(&sink)),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
            ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
        ],
    );
    let arrived = sink.spans().len() as u64;
    assert_eq!(ran.number("exported"), arrived);
    assert!(arrived < 20_000, "the queue was never full");
    reported(&ran, 20_000 - arrived, 20_000);
    assert!(
        ran.stderr.contains("OTEL_BSP_MAX_QUEUE_SIZE"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_flush_returns_the_delivery_counts() {
    let sink = sink(Mode::Accept);
    let ran = run("flush", &[(ENDPOINT, &over_grpc(&sink))]);
    let flush = &ran.report["flush"];
    assert_eq!(
        (&flush["exported"], &flush["lost"], &flush["pending"]),
        (&3.into(), &0.into(), &0.into())
    );
    assert_eq!(ran.number("exported"), 3, "and they are not sent again");
    assert_eq!(sink.spans().len(), 3);

    sink.set_mode(Mode::Reject);
    let ran = run("flush", &[(ENDPOINT, &over_grpc(&sink))]);
    let flush = &ran.report["flush"];
    assert_eq!(
        (&flush["exported"], &flush["lost"], &flush["pending"]),
        (&0.into(), &3.into(), &0.into())
    );
    reported(&ran, 3, 3);

    sink.set_mode(Mode::Hang);
    let ran = run("flush", &[(ENDPOINT, &over_grpc(&sink)), (FLUSH, "0")]);
    let flush = &ran.report["flush"];
    assert_eq!(
        (&flush["exported"], &flush["lost"], &flush["pending"]),
        (&0.into(), &0.into(), &3.into())
    );
    let taken = flush["milliseconds"].as_u64().expect("a number");
    assert!((1_500..1_500 + SLACK).contains(&taken), "{taken} ms");
    reported(&ran, 3, 3);
}

#[test]
fn a_collector_that_recovers_receives_later_spans() {
    use std::io::Write;
    let sink = sink(Mode::Reject);
    let endpoint = over_grpc(&sink);
    let mut child = crate::command(
        "steps",
        &[(ENDPOINT, &endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")],
    )
    .stdin(std::process::Stdio::piped())
    .spawn()
    .expect("the test binary can be run");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b".").expect("the process reads");
    let deadline = std::time::Instant::now() + PATIENCE;
    while sink.requests() == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing was sent");
        std::thread::yield_now();
    }
    sink.set_mode(Mode::Accept);
    stdin.write_all(b".").expect("the process reads");
    sink.wait_for(1, PATIENCE).expect("the second span comes");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("warning: spans do not reach"), "{stderr}");
    assert_eq!(
        stderr.matches("1 of 2 spans did not reach").count(),
        1,
        "{stderr}"
    );
}
