//! Cost of a span for the thread that creates it: this library's pipeline against the bare SDK with
//! the same batch processor and the same exporter.
//!
//! ```sh
//! cargo bench -p chroma-otel-init --features sdk
//! ```
//!
//! Invariant: bare and library differ only in this library. They are measured in turns, each in its
//! own process, because tracing is installed once per process.

use chroma_otel_init::{
    Guard, Logs, Options, Settings, init_with_exporter,
    opentelemetry::{
        KeyValue, global,
        trace::{SpanKind, Tracer, TracerProvider},
    },
    opentelemetry_sdk::{
        error::OTelSdkResult,
        trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter},
    },
    tracing::{info_span, level_filters::LevelFilter, subscriber},
};
use std::{
    env,
    error::Error,
    io::{self, Write},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::{Layer, layer::SubscriberExt};

/// Below the batch size of 512, so that no export runs during a measurement.
const SPANS: usize = 400;
const BURSTS: usize = 1_000;
const ROUNDS: usize = 15;
/// Upper limit of the ratio to the bare SDK.
const TARGET: f64 = 1.05;
const VARIANT: &str = "SPAN_BENCH_VARIANT";
const CASES: [&str; 4] = [
    "opentelemetry",
    "opentelemetry, 4 attributes",
    "tracing, 4 fields",
    WITH_LOGS,
];
/// Log lines contain their spans, which makes each span more expensive: in this case on both sides.
const WITH_LOGS: &str = "tracing, 4 fields, logs on";

fn main() -> Result<(), Box<dyn Error>> {
    // `cargo test --benches` only checks that the benchmark runs.
    let rounds = if env::args().any(|argument| argument == "--bench") {
        ROUNDS
    } else {
        1
    };
    match env::var(VARIANT) {
        Ok(variant) => measure(&variant),
        Err(_) => compare(rounds),
    }
}

/// Measures bare and library in turns, and compares their medians.
fn compare(rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout();
    for case in CASES {
        let (mut bare, mut library) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            bare.push(in_child("bare", case)?);
            library.push(in_child("library", case)?);
        }
        let (bare, library) = (median(&mut bare), median(&mut library));
        let ratio = library / bare;
        let verdict = if ratio <= TARGET { "within" } else { "OVER" };
        writeln!(
            out,
            "{case:<28} bare {bare:6.1} ns, library {library:6.1} ns, ratio {ratio:.3}: {verdict} {TARGET}"
        )?;
    }
    Ok(())
}

fn in_child(pipeline: &str, case: &str) -> Result<f64, Box<dyn Error>> {
    let output = Command::new(env::current_exe()?)
        .env(VARIANT, format!("{pipeline}/{case}"))
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().map_err(|_| {
        format!(
            "{pipeline}/{case}: {}",
            String::from_utf8_lossy(&output.stderr)
        )
        .into()
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Counts the spans and drops them.
#[derive(Clone, Debug, Default)]
struct Nowhere(Arc<AtomicUsize>);

impl SpanExporter for Nowhere {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.fetch_add(batch.len(), Ordering::Relaxed);
        Ok(())
    }
}

enum Installed {
    Bare(SdkTracerProvider),
    Library(Guard),
}

impl Installed {
    fn flush(&self) {
        match self {
            Self::Bare(provider) => drop(provider.force_flush()),
            Self::Library(guard) => drop(guard.flush(Duration::from_secs(5))),
        }
    }
}

fn install(pipeline: &str, logs: bool, exporter: Nowhere) -> Result<Installed, Box<dyn Error>> {
    if pipeline == "library" {
        let settings = Settings::new("http://localhost:4317".parse()?);
        let logs = if logs { Logs::Stderr } else { Logs::Off };
        let guard = init_with_exporter(exporter, &settings, &Options::default().logs(logs));
        return Ok(Installed::Library(guard));
    }
    let provider = SdkTracerProvider::builder()
        .with_span_processor(BatchSpanProcessor::builder(exporter).build())
        .build();
    global::set_tracer_provider(provider.clone());
    let layer = OpenTelemetryLayer::new(provider.tracer("bare"))
        .with_threads(false)
        .with_tracked_inactivity(false);
    if logs {
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(false)
            .with_filter(LevelFilter::INFO);
        let subscriber = tracing_subscriber::registry()
            .with(layer.with_filter(LevelFilter::INFO))
            .with(lines);
        subscriber::set_global_default(subscriber)?;
    } else {
        subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
    }
    Ok(Installed::Bare(provider))
}

/// Prints the nanoseconds for one span: the lower quartile of many bursts, because a disturbance
/// only makes a burst longer.
fn measure(variant: &str) -> Result<(), Box<dyn Error>> {
    let (pipeline, case) = variant.split_once('/').ok_or("not a variant")?;
    let exporter = Nowhere::default();
    let installed = install(pipeline, case == WITH_LOGS, exporter.clone())?;
    let tracer = global::tracer("bench");
    let mut times: Vec<f64> = (0..BURSTS)
        .map(|_| {
            let start = Instant::now();
            for number in 0..SPANS as i64 {
                match case {
                    "opentelemetry" => drop(tracer.start("span")),
                    "opentelemetry, 4 attributes" => drop(
                        tracer
                            .span_builder("span")
                            .with_kind(SpanKind::Server)
                            .with_attributes([
                                KeyValue::new("number", number),
                                KeyValue::new("collection", "books"),
                                KeyValue::new("method", "GET"),
                                KeyValue::new("found", true),
                            ])
                            .start(&tracer),
                    ),
                    _ => info_span!(
                        "span",
                        number,
                        collection = "books",
                        method = "GET",
                        found = true
                    )
                    .in_scope(|| ()),
                }
            }
            let elapsed = start.elapsed();
            installed.flush();
            elapsed.as_nanos() as f64 / SPANS as f64
        })
        .collect();
    if exporter.0.load(Ordering::Relaxed) != SPANS * BURSTS {
        return Err("spans were lost, so the times are invalid".into());
    }
    times.sort_by(f64::total_cmp);
    writeln!(io::stdout(), "{}", times[BURSTS / 4])?;
    Ok(())
}
