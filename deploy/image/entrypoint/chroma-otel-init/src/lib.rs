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

mod citation {
//! Citation of an endpoint in the text of an error.
//!
//! Invariant: text that may be a misplaced key or header is not shown.

use crate::invalid::shown;

/// Returns the text in backticks, unless it may contain a secret. A misplaced header or key
/// contains a character that no endpoint has, or a long word with digits.
pub(crate) fn cited(text: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._/:[]".contains(c);
    if text.chars().all(fits) && has_plain_port(text) && !has_key(text) {
        format!("`{}`", shown(text))
    } else {
        "a value that is not shown because it may contain a secret".to_owned()
    }
}

/// Returns true if only digits follow the last colon of the authority: `x-key:abc` is a header.
fn has_plain_port(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Returns true if a word contains a digit and is as long as a key, or as a UUID with hyphens.
fn has_key(text: &str) -> bool {
    let long = |words: &str, length| words.len() >= length && words.contains(char::is_numeric);
    let is_sign = |c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c);
    text.split(is_sign)
        .any(|words| long(words, 32) || words.split('-').any(|word| long(word, 16)))
}
}
mod destination {
//! Destination of the traces: endpoint and headers, two variables that belong together.
//!
//! Invariant: headers are sent only to the endpoint for which they were written. Headers of
//! OpenTelemetry's exporters apply to an endpoint of Chroma only in the pair that Chroma's
//! documentation names, and only if no endpoint of OpenTelemetry is set.

use crate::{Endpoint, Headers, reading::Reading, variable};

/// An endpoint, the variable that set it, and its headers.
#[derive(Default)]
pub(crate) struct Destination {
    pub(crate) endpoint: Option<(Endpoint, &'static str)>,
    pub(crate) headers: Headers,
}

impl Destination {
    /// Reads the pair. Other variables of OpenTelemetry are ignored, and noted.
    pub(crate) fn read(reading: &mut Reading<'_>) -> Self {
        let endpoint = reading.first(&[variable::ENDPOINT, variable::RUST_ENDPOINT]);
        let own = headers_of(reading, endpoint.as_ref().map(|(endpoint, _)| endpoint));
        let headers = reading.first(own).map(|(headers, _)| headers);
        if let Some((_, decisive)) = endpoint {
            note_others(reading, decisive, own);
        }
        Self {
            endpoint,
            headers: headers.unwrap_or_default(),
        }
    }
}

/// Returns the variables whose headers belong to this endpoint, the first has priority. An endpoint
/// that cannot be parsed counts as the documented one, so that its headers are also checked.
fn headers_of(reading: &Reading<'_>, endpoint: Option<&Endpoint>) -> &'static [&'static str] {
    let documented = reading.text(variable::RUST_ENDPOINT);
    let is_documented = documented.is_some_and(|text| {
        let documented = text.parse::<Endpoint>();
        endpoint.is_none_or(|endpoint| documented.as_ref() == Ok(endpoint))
    });
    let mut foreign = variable::OTLP_ENDPOINTS.iter();
    if is_documented && !foreign.any(|name| reading.is_given(name)) {
        &[variable::HEADERS, variable::OTLP_HEADERS]
    } else {
        &[variable::HEADERS]
    }
}

/// Notes the variables that have no effect because the pair overrides them.
fn note_others(reading: &mut Reading<'_>, decisive: &str, own: &[&str]) {
    let others = variable::OVERRIDING.iter().copied();
    let others: Vec<_> = others
        .filter(|name| !own.contains(name) && reading.is_given(name))
        .collect();
    let headers = own.join("` or `");
    let why = format!(
        "the traces are sent to the endpoint in `{decisive}`, only with the headers in `{headers}`"
    );
    reading.ignore(&others, why, "unset it, or move its value there");
}
}
mod endpoint {
//! Endpoint of the traces, parsed from common notations: with or without scheme, port, path.
//!
//! Invariant: the output of `Display` is parsed as the same endpoint, a host on the public network
//! is in plain text only if `http://` was written, and no error contains a possible secret.

use crate::{
    Invalid,
    citation::cited,
    host::{Host, authority_parts},
    invalid::shown,
    variable,
};
use std::{fmt, str::FromStr};

/// Transport of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// OTLP over gRPC, usually on port 4317.
    Grpc,
    /// OTLP over HTTP, usually on port 4318; also Zipkin's JSON, which uses the same transport.
    Http,
}

/// Endpoint of the traces.
///
/// Parses URLs with the schemes `http`, `https`, `grpc` (= `http`) and `grpcs` (= `https`), and
/// `host`, `host:port`, `host/path` without one. `Display` writes the canonical URL, with scheme
/// and port.
///
/// - Without a scheme it is in plain text only if the host is local: one label, a loopback,
///   link-local or private address, or a name under `.localhost`, `.local`, `.internal` or `.svc`.
///   Any other host is reached by TLS: a key must not be sent in plain text because of a guess.
/// - It is OTLP over HTTP if the port is 4318 or the path is not `/`, otherwise over gRPC.
/// - The default path of port 9411 is Zipkin's, `/api/v2/spans`.
/// - Default ports: 443 for TLS; plain 4317 for gRPC, 4318 for HTTP, 9411 for Zipkin's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: Host,
    port: u16,
    /// Empty, or starting with a slash and not ending with one.
    path: String,
}

/// Paths of OTLP over HTTP for traces and metrics, and those of Zipkin and Splunk.
const TRACES_PATH: &str = "/v1/traces";
const METRICS_PATH: &str = "/v1/metrics";
const ZIPKIN_PATH: &str = "/api/v2/spans";
const SPLUNK_PATH: &str = "/v2/trace/otlp";
const SPLUNK_METRICS_PATH: &str = "/v2/datapoint/otlp";

const GRPC_PORT: u16 = 4317;
const HTTP_PORT: u16 = 4318;
const ZIPKIN_PORT: u16 = 9411;
const TLS_PORT: u16 = 443;

/// The hint of every error that has no better one.
const HINT: &str = "use `http://collector:4317` for OTLP over gRPC, `https://…` for TLS, \
                    `https://…/v1/traces` for OTLP over HTTP";

impl Endpoint {
    /// Returns the protocol of the endpoint.
    pub fn protocol(&self) -> Protocol {
        if self.port == HTTP_PORT || !self.path.is_empty() {
            Protocol::Http
        } else {
            Protocol::Grpc
        }
    }

    /// Returns true if it is reached by TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns true if its host is local by its name or its address, so that no data crosses a
    /// public network.
    pub fn is_local(&self) -> bool {
        self.host.is_local()
    }

    /// Returns the host: a name in lower case, or an address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host.text
    }

    /// Returns the port, explicit or default; never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns `host:port`, or `[address]:port` for IPv6.
    pub fn authority(&self) -> String {
        if self.host.is_ipv6() {
            format!("[{}]:{}", self.host.text, self.port)
        } else {
            format!("{}:{}", self.host.text, self.port)
        }
    }

    /// Returns the URL in backticks for an error text, unless it may contain a secret.
    pub(crate) fn shown(&self) -> String {
        cited(&self.to_string())
    }

    /// Returns true if its path is Zipkin's, `/api/v2/spans`.
    pub fn is_zipkin(&self) -> bool {
        self.path.ends_with(ZIPKIN_PATH)
    }

    /// Returns the URL for traces over HTTP. `/v1/traces` is added unless the path ends in it, in
    /// Zipkin's `/api/v2/spans` or in Splunk's `/v2/trace/otlp`.
    pub fn traces_url(&self) -> String {
        let ends = [TRACES_PATH, ZIPKIN_PATH, SPLUNK_PATH];
        let end = if ends.iter().any(|end| self.path.ends_with(end)) {
            ""
        } else {
            TRACES_PATH
        };
        // Omits the scheme's default port: a server that routes by the `Host` header may expect the
        // bare name.
        let (authority, tls) = (self.authority(), self.tls);
        let bare = authority.strip_suffix(":443").filter(|_| tls);
        let scheme = if tls { "https" } else { "http" };
        format!(
            "{scheme}://{}{}{end}",
            bare.unwrap_or(&authority),
            self.path
        )
    }

    /// Returns the same collector's endpoint for OTLP over HTTP: port 4318 for port 4317, the pair
    /// that OpenTelemetry registered; any other port is unchanged.
    pub(crate) fn over_http(&self) -> Self {
        let port = if self.port == GRPC_PORT {
            HTTP_PORT
        } else {
            self.port
        };
        Self {
            port,
            ..self.clone()
        }
    }

    /// Returns [`Self::traces_url`], unless the endpoint uses a protocol other than OTLP.
    ///
    /// # Errors
    /// The endpoint is Zipkin's or Splunk's own.
    pub(crate) fn otlp_traces_url(&self) -> Result<String, Invalid> {
        let url = self.traces_url();
        if url.ends_with(TRACES_PATH) {
            return Ok(url);
        }
        Err(Invalid::new(
            variable::ENDPOINT,
            format!("is `{url}`, which is not an OTLP endpoint"),
            "name an OTLP endpoint, such as a collector's `http://collector:4317`, and let the \
             collector speak to Zipkin",
        ))
    }

