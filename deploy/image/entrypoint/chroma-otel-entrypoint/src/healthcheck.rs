//! Whether Chroma is ready, on any version: which page tells, and asking for it.
//!
//! Invariant: a page of another version is tried only when the server says that it has no such
//! page, never to pass over an answer that says "not ready".

use std::ffi::OsString;
use std::net::IpAddr;

use chroma_otel_init::{ChromaVersion, variable};

use crate::environment::{Variables, text};
use crate::health::{Page, Unhealthy, ask};

/// The pages of all versions, the newest first; for when the version is not known.
const EVERY_PATH: [&str; 3] = [
    "/api/v2/healthcheck",
    "/api/v2/heartbeat",
    "/api/v1/heartbeat",
];

/// The pages that tell whether Chroma is ready, in the order in which to try them.
///
/// The port is the command's `--port`, else that of the environment (`CHROMA_PORT` on 1.x,
/// `CHROMA_SERVER_HTTP_PORT` on 0.x), else 8000; a port in a config file needs `--url`.
pub(crate) fn pages(variables: &Variables, command: &[OsString]) -> Vec<Page> {
    let number = |value: String| value.trim().parse::<u16>().ok();
    let port = option(command, "--port")
        .and_then(number)
        .or_else(|| text(variables, "CHROMA_PORT").and_then(number))
        .or_else(|| text(variables, "CHROMA_SERVER_HTTP_PORT").and_then(number))
        .unwrap_or(8000);
    let host = text(variables, "CHROMA_LISTEN_ADDRESS")
        .and_then(|value| value.trim().parse::<IpAddr>().ok())
        .filter(|address| !address.is_unspecified())
        .unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let authority = std::net::SocketAddr::new(host, port).to_string();
    let version = text(variables, variable::CHROMA_VERSION)
        .and_then(|value| value.parse::<ChromaVersion>().ok());
    let page = |path: &str| Page {
        authority: authority.clone(),
        path: path.to_owned(),
    };
    match version {
        Some(version) => vec![page(version.health_path())],
        None => EVERY_PATH.map(page).into(),
    }
}

/// Asks the pages in turn until one exists.
///
/// # Errors
/// What was asked, and what came back.
pub(crate) fn ask_in_turn(pages: &[Page]) -> Result<(), String> {
    let mut answers = Vec::new();
    for page in pages {
        match ask(page) {
            Ok(()) => return Ok(()),
            Err(unhealthy) => {
                answers.push(format!("GET {page}: {unhealthy}"));
                if matches!(unhealthy, Unhealthy::NotReady(_)) {
                    break;
                }
            }
        }
    }
    Err(answers.join("; "))
}

/// The value of a command's option, in either form.
fn option(command: &[OsString], name: &str) -> Option<String> {
    let mut words = command.iter().skip(1).filter_map(|word| word.to_str());
    let value = words.find_map(|word| {
        let rest = word.strip_prefix(name)?;
        (rest.is_empty() || rest.starts_with('=')).then(|| rest.trim_start_matches('=').to_owned())
    })?;
    if value.is_empty() {
        return words.next().map(str::to_owned);
    }
    Some(value)
}
