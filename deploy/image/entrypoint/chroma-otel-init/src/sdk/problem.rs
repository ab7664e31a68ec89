//! What kept tracing from being installed, or from being installed whole.
//!
//! Invariant: no problem ends the program, and no text shows a header's value.

use crate::Invalid;
use std::{
    fmt,
    io::{self, Write},
};

/// Why tracing is off, or less than was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A variable cannot be read: tracing is off, or for `RUST_LOG` the default is used.
    Invalid(Invalid),
    /// The exporter or its thread could not be started; tracing is off.
    Start(String),
    /// The program had a `tracing` subscriber before: only spans made with the OpenTelemetry
    /// interface are exported.
    SubscriberInstalled,
    /// Tracing was installed before in this process: the first guard stays in charge.
    AlreadyInitialized,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(formatter),
            Self::Start(what) => write!(formatter, "the exporter cannot be started: {what}"),
            Self::SubscriberInstalled => formatter.write_str(
                "the program has a `tracing` subscriber already, so that its spans are not \
                 exported; hint: add `chroma_otel_init::layer()` to that subscriber",
            ),
            Self::AlreadyInitialized => formatter.write_str(
                "tracing is initialized already, the first time counts; hint: call `init()` once, \
                 at the start of `main`",
            ),
        }
    }
}

impl std::error::Error for Problem {}

/// Says `text` on standard error, where an operator looks. A closed standard error is survived.
pub(super) fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "chroma-otel-init: {text}");
}
