//! One HTTP question to a server, answered good or not, for images that have no curl.
//!
//! Invariant: an answer takes at most [`TIMEOUT`], however slowly the server drips.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// Longest time for connection, question and answer together.
const TIMEOUT: Duration = Duration::from_secs(2);

/// More than any health page has.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What Chroma's `/api/v2/healthcheck` reports besides its status (read in the answer of 1.5.9).
const READY_FLAGS: [&str; 2] = ["is_executor_ready", "is_log_client_ready"];

/// A page to ask for: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// `HOST:PORT`.
    pub(crate) authority: String,
    /// Path and query, from the first `/` on.
    pub(crate) path: String,
}

impl fmt::Display for Page {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority, self.path)
    }
}

impl FromStr for Page {
    type Err = String;

    /// Reads an `http` URL; without a port it is 80. The error says what to write.
    fn from_str(url: &str) -> Result<Self, String> {
        let refused = || format!("`{url}` is not a health page; use `http://HOST:PORT/PATH`");
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

/// Why a page is not good.
#[derive(Debug)]
pub(crate) enum Unhealthy {
    /// There is no such page (404, 405, 410): another version's path may be the right one.
    NoSuchPage(String),
    /// Nothing answered, or the answer was another one than 200 and ready.
    NotReady(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPage(what) | Self::NotReady(what) => formatter.write_str(what),
        }
    }
}

/// Asks for the page. Good is a status of 200 whose body has none of Chroma's readiness flags
/// at anything but `true`.
///
/// # Errors
/// What came back instead.
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

/// Sends the question and reads the whole answer.
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

/// Tries every address of the name, as `localhost` may be two.
fn connect(authority: &str, deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in authority.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, remaining(deadline)?) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

/// Whether the body is as long as its head says: some servers keep the connection open.
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

/// Refuses a body in which one of the flags is there and not `true`.
fn ready(body: &str) -> Result<(), String> {
    for flag in READY_FLAGS {
        let value = body
            .split_once(&format!("\"{flag}\""))
            .map(|(_, rest)| rest.trim_start().trim_start_matches(':').trim_start());
        if value.is_some_and(|value| !value.starts_with("true")) {
            return Err(format!("answered 200 with `{flag}` not true"));
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

/// The printable start of what a server sent.
fn excerpt(line: &str) -> String {
    line.chars()
        .filter(|character| !character.is_control())
        .take(80)
        .collect()
}
