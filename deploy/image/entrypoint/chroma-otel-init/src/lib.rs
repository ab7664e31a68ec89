//! The four `CHROMA_OTEL_*` variables: what they mean, and what each Chroma version reads instead.
//!
//! Chroma's documentation names four variables for tracing. Only its Python server (up to 0.6.3)
//! reads them; the Rust server (from 1.0.0) has others, and neither forgives a value in another
//! form than its own. This crate reads what people write ([`Settings`]) and says what to set for
//! the server at hand ([`server_environment`]):
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
//! With the feature `sdk` a Rust program can trace itself by the same four variables: `init()` at
//! the start of `main` is all it takes (`examples/trace.rs`, and `examples/chroma_http.rs`, which uses Chroma).
//!
//! Invariant: the value of a header leaves this crate only through [`Headers::iter`],
//! [`Headers::to_json`], [`Headers::to_otlp`] and [`server_environment`], never in an error or a
//! `Debug` text.

// In a test, a panic is the answer.
#![cfg_attr(test, allow(clippy::unwrap_used))]

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
mod server;
mod settings;
mod spans;
pub mod variable;
mod version;

pub use endpoint::{Endpoint, Protocol};
pub use expansion::{is_expanded, is_mapping, is_word};
pub use granularity::Granularity;
pub use headers::Headers;
pub use ignored::ignored_variables;
pub use invalid::Invalid;
pub use server::server_environment;
pub use settings::Settings;
pub use spans::rust_log;
pub use version::{ChromaVersion, Release, Server};

#[cfg(feature = "sdk")]
mod sdk;
#[cfg(feature = "sdk")]
pub use sdk::{
    Guard, Logs, Options, Outcome, Problem, continue_trace, init, init_with, init_with_exporter,
    layer, opentelemetry, opentelemetry_sdk, trace_headers, tracing,
};