    /// Returns the URL for metrics over HTTP: the URL for traces with `/v1/metrics` at its end, or
    /// Splunk's own; `None` for Zipkin, which accepts no metrics.
    pub fn metrics_url(&self) -> Option<String> {
        let traces = self.traces_url();
        let ends = [
            (TRACES_PATH, METRICS_PATH),
            (SPLUNK_PATH, SPLUNK_METRICS_PATH),
        ];
        ends.iter().find_map(|(traced, measured)| {
            let base = traces.strip_suffix(traced)?;
            Some(format!("{base}{measured}"))
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Meaning of a scheme.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scheme {
    tls: bool,
    only_grpc: bool,
}

impl FromStr for Endpoint {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        read(value, is_of_traces)
    }
}

impl Endpoint {
    /// Parses the endpoint of metrics: as for traces, but with any path.
    ///
    /// # Errors
    /// Returns the problem, as for traces.
    pub fn of_metrics(value: &str) -> Result<Self, Invalid> {
        read(value, |_| Ok(()))
    }
}

/// Reason for an invalid path, as a relative clause, and the hint.
type Refusal = (&'static str, &'static str);

/// Parses an endpoint whose path passes `check`.
fn read(value: &str, check: fn(&str) -> Result<(), Refusal>) -> Result<Endpoint, Invalid> {
    let text =
        variable::given(value).ok_or_else(|| Invalid::new(variable::ENDPOINT, "is empty", HINT))?;
    without_secrets(text)?;
    let invalid = |why: String, hint: &str| {
        let what = format!("is {}, {why}", cited(text));
        Invalid::new(variable::ENDPOINT, what, hint)
    };
    if let Some(character) = text.chars().find(|c| !fits_in_url(*c)) {
        let what = format!(
            "which has the character `{}`",
            shown(&character.to_string())
        );
        return Err(invalid(what, HINT));
    }
    let (scheme, rest) = scheme(text).map_err(|(why, hint)| invalid(why, hint))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = path.trim_end_matches('/');
    check_path(path)
        .and_then(|()| check(path))
        .map_err(|(why, hint)| invalid(why.to_owned(), hint))?;
    let (host, port) = authority_parts(authority).map_err(|why| invalid(why, HINT))?;
    let tls = scheme.map_or(!host.is_local(), |scheme| scheme.tls);
    let port = port.unwrap_or_else(|| default_port(tls, path));
    let path = match (port, path) {
        (ZIPKIN_PORT, "") => ZIPKIN_PATH,
        _ => path,
    };
    let endpoint = Endpoint {
        tls,
        host,
        port,
        path: path.to_owned(),
    };
    if scheme.is_some_and(|scheme| scheme.only_grpc) && endpoint.protocol() == Protocol::Http {
        return Err(invalid(
            "where `grpc` contradicts the path or the port 4318 of OTLP over HTTP".into(),
            HINT,
        ));
    }
    Ok(endpoint)
}

/// Rejects a value that may contain a password or a key, without showing it.
fn without_secrets(text: &str) -> Result<(), Invalid> {
    let headers = variable::HEADERS;
    let (what, hint) = if text.contains('@') {
        (
            "has a user name or a password",
            format!("put the key into a header, in `{headers}`"),
        )
    } else if text.contains('?') {
        (
            "has a query",
            format!("remove the query; put a key into a header, in `{headers}`"),
        )
    } else if text.contains('#') {
        ("has a fragment", "remove the fragment".to_owned())
    } else {
        return Ok(());
    };
    Err(Invalid::new(variable::ENDPOINT, what, hint))
}

/// Rejects a path that results from a misspelt scheme, or that a server would resolve.
fn check_path(path: &str) -> Result<(), Refusal> {
    if path.contains("//") {
        return Err(("which has `//` after the host", HINT));
    }
    if path.split('/').any(|part| part == "." || part == "..") {
        return Err(("whose path has `.` or `..` between slashes", HINT));
    }
    Ok(())
}

/// Rejects a path of another signal, or of Jaeger's own protocol.
fn is_of_traces(path: &str) -> Result<(), Refusal> {
    for signal in [METRICS_PATH, "/v1/logs", SPLUNK_METRICS_PATH] {
        if path.ends_with(signal) {
            return Err((
                "whose path is not for traces",
                "use the same URL with `/v1/traces`; metrics and logs have their own paths",
            ));
        }
    }
    if path.ends_with("/api/traces") {
        return Err((
            "whose path is for Jaeger's own protocol",
            "use Jaeger's OTLP port, such as `http://jaeger:4317`",
        ));
    }
    Ok(())
}

/// RFC 3986, without characters that shells or YAML would expand or misread.
fn fits_in_url(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~%!&*+,;=:/[]()".contains(character)
}

/// Splits off the scheme, if there is one.
fn scheme(text: &str) -> Result<(Option<Scheme>, &str), (String, &'static str)> {
    let Some((name, rest)) = text.split_once("://") else {
        let start = text.split([':', '/']).next().unwrap_or_default();
        let is_scheme = ["http", "https", "grpc", "grpcs"]
            .iter()
            .any(|name| start.eq_ignore_ascii_case(name));
        if is_scheme && text.len() > start.len() {
            return Err((format!("which lacks `://` after `{start}`"), HINT));
        }
        return Ok((None, text));
    };
    let (tls, only_grpc) = match name.to_ascii_lowercase().as_str() {
        "http" => (false, false),
        "https" => (true, false),
        "grpc" => (false, true),
        "grpcs" => (true, true),
        _ => return Err(("whose scheme is unknown".to_owned(), HINT)),
    };
    Ok((Some(Scheme { tls, only_grpc }), rest))
}

fn default_port(tls: bool, path: &str) -> u16 {
    if tls {
        TLS_PORT
    } else if path.is_empty() {
        GRPC_PORT
    } else if path.ends_with(ZIPKIN_PATH) {
        ZIPKIN_PORT
    } else {
        HTTP_PORT
    }
}
}
mod expansion {
//! Expansion of variables' values by the OpenTelemetry Collector.
//!
//! Invariant: one rule for the generator, which renders a configuration, and for the entrypoint,
//! which starts the Collector with it.

/// Returns true if the Collector would expand part of the value: `${NAME}`, or `$$` to `$`.
pub fn is_expanded(value: &str) -> bool {
    value.contains("${") || value.contains("$$")
}

/// Returns true if the Collector would parse the value as a mapping. It keeps other text as
/// written. A mapping whose names are not text (`1: 2`) stops it with a message that names no
/// variable (seen with 0.158.0).
pub fn is_mapping(value: &str) -> bool {
    value.starts_with(['{', '?']) || value.ends_with(':') || value.contains(": ")
}

/// Returns true if the value can be in the middle of a text of the configuration, where a quote
/// would end the text.
pub fn is_word(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._~+/=-".contains(c);
    value.chars().all(fits)
}
}
mod granularity {
//! Level of detail of the traces.
//!
//! Invariant: the order of the variants is the order of the sets of spans, each a subset of the
//! next.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// Level of detail of the traces: Chroma's own four words, from nothing to everything.
///
/// Parses them in any case, and `-` for `_`; `Display` writes Chroma's exact form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// No traces.
    #[default]
    None,
    /// One span for each request, and the server's work for it at the top level.
    Operation,
    /// Also the work inside: log, segments, executor.
    OperationAndSegment,
    /// Everything that Chroma can trace.
    All,
}

impl Granularity {
    /// All four, from nothing to everything.
    pub const EVERY: [Self; 4] = [
        Self::None,
        Self::Operation,
        Self::OperationAndSegment,
        Self::All,
    ];

    /// Returns the word that Chroma reads: lower case, with underscores.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Operation => "operation",
            Self::OperationAndSegment => "operation_and_segment",
            Self::All => "all",
        }
    }
}

impl fmt::Display for Granularity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Granularity {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let word = variable::given(value)
            .unwrap_or_default()
            .to_ascii_lowercase()
            .replace('-', "_");
        Self::EVERY
            .into_iter()
            .find(|granularity| granularity.as_str() == word)
            .ok_or_else(|| {
                Invalid::new(
                    variable::GRANULARITY,
                    format!("is `{}`, which is not a granularity", shown(value)),
                    "use `none`, `operation`, `operation_and_segment` or `all`",
                )
            })
    }
}
}
mod headers {
//! Headers of every export, parsed from three common notations.
//!
//! Invariant: names are lower-case HTTP tokens, values are visible ASCII without surrounding
//! spaces, and neither an error nor a `Debug` text contains a value.

use crate::{Invalid, object, variable};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    fmt::Write as _,
    str::FromStr,
};

/// The headers of every export.
///
/// Parses a JSON object of strings, the same in single quotes (as in Chroma's own guide), and
/// `name=value,name2=value2` with the value percent-encoded (as in `OTEL_EXPORTER_OTLP_HEADERS`);
/// each also in a pair of quotes, which shells and env files leave behind. `Debug` shows only the
/// names, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

const HINT: &str = "write a JSON object such as `{\"x-key\": \"…\"}`, or `x-key=…` with `%2C` for \
                    a comma in the value";

impl Headers {
    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns names and values, ordered by name. The values are secret.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a header. The name is converted to lower case, and surrounding white space is removed.
    ///
    /// # Errors
    /// A name that is not an HTTP token or already exists; a value that is blank or contains
    /// characters other than visible ASCII and spaces. The text names the header and never contains
    /// the value.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        self.add(name, value).map_err(|fault| {
            let name = name.trim();
            let which = if is_token(name) {
                format!("`{}`", name.to_ascii_lowercase())
            } else {
                // An invalid name may be a misplaced value.
                "whose name is not shown".to_owned()
            };
            invalid(
                format!("has a header {which} {}", fault.what()),
                fault.hint(),
            )
        })
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let name = name.trim().to_ascii_lowercase();
        let value = value.trim_matches([' ', '\t']);
        if !is_token(&name) {
            return Err(Fault::Name);
        }
        if value.is_empty() {
            return Err(Fault::Empty);
        }
        if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Fault::Value);
        }
        match self.0.entry(name) {
            Entry::Occupied(_) => Err(Fault::Twice),
            Entry::Vacant(place) => {
                place.insert(value.to_owned());
                Ok(())
            }
        }
    }

    /// Returns a JSON object, `{}` if there are none: the form that Chroma 0.x and the Collector
    /// read.
    pub fn to_json(&self) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let members: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// Returns `name=value,name2=value2` with the values percent-encoded: the form that
    /// OpenTelemetry's exporters read from `OTEL_EXPORTER_OTLP_HEADERS`. Empty if there are none.
    pub fn to_otlp(&self) -> String {
        let members: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
            .collect();
        members.join(",")
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromStr for Headers {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let trimmed = value.trim();
        let unquoted = object::string(trimmed).filter(|inner| inner.trim_start().starts_with('{'));
        let text = match &unquoted {
            Some(inner) => inner.trim(),
            None => quoted_object(trimmed)
                .or(variable::given(trimmed))
                .unwrap_or_default(),
        };
        if text.starts_with('{') {
            from_object(text)
        } else {
            from_list(text)
        }
    }
}

/// Returns an object inside quotes that are not escaped in it, as `KEY="{"a": "b"}"` in an env file
/// leaves them.
fn quoted_object(text: &str) -> Option<&str> {
    let mut quotes = ['"', '\''].into_iter();
    let inner = quotes.find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    let inner = inner.trim();
    (inner.starts_with('{') && inner.ends_with('}')).then_some(inner)
}

/// Parses the JSON form; an error names the invalid member.
fn from_object(text: &str) -> Result<Headers, Invalid> {
    let pairs = object::pairs(text).map_err(|fault| match fault {
        object::Fault::At(position, expected) => invalid(
            format!("is not a JSON object: expected {expected} at character {position}"),
            HINT,
        ),
        object::Fault::NotText(name) if is_token(name.trim()) => invalid(
            format!("has a header `{}` whose value is not a string", name.trim()),
            "put the value in quotes",
        ),
        object::Fault::NotText(_) => invalid(
            "has a value that is not a string".to_owned(),
            "put every value in quotes",
        ),
    })?;
    let mut headers = Headers::default();
    for (name, value) in pairs {
        headers.insert(&name, &value)?;
    }
    Ok(headers)
}

/// Parses the form of OpenTelemetry. An error contains the position of the invalid entry, because a
/// comma in a value makes part of the value look like a name.
fn from_list(text: &str) -> Result<Headers, Invalid> {
    let mut headers = Headers::default();
    for (index, entry) in text.split(',').enumerate() {
        if entry.trim().is_empty() {
            continue;
        }
        let wrong = |what: &str, hint| invalid(format!("has an entry {} {what}", index + 1), hint);
        let (name, value) = entry
            .split_once('=')
            .ok_or_else(|| wrong("without `=`", HINT))?;
        let value = variable::given(value).unwrap_or_default();
        let value = percent_decoded(value).ok_or_else(|| {
            let fault = Fault::Value;
            wrong(fault.what(), fault.hint())
        })?;
        headers
            .add(name, &value)
            .map_err(|fault| wrong(fault.what(), fault.hint()))?;
    }
    Ok(headers)
}

/// Problems of one header.
enum Fault {
    Name,
    Empty,
    Value,
    Twice,
}

impl Fault {
    fn what(&self) -> &'static str {
        match self {
            Self::Name => "whose name is not a header name",
            Self::Empty => "whose value is blank",
            Self::Value => "whose value has characters other than visible ASCII and spaces",
            Self::Twice => "whose name occurs twice (names ignore case)",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Name => HINT,
            Self::Empty => "give it a value, or remove the header",
            Self::Value => "check the value for line ends and pasted characters",
            Self::Twice => "remove one of the two",
        }
    }
}

fn invalid(what: String, hint: &str) -> Invalid {
    Invalid::new(variable::HEADERS, what, hint)
}

/// RFC 9110, section 5.6.2, without its quotes, which would become part of the names in
/// `'a'='1','b'='2'`.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&*+-.^_|~".contains(&byte))
}

/// Encodes all characters except RFC 3986's unreserved ones.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Decodes `%XX`. A `%` without two digits is kept, as in OpenTelemetry's Python exporter (the Rust
/// exporter then leaves the whole value undecoded). `None` if the result is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| {
        char::from(*byte?)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while let Some(&byte) = bytes.get(index) {
        match (
            byte,
            digit(bytes.get(index + 1)),
            digit(bytes.get(index + 2)),
        ) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high * 16 + low);
                index += 3;
            }
            _ => {
                decoded.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}
}
mod host {
//! The host of an endpoint: a name or an address, local or not.
//!
//! Invariant: an accepted host can be dialled unchanged, and be written into a URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; an error is the reason, as a relative clause.
pub(crate) fn authority_parts(authority: &str) -> Result<(Host, Option<u16>), String> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("whose `[` is never closed")?;
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| "which has no IPv6 address between `[` and `]`")?;
        let host = Host {
            text: address.to_string(),
            address: Some(IpAddr::V6(address)),
        };
        match port.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if port.is_empty() => (host, None),
            None => return Err("which has text between `]` and the port".to_owned()),
        }
    } else if authority.matches(':').count() > 1 {
        return Err("which has more than one `:` (an IPv6 address needs `[` and `]`)".to_owned());
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (named_host(host)?, Some(port)),
            None => (named_host(authority)?, None),
        }
    };
    Ok((host, port.map(port_number).transpose()?))
}

fn port_number(text: &str) -> Result<u16, String> {
    let only_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| only_digits && *port != 0)
        .ok_or_else(|| "whose port is not a number from 1 to 65535".to_owned())
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name in lower case, or the address in its canonical form.
    pub(crate) text: String,
    address: Option<IpAddr>,
}

/// Parses a DNS name or an IPv4 address.
fn named_host(text: &str) -> Result<Host, String> {
    if text.is_empty() {
        return Err("which has no host".to_owned());
    }
    let text = text.to_ascii_lowercase();
    if text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        let address: Ipv4Addr = text
            .parse()
            .map_err(|_| "whose host is neither a name nor an IPv4 address")?;
        return Ok(Host {
            text,
            address: Some(IpAddr::V4(address)),
        });
    }
    let name = text.strip_suffix('.').unwrap_or(&text);
    if name.len() > 253 || !name.split('.').all(is_label) {
        return Err("whose host is not a valid name".to_owned());
    }
    Ok(Host {
        text,
        address: None,
    })
}

/// RFC 1035, with the underscore that Compose allows in service names.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

impl Host {
    /// Returns true for an IPv6 address, which is written in brackets.
    pub(crate) fn is_ipv6(&self) -> bool {
        matches!(self.address, Some(IpAddr::V6(_)))
    }

