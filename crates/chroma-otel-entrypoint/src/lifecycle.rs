//! Two spans for Chroma's start and its end, so that a crash is visible in the traces.
//!
//! Invariant: this code runs on a separate thread, and the end of the program waits for it for at
//! most [`LONGEST_END`].
//!
//! - `chroma.start`: from the spawn to the first healthy response. An error if Chroma ends before
//!   that without a request, or is not healthy within [`LONGEST_START`].
//! - `chroma.stop`: from the signal that requested the end, or from the end itself, to the end.
//!   Linked to the start. An error unless Chroma ends with exit code 0 or by the same signal.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use chroma_otel_init::opentelemetry::trace::{Link, Span, SpanContext, SpanKind, Status, Tracer};
use chroma_otel_init::opentelemetry::{KeyValue, global};
use chroma_otel_init::{ChromaVersion, Options, Settings, init_plain_http};
use rustix::process::Pid;

use crate::ending::{End, Ending};
use crate::health::Page;
use crate::healthcheck::ask_in_turn;
use crate::message;
use crate::signals;

/// Time to send the last spans after Chroma has ended.
const FLUSH: Duration = Duration::from_secs(3);
/// Time for all remaining work after Chroma has ended.
const LONGEST_END: Duration = Duration::from_millis(3500);
/// Chroma replays its log at start. This takes minutes for a large log, but not five.
const LONGEST_START: Duration = Duration::from_secs(300);
/// Pause between two health checks during the start.
const PAUSE: Duration = Duration::from_millis(100);

/// The Chroma process that the spans describe.
pub(crate) struct Subject {
    /// Its process.
    pub(crate) process: Pid,
    /// The program, without its arguments, which may contain a secret.
    pub(crate) program: String,
    /// Its version, if the image names one.
    pub(crate) version: Option<ChromaVersion>,
    /// Time of its start.
    pub(crate) spawned: SystemTime,
    /// Pages that report if it is ready.
    pub(crate) pages: Vec<Page>,
}

/// The thread that sends the spans of Chroma's start and end.
pub(crate) struct Lifecycle {
    end: Sender<End>,
    finished: Receiver<()>,
}

impl Lifecycle {
    /// Begins to watch the start.
    pub(crate) fn begin(settings: Settings, subject: Subject) -> Self {
        let (end, ends) = channel();
        let (finish, finished) = channel();
        let spawned = thread::Builder::new()
            .name("lifecycle".to_owned())
            .spawn(move || {
                report(&settings, &subject, &ends);
                // After the deadline the receiver is gone.
                let _ = finish.send(());
            });
        if let Err(error) = spawned {
            message::warning(format_args!(
                "the start and the end of Chroma are not traced: {error}"
            ));
        }
        Self { end, finished }
    }

    /// Reports the end, and waits until it is sent or [`LONGEST_END`] has passed.
    pub(crate) fn end(self, end: End) {
        if self.end.send(end).is_ok() {
            let _ = self.finished.recv_timeout(LONGEST_END);
        }
    }
}

/// Returns the options of everything that the entrypoint sends.
pub(crate) fn options(version: Option<ChromaVersion>) -> Options {
    let version = version.map(|version| ("service.version", version.to_string()));
    let host = std::env::var("HOSTNAME").ok(); // of the container
    let host = host.map(|host| ("service.instance.id", host));
    let attributes = version.into_iter().chain(host);
    attributes.fold(Options::default(), |options, (name, value)| {
        options.resource(name, value)
    })
}

fn report(settings: &Settings, subject: &Subject, ends: &Receiver<End>) {
    let options = options(subject.version).flush_timeout(FLUSH);
    let _guard = init_plain_http(settings, &options);
    let (start, end) = report_start(subject, ends);
    if let Some(end) = end.or_else(|| ends.recv().ok()) {
        report_stop(subject, start, &end);
    }
}

/// Watches the start. Returns its span, and the end if that came first.
fn report_start(subject: &Subject, ends: &Receiver<End>) -> (SpanContext, Option<End>) {
    let tracer = global::tracer(env!("CARGO_PKG_NAME"));
    let mut span = tracer
        .span_builder("chroma.start")
        .with_kind(SpanKind::Internal)
        .with_start_time(subject.spawned)
        .with_attributes(process_attributes(subject))
        .start(&tracer);
    let (answer, end) = first_good_answer(&subject.pages, ends);
    let ended = end.map_or_else(SystemTime::now, |end| end.at);
    if let Some(end) = end {
        set_ending(&mut span, &end);
    } else if let Err(answer) = answer {
        let within = LONGEST_START.as_secs();
        span.set_attribute(KeyValue::new("error.type", "timeout"));
        span.set_status(Status::error(format!(
            "not healthy within {within} s: {answer}"
        )));
    }
    span.end_with_timestamp(ended);
    (span.span_context().clone(), end)
}

/// Repeats the health check until it succeeds, the end has come, or the time is up.
fn first_good_answer(pages: &[Page], ends: &Receiver<End>) -> (Result<(), String>, Option<End>) {
    let until = Instant::now() + LONGEST_START;
    loop {
        let answer = ask_in_turn(pages);
        if answer.is_ok() {
            return (answer, None);
        }
        match ends.recv_timeout(PAUSE) {
            Ok(end) => return (answer, Some(end)),
            Err(RecvTimeoutError::Timeout) if Instant::now() < until => {}
            Err(_) => return (answer, None),
        }
    }
}

fn report_stop(subject: &Subject, start: SpanContext, end: &End) {
    let tracer = global::tracer(env!("CARGO_PKG_NAME"));
    let asked = end.asked.map(|(signal, at)| (signal.as_raw(), at));
    let mut span = tracer
        .span_builder("chroma.stop")
        .with_kind(SpanKind::Internal)
        .with_start_time(asked.map_or(end.at, |(_, at)| at))
        .with_attributes(process_attributes(subject))
        .with_links(vec![Link::with_context(start)])
        .start(&tracer);
    span.set_attribute(KeyValue::new("chroma.stop.requested", asked.is_some()));
    if let Some((signal, _)) = asked {
        span.set_attribute(KeyValue::new("chroma.stop.signal", signals::name(signal)));
    }
    set_ending(&mut span, end);
    span.end_with_timestamp(end.at);
}

/// Returns attributes that are named as in the semantic conventions for processes, where those have
/// a name.
fn process_attributes(subject: &Subject) -> Vec<KeyValue> {
    let process = i64::from(subject.process.as_raw_nonzero().get());
    vec![
        KeyValue::new("process.pid", process),
        KeyValue::new("process.command", subject.program.clone()),
    ]
}

fn set_ending(span: &mut impl Span, end: &End) {
    let (attribute, description) = match end.ending {
        Ending::Code(code) => (
            KeyValue::new("process.exit.code", i64::from(code)),
            format!("ended with exit code {code}"),
        ),
        Ending::Signal(number) => {
            let name = signals::name(number);
            let description = format!("ended by {name}");
            (KeyValue::new("process.exit.signal", name), description)
        }
    };
    if !end.is_good() {
        span.set_attribute(KeyValue::new("error.type", attribute.value.to_string()));
        span.set_status(Status::error(description));
    }
    span.set_attribute(attribute);
}
