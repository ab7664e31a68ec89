//! The four `CHROMA_OTEL_*` variables: their meaning, and their translation for every Chroma.
//!
//! Chroma's documentation named these four variables up to 0.6.3, and its Python server reads them
//! from 0.4.15 on. Since 1.0.0 it names three others, which the Rust server reads:
//! `CHROMA_OPEN_TELEMETRY__ENDPOINT`, `CHROMA_OPEN_TELEMETRY__SERVICE_NAME` and
//! `OTEL_EXPORTER_OTLP_HEADERS`. It ignores the four without a warning, and each server accepts a
//! value in one exact form only: 1.x drops headers in JSON and cannot reach an endpoint without a
//! scheme. This crate reads the four, and the three as their synonyms, in all common notations
//! ([`Settings`]), and returns the variables to set for a server ([`server_environment`]):
//!
//! ```
//! use chroma_otel_init::{ChromaVersion, Settings, server_environment};
//!
//! let settings = Settings::read(|name| match name {
//!     "CHROMA_OTEL_COLLECTION_ENDPOINT" => Some("otel-collector:4317".into()),
//!     "CHROMA_OTEL_SERVICE_NAME" => Some("search".into()),
//!     _ => None,
//! })
//! .expect("both can be read");
//! let environment = server_environment(&settings, ChromaVersion::NEWEST)
//!     .expect("1.x can send to a plain gRPC endpoint");
//! assert_eq!(
//!     environment["CHROMA_OPEN_TELEMETRY__ENDPOINT"],
//!     "http://otel-collector:4317"
//! );
//! ```
//!
//! With the feature `sdk` a Rust program can trace itself by the same four variables: call `init()`
//! at the start of `main` (`examples/trace.rs`, and `examples/chroma_http.rs`, which
//! uses Chroma). Add `tracing = "0.1"` to the program's dependencies for `#[tracing::instrument]`,
//! which expands to paths that begin with `::tracing`.
//!
//! Invariant: the value of a header leaves this crate only through [`Headers::iter`],
//! [`Headers::to_json`], [`Headers::to_otlp`] and [`server_environment`], never in an error or a
//! `Debug` text.

#![cfg_attr(docsrs, feature(doc_cfg))]
// In a test, a panic is a failure.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod citation;
mod destination;
mod endpoint;
mod expansion;
#[cfg(test)]
mod fuzz;
mod granularity;
mod headers;
mod host;
mod ignored;
mod invalid;
mod object;
mod reading;
mod server;
mod settings;
mod spans;
mod switch;
pub mod variable;
mod version;

pub use endpoint::{Endpoint, Protocol};
pub use expansion::{is_expanded, is_mapping, is_word};
pub use granularity::Granularity;
pub use headers::Headers;
pub use ignored::{Ignored, ignored_variables, misnamed_variable};
pub use invalid::{Invalid, InvalidSettings};
pub use server::server_environment;
pub use settings::Settings;
pub use spans::rust_log;
pub use switch::switched_off;
pub use version::{ChromaVersion, Server};

#[cfg(feature = "pipeline")]
mod pipeline;
/// The OpenTelemetry interface of the release whose tracer provider is installed.
#[cfg(feature = "pipeline")]
pub use opentelemetry;
/// The OpenTelemetry SDK of that release.
#[cfg(feature = "pipeline")]
pub use opentelemetry_sdk;
#[cfg(feature = "pipeline")]
pub use pipeline::{Gauge, Gauges, Guard, Options, Outcome, Problem, init_plain_http};

#[cfg(feature = "sdk")]
mod sdk;
#[cfg(feature = "sdk")]
pub use sdk::{
    Logs, continue_trace, init, init_with, init_with_exporter, layer, trace_headers, tracing,
};