    /// Returns true if connections to it stay on this machine or a private network, as far as the
    /// text shows.
    pub(crate) fn is_local(&self) -> bool {
        const SUFFIXES: [&str; 4] = [".localhost", ".local", ".internal", ".svc"];
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(v4)) => {
                v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
            }
            Some(IpAddr::V6(v6)) => {
                v6.is_loopback()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
                    || v6.is_unspecified()
            }
            None => {
                let name = self.text.strip_suffix('.').unwrap_or(&self.text);
                !name.contains('.') || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
            }
        }
    }
}
}
mod ignored {
//! Variables without an effect: overridden variables, variables of another Chroma version, and
//! names that no version ever read.
//!
//! Invariant: each has a sentence that names the replacement, and no value is shown.

use crate::{ChromaVersion, Server, variable};
use std::fmt;

/// Variables that are set and have no effect.
///
/// `Display` is one line, `` `NAME` is ignored: why; hint: what to do ``. It contains no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    variables: Vec<String>,
    why: String,
    hint: String,
}

impl Ignored {
    pub(crate) fn new(variables: &[&str], why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            variables: variables.iter().map(|&name| name.to_owned()).collect(),
            why: why.into(),
            hint: hint.into(),
        }
    }

    /// Returns an entry for a name that [`misnamed_variable`] knows.
    pub fn misnamed(name: &str) -> Option<Self> {
        let meant = misnamed_variable(name)?;
        let hint = format!("set `{meant}`");
        Some(Self::new(&[name], "no version of Chroma reads it", hint))
    }

    /// Returns their names; at least one.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }

    /// Returns the reason why they are ignored.
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Returns the hint.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self
            .variables
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let verb = if names.len() == 1 { "is" } else { "are" };
        let (names, why, hint) = (names.join(", "), &self.why, &self.hint);
        write!(formatter, "{names} {verb} ignored: {why}; hint: {hint}")
    }
}

/// Returns the variable that was meant by a name that is common in old examples and that no Chroma
/// version reads (`CHROMA_OTEL_ENDPOINT`, `CHROMA_OTEL_EXPORTER_ENDPOINT`, any
/// `CHROMA_OTEL_EXPORTER_…`).
pub fn misnamed_variable(name: &str) -> Option<&'static str> {
    let rest = name.strip_prefix("CHROMA_OTEL_")?;
    let known = [
        "ENDPOINT",
        "HEADERS",
        "COLLECTOR_ENDPOINT",
        "COLLECTOR_HEADERS",
    ];
    if !known.contains(&rest) && !rest.starts_with("EXPORTER_") {
        return None;
    }
    [
        ("HEADERS", variable::HEADERS),
        ("SERVICE_NAME", variable::SERVICE_NAME),
        ("GRANULARITY", variable::GRANULARITY),
    ]
    .into_iter()
    .find(|(end, _)| rest.ends_with(end))
    .map_or(Some(variable::ENDPOINT), |(_, meant)| Some(meant))
}

/// Returns the variables of other versions that this version ignores without a warning, each with a
/// sentence that names the replacement.
///
/// The variables of 0.x are the image's own, and those settings in `chromadb/config.py` of 0.4.24,
/// 0.5.0 and 0.6.3 that a deployment sets. Chroma 1.x reads `CHROMA_` and a key of its
/// configuration file; its variables are the documented ones. The four tracing variables and their
/// synonyms are not included: they are translated.
pub fn ignored_variables(
    version: ChromaVersion,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (of_other_server, of_other_0x): (&[_], &[_]) = match version.server() {
        Server::Rust => (OF_PYTHON, &[]),
        Server::Python if version < ChromaVersion::V0_5 => (OF_RUST, SINCE_0_5),
        Server::Python => (OF_RUST, UNTIL_0_4),
    };
    of_other_server.iter().chain(of_other_0x).copied()
}

const NO_AUTHENTICATION: &str = "Chroma 1.x has no authentication, so everyone who reaches \
    the port can read all data: put a proxy that checks credentials in front of it.";
const PATH: &str = "Set `CHROMA_PERSIST_PATH`, or `persist_path` in the configuration file.";
const ALWAYS_PERSISTENT: &str = "Chroma 1.x always keeps its data: set `CHROMA_PERSIST_PATH`, or \
    `persist_path` in the configuration file.";
const LISTEN: &str = "Set `CHROMA_LISTEN_ADDRESS`, or `listen_address` in the configuration file.";
const PORT: &str = "Set `CHROMA_PORT`, or `port` in the configuration file.";
const LOG_LEVEL: &str = "Set `RUST_LOG`.";
const ONE_PROCESS: &str = "Remove it: Chroma 1.x is one process with its own threads.";
const NO_ANALYTICS: &str = "Remove it: the server of Chroma 1.x sends no product telemetry.";
const NO_MEMORY_LIMIT: &str = "Remove it: Chroma 1.x has no such setting; limit the \
    container's memory.";

/// Variables that Chroma 1.x ignores.
const OF_PYTHON: &[(&str, &str)] = &[
    ("CHROMA_SERVER_AUTHN_CREDENTIALS", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTHN_CREDENTIALS_FILE", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTHN_PROVIDER", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTHZ_CONFIG", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTHZ_CONFIG_FILE", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTHZ_PROVIDER", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTH_CREDENTIALS", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTH_CREDENTIALS_FILE", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTH_CREDENTIALS_PROVIDER", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTH_PROVIDER", NO_AUTHENTICATION),
    ("CHROMA_SERVER_AUTH_IGNORE_PATHS", NO_AUTHENTICATION),
    (
        "CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER",
        NO_AUTHENTICATION,
    ),
    ("CHROMA_AUTH_TOKEN_TRANSPORT_HEADER", NO_AUTHENTICATION),
    (
        "CHROMA_OVERWRITE_SINGLETON_TENANT_DATABASE_ACCESS_FROM_AUTH",
        NO_AUTHENTICATION,
    ),
    ("PERSIST_DIRECTORY", PATH),
    ("CHROMA_PERSIST_DIRECTORY", PATH),
    ("IS_PERSISTENT", ALWAYS_PERSISTENT),
    (
        "ALLOW_RESET",
        "Set `CHROMA_ALLOW_RESET`, or `allow_reset` in the configuration file.",
    ),
    (
        "CHROMA_SERVER_CORS_ALLOW_ORIGINS",
        "Set `CHROMA_CORS_ALLOW_ORIGINS` to a list such as `[\"https://app.example.com\"]`, or \
         `cors_allow_origins` in the configuration file.",
    ),
    ("CHROMA_SERVER_HOST", LISTEN),
    ("CHROMA_HOST_ADDR", LISTEN),
    ("CHROMA_SERVER_HTTP_PORT", PORT),
    ("CHROMA_HOST_PORT", PORT),
    ("CHROMA_LOG_CONFIG", LOG_LEVEL),
    ("CHROMA_WORKERS", ONE_PROCESS),
    ("CHROMA_SERVER_THREAD_POOL_SIZE", ONE_PROCESS),
    (
        "CHROMA_TIMEOUT_KEEP_ALIVE",
        "Remove it: Chroma 1.x has no such setting; a proxy in front of it may have one.",
    ),
    (
        "CHROMA_SERVER_NOFILE",
        "Remove it: the limit of open files is raised as far as the container allows.",
    ),
    (
        "CHROMA_SERVER_SSL_ENABLED",
        "Put a proxy with TLS in front of Chroma 1.x.",
    ),
    ("CHROMA_MEMORY_LIMIT_BYTES", NO_MEMORY_LIMIT),
    ("CHROMA_SEGMENT_CACHE_POLICY", NO_MEMORY_LIMIT),
    ("ANONYMIZED_TELEMETRY", NO_ANALYTICS),
    ("CHROMA_PRODUCT_TELEMETRY_IMPL", NO_ANALYTICS),
    ("CHROMA_TELEMETRY_IMPL", NO_ANALYTICS),
];

/// Variables that Chroma 0.x ignores.
const OF_RUST: &[(&str, &str)] = &[
    ("CHROMA_PERSIST_PATH", "Set `PERSIST_DIRECTORY`."),
    ("CHROMA_ALLOW_RESET", "Set `ALLOW_RESET`."),
    (
        "CHROMA_CORS_ALLOW_ORIGINS",
        "Set `CHROMA_SERVER_CORS_ALLOW_ORIGINS`.",
    ),
    (
        "CHROMA_MAX_PAYLOAD_SIZE_BYTES",
        "Remove it: Chroma 0.x has no such limit; a proxy in front of it may have one.",
    ),
    (
        "CHROMA_OPEN_TELEMETRY__FILTERS",
        "Set `CHROMA_OTEL_GRANULARITY`.",
    ),
];

/// Variables that 0.4.x ignores: the names of authentication since 0.5.0.
const SINCE_0_5: &[(&str, &str)] = &[
    (
        "CHROMA_SERVER_AUTHN_CREDENTIALS",
        "Set `CHROMA_SERVER_AUTH_CREDENTIALS`; otherwise no credentials are required.",
    ),
    (
        "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE",
        "Set `CHROMA_SERVER_AUTH_CREDENTIALS_FILE`; otherwise no credentials are required.",
    ),
    (
        "CHROMA_SERVER_AUTHN_PROVIDER",
        "Set `CHROMA_SERVER_AUTH_PROVIDER`; otherwise no credentials are required.",
    ),
    (
        "CHROMA_AUTH_TOKEN_TRANSPORT_HEADER",
        "Set `CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER`.",
    ),
];

/// Variables that 0.5.0 and later ignore: the names of authentication in 0.4.x.
const UNTIL_0_4: &[(&str, &str)] = &[
    (
        "CHROMA_SERVER_AUTH_CREDENTIALS",
        "Set `CHROMA_SERVER_AUTHN_CREDENTIALS`; otherwise no credentials are required.",
    ),
    (
        "CHROMA_SERVER_AUTH_CREDENTIALS_FILE",
        "Set `CHROMA_SERVER_AUTHN_CREDENTIALS_FILE`; otherwise no credentials are required.",
    ),
    (
        "CHROMA_SERVER_AUTH_CREDENTIALS_PROVIDER",
        "Remove it: `CHROMA_SERVER_AUTHN_PROVIDER` covers it.",
    ),
    (
        "CHROMA_SERVER_AUTH_PROVIDER",
        "Set `CHROMA_SERVER_AUTHN_PROVIDER`; otherwise no credentials are required.",
    ),
    (
        "CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER",
        "Set `CHROMA_AUTH_TOKEN_TRANSPORT_HEADER`.",
    ),
];
}
mod invalid {
//! A value that cannot be parsed: the variable, the reason, and the hint.
//!
//! Invariant: the text never contains the value of a header; the code that creates an [`Invalid`]
//! ensures this.

use std::fmt;

/// A variable whose value cannot be used.
///
/// `Display` is one line, `` `NAME` what is wrong; hint: what to do ``. It never contains a
/// header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    variable: &'static str,
    what: String,
    hint: String,
}

impl Invalid {
    /// Creates an error from the variable's name, the problem of its value (never a secret), and
    /// the hint.
    pub fn new(variable: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            variable,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// Returns the same error for another variable: the synonym that was set.
    pub(crate) fn of(self, variable: &'static str) -> Self {
        Self { variable, ..self }
    }

    /// Returns the name of the variable, one of [`crate::variable`].
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// Returns the problem, without the variable's name: "is `x`, which has no host".
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns the hint.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "`{}` {}; hint: {}",
            self.variable, self.what, self.hint
        )
    }
}

impl std::error::Error for Invalid {}

/// Variables whose values cannot be used: at least one, and all of them.
///
/// `Display` is one line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSettings(Vec<Invalid>);

impl InvalidSettings {
    /// Returns an error if there is at least one problem.
    pub(crate) fn unless_empty(invalid: Vec<Invalid>) -> Result<(), Self> {
        if invalid.is_empty() {
            Ok(())
        } else {
            Err(Self(invalid))
        }
    }

    /// Returns an iterator over the problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Invalid> {
        self.0.iter()
    }
}

impl From<Invalid> for InvalidSettings {
    fn from(invalid: Invalid) -> Self {
        Self(vec![invalid])
    }
}

