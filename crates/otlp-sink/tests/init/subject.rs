//! The program under test: the scenario that [`SCENARIO`] names, in its own process.
//!
//! Invariant: it reports facts and asserts nothing.

use chroma_otel_init::{
    Guard, Logs, Options, Outcome, Settings, continue_trace, init, init_plain_http, init_with,
    layer,
    opentelemetry::{
        global,
        trace::{Span as _, SpanKind, Tracer},
    },
    trace_headers,
    tracing::{self, debug, debug_span, info, info_span, trace, trace_span},
};
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    time::{Duration, Instant},
};

/// The variable that names the scenario.
pub(crate) const SCENARIO: &str = "SUBJECT";
/// The variable for the time limit of the end, in milliseconds; the default applies if it is not
/// set.
pub(crate) const FLUSH: &str = "SUBJECT_FLUSH_MILLISECONDS";
/// The line on standard output that follows the first flush.
pub(crate) const FLUSHED: &str = "FLUSHED";
/// Prefix of the report on standard output.
pub(crate) const REPORT: &str = "REPORT ";

#[test]
#[ignore = "the other tests run it in its own process"]
fn subject() {
    let scenario = std::env::var(SCENARIO).expect("run only by the other tests");
    let report = match scenario.as_str() {
        "spans" => spans(),
        "burst" => burst(200),
        "flood" => burst(20_000),
        "flush" => flush(),
        "drop" => dropped(),
        "steps" => steps(),
        "twice" => twice(),
        "subscriber" => subscriber(),
        "layer" => own_layer(),
        "propagation" => propagation(),
        "export stack" => export_stack(),
        "current thread" => within(tokio::runtime::Builder::new_current_thread()),
        "many threads" => within(tokio::runtime::Builder::new_multi_thread()),
        "panic" => panicking(),
        "plain http" => flushed_steps(plain_http()),
        "flushed steps" => flushed_steps(started()),
        "log context" => log_context(),
        unknown => panic!("no scenario `{unknown}`"),
    };
    writeln!(io::stdout(), "{REPORT}{report}").expect("the parent reads the report");
}

fn options() -> Options {
    let options = Options::default();
    match std::env::var(FLUSH) {
        Ok(milliseconds) => {
            let milliseconds = milliseconds.parse().expect("a number");
            options.flush_timeout(Duration::from_millis(milliseconds))
        }
        Err(_) => options,
    }
}

/// `init()`, or `init_with()` for a scenario with a time limit.
fn started() -> Guard {
    match (std::env::var(FLUSH), Settings::from_env()) {
        (Ok(_), Ok(settings)) => init_with(&settings, &options()),
        _ => init(),
    }
}

fn ended(guard: Guard) -> Value {
    let (enabled, problems) = (guard.enabled(), guard.problems().len());
    let start = Instant::now();
    let Outcome {
        exported,
        lost,
        pending,
        ..
    } = guard.shutdown();
    json!({
        "exported": exported, "lost": lost, "pending": pending,
        "milliseconds": start.elapsed().as_millis() as u64,
        "enabled": enabled, "problems": problems,
    })
}

/// A span of every kind: levels, declared for a trace, and made with OpenTelemetry's interface.
fn make_spans() {
    let outer = info_span!("at info", answer = 42);
    outer.in_scope(|| {
        info!("event at info");
        debug!("event at debug");
        debug_span!("at debug").in_scope(|| trace!("event at trace"));
        trace_span!("at trace").in_scope(|| ());
        trace_span!("request", otel.kind = "server", otel.name = "GET /books").in_scope(|| ());
        drop(global::tracer("direct").start("by interface"));
    });
}

fn spans() -> Value {
    let guard = started();
    make_spans();
    ended(guard)
}

fn burst(count: usize) -> Value {
    let guard = started();
    for number in 0..count {
        info_span!("burst", number).in_scope(|| ());
    }
    ended(guard)
}

fn flush() -> Value {
    let guard = started();
    make_spans();
    let start = Instant::now();
    let outcome = guard.flush(Duration::from_millis(1_500));
    let milliseconds = start.elapsed().as_millis() as u64;
    let mut report = ended(guard);
    report["flush"] = json!({
        "exported": outcome.exported, "lost": outcome.lost, "pending": outcome.pending,
        "milliseconds": milliseconds,
    });
    report
}

