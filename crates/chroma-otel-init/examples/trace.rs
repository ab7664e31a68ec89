//! A program without an async runtime whose work is traced.
//!
//! ```sh
//! CHROMA_OTEL_COLLECTION_ENDPOINT=http://localhost:4317 CHROMA_OTEL_SERVICE_NAME=search \
//!     cargo run -p chroma-otel-init --features sdk --example trace
//! ```
//!
//! Invariant: without the variables the program does the same work and sends nothing.

use chroma_otel_init::tracing;

fn main() {
    // Keep the guard until the end: dropping it sends the last spans.
    let _guard = chroma_otel_init::init();
    let request = tracing::info_span!("search", otel.kind = "server", collection = "books");
    let _inside = request.enter();
    let found = query("a book on tracing");
    tracing::info!(found, "answered");
}

/// Creates a span for each call, by `tracing`'s attribute.
#[tracing::instrument]
fn query(text: &str) -> usize {
    text.split(' ').count()
}