impl fmt::Display for InvalidSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.iter().map(Invalid::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for InvalidSettings {}

impl IntoIterator for InvalidSettings {
    type Item = Invalid;
    type IntoIter = std::vec::IntoIter<Invalid>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a InvalidSettings {
    type Item = &'a Invalid;
    type IntoIter = std::slice::Iter<'a, Invalid>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Shortens a value that is not a secret to one line for an error text.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 100;
    let mut text = String::new();
    for character in value.chars().take(LONGEST) {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if value.chars().nth(LONGEST).is_some() {
        text.push('…');
    }
    text
}
}
mod object {
//! A JSON object whose values are strings, in the quotes of JSON or of Python.
//!
//! Invariant: an error contains the position and the expected text, never the actual text.

/// Reason why a text is not such an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The position, counted from 1, and the expected text.
    At(usize, &'static str),
    /// The member of this name has a value that is not a string.
    NotText(String),
}

/// Parses `{"name": "value", …}`, also with `'` for `"`, and returns the pairs in order, including
/// duplicates.
pub(crate) fn pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    let mut reader = Reader::new(text);
    reader.expect('{', "`{`")?;
    let mut pairs = Vec::new();
    if !reader.take('}') {
        loop {
            let name = reader.string("a header name in quotes")?;
            reader.expect(':', "`:`")?;
            if !matches!(reader.peek(), Some('"' | '\'') | None) {
                return Err(Fault::NotText(name));
            }
            pairs.push((name, reader.string("a value in quotes")?));
            if reader.take('}') {
                break;
            }
            reader.expect(',', "`,` or `}`")?;
        }
    }
    reader.end()?;
    Ok(pairs)
}

/// Parses exactly one JSON string, including the quotes.
pub(crate) fn string(text: &str) -> Option<String> {
    let mut reader = Reader::new(text);
    let string = reader.string("a string").ok()?;
    reader.end().ok()?;
    Some(string)
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    /// Number of characters that have been read.
    read: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.chars(),
            read: 0,
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.next();
        self.read += usize::from(next.is_some());
        next
    }

    /// Returns the next character that is not white space, without reading it.
    fn peek(&mut self) -> Option<char> {
        loop {
            match self.rest.clone().next() {
                Some(' ' | '\t' | '\r' | '\n') => self.next(),
                other => return other,
            };
        }
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, wanted: char, what: &'static str) -> Result<(), Fault> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.fault(what))
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("nothing after the closing `}`")),
        }
    }

    /// Returns the problem of the next character.
    fn fault(&self, what: &'static str) -> Fault {
        Fault::At(self.read + 1, what)
    }

    fn string(&mut self, what: &'static str) -> Result<String, Fault> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            return Err(self.fault(what));
        };
        self.next();
        let mut string = String::new();
        loop {
            let unclosed = self.fault("the closing quote");
            match self.next().ok_or(unclosed)? {
                end if end == quote => return Ok(string),
                '\\' => string.push(self.escape()?),
                other => string.push(other),
            }
        }
    }

    /// Parses the rest of an escape: a character for itself, a letter, or a number.
    fn escape(&mut self) -> Result<char, Fault> {
        let fault = self.fault("an escape of JSON after `\\`");
        Ok(match self.next() {
            Some(same @ ('"' | '\'' | '\\' | '/')) => same,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => self.code_point()?,
            _ => return Err(fault),
        })
    }

    /// Parses four hexadecimal digits, or twice four for a surrogate pair.
    fn code_point(&mut self) -> Result<char, Fault> {
        let fault = self.fault("the four hexadecimal digits of a character");
        let first = self.code_unit()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) && self.rest.as_str().starts_with("\\u") {
            self.next();
            self.next();
            units.push(self.code_unit()?);
        }
        match *String::from_utf16(&units)
            .unwrap_or_default()
            .chars()
            .collect::<Vec<_>>()
        {
            [character] => Ok(character),
            _ => Err(fault),
        }
    }

    fn code_unit(&mut self) -> Result<u16, Fault> {
        let fault = self.fault("the four hexadecimal digits of a character");
        let digits: Option<u32> =
            (0..4).try_fold(0, |unit, _| Some(unit * 16 + self.next()?.to_digit(16)?));
        digits
            .and_then(|unit| u16::try_from(unit).ok())
            .ok_or(fault)
    }
}
}
mod reading {
//! One reading of the variables, with their problems and the ignored variables.
//!
//! Invariant: of several synonyms, the first that is set is used. Another that is set to a
//! different value is noted, by its name and never by its value.

use crate::{Ignored, Invalid, variable};
use std::str::FromStr;

/// The variables, and the notes made while reading them.
pub(crate) struct Reading<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) invalid: Vec<Invalid>,
    pub(crate) ignored: Vec<Ignored>,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            get,
            invalid: Vec::new(),
            ignored: Vec::new(),
        }
    }

    /// Returns the value, unless it is blank.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = (self.get)(name)?;
        variable::given(&value)?;
        Some(value)
    }

    /// Returns true if it is set and not blank.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Returns the first of these that is set and not blank.
    pub(crate) fn first_given(&self, names: &[&'static str]) -> Option<&'static str> {
        names.iter().copied().find(|name| self.is_given(name))
    }

    /// Returns the value of the first variable that is set, with its name. Another that is set to a
    /// different value is noted; a value that cannot be parsed is an error.
    pub(crate) fn first<T>(&mut self, names: &[&'static str]) -> Option<(T, &'static str)>
    where
        T: FromStr<Err = Invalid> + PartialEq,
    {
        let decisive = self.first_given(names)?;
        let value: T = match self.text(decisive)?.parse() {
            Ok(value) => value,
            Err(invalid) => {
                let invalid: Invalid = invalid;
                self.invalid.push(invalid.of(decisive));
                return None;
            }
        };
        let differs = |name: &&&'static str| {
            let other = self.text(name).map(|text| text.parse::<T>());
            other.is_some_and(|other| other.as_ref() != Ok(&value))
        };
        let others: Vec<_> = names.iter().filter(differs).copied().collect();
        let why = format!("`{decisive}` has another value, and overrides it");
        self.ignore(&others, why, "set only one of them");
        Some((value, decisive))
    }

    /// Notes that these variables have no effect, if there are any.
    pub(crate) fn ignore(
        &mut self,
        variables: &[&str],
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if !variables.is_empty() {
            self.ignored.push(Ignored::new(variables, why, hint));
        }
    }
}
}
mod server {
//! Translation of the four variables for each Chroma server.
//!
//! Invariant: no variable is ever set to an empty value, and none is set if tracing is off.

use crate::{
    ChromaVersion, Endpoint, Invalid, Protocol, Server, Settings, spans::rust_log, variable,
};
use std::collections::BTreeMap;

/// Returns the variables to set in the environment of a Chroma server: names and values, never an
/// empty value. Empty if tracing is off or this version does not support tracing
/// ([`ChromaVersion::traces`]).
///
/// - 0.x receives the four variables in the only form that it reads. Measured on 0.6.3, which does
///   not start with headers that are not JSON or with a granularity in capitals.
/// - 1.x receives `CHROMA_OPEN_TELEMETRY__ENDPOINT` and `…__SERVICE_NAME`, the headers as
///   `OTEL_EXPORTER_OTLP_HEADERS`, and the granularity as `RUST_LOG` ([`rust_log`]; if the operator
///   has set one, replace it by `rust_log(theirs, …)`). It reads the first two only if it is
///   started with a configuration file.
///
/// The values of the headers are included and secret.
///
/// # Errors
/// An endpoint that this server cannot reach: no version supports OTLP over HTTP, and 1.x has no
/// TLS (it would send the key in plain text; measured on 1.0.0, 1.0.20 and 1.5.9). Both need a
/// collector in between.
pub fn server_environment(
    settings: &Settings,
    version: ChromaVersion,
) -> Result<BTreeMap<&'static str, String>, Invalid> {
    let Some(endpoint) = settings.endpoint.as_ref() else {
        return Ok(BTreeMap::new());
    };
    if !settings.enabled() || !version.traces() {
        return Ok(BTreeMap::new());
    }
    reachable(settings, endpoint, version)?;
    Ok(match version.server() {
        Server::Python => python_environment(settings, endpoint),
        Server::Rust => rust_environment(settings, endpoint, version),
    })
}

/// Rejects endpoints on which the server would fail, or to which it would send in plain text.
fn reachable(
    settings: &Settings,
    endpoint: &Endpoint,
    version: ChromaVersion,
) -> Result<(), Invalid> {
    let refused = |why: &str| {
        Err(Invalid::new(
            settings.endpoint_variable,
            format!("is {}, and Chroma {version} {why}", endpoint.shown()),
            "send to an OpenTelemetry Collector over plain gRPC, such as \
             `http://otel-collector:4317`, and from there on",
        ))
    };
    if endpoint.protocol() == Protocol::Http {
        refused("speaks OTLP over gRPC only")
    } else if endpoint.is_tls() && version.server() == Server::Rust {
        refused("has no TLS: it would send everything in plain text, including the headers")
    } else {
        Ok(())
    }
}

fn python_environment(settings: &Settings, endpoint: &Endpoint) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        (variable::ENDPOINT, endpoint.to_string()),
        (variable::SERVICE_NAME, settings.server_name().to_owned()),
        (variable::GRANULARITY, settings.granularity.to_string()),
    ]);
    if !settings.headers.is_empty() {
        environment.insert(variable::HEADERS, settings.headers.to_json());
    }
    environment
}

fn rust_environment(
    settings: &Settings,
    endpoint: &Endpoint,
    version: ChromaVersion,
) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        (variable::RUST_ENDPOINT, endpoint.to_string()),
        (variable::RUST_SERVICE_NAME, quoted(settings.server_name())),
    ]);
    if !settings.headers.is_empty() {
        environment.insert(variable::OTLP_HEADERS, settings.headers.to_otlp());
    }
    if let Some(filter) = rust_log(None, settings.granularity, version) {
        environment.insert(variable::RUST_LOG, filter);
    }
    environment
}

/// Writes the name in the quotes of TOML, which Chroma 1.x removes: without them `123` stops it
/// ("found unsigned int"). Measured on 1.0.0, 1.0.20 and 1.5.9: names such as `123`, `true`, `[a]`,
/// `{a}`, `a"b`, `a\nb` with a backslash, `a=b`, `a,b`, `$x ${y}`, `#x` and emoji arrive unchanged.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
}
mod settings {
//! The four variables and their synonyms, read together.
//!
//! Invariant: blank is the same as not set, and all problems are reported at once.

use crate::{
    Endpoint, Granularity, Headers, Ignored, Invalid, InvalidSettings, destination::Destination,
    headers::percent_decoded, invalid::shown, reading::Reading, switch, variable,
};
use std::str::FromStr;

/// The values of the four variables.
///
/// ```
/// use chroma_otel_init::{Granularity, Settings};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Settings::new("otel-collector:4317".parse()?)
///     .with_service_name("search")
///     .with_granularity(Granularity::All);
/// assert!(settings.enabled());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Endpoint of the traces; `None` disables tracing.
    pub endpoint: Option<Endpoint>,
    /// Service name of the spans; never blank, never with control characters if it was parsed from
    /// text. `None` selects the default of OpenTelemetry's SDK, or Chroma's default on a server
    /// ([`Settings::server_name`]).
    pub service_name: Option<String>,
    /// Headers of every export.
    pub headers: Headers,
    /// Level of detail. The default is `operation` with an endpoint, because setting one requests
    /// traces, and `none` without.
    pub granularity: Granularity,
    /// The variable that set the endpoint.
    pub(crate) endpoint_variable: &'static str,
    ignored: Vec<Ignored>,
}

impl Default for Settings {
    /// No variable set: tracing is off.
    fn default() -> Self {
        Self {
            endpoint: None,
            service_name: None,
            headers: Headers::default(),
            granularity: Granularity::None,
            endpoint_variable: variable::ENDPOINT,
            ignored: Vec::new(),
        }
    }
}

