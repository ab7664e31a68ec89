//! Health check of any Chroma version: selects the page and requests it.
//!
//! Invariant: another version's page is tried only if the server reports that the page does not
//! exist. A response "not ready" is final.

use std::ffi::OsString;
use std::net::IpAddr;

use crate::command::option;
use crate::health::{Page, Unhealthy, ask};
use crate::variables::{Variables, chroma_version, text};

/// The pages of all versions, the newest first, for an unknown version.
const EVERY_PATH: [&str; 3] = [
    "/api/v2/healthcheck",
    "/api/v2/heartbeat",
    "/api/v1/heartbeat",
];

/// Returns the pages that report if Chroma is ready, in the order in which to try them.
///
/// The port is the command's `--port`, otherwise that of the environment (`CHROMA_PORT` on 1.x,
/// `CHROMA_SERVER_HTTP_PORT` on 0.x), otherwise 8000. A port in a config file needs `--url`.
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
    let page = |path: &str| Page {
        authority: authority.clone(),
        path: path.to_owned(),
    };
    match chroma_version(variables) {
        Some(version) => vec![page(version.health_path())],
        None => EVERY_PATH.map(page).into(),
    }
}

/// Requests the pages in turn until one exists.
///
/// # Errors
/// Returns the requests and their responses.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(environment: &[(&str, &str)], command: &str) -> Vec<String> {
        let variables = environment
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let command: Vec<OsString> = command.split_whitespace().map(OsString::from).collect();
        let pages = pages(&variables, &command);
        pages.iter().map(Page::to_string).collect()
    }

    #[test]
    fn every_version_has_its_page() {
        for (version, page) in [
            ("0.4.15", "http://127.0.0.1:8000/api/v1/heartbeat"),
            ("0.6.3", "http://127.0.0.1:8000/api/v2/heartbeat"),
            ("1.5.9", "http://127.0.0.1:8000/api/v2/healthcheck"),
            ("9.0.0", "http://127.0.0.1:8000/api/v2/healthcheck"),
        ] {
            assert_eq!(asked(&[("CHROMA_VERSION", version)], ""), [page]);
        }
    }

    #[test]
    fn without_a_version_all_pages_are_tried() {
        for environment in [&[][..], &[("CHROMA_VERSION", "latest")]] {
            assert_eq!(
                asked(environment, ""),
                EVERY_PATH.map(|path| format!("http://127.0.0.1:8000{path}"))
            );
        }
    }

    #[test]
    fn port_comes_from_the_command_or_the_environment() {
        let version = ("CHROMA_VERSION", "1.5.9");
        for (environment, command, authority) in [
            (("CHROMA_PORT", "9000"), "chroma run", "127.0.0.1:9000"),
            (
                ("CHROMA_PORT", "9000"),
                "chroma run --port 1",
                "127.0.0.1:1",
            ),
            (
                ("CHROMA_PORT", "9000"),
                "chroma run --port=1 x",
                "127.0.0.1:1",
            ),
            (("CHROMA_PORT", "tcp://10.0.0.1:9000"), "", "127.0.0.1:8000"),
            (("CHROMA_SERVER_HTTP_PORT", "7000"), "", "127.0.0.1:7000"),
            (("CHROMA_LISTEN_ADDRESS", "0.0.0.0"), "", "127.0.0.1:8000"),
            (("CHROMA_LISTEN_ADDRESS", "::1"), "", "[::1]:8000"),
            (("CHROMA_LISTEN_ADDRESS", "10.1.2.3"), "", "10.1.2.3:8000"),
        ] {
            assert_eq!(
                asked(&[version, environment], command),
                [format!("http://{authority}/api/v2/healthcheck")],
                "{environment:?} {command}"
            );
        }
    }
}
