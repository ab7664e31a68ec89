//! One HTTP request to a server's health page, for images without curl.
//!
//! Invariant: a request takes at most [`TIMEOUT`] including name resolution, even if the server
//! sends slowly. No message contains an invalid URL or the query of a page: both may contain a
//! secret.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Longest time for name resolution, connection, request and response together.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Longer than any health page.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// Readiness flags of Chroma's `/api/v2/healthcheck` (read in the response of 1.5.9).
const READY_FLAGS: [&str; 2] = ["is_executor_ready", "is_log_client_ready"];

/// A page to request: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    /// Path and query, from the first `/`.
    pub(crate) path: String,
}

/// Omits the query.
impl fmt::Display for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.split(['?', '#']).next().unwrap_or_default();
        write!(formatter, "http://{}{path}", self.authority)
    }
}

impl FromStr for Page {
    type Err = String;

    /// Parses an `http` URL; the default port is 80. The error contains the expected form, not the
    /// URL.
    fn from_str(url: &str) -> Result<Self, String> {
        let refused =
            || "invalid URL of a health page; hint: use `http://HOST:PORT/PATH`".to_owned();
        let printable = url.bytes().all(|byte| byte.is_ascii_graphic());
        let rest = url.strip_prefix("http://").filter(|_| printable);
        let rest = rest.ok_or_else(refused)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (authority, "80"),
        };
        if host.is_empty() || host.contains('@') || port.parse::<u16>().is_err() {
            return Err(refused());
        }
        Ok(Self {
            authority: format!("{host}:{port}"),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
        })
    }
}

/// Reason why a page is not healthy.
#[derive(Debug)]
pub(crate) enum Unhealthy {
    /// The page does not exist (404, 405, 410); the path of another version may exist.
    NoSuchPage(String),
    /// No response, or a response other than 200 and ready.
    NotReady(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPage(what) | Self::NotReady(what) => formatter.write_str(what),
        }
    }
}

/// Requests the page. It is healthy if the status is 200 and the body contains no readiness flag of
/// Chroma with a value other than `true`.
///
/// # Errors
/// Returns the response instead.
pub(crate) fn ask(page: &Page) -> Result<(), Unhealthy> {
    let answer = exchange(page).map_err(|error| Unhealthy::NotReady(describe(&error)))?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .unwrap_or_default();
    let answered = || format!("answered `{}`", excerpt(status_line));
    match status {
        "200" => ready(body).map_err(Unhealthy::NotReady),
        "404" | "405" | "410" => Err(Unhealthy::NoSuchPage(answered())),
        _ => Err(Unhealthy::NotReady(answered())),
    }
}

/// Sends the request and reads the complete response.
fn exchange(page: &Page) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = connect(&page.authority, deadline)?;
    let Page { authority, path } = page;
    let question = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {}/{}\r\nConnection: close\r\n\r\n",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
    );
    stream.set_write_timeout(Some(remaining(deadline)?))?;
    stream.write_all(question.as_bytes())?;
    let mut answer = Vec::new();
    let mut limited = stream.try_clone()?.take(LONGEST_ANSWER);
    let mut piece = [0; 4096];
    while !complete(&answer) {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        match limited.read(&mut piece)? {
            0 => break,
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    Ok(answer)
}

/// Tries every address of the name, because `localhost` may have two.
fn connect(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in resolve(authority, deadline)? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Resolves the name on a separate thread, because the C library's resolver has no time limit.
fn resolve(authority: &str, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = authority.parse() {
        return Ok(vec![address]);
    }
    let (sender, answer) = channel();
    let name = authority.to_owned();
    thread::Builder::new().spawn(move || {
        // After the deadline the receiver is gone.
        let _ = sender.send(name.to_socket_addrs().map(Vec::from_iter));
    })?;
    let answer = answer.recv_timeout(remaining(deadline)?);
    answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Returns true if the body is as long as its head says: some servers keep the connection open.
fn complete(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_some_and(|length| body.len() >= length)
}

/// Returns an error if the body contains one of the flags with a value other than `true`.
fn ready(body: &str) -> Result<(), String> {
    for flag in READY_FLAGS {
        let value = body
            .split_once(&format!("\"{flag}\""))
            .map(|(_, rest)| rest.trim_start().trim_start_matches(':').trim_start());
        if value.is_some_and(|value| !value.starts_with("true")) {
            return Err(format!("answered 200, but `{flag}` is not true"));
        }
    }
    Ok(())
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("no answer within {} s", TIMEOUT.as_secs())
        }
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

/// Returns the printable start of a server's response.
fn excerpt(line: &str) -> String {
    line.chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_pages() {
        for (url, read) in [
            ("http://h", "http://h:80/"),
            ("http://h:8000", "http://h:8000/"),
            ("http://h:8000/a/b?c=d:e", "http://h:8000/a/b"),
            ("http://[::1]/x", "http://[::1]:80/x"),
            ("http://[::1]:13133/", "http://[::1]:13133/"),
        ] {
            assert_eq!(
                url.parse::<Page>().map(|page| page.to_string()),
                Ok(read.into())
            );
        }
    }

    #[test]
    fn requests_the_query_that_messages_omit() {
        let page: Page = "http://h:8000/a?key=s3cret".parse().expect("readable");
        assert_eq!(page.path, "/a?key=s3cret");
        assert!(!page.to_string().contains("s3cret"), "{page}");
    }

    #[test]
    fn rejects_other_urls_and_shows_the_expected_form() {
        for url in [
            "",
            "h:80",
            "https://h",
            "http://",
            "http://:80",
            "http://h:port",
            "http://h:70000",
            "http://u:s3cret@h/",
            "https://h/?key=s3cret",
            "http://h/ HTTP/1.1\r\nX: y",
        ] {
            let message = url.parse::<Page>().expect_err(url);
            assert!(message.contains("http://HOST:PORT/PATH"), "{message}");
            assert!(!message.contains("s3cret"), "{message}");
        }
    }

    #[test]
    fn missing_readiness_flags_are_ignored() {
        for good in [
            "",
            "{}",
            r#"{"is_executor_ready":true,"is_log_client_ready": true}"#,
        ] {
            assert_eq!(ready(good), Ok(()), "{good}");
        }
        for bad in [
            r#"{"is_executor_ready":false,"is_log_client_ready":true}"#,
            r#"{"is_executor_ready":true,"is_log_client_ready" : false}"#,
            r#"{"is_executor_ready":null}"#,
        ] {
            assert!(ready(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_response_is_complete_at_its_length() {
        assert!(complete(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        assert!(!complete(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"));
        assert!(!complete(b"HTTP/1.1 200 OK\r\n\r\nok"));
        assert!(!complete(b"HTTP/1.1 200 OK\r\n"));
    }
}