impl Settings {
    /// Creates settings with granularity `operation` for this endpoint, without headers.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint: Some(endpoint),
            granularity: Granularity::Operation,
            ..Self::default()
        }
    }

    /// Returns the settings with this service name.
    #[must_use]
    pub fn with_service_name(self, name: impl Into<String>) -> Self {
        let service_name = Some(name.into());
        Self {
            service_name,
            ..self
        }
    }

    /// Returns the settings with these headers.
    #[must_use]
    pub fn with_headers(self, headers: Headers) -> Self {
        Self { headers, ..self }
    }

    /// Returns the settings with this granularity.
    #[must_use]
    pub fn with_granularity(self, granularity: Granularity) -> Self {
        Self {
            granularity,
            ..self
        }
    }

    /// Reads the variables from the environment of this process, as [`Settings::read`] does, and
    /// also notes the names that [`crate::misnamed_variable`] knows.
    ///
    /// # Errors
    /// Returns every value that cannot be parsed, with its variable and a hint.
    pub fn from_env() -> Result<Self, InvalidSettings> {
        // Invalid UTF-8 becomes U+FFFD, which all four variables reject.
        let mut settings = Self::read(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })?;
        let names = std::env::vars_os().map(|(name, _)| name);
        let misnamed = names.filter_map(|name| Ignored::misnamed(name.to_str()?));
        settings.ignored.extend(misnamed);
        Ok(settings)
    }

    /// Reads the four variables with `get`.
    ///
    /// - `CHROMA_OPEN_TELEMETRY__ENDPOINT` and `…__SERVICE_NAME` are synonyms. With that endpoint,
    ///   `OTEL_EXPORTER_OTLP_HEADERS` is also read, unless an endpoint of OpenTelemetry
    ///   ([`variable::OTLP_ENDPOINTS`]) is set, to which the headers belong. The four variables
    ///   override their synonyms.
    /// - Without a service name of Chroma, `OTEL_SERVICE_NAME` applies, then `service.name` in
    ///   `OTEL_RESOURCE_ATTRIBUTES`.
    /// - Variables that are set and have no effect are in [`Settings::ignored`].
    ///
    /// # Errors
    /// Returns every value that cannot be parsed, with its variable and a hint.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidSettings> {
        let mut reading = Reading::new(&get);
        let Destination { endpoint, headers } = Destination::read(&mut reading);
        let granularity = reading.first(&[variable::GRANULARITY]);
        let service_name = service_name(&mut reading);
        if endpoint.is_some() {
            switch::note_unknown_exporter(&mut reading);
        }
        InvalidSettings::unless_empty(reading.invalid)?;
        let unset = if endpoint.is_some() {
            Granularity::Operation
        } else {
            Granularity::None
        };
        let (endpoint, endpoint_variable) = endpoint.unzip();
        Ok(Self {
            endpoint,
            service_name,
            headers,
            granularity: granularity.map_or(unset, |(granularity, _)| granularity),
            endpoint_variable: endpoint_variable.unwrap_or(variable::ENDPOINT),
            ignored: reading.ignored,
        })
    }

    /// Returns the variables that were set and have no effect. `init_with` and `layer` report them
    /// as warnings.
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// Moves [`Settings::ignored`] out, for a program that reports them itself.
    pub fn take_ignored(&mut self) -> Vec<Ignored> {
        std::mem::take(&mut self.ignored)
    }

    /// Returns the service name of a Chroma server: the configured one, or Chroma's default.
    pub fn server_name(&self) -> &str {
        let name = self.service_name.as_deref();
        name.unwrap_or(variable::DEFAULT_SERVICE_NAME)
    }

    /// Returns true if tracing is on: there is an endpoint, and the granularity is not `none`.
    pub fn enabled(&self) -> bool {
        self.endpoint.is_some() && self.granularity != Granularity::None
    }
}

/// Returns Chroma's service name, or OpenTelemetry's.
fn service_name(reading: &mut Reading<'_>) -> Option<String> {
    let of_chroma = [variable::SERVICE_NAME, variable::RUST_SERVICE_NAME];
    let name = reading.first(&of_chroma);
    if reading.first_given(&of_chroma).is_some() {
        return name.map(|(ServiceName(name), _)| name);
    }
    let name = reading.first(&[variable::OTEL_SERVICE_NAME]);
    if let Some((ServiceName(name), _)) = name {
        return Some(name);
    }
    let attributes = reading.text(variable::OTEL_RESOURCE_ATTRIBUTES)?;
    let mut pairs = attributes
        .split(',')
        .filter_map(|pair| pair.split_once('='));
    let (_, name) = pairs.find(|(name, _)| name.trim() == "service.name")?;
    let name = percent_decoded(name).unwrap_or_default();
    name.parse().ok().map(|ServiceName(name)| name)
}

/// A service name as written: not blank, without control characters.
#[derive(PartialEq)]
struct ServiceName(String);

impl FromStr for ServiceName {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        const LONGEST: usize = 255;
        let name = variable::given(value).unwrap_or_default();
        let refused = |why: &str, hint: &str| {
            Err(Invalid::new(
                variable::SERVICE_NAME,
                format!("is `{}`, which {why}", shown(name)),
                hint,
            ))
        };
        if name.is_empty() {
            return refused("is blank", "write a name, or unset it");
        }
        if name.chars().any(char::is_control) {
            return refused("has a control character", "write it on one line");
        }
        if name.contains('\u{fffd}') {
            return refused("is not UTF-8", "write it in UTF-8");
        }
        if name.len() > LONGEST {
            return refused("is longer than 255 bytes", "use a shorter name");
        }
        Ok(Self(name.to_owned()))
    }
}
}
mod spans {
//! The granularity on Chroma 1.x, which has none: a filter of spans by crate and level.
//!
//! Invariant: a directive for logs never drops a span of the granularity, and no directive admits
//! the spans of the exporter's HTTP/2: exporting them would create more of them.

use crate::{ChromaVersion, Granularity, Server, variable};
use std::fmt;

/// Returns the `RUST_LOG` for the server, from the operator's own value (`user`) and a granularity.
///
/// Chroma 1.x has one filter for logs and spans. It is `RUST_LOG`, or by default a built-in filter
/// that admits all of Chroma's spans (except the requests on 1.2.2).
/// `CHROMA_OPEN_TELEMETRY__FILTERS`, which 1.0.0 does not have, only changes the built-in filter.
/// Therefore the granularity is set in `RUST_LOG`:
///
/// - The operator's directives are kept, except those that would drop spans of the granularity
///   (`chroma_tracing=error`) or admit those of the exporter's HTTP/2 (`h2=trace`, which never
///   ends: 1,160 spans in 3 s without a request).
/// - A more verbose directive is also kept, and adds its spans: `RUST_LOG=debug` with `operation`
///   creates the spans of `all`.
/// - Without directives, the logs are Chroma's warnings with `operation`, its infos with
///   `operation_and_segment`, and with `all` all of Chroma's logs, as by default.
///
/// With [`Granularity::None`], and on 0.x, which does not read the variable, the operator's own
/// value is returned. A blank value counts as unset; the result is never blank.
pub fn rust_log(
    user: Option<&str>,
    granularity: Granularity,
    version: ChromaVersion,
) -> Option<String> {
    let user = user.and_then(variable::given);
    if version.server() == Server::Python || granularity == Granularity::None {
        return user.map(str::to_owned);
    }
    let granularity = match granularity {
        Granularity::OperationAndSegment if version < ChromaVersion::FILTERS_BY_CRATE => {
            Granularity::All
        }
        other => other,
    };
    let mut needs = needs(granularity).to_vec();
    let mut logs = LOGS.to_owned();
    if version >= ChromaVersion::FRONTEND_CORE {
        logs += ",frontend_core=warn";
        needs.extend(moved(&needs));
    }
    Some(merged(user.unwrap_or(&logs), &needs))
}

/// The crate to which part of `chroma_frontend` moves in the release after 1.5.9. Its name does not
/// begin with `chroma`, and it needs the same levels as Chroma's crates.
fn moved(needs: &[Directive<'static>]) -> Option<Directive<'static>> {
    let of_all = needs.iter().find(|need| need.target == "chroma")?;
    Some(Directive {
        target: "frontend_core",
        ..*of_all
    })
}

/// Returns the operator's directives, in which the needs replace conflicting ones.
fn merged(wishes: &str, needs: &[Directive]) -> String {
    let wishes: Vec<_> = wishes
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| (text, Directive::read(text)))
        .collect();
    let exporter = covers_exporter(&wishes).then(|| Directive {
        level: HTTP2.level.min(wished(&wishes, HTTP2.target)),
        ..HTTP2
    });
    let spans = needs.iter().map(|need| Directive {
        level: need.level.max(wished(&wishes, need.target)),
        ..*need
    });
    let needs: Vec<_> = exporter.into_iter().chain(spans).collect();
    let kept = wishes
        .iter()
        .filter(|(text, wish)| match wish {
            Some(wish) => !traces_exporter(*wish) && !is_against(*wish, &needs),
            // A bracket that is never closed: the server's interpretation is unknown.
            None => !text.contains('['),
        })
        .map(|(text, _)| (*text).to_owned());
    let filter: Vec<_> = kept.chain(needs.iter().map(Directive::to_string)).collect();
    filter.join(",")
}

/// Returns true if it admits spans of the exporter, or of one of its modules.
fn traces_exporter(wish: Directive) -> bool {
    wish.target.starts_with(HTTP2.target) && wish.level > HTTP2.level
}

/// Returns true if the directives for other targets admit spans of the exporter: by their level, or
/// by a field, which admits every span.
fn covers_exporter(wishes: &[(&str, Option<Directive>)]) -> bool {
    let by_field = |(text, wish): &(&str, Option<Directive>)| {
        let wish = wish.filter(|wish| HTTP2.target.starts_with(wish.target));
        text.contains("[{") && wish.is_some_and(|wish| wish.level > HTTP2.level)
    };
    wished(wishes, HTTP2.target) > HTTP2.level || wishes.iter().any(by_field)
}

/// Default logs if the operator has no directives; the spans are added to them.
const LOGS: &str = "error,opentelemetry_sdk=info,chroma=warn";

/// The exporter's HTTP/2 has its spans at trace level. Of the crates below Chroma's exporter it is
/// the only one with spans (read in h2 0.4, hyper 1, hyper-util 0.1, tonic 0.14, tower 0.5).
const HTTP2: Directive = Directive {
    target: "h2",
    by_field: false,
    level: Level::Debug,
};

/// Returns the targets and levels that the spans of a granularity need.
///
/// Spans measured with one workload (the Python client's start, heartbeat, get-or-create
/// collection, add 20, query, get, delete, count) against an OTLP sink:
///
/// | Chroma | `operation` | `operation_and_segment` | `all` |
/// |---|---|---|---|
/// | 1.1.1, 1.2.2, 1.3.7, 1.4.1, 1.5.9 | 11 | 17 | 21 |
/// | 1.0.17, 1.0.20 | 11 | 17 | 21 |
/// | 1.0.13 | 11 | 16 | 20 |
/// | 1.0.4, 1.0.9 | 16 | 22 | 22 |
/// | 1.0.0 | 11 | 17 | 17 |
/// | 0.6.3, by its own granularity | 69 | 82 | 267 |
///
/// The 11 are the requests. The next 6 are `collection_add`, `push_logs` (2) and `read` (3); the
/// last 4 are the reading of the requests' JSON. Up to 1.0.12 there are messages between components
/// (6) instead of the latter. `none` has 0 on each.
fn needs(granularity: Granularity) -> &'static [Directive<'static>] {
    const fn need(target: &'static str, level: Level) -> Directive<'static> {
        Directive {
            target,
            by_field: false,
            level,
        }
    }
    const REQUESTS: Directive = need("chroma_tracing", Level::Debug);
    // Target of the requests in the first versions of 1.0.
    const FORMER_REQUESTS: Directive = need("chroma_frontend::tower_tracing", Level::Debug);
    match granularity {
        Granularity::None => &[],
        Granularity::Operation => &[REQUESTS, FORMER_REQUESTS],
        Granularity::OperationAndSegment => {
            const { &[need("chroma", Level::Info), REQUESTS, FORMER_REQUESTS] }
        }
        Granularity::All => const { &[need("chroma", Level::Trace)] },
    }
}

/// The levels of `tracing`, from nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Level {
    const NAMES: [(Self, &'static str); 6] = [
        (Self::Off, "off"),
        (Self::Error, "error"),
        (Self::Warn, "warn"),
        (Self::Info, "info"),
        (Self::Debug, "debug"),
        (Self::Trace, "trace"),
    ];

    /// Parses a name in any case, or its number from 0 to 5.
    fn read(text: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .enumerate()
            .find(|(number, (_, name))| {
                text.eq_ignore_ascii_case(name) || text == number.to_string()
            })
            .map(|(_, (level, _))| *level)
    }
}

/// A directive: admits all targets that start with this one, up to the level. As in
/// tracing-subscriber, the longest such target applies; among equal ones, that with a field; and
/// among those, the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directive<'a> {
    target: &'a str,
    /// True if only events with a certain field match. Spans match with any fields.
    by_field: bool,
    level: Level,
}

impl<'a> Directive<'a> {
    /// Parses `level`, `target`, `target=level`, and `target[span{field}]=level` as if it had only
    /// a field: with the name of a span, or the value of a field, it only adds to the others.
    fn read(text: &'a str) -> Option<Self> {
        let (target, level, by_field) = match text.split_once('[') {
            Some((target, rest)) => match rest.rsplit_once(']')?.1 {
                "" => (target, None, true),
                level => (target, Some(level.strip_prefix('=')?), true),
            },
            None => match text.split_once('=') {
                Some((target, level)) => (target, Some(level), false),
                None if Level::read(text).is_some() => ("", Some(text), false),
                None => (text, None, false),
            },
        };
        let level = level.map_or(Some(Level::Trace), Level::read)?;
        Some(Self {
            target,
            by_field,
            level,
        })
    }

    fn covers(&self, target: &str) -> bool {
        target.starts_with(self.target)
    }
}

impl fmt::Display for Directive<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, name) = Level::NAMES[self.level as usize];
        write!(formatter, "{}={name}", self.target)
    }
}

/// Returns the level that the operator's directives set for all spans and events of a target.
fn wished(wishes: &[(&str, Option<Directive>)], target: &str) -> Level {
    wishes
        .iter()
        .filter_map(|(_, wish)| *wish)
        .filter(|wish| wish.covers(target) && !wish.by_field)
        .max_by_key(|wish| wish.target.len())
        .map_or(Level::Off, |wish| wish.level)
}

