//! Problems that disable tracing, or a part of it.
//!
//! Invariant: no problem ends the program, and no text contains a header's value.

use crate::Invalid;
use std::{
    fmt,
    io::{self, Write},
};

/// Reason why tracing is off or limited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A variable cannot be parsed: tracing is off, or for `RUST_LOG` the default is used.
    Invalid(Invalid),
    /// The exporter or its thread cannot be started; tracing is off.
    Start(String),
    /// The program already has a `tracing` subscriber: only spans of the OpenTelemetry interface
    /// are exported.
    SubscriberInstalled,
    /// Tracing was already installed in this process, even if its guard has been dropped.
    AlreadyInitialized,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(formatter),
            Self::Start(what) => write!(formatter, "cannot start the exporter: {what}"),
            Self::SubscriberInstalled => formatter.write_str(
                "the program already has a `tracing` subscriber, so its spans are not \
                 exported; hint: add `chroma_otel_init::layer()` to that subscriber",
            ),
            Self::AlreadyInitialized => formatter.write_str(
                "tracing was already started in this process and cannot be restarted; hint: \
                 call `init()` once, at the start of `main`",
            ),
        }
    }
}

impl std::error::Error for Problem {}

/// Writes `text` to standard error. A closed standard error is ignored.
pub(super) fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "chroma-otel-init: {text}");
}
