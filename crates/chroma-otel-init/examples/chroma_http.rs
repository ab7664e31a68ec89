//! An application that finds a book in Chroma over HTTP, each request with its trace context.
//!
//! ```sh
//! CHROMA_OTEL_COLLECTION_ENDPOINT=http://localhost:4317 CHROMA_OTEL_SERVICE_NAME=books \
//!     cargo run -p chroma-otel-init --features sdk --example chroma_http -- http://localhost:8000
//! ```
//!
//! Chroma 0.x continues the trace. 1.x (up to 1.5.9) begins a new trace for each request, but its
//! span contains the user agent, so this example also adds `traceparent` to the user agent. Search
//! Chroma's spans for a `user_agent.original` with the printed trace id.
//!
//! Invariant: every request is a span, and every request to Chroma contains its trace context.

use std::{error::Error, io::Write};

use chroma_otel_init::{trace_headers, tracing};
use serde_json::{Value, json};
use tracing::field::Empty;
use ureq::http::Request;

const COLLECTIONS: &str = "/api/v2/tenants/default_tenant/databases/default_database/collections";
const BOOKS: [(&str, &str); 3] = [
    ("moby-dick", "a captain hunts a white whale"),
    ("walden", "a man lives alone in the woods"),
    ("middlemarch", "people marry, and most regret it"),
];

fn main() -> Result<(), Box<dyn Error>> {
    // Keep the guard until the end: dropping it sends the last spans.
    let _guard = chroma_otel_init::init();
    let chroma = Chroma::at(std::env::args().nth(1));
    let work = tracing::info_span!("find a book");
    let found = work.in_scope(|| find(&chroma, "hunting a whale"))?;
    writeln!(std::io::stdout(), "found {found}")?;
    if let Some(traceparent) = trace_headers(&work).get("traceparent") {
        let trace = traceparent.split('-').nth(1).unwrap_or(traceparent);
        writeln!(std::io::stdout(), "trace {trace}")?;
    }
    Ok(())
}

/// Stores the books and returns the id of the nearest to the question.
fn find(chroma: &Chroma, question: &str) -> Result<String, Box<dyn Error>> {
    let books = chroma.ask("", &json!({"name": "books", "get_or_create": true}))?;
    let books = books["id"].as_str().ok_or("no id of the collection")?;
    let (ids, texts): (Vec<&str>, Vec<&str>) = BOOKS.into_iter().unzip();
    let embeddings: Vec<_> = texts.iter().map(|text| embed(text)).collect();
    let records = json!({"ids": ids, "documents": texts, "embeddings": embeddings});
    chroma.ask(&format!("/{books}/upsert"), &records)?;
    let query = json!({"query_embeddings": [embed(question)], "n_results": 1});
    let nearest = chroma.ask(&format!("/{books}/query"), &query)?;
    let id = nearest["ids"][0][0].as_str().ok_or("no book")?;
    Ok(id.to_owned())
}

/// Replaces an embedding model: counts each letter.
fn embed(text: &str) -> Vec<f32> {
    let count = |letter| text.chars().filter(|c| *c == letter).count();
    ('a'..='z').map(|letter| count(letter) as f32).collect()
}

/// Chroma's HTTP API.
struct Chroma {
    agent: ureq::Agent,
    url: String,
}

impl Chroma {
    fn at(url: Option<String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Chroma 0.6.3 assigns a request that closely follows another on the same connection to
            // the other's trace.
            .max_idle_connections(0)
            .build();
        Self {
            agent: config.into(),
            url: url.unwrap_or_else(|| "http://localhost:8000".to_owned()),
        }
    }

    /// Sends a POST request to the collections, or to a path below them, in its own span.
    fn ask(&self, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
        let url = format!("{}{COLLECTIONS}{path}", self.url);
        let span = tracing::info_span!(
            "POST",
            otel.kind = "client",
            http.request.method = "POST",
            url.full = url,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        let mut request = Request::post(url).header("content-type", "application/json");
        let headers = trace_headers(&span);
        if let Some(traceparent) = headers.get("traceparent") {
            request = request.header("user-agent", format!("books traceparent/{traceparent}"));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(body.to_string())?;
        let mut answer = span.in_scope(|| self.agent.run(request))?;
        let status = answer.status();
        span.record("http.response.status_code", status.as_u16());
        let text = answer.body_mut().read_to_string()?;
        if !status.is_success() {
            span.record("error.type", status.as_str());
            return Err(format!("{status}: {text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }
}