/// Returns true if one of the needs replaces it: for the same target, or if it would drop spans of
/// a need (or admit those of HTTP/2).
fn is_against(wish: Directive, needs: &[Directive]) -> bool {
    needs
        .iter()
        .filter(|need| need.covers(wish.target))
        .max_by_key(|need| need.target.len())
        .is_some_and(|need| {
            let wrong = if need.target == HTTP2.target {
                wish.level > need.level
            } else {
                wish.level < need.level
            };
            wrong || (need.target == wish.target && !wish.by_field)
        })
}
}
mod switch {
//! OpenTelemetry's own variables that disable tracing.
//!
//! Invariant: only the values that the specification names disable tracing.

use crate::{reading::Reading, variable};

/// Returns the variable of OpenTelemetry that disables tracing, if there is one.
///
/// `OTEL_SDK_DISABLED=true` and `OTEL_TRACES_EXPORTER=none`, in any case (OpenTelemetry
/// specification, `sdk-environment-variables.md`). Neither the Rust SDK nor Chroma 1.x reads them.
pub fn switched_off(get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let reading = Reading::new(&get);
    let disabled = words(&reading, variable::OTEL_SDK_DISABLED) == ["true"];
    let no_exporter = words(&reading, variable::OTEL_TRACES_EXPORTER);
    if disabled {
        Some(variable::OTEL_SDK_DISABLED)
    } else if !no_exporter.is_empty() && no_exporter.iter().all(|word| word == "none") {
        Some(variable::OTEL_TRACES_EXPORTER)
    } else {
        None
    }
}

/// Notes an unsupported exporter: only OTLP is supported.
pub(crate) fn note_unknown_exporter(reading: &mut Reading<'_>) {
    let words = words(reading, variable::OTEL_TRACES_EXPORTER);
    if words
        .iter()
        .any(|word| !["otlp", "none"].contains(&word.as_str()))
    {
        reading.ignore(
            &[variable::OTEL_TRACES_EXPORTER],
            "it names an exporter other than `otlp` and `none`",
            "unset it, or use one of the two",
        );
    }
}

/// Returns the words of a list, in lower case.
fn words(reading: &Reading<'_>, name: &str) -> Vec<String> {
    let text = reading.text(name).unwrap_or_default().to_ascii_lowercase();
    let words = variable::given(&text).unwrap_or_default().split(',');
    let words = words.map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
}
pub mod variable {
//! The names: the four variables of the contract, and those that Chroma's servers read.
//!
//! Invariant: generator, entrypoint and templates take every name from this file.

/// Endpoint of the traces: a URL, or `host`, `host:port`.
pub const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
/// The `service.name` of the spans.
pub const SERVICE_NAME: &str = "CHROMA_OTEL_SERVICE_NAME";
/// Headers of every export; usually the key of a tracing backend. Secret.
pub const HEADERS: &str = "CHROMA_OTEL_COLLECTION_HEADERS";
/// Level of detail: `none`, `operation`, `operation_and_segment` or `all`.
pub const GRANULARITY: &str = "CHROMA_OTEL_GRANULARITY";
/// The version of Chroma in the image, set by the rendered Dockerfile.
pub const CHROMA_VERSION: &str = "CHROMA_VERSION";

/// The endpoint that the server of Chroma 1.x reads, and that Chroma's documentation names since
/// 1.0.0. Read as a synonym of [`ENDPOINT`].
pub const RUST_ENDPOINT: &str = "CHROMA_OPEN_TELEMETRY__ENDPOINT";
/// The service name that the server of Chroma 1.x reads. Read as a synonym of [`SERVICE_NAME`].
pub const RUST_SERVICE_NAME: &str = "CHROMA_OPEN_TELEMETRY__SERVICE_NAME";
/// The filter of logs and spans that Chroma 1.x reads; it replaces the granularity.
pub const RUST_LOG: &str = "RUST_LOG";
/// The headers that the OTLP exporter in Chroma 1.x reads. A synonym of [`HEADERS`] only with
/// [`RUST_ENDPOINT`], and only if none of [`OTLP_ENDPOINTS`] is set, to which they would belong.
pub const OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// Headers for traces only, which replace [`OTLP_HEADERS`] in OpenTelemetry's exporters.
pub const OTLP_TRACES_HEADERS: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
/// Headers for metrics only; Chroma 1.x also sends metrics.
pub const OTLP_METRICS_HEADERS: &str = "OTEL_EXPORTER_OTLP_METRICS_HEADERS";
/// The endpoint for metrics only.
pub const OTLP_METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
/// The endpoint of OpenTelemetry's own exporters.
pub const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The endpoint for traces only.
pub const OTLP_TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// The endpoints of OpenTelemetry's own exporters.
pub const OTLP_ENDPOINTS: &[&str] = &[
    OTLP_ENDPOINT,
    OTLP_TRACES_ENDPOINT,
    OTLP_METRICS_ENDPOINT,
    "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
];
/// Variables of OpenTelemetry's exporters that override other endpoints and headers. Remove them
/// from the environment of a Chroma server; otherwise its traces are sent to another endpoint, or
/// another backend's key is sent to its endpoint (measured on 1.0.20 and 1.5.9).
pub const OVERRIDING: &[&str] = &[
    OTLP_ENDPOINT,
    OTLP_TRACES_ENDPOINT,
    OTLP_HEADERS,
    OTLP_TRACES_HEADERS,
];

/// OpenTelemetry's service name: applies if no variable of Chroma sets one.
pub const OTEL_SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// OpenTelemetry's resource attributes; their `service.name` applies if no other variable sets one.
pub const OTEL_RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// `true` disables OpenTelemetry.
pub const OTEL_SDK_DISABLED: &str = "OTEL_SDK_DISABLED";
/// `none` disables traces.
pub const OTEL_TRACES_EXPORTER: &str = "OTEL_TRACES_EXPORTER";

/// Default service name of a Chroma server; Chroma's own default on every version.
pub const DEFAULT_SERVICE_NAME: &str = "chromadb";

/// One of the four variables, for documentation and for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// Its name in every deployment.
    pub name: &'static str,
    /// Description of the accepted values.
    pub format: &'static str,
    /// Description of the default.
    pub default: &'static str,
    /// The variable of the Python server (up to 0.6.3), and its exact form.
    pub python_server: &'static str,
    /// The variable of the Rust server (from 1.0.0), and its exact form.
    pub rust_server: &'static str,
    /// True if its value is secret.
    pub secret: bool,
}

/// The four variables, in the order of documentation.
pub const TABLE: &[Variable] = &[
    Variable {
        name: ENDPOINT,
        format: "`http://host:4317` or `https://host:443` for OTLP over gRPC, a URL with a path \
                 such as `https://host/v1/traces` for OTLP over HTTP; scheme and port may be left out",
        default: "tracing is off",
        python_server: "`CHROMA_OTEL_COLLECTION_ENDPOINT`, a gRPC URL",
        rust_server: "`CHROMA_OPEN_TELEMETRY__ENDPOINT`, a gRPC URL without TLS",
        secret: false,
    },
    Variable {
        name: SERVICE_NAME,
        format: "any text without control characters",
        default: "`chromadb`",
        python_server: "`CHROMA_OTEL_SERVICE_NAME`",
        rust_server: "`CHROMA_OPEN_TELEMETRY__SERVICE_NAME`, in quotes",
        secret: false,
    },
    Variable {
        name: HEADERS,
        format: "a JSON object of strings, or `name=value,name2=value2` with `%2C` for a comma",
        default: "no headers",
        python_server: "`CHROMA_OTEL_COLLECTION_HEADERS`, a JSON object",
        rust_server: "`OTEL_EXPORTER_OTLP_HEADERS`, `name=value` pairs, percent-encoded",
        secret: true,
    },
    Variable {
        name: GRANULARITY,
        format: "`none`, `operation`, `operation_and_segment` or `all`, in any case",
        default: "`operation` if an endpoint is set, else `none`",
        python_server: "`CHROMA_OTEL_GRANULARITY`, lower case",
        rust_server: "`RUST_LOG`, a list of crates and levels",
        secret: false,
    },
];

/// Returns the value without white space and one pair of quotes around it, which shell and env
/// files leave behind. `None` if nothing remains: blank is the same as not set.
///
/// Quotes of two values, `'a','b'`, are not a pair: a quote is removed only if it does not also
/// occur inside.
pub fn given(value: &str) -> Option<&str> {
    let value = value.trim();
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| {
            let inner = value.strip_prefix(quote)?.strip_suffix(quote)?;
            (!inner.contains(quote)).then_some(inner)
        })
        .map_or(value, str::trim);
    (!inner.is_empty()).then_some(inner)
}

/// Returns true if an environment variable can have this name in every shell and in Compose.
pub fn is_name(name: &str) -> bool {
    let characters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && !name.starts_with(|character: char| character.is_ascii_digit())
        && name.bytes().all(characters)
}
}
mod version {
//! The versions of Chroma, and the differences between their deployments.
//!
//! Invariant: ranges apply, not a list of releases: some versions exist only as images, others only
//! as Python packages. A version outside the tested ones is treated as the nearest.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// A version of Chroma. Parses `1.5.9` and `v1.5.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ChromaVersion {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

/// The two servers that Chroma has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// Up to 0.6.3: reads the four variables from 0.4.15.
    Python,
    /// From 1.0.0: reads other variables, supports only OTLP over gRPC without TLS.
    Rust,
}

impl ChromaVersion {
    /// The oldest version that this crate supports.
    pub const OLDEST: Self = Self::new(0, 4, 0);
    /// The newest tested release. In the repository, `.ci/regenerate` copies it from `versions.env`,
    /// which the published crate does not contain.
    pub const NEWEST: Self = Self::new(1, 5, 9);
    /// The file in the data directory that names the release that last opened the data. It is not
    /// hidden, so that `*` copies and deletes it with the data.
    pub const FILE: &str = "chroma-version";
    /// The first version of each range: within a range all deployments are the same.
    pub const RANGES: &[Self] = &[
        Self::OLDEST,
        Self::TRACED,
        Self::IMAGE_SCRIPT,
        Self::V0_5,
        Self::API_V2,
        Self::V1,
        Self::FILTERS_BY_CRATE,
    ];

    /// The first version with OpenTelemetry: `CHROMA_OTEL_*` are in `chromadb/config.py` of its
    /// wheel, not in that of 0.4.14.
    const TRACED: Self = Self::new(0, 4, 15);
    /// The first version whose image starts with a script that forwards signals.
    const IMAGE_SCRIPT: Self = Self::new(0, 4, 23);
    /// The first version with the settings of 0.5.
    pub(crate) const V0_5: Self = Self::new(0, 5, 0);
    /// The first version whose server has `/api/v2` (seen in the wheels of 0.5.15 and 0.5.16).
    const API_V2: Self = Self::new(0, 5, 16);
    /// The first version with the server in Rust.
    const V1: Self = Self::new(1, 0, 0);
    /// The first version that filters spans by crate; earlier ones apply the most verbose filter
    /// to all of Chroma's crates.
    pub(crate) const FILTERS_BY_CRATE: Self = Self::new(1, 0, 13);
    /// The first version in which part of the crate `chroma_frontend` is the crate `frontend_core`.
    pub(crate) const FRONTEND_CORE: Self = Self::new(1, 5, 10);

    /// Creates a version from its three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Returns the server of this version.
    pub fn server(self) -> Server {
        if self < Self::V1 {
            Server::Python
        } else {
            Server::Rust
        }
    }

    /// Returns true if it supports tracing.
    pub fn traces(self) -> bool {
        self >= Self::TRACED
    }

    /// Returns the data directory of the published image, on which to mount the volume.
    ///
    /// On 1.x it is set in the image's `/config.yaml`: another configuration file must repeat it.
    pub fn data_directory(self) -> &'static str {
        match self.server() {
            Server::Python => "/chroma/chroma",
            Server::Rust => "/data",
        }
    }

    /// Returns the path that answers 200 when the server is ready.
    ///
    /// `/api/v2/healthcheck` also checks the executor and the log (measured on 1.0.0 and 1.5.9).
    pub fn health_path(self) -> &'static str {
        match self.server() {
            Server::Python if self < Self::API_V2 => "/api/v1/heartbeat",
            Server::Python => "/api/v2/heartbeat",
            Server::Rust => "/api/v2/healthcheck",
        }
    }

    /// Returns the command of the published image: entrypoint, and the arguments that a deployment
    /// may replace. An image derived with another entrypoint must repeat both: setting one resets
    /// the other.
    ///
    /// Read in the Dockerfiles of the source distributions 0.4.0, 0.4.14, 0.4.15, 0.4.17 to 0.4.24,
    /// 0.5.0, 0.5.5, 0.5.16, 0.5.23 and 0.6.3, and for 1.x in `rust/Dockerfile` of 2026 (`dumb-init
    /// -- chroma`; a derived image chooses its supervisor). Not seen: the images themselves, and
    /// the Dockerfiles of the first versions of 1.0.
    ///
    /// The script of 0.4.0 to 0.4.22 rebuilds a library at every start, with a network and as root,
    /// and does not forward signals: the server is started without it.
    pub fn command(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self.server() {
            Server::Python if self < Self::IMAGE_SCRIPT => (&["uvicorn"], UVICORN_ARGUMENTS),
            Server::Python => (&["/docker_entrypoint.sh"], &[PYTHON_ARGUMENTS]),
            Server::Rust => (&["chroma"], &["run", "/config.yaml"]),
        }
    }
}

