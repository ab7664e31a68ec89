//! The entrypoint's two spans and its metrics, as a collector receives them.

#![allow(clippy::disallowed_methods, reason = "a test writes its own files")]

use otlp_sink::{Options, Sink, Span};
use rustix::process::Signal;

use crate::healthcheck::serve;
use crate::run::{PATIENCE, Running, shell, stderr};
use crate::stop::{STUBBORN, limited};

const READY: &str = r#"{"is_executor_ready":true,"is_log_client_ready":true}"#;

/// A child with tracing on; its health is checked at `CHROMA_PORT`.
fn traced(script: &str, sink: &Sink, port: u16) -> std::process::Command {
    let mut command = shell(script);
    command
        .env("CHROMA_PORT", port.to_string())
        .env(
            "CHROMA_OTEL_COLLECTION_ENDPOINT",
            format!("http://{}", sink.http()), // the entrypoint itself speaks HTTP
        )
        .env("CHROMA_OTEL_COLLECTION_HEADERS", "x-key=s3cret")
        .env("CHROMA_OTEL_SERVICE_NAME", "search")
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env(
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test",
        );
    command
}

fn sink() -> Sink {
    Sink::start(Options::default()).expect("ports are free")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it listens").port()
}

/// Returns start and stop, when both have arrived.
fn both(sink: &Sink) -> [Span; 2] {
    let spans = sink.wait_for(2, PATIENCE).expect("two spans");
    assert_eq!(spans.len(), 2, "{spans:#?}");
    ["chroma.start", "chroma.stop"].map(|name| {
        let found = spans.iter().find(|span| span.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    })
}

#[test]
fn a_healthy_start_and_a_requested_stop() {
    let (sink, chroma) = (sink(), serve(&[("/api/v2/healthcheck", "200 OK", READY)]));
    let script = "echo $$; exec sleep 60";
    let mut running = Running::start(&mut traced(script, &sink, chroma.port()));
    let process: i64 = running.line().parse().expect("a process id");
    let started = sink
        .wait_for(1, PATIENCE)
        .expect("the start is sent at once");
    assert_eq!(started[0].name, "chroma.start");
    running.send(Signal::TERM);
    assert_eq!(running.end().0, 128 + 15);
    let [start, stop] = both(&sink);
    for span in [&start, &stop] {
        assert_eq!(span.status, "UNSET", "{span:#?}");
        assert_eq!(span.resource["service.name"], "search");
        assert_eq!(span.resource["service.version"], "1.5.9");
        assert_eq!(span.resource["deployment.environment.name"], "test");
        assert_eq!(span.scope, "chroma-otel-entrypoint");
        assert_eq!(span.attributes["process.pid"], process);
        assert_eq!(span.attributes["process.command"], "sh");
        assert_eq!(span.headers["x-key"], "s3cret");
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
    }
    assert_eq!(stop.attributes["chroma.stop.requested"], true);
    assert_eq!(stop.attributes["chroma.stop.signal"], "SIGTERM");
    assert_eq!(stop.attributes["process.exit.signal"], "SIGTERM");
    // From the signal to the end, including the delay.
    assert!(stop.end_time_unix_nano - stop.start_time_unix_nano >= 300_000_000);
    assert_ne!(start.trace_id, stop.trace_id);
}

#[test]
fn a_start_that_fails_is_an_error_with_the_exit_code() {
    let sink = sink();
    let output = crate::run::finish(&mut traced("exit 3", &sink, free_port()));
    assert_eq!(output.status.code(), Some(3));
    for span in both(&sink) {
        assert_eq!(span.status, "ERROR", "{span:#?}");
        assert_eq!(span.status_message, "ended with exit code 3");
        assert_eq!(span.attributes["process.exit.code"], 3);
        assert_eq!(span.attributes["error.type"], "3");
    }
    assert!(!stderr(&output).contains("s3cret"));
}

#[test]
fn a_crash_is_an_error_with_the_signal() {
    let (sink, chroma) = (sink(), serve(&[("/api/v2/healthcheck", "200 OK", READY)]));
    let script = "echo ready; read line; kill -KILL $$";
    let mut command = traced(script, &sink, chroma.port());
    let (unblock, blocked) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    command.stdin(std::os::fd::OwnedFd::from(blocked));
    let mut running = Running::start(&mut command);
    drop(command);
    assert_eq!(running.line(), "ready");
    let start = sink.wait_for(1, PATIENCE).expect("the start is sent")[0].clone();
    assert_eq!(
        (start.name.as_str(), start.status.as_str()),
        ("chroma.start", "UNSET")
    );
    drop(unblock);
    let (code, _, errors) = running.end();
    assert_eq!(code, 128 + 9);
    assert!(errors.contains("`sh` was ended by SIGKILL"), "{errors}");
    let [_, stop] = both(&sink);
    assert_eq!(stop.status, "ERROR");
    assert_eq!(stop.status_message, "ended by SIGKILL");
    assert_eq!(stop.attributes["process.exit.signal"], "SIGKILL");
    assert_eq!(stop.attributes["chroma.stop.requested"], false);
}

#[test]
fn sends_nothing_if_tracing_is_off() {
    let sink = sink();
    let mut command = traced("exit 0", &sink, free_port());
    let output = crate::run::finish(command.env("CHROMA_OTEL_GRANULARITY", "none"));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(sink.requests(), 0);
}

#[test]
fn a_collector_that_hangs_delays_the_end_by_a_bounded_time() {
    let sink = sink();
    sink.set_mode(otlp_sink::Mode::Hang);
    let before = std::time::Instant::now();
    let output = crate::run::finish(&mut traced("exit 4", &sink, free_port()));
    assert_eq!(output.status.code(), Some(4));
    let taken = before.elapsed();
    assert!(taken < std::time::Duration::from_secs(6), "{taken:?}");
}

#[test]
fn a_child_that_is_killed_at_the_stop_timeout_has_its_end_span() {
    let (sink, chroma) = (sink(), serve(&[("/api/v2/healthcheck", "200 OK", READY)]));
    let unlimited = traced(STUBBORN, &sink, chroma.port());
    let mut command = limited("2", STUBBORN);
    for (name, value) in unlimited.get_envs() {
        command.env(name, value.expect("only set"));
    }
    let mut running = Running::start(&mut command);
    assert_eq!(running.line(), "ready");
    sink.wait_for(1, PATIENCE).expect("the start is sent");
    running.send(Signal::TERM);
    let (code, _, errors) = running.end();
    assert_eq!(code, 128 + 9);
    assert!(errors.contains("within 2 s of SIGTERM"), "{errors}");
    let [_, stop] = both(&sink);
    assert_eq!(stop.status, "ERROR");
    assert_eq!(stop.attributes["chroma.stop.signal"], "SIGTERM");
    assert_eq!(stop.attributes["process.exit.signal"], "SIGKILL");
}

#[test]
fn a_damaged_index_is_reported_in_the_log_and_as_a_metric() {
    let data = std::env::temp_dir().join(format!("damaged-{}", std::process::id()));
    let index = data.join("0b5e4e60-4d98-4fbd-aa6e-26bd9e2f4a15");
    std::fs::create_dir_all(&index).expect("a folder");
    let names = index.join("index_metadata.pickle");
    std::fs::write(&names, "cut off").expect("a file");
    let file = std::fs::File::open(&names).expect("a file");
    file.set_modified(std::time::UNIX_EPOCH).expect("a time");
    let (sink, chroma) = (sink(), serve(&[("/api/v2/healthcheck", "200 OK", READY)]));
    let mut command = traced("sleep 1", &sink, chroma.port());
    command.env("CHROMA_PERSIST_PATH", &data);
    let output = command.output().expect("it runs");
    std::fs::remove_dir_all(&data).expect("removed");
    let log = stderr(&output);
    assert!(
        log.contains("is damaged: it has no header.bin, data_level0.bin"),
        "{log}"
    );
    for (name, kind) in [
        ("chroma.index.damaged", "GAUGE"),
        ("system.filesystem.utilization", "GAUGE"),
    ] {
        let metrics = sink.metrics();
        let metric = metrics.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("no {name} in {metrics:#?}"));
        assert_eq!(metric.kind, kind, "{name}");
        assert_eq!(metric.resource["service.name"], "search");
        assert_eq!(metric.resource["service.version"], "1.5.9");
        assert_eq!(metric.headers["x-key"], "s3cret");
    }
}