fn dropped() -> Value {
    let guard = started();
    make_spans();
    let start = Instant::now();
    drop(guard);
    json!({"milliseconds": start.elapsed().as_millis() as u64})
}

/// Creates a span for each byte on standard input, without a flush in between.
fn steps() -> Value {
    let guard = started();
    for _ in io::stdin().lock().bytes() {
        info_span!("step").in_scope(|| ());
    }
    ended(guard)
}

fn twice() -> Value {
    let first = started();
    let second = init();
    make_spans();
    let second = json!({"enabled": second.enabled(), "problems": second.problems().len()});
    let mut report = ended(first);
    report["second"] = second;
    report
}

fn subscriber() -> Value {
    tracing::subscriber::set_global_default(tracing_subscriber::registry())
        .expect("this process has none");
    spans()
}

fn own_layer() -> Value {
    use tracing_subscriber::layer::SubscriberExt;
    let settings = Settings::from_env().expect("set by the test");
    let (layer, guard) = layer(&settings, &options());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
        .expect("this process has none");
    make_spans();
    ended(guard)
}

fn propagation() -> Value {
    let guard = started();
    let incoming = [
        ("Host", "localhost"),
        (
            "TraceParent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ),
    ];
    let span = info_span!("served", otel.kind = "server");
    let continued = continue_trace(&span, incoming);
    let inner = span.in_scope(|| info_span!("called", otel.kind = "client"));
    let outgoing = trace_headers(&inner);
    let alone = info_span!("alone");
    let stranger = continue_trace(&alone, [("host", "localhost"), ("Baggage", "tenant=acme")]);
    let carried = trace_headers(&alone);
    drop((span, inner, alone));
    let mut report = ended(guard);
    report["continued"] = json!(continued);
    report["stranger"] = json!(stranger);
    report["outgoing"] = json!(outgoing);
    report["carried"] = json!(carried);
    report
}

/// Creates spans with the targets of the libraries that perform the export.
fn export_stack() -> Value {
    let guard = started();
    tracing::error_span!(target: "h2::client", "of h2").in_scope(|| ());
    tracing::error_span!(target: "hyper_util::client", "of hyper").in_scope(|| ());
    tracing::error_span!(target: "tonic", "of tonic", otel.kind = "client").in_scope(|| ());
    tracing::error_span!(target: "hyperspace", "of the program").in_scope(|| ());
    ended(guard)
}

/// Start and end inside an async runtime, whose only thread the end blocks.
fn within(mut builder: tokio::runtime::Builder) -> Value {
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let guard = started();
        make_spans();
        let mut span = global::tracer("direct")
            .span_builder("of the runtime")
            .with_kind(SpanKind::Client)
            .start(&global::tracer("direct"));
        tokio::task::yield_now().await;
        span.end();
        ended(guard)
    })
}

/// The program panics while a guard is alive and logs are off.
fn panicking() -> Value {
    let settings = Settings::from_env().expect("set by the test");
    let options = options().logs(Logs::Off);
    let caught = std::panic::catch_unwind(|| {
        let _guard = init_with(&settings, &options);
        let _span = info_span!("doomed").entered();
        panic!("of the program");
    });
    json!({"panicked": caught.is_err()})
}

fn plain_http() -> Guard {
    let settings = Settings::from_env().expect("set by the test");
    init_plain_http(&settings, &options())
}

/// Creates a span for each byte on standard input; the first one is flushed, which is reported.
fn flushed_steps(guard: Guard) -> Value {
    for (index, _) in io::stdin().lock().bytes().enumerate() {
        drop(global::tracer("direct").start("step"));
        if index == 0 {
            guard.flush(Duration::from_secs(5));
            writeln!(io::stdout(), "\n{FLUSHED}").expect("the parent reads");
        }
    }
    ended(guard)
}

/// Log events inside spans of every level.
fn log_context() -> Value {
    let guard = started();
    let outer = info_span!(
        "search",
        otel.kind = "server",
        collection = "books",
        user = tracing::field::Empty
    );
    outer.record("user", 42);
    outer.in_scope(|| {
        debug_span!("hidden", otel.kind = "internal").in_scope(|| {
            info_span!("inner", x = 1).in_scope(|| info!(found = 3, "deep"));
        });
    });
    ended(guard)
}