/// Arguments that the script of 0.4.0 to 0.4.22 passes on.
const UVICORN_ARGUMENTS: &[&str] = &[
    "chromadb.app:app",
    "--workers",
    "1",
    "--host",
    "0.0.0.0",
    "--port",
    "8000",
    "--proxy-headers",
];

/// One word, which the script expands: the image's `ENV` sets the values.
const PYTHON_ARGUMENTS: &str = "--workers ${CHROMA_WORKERS} --host ${CHROMA_HOST_ADDR} \
    --port ${CHROMA_HOST_PORT} --proxy-headers --log-config ${CHROMA_LOG_CONFIG} \
    --timeout-keep-alive ${CHROMA_TIMEOUT_KEEP_ALIVE}";

impl fmt::Display for ChromaVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for ChromaVersion {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let text = variable::given(value).unwrap_or_default();
        let numbers: Option<Vec<_>> = text
            .strip_prefix(['v', 'V'])
            .unwrap_or(text)
            .split('.')
            .map(number)
            .collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self::new(major, minor, patch)),
            _ => Err(Invalid::new(
                variable::CHROMA_VERSION,
                format!("is `{}`, which is not a version", shown(value)),
                format!("use three numbers, such as `{}`", Self::NEWEST),
            )),
        }
    }
}

/// Parses digits without a sign or a leading zero, so that `Display` writes the same text.
fn number(text: &str) -> Option<u16> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}
}

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

mod pipeline {
//! The path from an ended span to the collector: tracer provider, counted batch processor,
//! exporter.
//!
//! Invariant: a pipeline exists only if tracing is on and all of its parts were built.

mod delivery {
//! Delivery counts. The SDK's batch processor drops spans when its queue is full, and its shutdown
//! returns `Ok` even if spans were lost, so the spans are counted before and after it.
//!
//! Invariant: `ended` counts a span before it enters the queue and `exported` only after the
//! collector accepted it, so that `ended - exported` never hides a loss.

use super::problem::say;
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// The counts of one pipeline.
#[derive(Debug)]
pub(crate) struct Ledger {
    endpoint: String,
    ended: AtomicU64,
    exported: AtomicU64,
    failed: AtomicU64,
    reported: AtomicBool,
    /// The last error of the transport.
    cause: Mutex<Option<String>>,
    /// The error of the last failed export.
    reason: Mutex<Option<String>>,
}

impl Ledger {
    /// Returns empty counts; `endpoint` is for the messages.
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            ended: AtomicU64::new(0),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            reported: AtomicBool::new(false),
            cause: Mutex::new(None),
            reason: Mutex::new(None),
        }
    }

    /// Returns the number of sampled spans that ended.
    pub(super) fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Returns the number of spans that the collector accepted.
    pub(super) fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Returns the number of spans that were sent and not accepted.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Stops reports of failed exports: the guard's final count includes those of the last flush.
    pub(super) fn close(&self) {
        self.reported.store(true, Ordering::Relaxed);
    }

    /// Reports `lost` spans; `time_up` is the time limit of the last flush, if it was exceeded.
    pub(super) fn report(&self, lost: u64, time_up: Option<Duration>) {
        let ended = self.ended();
        let endpoint = &self.endpoint;
        let reason = match (&*unpoisoned(&self.reason), time_up) {
            (Some(reason), _) => format!("last error: {reason}"),
            (None, Some(limit)) => format!("it did not answer within {} ms", limit.as_millis()),
            (None, None) => {
                "they did not fit the queue; hint: raise `OTEL_BSP_MAX_QUEUE_SIZE`".to_owned()
            }
        };
        say(format_args!(
            "warning: {lost} of {ended} spans did not reach `{endpoint}`; {reason}"
        ));
    }

    fn record(&self, spans: u64, result: &OTelSdkResult) {
        let Err(error) = result else {
            self.exported.fetch_add(spans, Ordering::Relaxed);
            return;
        };
        self.failed.fetch_add(spans, Ordering::Relaxed);
        let error = match unpoisoned(&self.cause).take() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        if !self.reported.swap(true, Ordering::Relaxed) {
            let endpoint = &self.endpoint;
            say(format_args!(
                "warning: spans do not reach `{endpoint}`: {error}; the program keeps trying, and \
                 reports at its end how many spans were lost"
            ));
        }
        *unpoisoned(&self.reason) = Some(error);
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The SDK's batch processor, which counts the spans that it receives.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) processor: Arc<BatchSpanProcessor>,
    pub(super) ledger: Arc<Ledger>,
}

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.processor.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.ledger.ended.fetch_add(1, Ordering::Relaxed);
        self.processor.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.processor.shutdown_with_timeout(timeout)
    }

    // `set_resource` is not forwarded: the exporter already has the resource.
}

/// An exporter that counts the exported batches.
#[derive(Debug)]
pub(super) struct Recorded<E> {
    pub(super) exporter: E,
    pub(super) ledger: Arc<Ledger>,
}

impl<E: SpanExporter> SpanExporter for Recorded<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let result = self.exporter.export(batch).await;
        self.ledger.record(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
}
mod gauges {
//! Gauges that a small program measures itself. The SDK's metrics would add a fifth to the size of the
//! entrypoint.

use super::{Options, plain_http::Page, plain_http::metrics_url, resource};
use crate::{Settings, switched_off};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::InstrumentationScope,
    metrics::v1::{
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
    },
    resource::v1::Resource,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use std::time::{SystemTime, UNIX_EPOCH};

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// Name of the metric, such as `system.filesystem.utilization`.
    pub name: &'static str,
    /// Unit in the notation of UCUM.
    pub unit: &'static str,
    /// Description of the metric.
    pub description: &'static str,
    /// The value.
    pub value: f64,
}

/// A collector near the program that receives gauges, by OTLP over plain HTTP.
#[derive(Debug)]
pub struct Gauges {
    page: Page,
    resource: ResourceAttributesWithSchema,
    scope: &'static str,
}

impl Gauges {
    /// Returns the collector of the settings for the instrumentation scope of that name; `None` if
    /// tracing is off, or the endpoint needs TLS or accepts no metrics.
    pub fn over_plain_http(
        settings: &Settings,
        options: &Options,
        scope: &'static str,
    ) -> Option<Self> {
        let endpoint = settings.endpoint.as_ref();
        let endpoint = endpoint.filter(|endpoint| settings.enabled() && !endpoint.is_tls())?;
        if switched_off(|name| std::env::var(name).ok()).is_some() {
            return None;
        }
        Some(Self {
            page: Page::new(metrics_url(endpoint)?, settings.headers.clone()),
            resource: (&resource::of(settings, options)).into(),
            scope,
        })
    }

    /// Sends the values once: the next call has newer ones. Blocks for at most
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`.
    ///
    /// # Errors
    /// The collector does not accept them; returns its answer.
    pub fn send(&self, gauges: &[Gauge]) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let metrics = gauges.iter().map(|gauge| metric(gauge, now)).collect();
        let scope = InstrumentationScope {
            name: self.scope.to_owned(),
            ..InstrumentationScope::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource {
                    attributes: self.resource.attributes.0.clone(),
                    ..Resource::default()
                }),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics,
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        let sent = self.page.deliver(&request, &[]);
        sent.map_err(|error| error.to_string())
    }
}

fn metric(gauge: &Gauge, time_unix_nano: u64) -> Metric {
    let point = NumberDataPoint {
        time_unix_nano,
        value: Some(number_data_point::Value::AsDouble(gauge.value)),
        ..NumberDataPoint::default()
    };
    Metric {
        name: gauge.name.to_owned(),
        description: gauge.description.to_owned(),
        unit: gauge.unit.to_owned(),
        data: Some(Data::Gauge(
            opentelemetry_proto::tonic::metrics::v1::Gauge {
                data_points: vec![point],
            },
        )),
        ..Metric::default()
    }
}
}
mod guard {
//! The guard: spans are sent while it lives, and the remaining spans when it is dropped.
//!
//! Invariant: no call exceeds its time limit, whatever the collector does.

use super::{Options, Pipeline, Problem, problem::say};
use opentelemetry_sdk::{error::OTelSdkError, trace::SpanProcessor};
use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// Delivery counts since tracing was installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// Spans that the collector accepted.
    pub exported: u64,
    /// Spans that are lost: the queue was full, or the collector did not accept them. Spans of a
    /// batch that a collector accepts and then partly rejects (OTLP's partial success) are not
    /// counted.
    pub lost: u64,
    /// Spans that are still queued, because the time was too short.
    pub pending: u64,
}

/// Keeps tracing active. Dropping it sends the remaining spans within [`Options::flush_timeout`],
/// ends tracing, and reports the number of lost spans once on standard error, if there are any.
///
/// Spans that are still open when it is dropped are not sent, and neither are spans that end before
/// [`std::process::exit`], which drops nothing.
#[must_use = "dropping the guard ends tracing"]
pub struct Guard {
    pipeline: Option<Pipeline>,
    problems: Vec<Problem>,
    flush_timeout: Duration,
}

impl Guard {
    /// Creates a guard, and reports the problems on standard error.
    pub(crate) fn new(
        pipeline: Option<Pipeline>,
        problems: Vec<Problem>,
        options: &Options,
    ) -> Self {
        for problem in &problems {
            match pipeline {
                Some(_) => say(format_args!("warning: {problem}")),
                None => say(format_args!("error: tracing is off: {problem}")),
            }
        }
        Self {
            pipeline,
            problems,
            flush_timeout: options.flush_timeout,
        }
    }

    /// Returns true if spans are exported.
    pub fn enabled(&self) -> bool {
        self.pipeline.is_some()
    }

    /// Returns the problems of the installation; each was also reported on standard error.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Sends the spans that have ended, and waits at most `timeout` for the collector.
    pub fn flush(&self, timeout: Duration) -> Outcome {
        let Some(pipeline) = &self.pipeline else {
            return Outcome::default();
        };
        let ledger = &pipeline.ledger;
        let ended = ledger.ended();
        let drained = drain(pipeline, timeout);
        let (exported, failed) = (ledger.exported(), ledger.failed());
        let unsettled = ended.saturating_sub(exported + failed);
        // A span that is not in a drained queue and was not sent never entered the queue.
        let (dropped, pending) = if drained {
            (unsettled, 0)
        } else {
            (0, unsettled)
        };
        Outcome {
            exported,
            lost: failed + dropped,
            pending,
        }
    }

    /// Ends tracing as dropping the guard does, and returns the delivery counts.
    pub fn shutdown(mut self) -> Outcome {
        self.end()
    }

    fn end(&mut self) -> Outcome {
        let Some(pipeline) = self.pipeline.take() else {
            return Outcome::default();
        };
        let ledger = Arc::clone(&pipeline.ledger);
        ledger.close();
        let start = Instant::now();
        // The result has no information: it is `Ok` even if the collector failed.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            pipeline.provider.shutdown_with_timeout(self.flush_timeout)
        }));
        let time_up = (start.elapsed() >= self.flush_timeout).then_some(self.flush_timeout);
        let exported = ledger.exported();
        let lost = ledger.ended().saturating_sub(exported);
        if lost > 0 {
            ledger.report(lost, time_up);
        }
        Outcome {
            exported,
            lost,
            pending: 0,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Guard")
            .field("enabled", &self.enabled())
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

/// Returns true if all ended spans were sent, successfully or not, within `timeout`. Uses a
/// separate thread, because the processor waits five seconds for any timeout.
fn drain(pipeline: &Pipeline, timeout: Duration) -> bool {
    let processor = Arc::clone(&pipeline.processor);
    let (done, waiting) = mpsc::sync_channel(1);
    let until = Instant::now().checked_add(timeout);
    let spawned = thread::Builder::new()
        .name("chroma-otel-flush".to_owned())
        .spawn(move || {
            let drained = loop {
                match processor.force_flush() {
                    Err(OTelSdkError::Timeout(_))
                        if until.is_none_or(|until| Instant::now() < until) => {}
                    Err(OTelSdkError::Timeout(_)) => break false,
                    _ => break true,
                }
            };
            let _ = done.send(drained);
        });
    spawned.is_ok() && waiting.recv_timeout(timeout).unwrap_or(false)
}
}
mod ids {
//! Trace and span ids without a system call.
//!
//! The SDK's own generator asks the kernel for entropy. In a static binary without `/dev/urandom`
//! that panics on the program's own thread. Ids need to be unique, not secret.
//!
//! Invariant: no id is zero, which W3C Trace Context reserves for "no id".

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

/// Ids from a generator per thread that is seeded by the standard library's hasher.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(fastrand::u128(..).max(1))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(fastrand::u64(..).max(1))
    }
}
}
mod options {
//! Options of a program besides the four variables.

use std::time::Duration;

/// Options of a program besides the four variables.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Attributes of the resource; they override `OTEL_RESOURCE_ATTRIBUTES`. The service name
    /// always comes from the settings.
    pub resource: Vec<(String, String)>,
    /// Time limit for dropping the [`Guard`](crate::Guard), whatever the collector does.
    pub flush_timeout: Duration,
}

impl Default for Options {
    /// Returns the defaults: no additional attributes, logs on standard error, five seconds.
    fn default() -> Self {
        Self {
            resource: Vec::new(),
            flush_timeout: Duration::from_secs(5),
        }
    }
}

impl Options {
    /// Adds an attribute to the resource.
    #[must_use]
    pub fn resource(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.resource.push((name.into(), value.into()));
        self
    }

    /// Sets the time limit for dropping the [`Guard`](crate::Guard).
    #[must_use]
    pub fn flush_timeout(mut self, flush_timeout: Duration) -> Self {
        self.flush_timeout = flush_timeout;
        self
    }
}
}
mod plain_http {
//! OTLP over plain HTTP, for a collector near the program.
//!
//! opentelemetry-otlp does the same with 7 more crates, and adds the headers of
//! `OTEL_EXPORTER_OTLP_HEADERS` to those of the settings.
//!
//! Invariant: each request uses a new connection, so that a connection that died while the program
//! was idle loses no span. A request contains only the headers of the settings.

use super::{Problem, time_limit};
use crate::{Endpoint, Headers, Invalid, Protocol, variable};
use opentelemetry_proto::{
    tonic::collector::trace::v1::ExportTraceServiceRequest,
    transform::{
        common::tonic::ResourceAttributesWithSchema,
        trace::tonic::group_spans_by_resource_and_scope,
    },
};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{SpanData, SpanExporter},
};
use prost::Message;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Pauses between attempts: a collector that restarts, or is busy, accepts the batch later. Their
/// sum is short enough for the last flush of a program that ends.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];
/// The status codes that OTLP retries (OTLP specification 1.8, "Failures").
const RETRYABLE: [u16; 4] = [429, 502, 503, 504];

/// Returns the URL for spans.
///
/// # Errors
/// The endpoint needs TLS or is not an OTLP endpoint.
pub(super) fn traces_url(endpoint: &Endpoint) -> Result<String, Problem> {
    if endpoint.is_tls() {
        return Err(Problem::Invalid(Invalid::new(
            variable::ENDPOINT,
            format!("is `{endpoint}`, which needs TLS"),
            "send to a collector nearby, such as `http://otel-collector:4317`",
        )));
    }
    match endpoint.protocol() {
        Protocol::Grpc => Ok(endpoint.over_http().traces_url()),
        Protocol::Http => endpoint.otlp_traces_url().map_err(Problem::Invalid),
    }
}

/// Returns the URL for metrics; `None` for an endpoint that accepts none.
pub(super) fn metrics_url(endpoint: &Endpoint) -> Option<String> {
    match endpoint.protocol() {
        Protocol::Grpc => endpoint.over_http().metrics_url(),
        Protocol::Http => endpoint.metrics_url(),
    }
}

/// A collector's page for one signal; it is requested only on export.
#[derive(Debug)]
pub(super) struct Page {
    url: String,
    headers: Headers,
    limit: Duration,
}

/// The exporter of spans.
#[derive(Debug)]
pub(super) struct Spans {
    page: Page,
    resource: ResourceAttributesWithSchema,
}

/// Reason why a request failed.
struct Failure {
    what: String,
    retryable: bool,
}

impl Page {
    pub(super) fn new(url: String, headers: Headers) -> Self {
        Self {
            url,
            headers,
            limit: time_limit(),
        }
    }

    /// Sends the message, again after each pause. Blocks.
    pub(super) fn deliver(&self, message: &impl Message, pauses: &[Duration]) -> OTelSdkResult {
        let body = message.encode_to_vec();
        let until = Instant::now() + self.limit;
        let mut pauses = pauses.iter();
        loop {
            let Err(failure) = self.post(&body, until) else {
                return Ok(());
            };
            match pauses.next() {
                Some(pause) if failure.retryable && Instant::now() + *pause < until => {
                    thread::sleep(*pause);
                }
                _ => return Err(OTelSdkError::InternalFailure(failure.what)),
            }
        }
    }

    fn post(&self, body: &[u8], until: Instant) -> Result<(), Failure> {
        let left = until.saturating_duration_since(Instant::now());
        let mut request = minreq::post(&self.url)
            .with_timeout(left.as_secs().max(1))
            .with_follow_redirects(false)
            .with_header("content-type", "application/x-protobuf")
            .with_body(body);
        for (name, value) in self.headers.iter() {
            request = request.with_header(name, value);
        }
        match request.send() {
            Ok(answer) if speaks_grpc(&answer) => Err(Failure {
                what: "a gRPC server answered, which does not accept OTLP over HTTP".to_owned(),
                retryable: false,
            }),
            Ok(answer) if (200..300).contains(&answer.status_code) => Ok(()),
            Ok(answer) => Err(Failure {
                what: format!("the collector answered {}", answer.status_code),
                retryable: RETRYABLE.contains(&answer.status_code),
            }),
            Err(error) => Err(Failure {
                what: error.to_string(),
                retryable: true,
            }),
        }
    }
}

/// gRPC servers return 200 for unknown requests.
fn speaks_grpc(answer: &minreq::Response) -> bool {
    answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/grpc"))
}

impl Spans {
    pub(super) fn to(page: Page) -> Self {
        Self {
            page,
            resource: ResourceAttributesWithSchema::default(),
        }
    }
}

impl SpanExporter for Spans {
    /// Blocks: the SDK's batch processor exports on a separate thread.
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        self.page
            .deliver(&ExportTraceServiceRequest { resource_spans }, &PAUSES)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
}
mod problem {
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
}
mod resource {
//! The resource of spans and metrics.
//!
//! Invariant: the program's own attributes override `OTEL_RESOURCE_ATTRIBUTES`, and the service
//! name of the settings, if set, overrides both.

use super::Options;
use crate::Settings;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// Returns the resource of a service: `OTEL_RESOURCE_ATTRIBUTES` and `telemetry.sdk.*` from the
/// SDK's detectors, overridden by the options' attributes. Without a name, the detectors use
/// `OTEL_SERVICE_NAME`, or `unknown_service:` and the program's name.
pub(super) fn of(settings: &Settings, options: &Options) -> Resource {
    let name = settings.service_name.clone();
    let name = name.map(|name| KeyValue::new("service.name", name));
    let attributes = options.resource.iter().cloned();
    let attributes = attributes.map(|(name, value)| KeyValue::new(name, value));
    Resource::builder()
        .with_attributes(attributes.chain(name))
        .build()
}
}

pub(crate) use delivery::Ledger;
pub use gauges::{Gauge, Gauges};
pub use guard::{Guard, Outcome};
pub use options::Options;
pub use problem::Problem;

use crate::{Endpoint, Settings, switched_off};
use delivery::{Counted, Recorded};
use ids::Ids;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanExporter};
use plain_http::{Page, Spans};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Sends the spans of the [`opentelemetry`] interface to a collector near the program, by OTLP
/// over plain HTTP, and installs the global tracer provider.
///
/// For a small program that needs neither TLS nor gRPC: this has a third of the dependencies of
/// feature `sdk`. Spans of `tracing` are not exported, and no propagator is installed.
///
/// Port 4317, for OTLP over gRPC, is replaced by the same collector's port 4318; any other port is
/// unchanged. `https` is rejected.
///
/// Never fails: a value that cannot be used disables tracing, is reported once on standard error,
/// and is kept in [`Guard::problems`].
///
/// ```
/// use chroma_otel_init::{Options, Settings, init_plain_http};
/// use chroma_otel_init::opentelemetry::{global, trace::{Span, Tracer}};
///
/// let settings = Settings::from_env().unwrap_or_default();
/// let guard = init_plain_http(&settings, &Options::default());
/// global::tracer("example").start("work").end();
/// guard.shutdown();
/// ```
#[must_use = "dropping the guard ends tracing"]
pub fn init_plain_http(settings: &Settings, options: &Options) -> Guard {
    let (pipeline, problems) = start(settings, options, |endpoint, settings, options| {
        let url = plain_http::traces_url(endpoint)?;
        let page = Page::new(url.clone(), settings.headers.clone());
        Pipeline::start(url, settings, options, |_| Ok(Spans::to(page)))
    });
    Guard::new(pipeline, problems, options)
}

/// Set by the first successful start: a process has one tracer provider.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Starts the pipeline that `pipeline` builds, if tracing is on, and installs it for the process.
pub(crate) fn start(
    settings: &Settings,
    options: &Options,
    pipeline: impl FnOnce(&Endpoint, &Settings, &Options) -> Result<Pipeline, Problem>,
) -> (Option<Pipeline>, Vec<Problem>) {
    let Some(endpoint) = settings.endpoint.as_ref().filter(|_| settings.enabled()) else {
        return (None, Vec::new());
    };
    if switched_off(|name| std::env::var(name).ok()).is_some() {
        return (None, Vec::new());
    }
    for ignored in settings.ignored() {
        problem::say(format_args!("warning: {ignored}"));
    }
    if INITIALIZED.swap(true, Ordering::AcqRel) {
        return (None, vec![Problem::AlreadyInitialized]);
    }
    match pipeline(endpoint, settings, options) {
        Ok(pipeline) => {
            opentelemetry::global::set_tracer_provider(pipeline.provider.clone());
            (Some(pipeline), Vec::new())
        }
        Err(problem) => {
            INITIALIZED.store(false, Ordering::Release);
            (None, vec![problem])
        }
    }
}

/// A running pipeline.
pub(crate) struct Pipeline {
    pub(crate) provider: SdkTracerProvider,
    pub(crate) processor: Arc<BatchSpanProcessor>,
    pub(crate) ledger: Arc<Ledger>,
}

impl Pipeline {
    /// Builds the pipeline with the exporter that `connect` creates; `destination` is for the
    /// messages.
    ///
    /// # Errors
    /// Returns the reason why it cannot be built, which can be a panic of a dependency.
    pub(crate) fn start<E: SpanExporter + 'static>(
        destination: String,
        settings: &Settings,
        options: &Options,
        connect: impl FnOnce(&Arc<Ledger>) -> Result<E, Problem>,
    ) -> Result<Self, Problem> {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let ledger = Arc::new(Ledger::new(destination));
            let exporter = connect(&ledger)?;
            Ok(Self::around(exporter, ledger, settings, options))
        }))
        .unwrap_or_else(|_| {
            Err(Problem::Start(
                "a library panicked, as reported above".to_owned(),
            ))
        })
    }

    fn around<E: SpanExporter + 'static>(
        exporter: E,
        ledger: Arc<Ledger>,
        settings: &Settings,
        options: &Options,
    ) -> Self {
        let resource = resource::of(settings, options);
        let mut exporter = Recorded {
            exporter,
            ledger: Arc::clone(&ledger),
        };
        exporter.set_resource(&resource);
        let processor = Arc::new(BatchSpanProcessor::builder(exporter).build());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids)
            .with_span_processor(Counted {
                processor: Arc::clone(&processor),
                ledger: Arc::clone(&ledger),
            })
            .build();
        Self {
            provider,
            processor,
            ledger,
        }
    }
}

/// Returns the time limit of one batch, including retries: `OTEL_EXPORTER_OTLP_TIMEOUT` in
/// milliseconds, or 10 seconds if it is not set or not a positive number (OpenTelemetry
/// specification, `protocol/exporter.md`).
pub(crate) fn time_limit() -> Duration {
    const TIMEOUT: [&str; 2] = [
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
    ];
    first_set(TIMEOUT)
        .and_then(|(_, value)| value.parse().ok())
        .filter(|milliseconds| *milliseconds > 0)
        .map_or(Duration::from_secs(10), Duration::from_millis)
}

/// Returns the first of these variables that is not blank, with its value.
pub(crate) fn first_set<const N: usize>(
    names: [&'static str; N],
) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = std::env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name, value.to_owned()))
    })
}
}
/// The OpenTelemetry interface of the release whose tracer provider is installed.
pub use opentelemetry;
/// The OpenTelemetry SDK of that release.
pub use opentelemetry_sdk;
pub use pipeline::{Gauge, Gauges, Guard, Options, Outcome, Problem, init_plain_http};
