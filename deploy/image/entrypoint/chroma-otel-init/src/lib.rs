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

mod endpoint {
//! Where traces go, read from what people write: with or without scheme, port, path.
//!
//! Invariant: what `Display` writes is read back as the same endpoint, and a host on the public
//! network is only ever plain when `http://` was written.

use crate::{
    Invalid,
    host::{Host, authority_parts},
    invalid::shown,
    variable,
};
use std::{fmt, str::FromStr};

/// How OTLP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// OTLP over gRPC, usually on port 4317.
    Grpc,
    /// OTLP over HTTP, usually on port 4318; also Zipkin's JSON, which travels the same way.
    Http,
}

/// Where traces go.
///
/// Reads URLs with the schemes `http`, `https`, `grpc` (= `http`) and `grpcs` (= `https`), and
/// `host`, `host:port`, `host/path` without one. `Display` gives the canonical URL, with scheme and
/// port.
///
/// - Without a scheme it is plain only if the host is local: one label, a loopback, link-local or
///   private address, or a name under `.localhost`, `.local`, `.internal` or `.svc`. Any other host
///   is reached by TLS: a key must not travel in clear because of a guess.
/// - It is OTLP over HTTP if the port is 4318 or there is a path other than `/`, else over gRPC.
/// - Port 9411 without a path means Zipkin's, `/api/v2/spans`.
/// - Default ports: 443 for TLS; plain 4317 for gRPC, 4318 for HTTP, 9411 for Zipkin's path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    host: Host,
    port: u16,
    /// Empty, or starting with a slash and not ending with one.
    path: String,
}

/// The path on which OTLP over HTTP takes traces, that of metrics, and those of Zipkin and Splunk, who
/// take them on their own.
const TRACES_PATH: &str = "/v1/traces";
const METRICS_PATH: &str = "/v1/metrics";
const ZIPKIN_PATH: &str = "/api/v2/spans";
const SPLUNK_PATH: &str = "/v2/trace/otlp";
const SPLUNK_METRICS_PATH: &str = "/v2/datapoint/otlp";

const GRPC_PORT: u16 = 4317;
const HTTP_PORT: u16 = 4318;
const ZIPKIN_PORT: u16 = 9411;
const TLS_PORT: u16 = 443;

/// What to write, for every error that has no better hint.
const HINT: &str = "use `http://collector:4317` for OTLP over gRPC, `https://…` for TLS, \
                    `https://…/v1/traces` for OTLP over HTTP";

impl Endpoint {
    /// How OTLP travels to it.
    pub fn protocol(&self) -> Protocol {
        if self.port == HTTP_PORT || !self.path.is_empty() {
            Protocol::Http
        } else {
            Protocol::Grpc
        }
    }

    /// Whether it is reached by TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether its host is local by its name or its address: what is sent to it crosses no public network.
    pub fn is_local(&self) -> bool {
        self.host.is_local()
    }

    /// The host: a name in lower case, or an address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host.text
    }

    /// The port, given or by default; never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port`, or `[address]:port` for IPv6.
    pub fn authority(&self) -> String {
        if self.host.is_ipv6() {
            format!("[{}]:{}", self.host.text, self.port)
        } else {
            format!("{}:{}", self.host.text, self.port)
        }
    }

    /// Whether its path is Zipkin's, `/api/v2/spans`.
    pub fn is_zipkin(&self) -> bool {
        self.path.ends_with(ZIPKIN_PATH)
    }

    /// The URL to send traces to over HTTP: ends in `/v1/traces`, which is added, or in Zipkin's
    /// `/api/v2/spans` or Splunk's `/v2/trace/otlp`, which are kept.
    pub fn traces_url(&self) -> String {
        let ends = [TRACES_PATH, ZIPKIN_PATH, SPLUNK_PATH];
        let end = match ends.iter().any(|end| self.path.ends_with(end)) {
            true => "",
            false => TRACES_PATH,
        };
        // Without the port that the scheme means: who routes by the `Host` header may know it bare only.
        let (authority, tls) = (self.authority(), self.tls);
        let bare = authority.strip_suffix(":443").filter(|_| tls);
        let scheme = if tls { "https" } else { "http" };
        format!(
            "{scheme}://{}{}{end}",
            bare.unwrap_or(&authority),
            self.path
        )
    }

    /// The URL to send metrics to over HTTP: that of the traces with `/v1/metrics` at its end, or
    /// Splunk's own; none for Zipkin, which takes no metrics.
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

/// What a scheme says.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scheme {
    tls: bool,
    only_grpc: bool,
}

impl FromStr for Endpoint {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        let text = variable::given(value)
            .ok_or_else(|| Invalid::new(variable::ENDPOINT, "is empty", HINT))?;
        without_secrets(text)?;
        let invalid = |why: String, hint: &str| {
            let what = format!("is `{}`, {why}", shown(text));
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
        let (host, port) = authority_parts(authority).map_err(|why| invalid(why, HINT))?;
        let tls = scheme.map_or(!host.is_local(), |scheme| scheme.tls);
        let port = port.unwrap_or_else(|| default_port(tls, path));
        let path = match (port, path) {
            (ZIPKIN_PORT, "") => ZIPKIN_PATH,
            _ => path,
        };
        let endpoint = Self {
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
}

/// Refuses, without showing it, a value that may hold a password or a key.
fn without_secrets(text: &str) -> Result<(), Invalid> {
    let (what, hint) = if text.contains('@') {
        ("has a user name or a password", "put the key into a header")
    } else if text.contains('?') {
        (
            "has a query",
            "leave out `?` and what follows; put a key into a header",
        )
    } else if text.contains('#') {
        ("has a fragment", "leave out `#` and what follows")
    } else {
        return Ok(());
    };
    let hint = format!("{hint} (`{}`)", variable::HEADERS);
    Err(Invalid::new(variable::ENDPOINT, what, hint))
}

/// RFC 3986, less what would be expanded or misread on the way through shells and YAML.
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
        _ => return Err(("whose scheme is not known".to_owned(), HINT)),
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
//! What the OpenTelemetry Collector makes of the value of a variable that its configuration names.
//!
//! Invariant: one rule for who renders a configuration and who starts the Collector with it.

/// Whether the Collector would expand something in the value: `${NAME}`, or `$$` to `$`.
pub fn is_expanded(value: &str) -> bool {
    value.contains("${") || value.contains("$$")
}

/// Whether the Collector would read the value as a mapping: of text it keeps what was written, but a mapping whose
/// names are no text (`1: 2`) stops it, with a message that names nobody (seen with 0.158.0).
pub fn is_mapping(value: &str) -> bool {
    value.starts_with(['{', '?']) || value.ends_with(':') || value.contains(": ")
}

/// Whether the value can stand in the middle of a text of the configuration, where a quote would end it.
pub fn is_word(value: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._~+/=-".contains(c);
    value.chars().all(fits)
}
}
mod granularity {
//! How much detail is traced.
//!
//! Invariant: the order of the variants is the order of the sets of spans, each within the next.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// How much detail is traced: Chroma's own four words, from nothing to everything.
///
/// Reads them in any case, and `-` for `_`; `Display` gives Chroma's exact form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// No traces.
    #[default]
    None,
    /// One span for each request, and what the server does for it at the top level.
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

    /// The word that Chroma reads: lower case, with underscores.
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
                    format!("is `{}`, which is no granularity", shown(value)),
                    "use `none`, `operation`, `operation_and_segment` or `all`",
                )
            })
    }
}
}
mod headers {
//! What is sent along with every export, read from the three forms that people write.
//!
//! Invariant: names are lower-case HTTP tokens, values are visible ASCII without space around, and
//! no error and no `Debug` text shows a value.

use crate::{Invalid, object, variable};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    fmt::Write as _,
    str::FromStr,
};

/// The headers of every export.
///
/// Reads a JSON object of strings, the same in single quotes (as in Chroma's own guide), and
/// `name=value,name2=value2` with the value percent-encoded (as in `OTEL_EXPORTER_OTLP_HEADERS`);
/// each also with a pair of quotes around the whole, as shells and env files leave it behind.
/// `Debug` shows the names only, and there is no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(BTreeMap<String, String>);

const HINT: &str = "write a JSON object such as `{\"x-key\": \"…\"}`, or `x-key=…` with `%2C` for \
                    a comma in the value";

impl Headers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values, by name. The values are secret.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a header; the name is lower-cased, white space around both goes.
    ///
    /// # Errors
    /// A name that is not an HTTP token or is there already; a value that is blank or has anything
    /// but visible ASCII and spaces. The text names the header and never shows the value.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), Invalid> {
        self.add(name, value).map_err(|fault| {
            let name = name.trim();
            let which = if is_token(name) {
                format!("`{}`", name.to_ascii_lowercase())
            } else {
                // What is not a name may be a value in the wrong place.
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

    /// A JSON object, `{}` if there are none: what Chroma 0.x and the Collector read.
    pub fn to_json(&self) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let members: Vec<_> = self
            .iter()
            .map(|(name, value)| format!("{}:{}", quoted(name), quoted(value)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// `name=value,name2=value2`, the values percent-encoded: what OpenTelemetry's own exporters
    /// read from `OTEL_EXPORTER_OTLP_HEADERS`. Empty if there are none.
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
            None => variable::given(trimmed).unwrap_or_default(),
        };
        if text.starts_with('{') {
            from_object(text)
        } else {
            from_list(text)
        }
    }
}

/// Reads the JSON form; a member that is wrong is named.
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

/// Reads the form of OpenTelemetry; an entry that is wrong is told by its place, because a comma
/// left in a value makes part of the value look like a name.
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

/// What can be wrong with one header.
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
            Self::Value => "whose value has other characters than visible ASCII and spaces",
            Self::Twice => "whose name is there twice (case does not count)",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Name => HINT,
            Self::Empty => "give it a value, or leave the header out",
            Self::Value => "check the value for line ends and pasted characters",
            Self::Twice => "keep one of the two",
        }
    }
}

fn invalid(what: String, hint: &str) -> Invalid {
    Invalid::new(variable::HEADERS, what, hint)
}

/// RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Encodes all but RFC 3986's unreserved characters.
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

/// Decodes `%XX`; a `%` without two digits stays, as in opentelemetry-otlp. `None` if not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
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
//! The host of an endpoint: a name or an address, and whether it is near.
//!
//! Invariant: what is accepted can be dialled as it stands, and written into a URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`; an error says why, as a relative clause.
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

/// A host as it is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    /// A name in lower case, or the address in its canonical form.
    pub(crate) text: String,
    address: Option<IpAddr>,
}

/// Reads a DNS name or an IPv4 address.
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
    /// Whether it is an IPv6 address, which is written in brackets.
    pub(crate) fn is_ipv6(&self) -> bool {
        matches!(self.address, Some(IpAddr::V6(_)))
    }

    /// Whether what is sent to it stays on this machine or a private network, as far as the text
    /// alone can tell.
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
//! Variables that some Chroma versions read and others do not.
//!
//! Invariant: every one has a sentence that says what to use instead.

use crate::{ChromaVersion, Server};

/// Variables of other versions that this one ignores, without a word of its own; each with a
/// sentence on what to use instead.
///
/// Those of 0.x are the settings in `chromadb/config.py` of 0.4.24, 0.5.0 and 0.6.3 that a
/// deployment sets, and the image's own; those of 1.x, which reads `CHROMA_` and a key of its
/// configuration file, are Chroma's documented ones. The four of tracing are not among them: those
/// are translated.
pub fn ignored_variables(
    version: ChromaVersion,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (of_other_server, of_other_0x): (&[_], &[_]) = match version.server() {
        Server::Rust => (OF_PYTHON, &[]),
        Server::Python if version.minor < 5 => (OF_RUST, SINCE_0_5),
        Server::Python => (OF_RUST, UNTIL_0_4),
    };
    of_other_server.iter().chain(of_other_0x).copied()
}

const NO_AUTHENTICATION: &str = "Chroma 1.x has no authentication, so everyone who reaches the \
    port has all the data: put a proxy that checks the credentials in front of it.";
const PATH: &str = "Set `CHROMA_PERSIST_PATH`, or `persist_path` in the configuration file.";
const ALWAYS_PERSISTENT: &str = "Chroma 1.x always keeps its data: set `CHROMA_PERSIST_PATH`, or \
    `persist_path` in the configuration file.";
const LISTEN: &str = "Set `CHROMA_LISTEN_ADDRESS`, or `listen_address` in the configuration file.";
const PORT: &str = "Set `CHROMA_PORT`, or `port` in the configuration file.";
const LOG_LEVEL: &str = "Set `RUST_LOG`.";
const ONE_PROCESS: &str = "Leave it out: Chroma 1.x is one process with threads of its own.";
const NO_ANALYTICS: &str = "Leave it out: the server of Chroma 1.x sends no product telemetry.";
const NO_MEMORY_LIMIT: &str = "Leave it out: Chroma 1.x has no such setting; limit the \
    container's memory.";

/// What Chroma 1.x ignores.
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
        "Leave it out: Chroma 1.x has no such setting; a proxy in front of it may have one.",
    ),
    (
        "CHROMA_SERVER_NOFILE",
        "Set the container's limit of open files (`ulimits` in Compose).",
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

const TRACING: &str = "Set the four `CHROMA_OTEL_*` variables.";

/// What Chroma 0.x ignores.
const OF_RUST: &[(&str, &str)] = &[
    ("CHROMA_PERSIST_PATH", "Set `PERSIST_DIRECTORY`."),
    ("CHROMA_ALLOW_RESET", "Set `ALLOW_RESET`."),
    (
        "CHROMA_CORS_ALLOW_ORIGINS",
        "Set `CHROMA_SERVER_CORS_ALLOW_ORIGINS`.",
    ),
    (
        "CHROMA_MAX_PAYLOAD_SIZE_BYTES",
        "Leave it out: Chroma 0.x has no such limit; a proxy in front of it may have one.",
    ),
    ("CHROMA_OPEN_TELEMETRY__ENDPOINT", TRACING),
    ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", TRACING),
    ("CHROMA_OPEN_TELEMETRY__FILTERS", TRACING),
];

/// What 0.4.x ignores: the names of authentication since 0.5.0.
const SINCE_0_5: &[(&str, &str)] = &[
    (
        "CHROMA_SERVER_AUTHN_CREDENTIALS",
        "Set `CHROMA_SERVER_AUTH_CREDENTIALS`, or nobody is asked for them.",
    ),
    (
        "CHROMA_SERVER_AUTHN_CREDENTIALS_FILE",
        "Set `CHROMA_SERVER_AUTH_CREDENTIALS_FILE`, or nobody is asked for them.",
    ),
    (
        "CHROMA_SERVER_AUTHN_PROVIDER",
        "Set `CHROMA_SERVER_AUTH_PROVIDER`, or nobody is asked for credentials.",
    ),
    (
        "CHROMA_AUTH_TOKEN_TRANSPORT_HEADER",
        "Set `CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER`.",
    ),
];

/// What 0.5.0 and later ignore: the names of authentication in 0.4.x.
const UNTIL_0_4: &[(&str, &str)] = &[
    (
        "CHROMA_SERVER_AUTH_CREDENTIALS",
        "Set `CHROMA_SERVER_AUTHN_CREDENTIALS`, or nobody is asked for them.",
    ),
    (
        "CHROMA_SERVER_AUTH_CREDENTIALS_FILE",
        "Set `CHROMA_SERVER_AUTHN_CREDENTIALS_FILE`, or nobody is asked for them.",
    ),
    (
        "CHROMA_SERVER_AUTH_CREDENTIALS_PROVIDER",
        "Leave it out: `CHROMA_SERVER_AUTHN_PROVIDER` covers it.",
    ),
    (
        "CHROMA_SERVER_AUTH_PROVIDER",
        "Set `CHROMA_SERVER_AUTHN_PROVIDER`, or nobody is asked for credentials.",
    ),
    (
        "CHROMA_SERVER_AUTH_TOKEN_TRANSPORT_HEADER",
        "Set `CHROMA_AUTH_TOKEN_TRANSPORT_HEADER`.",
    ),
];
}
mod invalid {
//! A value that could not be read: which variable, why, and what to write instead.
//!
//! Invariant: the text never holds the value of a header; whoever makes an [`Invalid`] sees to it.

use std::fmt;

/// A variable whose value cannot be used.
///
/// `Display` is one line, `` `NAME` what is wrong; hint: what to do ``. It never shows a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    variable: &'static str,
    what: String,
    hint: String,
}

impl Invalid {
    /// Of the variable's name, what is wrong with its value (never a secret), and the fix.
    pub fn new(variable: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            variable,
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The name of the variable, one of [`crate::variable`].
    pub fn variable(&self) -> &'static str {
        self.variable
    }

    /// What is wrong, without the variable's name: "is `x`, which has no host".
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to write instead.
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

/// A value that is no secret, made fit for an error text: one line, and not longer than a line.
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
//! Invariant: an error says at which character and what is missing, never what is there.

/// Why a text is not such an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// At this character, counted from 1: what was expected.
    At(usize, &'static str),
    /// The member of this name has a value that is not a string.
    NotText(String),
}

/// Reads `{"name": "value", …}`, with `'` for `"` as well, and returns the pairs in order, doubles
/// included.
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

/// Reads one JSON string, quotes included, and nothing else.
pub(crate) fn string(text: &str) -> Option<String> {
    let mut reader = Reader::new(text);
    let string = reader.string("a string").ok()?;
    reader.end().ok()?;
    Some(string)
}

struct Reader<'a> {
    rest: std::str::Chars<'a>,
    /// How many characters have been read.
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

    /// The next character that is not white space, which stays.
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

    /// What is wrong with the character that comes next.
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

    /// What stands for itself after a backslash, or by a letter, or by number.
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

    /// Four hexadecimal digits, or twice four for a surrogate pair.
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
mod server {
//! What each Chroma server reads: the four variables, translated.
//!
//! Invariant: nothing is ever set to an empty value, and nothing is set at all when tracing is off.

use crate::{
    ChromaVersion, Endpoint, Invalid, Protocol, Server, Settings, spans::rust_log, variable,
};
use std::collections::BTreeMap;

/// What to set in the environment of a Chroma server: names and values, never an empty value, and
/// nothing when tracing is off or this version cannot be traced ([`ChromaVersion::traces`]).
///
/// - 0.x gets the four variables in the one form it reads: measured on 0.6.3, which does not start
///   on headers that are not JSON or on a granularity in capitals.
/// - 1.x gets `CHROMA_OPEN_TELEMETRY__ENDPOINT` and `…__SERVICE_NAME`, the headers as
///   `OTEL_EXPORTER_OTLP_HEADERS`, and the granularity as `RUST_LOG` ([`rust_log`]; where the
///   operator has one, put `rust_log(theirs, …)` in its place). It reads the first two only when
///   it is started with a configuration file.
///
/// The values of the headers are among them: secret.
///
/// # Errors
/// An endpoint that this server cannot reach: no version speaks OTLP over HTTP, and 1.x has no TLS
/// (it would send the key in clear text; measured on 1.0.0, 1.0.20 and 1.5.9). Either needs a
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
    reachable(endpoint, version)?;
    Ok(match version.server() {
        Server::Python => python_environment(settings, endpoint),
        Server::Rust => rust_environment(settings, endpoint, version),
    })
}

/// Refuses what the server would fail on, or send in clear text.
fn reachable(endpoint: &Endpoint, version: ChromaVersion) -> Result<(), Invalid> {
    let refused = |why: &str| {
        Err(Invalid::new(
            variable::ENDPOINT,
            format!("is `{endpoint}`, and Chroma {version} {why}"),
            "send to an OpenTelemetry Collector over plain gRPC, such as \
             `http://otel-collector:4317`, and from there on",
        ))
    };
    if endpoint.protocol() == Protocol::Http {
        refused("speaks OTLP over gRPC only")
    } else if endpoint.is_tls() && version.server() == Server::Rust {
        refused("has no TLS: it would send everything, the headers too, in clear text")
    } else {
        Ok(())
    }
}

fn python_environment(settings: &Settings, endpoint: &Endpoint) -> BTreeMap<&'static str, String> {
    let mut environment = BTreeMap::from([
        (variable::ENDPOINT, endpoint.to_string()),
        (variable::SERVICE_NAME, settings.service_name.clone()),
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
        (variable::RUST_SERVICE_NAME, quoted(&settings.service_name)),
    ]);
    if !settings.headers.is_empty() {
        environment.insert(variable::OTLP_HEADERS, settings.headers.to_otlp());
    }
    if let Some(filter) = rust_log(None, settings.granularity, version) {
        environment.insert(variable::RUST_LOG, filter);
    }
    environment
}

/// In the quotes of TOML, which Chroma 1.x takes off again: without them `123` stops it ("found
/// unsigned int"). Measured on 1.0.0, 1.0.20 and 1.5.9: names such as `123`, `true`, `[a]`, `{a}`,
/// `a"b`, `a\nb` with a backslash, `a=b`, `a,b`, `$x ${y}`, `#x` and emoji arrive as they are.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
}
mod settings {
//! The four variables, read together.
//!
//! Invariant: blank is the same as not set, and all that is wrong is told at once.

use crate::{Endpoint, Granularity, Headers, Invalid, invalid::shown, variable};
use std::str::FromStr;

/// What the four variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the traces go; `None` switches tracing off.
    pub endpoint: Option<Endpoint>,
    /// The name the spans carry; never blank, never with control characters when read from text.
    pub service_name: String,
    /// What to send along with every export.
    pub headers: Headers,
    /// How much detail. Unset means `operation` if there is an endpoint (naming one asks for
    /// traces) and `none` if there is not.
    pub granularity: Granularity,
}

impl Default for Settings {
    /// Nothing set: tracing off.
    fn default() -> Self {
        Self {
            endpoint: None,
            service_name: variable::DEFAULT_SERVICE_NAME.to_owned(),
            headers: Headers::default(),
            granularity: Granularity::None,
        }
    }
}

impl Settings {
    /// Reads the four variables from the environment of this process.
    ///
    /// # Errors
    /// Everything that cannot be read, each with its variable and the fix.
    pub fn from_env() -> Result<Self, Vec<Invalid>> {
        // What is not UTF-8 becomes U+FFFD, which every one of the four refuses.
        Self::read(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// Reads the four variables from wherever `get` finds them.
    ///
    /// # Errors
    /// Everything that cannot be read, each with its variable and the fix.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Invalid>> {
        let mut problems = Vec::new();
        let endpoint: Option<Endpoint> = parsed(&get, variable::ENDPOINT, &mut problems);
        let headers = parsed(&get, variable::HEADERS, &mut problems);
        let granularity = parsed(&get, variable::GRANULARITY, &mut problems);
        let ServiceName(service_name) =
            parsed(&get, variable::SERVICE_NAME, &mut problems).unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        let unset = if endpoint.is_some() {
            Granularity::Operation
        } else {
            Granularity::None
        };
        Ok(Self {
            endpoint,
            service_name,
            headers: headers.unwrap_or_default(),
            granularity: granularity.unwrap_or(unset),
        })
    }

    /// Whether anything is traced: there is an endpoint, and the granularity is not `none`.
    pub fn enabled(&self) -> bool {
        self.endpoint.is_some() && self.granularity != Granularity::None
    }
}

/// Reads one variable, or leaves `None` and the problem, if there is one.
fn parsed<T: FromStr<Err = Invalid>>(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
    problems: &mut Vec<Invalid>,
) -> Option<T> {
    let value = get(name)?;
    variable::given(&value)?;
    value.parse().map_err(|invalid| problems.push(invalid)).ok()
}

/// A service name as written: not blank, without control characters.
struct ServiceName(String);

impl Default for ServiceName {
    fn default() -> Self {
        Self(variable::DEFAULT_SERVICE_NAME.to_owned())
    }
}

impl FromStr for ServiceName {
    type Err = Invalid;

    fn from_str(value: &str) -> Result<Self, Invalid> {
        const LONGEST: usize = 255;
        let name = variable::given(value).unwrap_or(variable::DEFAULT_SERVICE_NAME);
        let refused = |why: &str, hint: &str| {
            Err(Invalid::new(
                variable::SERVICE_NAME,
                format!("is `{}`, which {why}", shown(name)),
                hint,
            ))
        };
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
//! Invariant: a wish for logs never costs a span of the granularity, and the exporter's own spans
//! never get in: they would be exported, which makes more of them.

use crate::{ChromaVersion, Granularity, Server, variable};
use std::fmt;

/// The `RUST_LOG` to give to the server, for the operator's own (`user`) and a granularity.
///
/// Chroma 1.x has one filter for logs and spans alike. It is `RUST_LOG`, or where that is not set
/// a built-in one, which lets all of Chroma's spans through (but not the requests on 1.2.2);
/// `CHROMA_OPEN_TELEMETRY__FILTERS`, where it exists (not in 1.0.0), only changes the built-in one.
/// So the granularity goes into `RUST_LOG`:
///
/// - The operator's directives stay, except those that would take away spans of the granularity
///   (`chroma_tracing=error`) or let in those of the exporter's HTTP/2 (`h2=trace`, which goes on
///   for ever: 1,160 spans in 3 s without a request).
/// - A more verbose wish stays too, and brings its spans: `RUST_LOG=debug` with `operation` makes
///   the spans of `all`.
/// - Without a wish, the logs are Chroma's warnings with `operation`, its infos with
///   `operation_and_segment`, and everything of Chroma's, as it has them by itself, with `all`.
///
/// With [`Granularity::None`], and on 0.x, which does not read it, the operator's own comes back.
/// A blank one counts as unset; the result is never blank.
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
        Granularity::OperationAndSegment if version < FILTERS_BY_CRATE => Granularity::All,
        other => other,
    };
    Some(merged(user.unwrap_or(LOGS), needs(granularity)))
}

/// Before it, the most verbose directive holds for all of Chroma's crates, so that there are only
/// two sets of spans to choose from.
const FILTERS_BY_CRATE: ChromaVersion = ChromaVersion::new(1, 0, 13);

/// The wishes, with the needs in the place of those that are against them.
fn merged(wishes: &str, needs: &[Directive]) -> String {
    let wishes: Vec<_> = wishes
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|text| (text, Directive::read(text)))
        .collect();
    let exporter = (wished(&wishes, HTTP2.target) > HTTP2.level).then_some(HTTP2);
    let spans = needs.iter().map(|need| Directive {
        level: need.level.max(wished(&wishes, need.target)),
        ..*need
    });
    let needs: Vec<_> = exporter.into_iter().chain(spans).collect();
    let kept = wishes
        .iter()
        .filter(|(_, wish)| wish.is_none_or(|wish| !is_against(wish, &needs)))
        .map(|(text, _)| (*text).to_owned());
    let filter: Vec<_> = kept.chain(needs.iter().map(Directive::to_string)).collect();
    filter.join(",")
}

/// What is logged where the operator has no wish; the spans come on top of it.
const LOGS: &str = "error,opentelemetry_sdk=info,chroma=warn";

/// The exporter's HTTP/2 has its spans at trace level.
const HTTP2: Directive = Directive {
    target: "h2",
    level: Level::Debug,
};

/// Which targets must be let through, and up to which level, for the spans of a granularity.
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
/// (6) in place of the latter. `none` has 0 on each.
fn needs(granularity: Granularity) -> &'static [Directive<'static>] {
    const fn need(target: &'static str, level: Level) -> Directive<'static> {
        Directive { target, level }
    }
    const REQUESTS: Directive = need("chroma_tracing", Level::Debug);
    // Where they come from in the first versions of 1.0.
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

    /// Reads a name in any case, or its number from 0 to 5.
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

/// What is let through: of the targets that start with this one, everything up to the level. As in
/// tracing-subscriber, the longest such target decides, and among equal ones the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Directive<'a> {
    target: &'a str,
    level: Level,
}

impl<'a> Directive<'a> {
    /// Reads `level`, `target` or `target=level`; not those with a span, `target[span]=level`,
    /// which add to the others and take nothing away.
    fn read(text: &'a str) -> Option<Self> {
        if text.contains('[') {
            return None;
        }
        let (target, level) = match text.split_once('=') {
            Some((target, level)) => (target, Level::read(level)?),
            None => match Level::read(text) {
                Some(level) => ("", level),
                None => (text, Level::Trace),
            },
        };
        Some(Self { target, level })
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

/// The level that the operator's directives have for a target.
fn wished(wishes: &[(&str, Option<Directive>)], target: &str) -> Level {
    wishes
        .iter()
        .filter_map(|(_, wish)| *wish)
        .filter(|wish| wish.covers(target))
        .max_by_key(|wish| wish.target.len())
        .map_or(Level::Off, |wish| wish.level)
}

/// Whether one of the needs stands in its place: for the same target, or for a shorter one whose
/// spans it would take away (or, of HTTP/2, let in).
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
            need.target == wish.target || wrong
        })
}
}
pub mod variable {
//! The names: the four variables of the contract, and those that Chroma's servers read.
//!
//! Invariant: generator, entrypoint and templates take every name from here.

/// Where the traces go: a URL, or `host`, `host:port`.
pub const ENDPOINT: &str = "CHROMA_OTEL_COLLECTION_ENDPOINT";
/// The name that the spans carry as `service.name`.
pub const SERVICE_NAME: &str = "CHROMA_OTEL_SERVICE_NAME";
/// What to send along with every export; usually the key of a tracing backend. Secret.
pub const HEADERS: &str = "CHROMA_OTEL_COLLECTION_HEADERS";
/// How much detail: `none`, `operation`, `operation_and_segment` or `all`.
pub const GRANULARITY: &str = "CHROMA_OTEL_GRANULARITY";
/// The version of Chroma in the image, set by the rendered Dockerfile.
pub const CHROMA_VERSION: &str = "CHROMA_VERSION";

/// The endpoint that the server of Chroma 1.x reads.
pub const RUST_ENDPOINT: &str = "CHROMA_OPEN_TELEMETRY__ENDPOINT";
/// The service name that the server of Chroma 1.x reads.
pub const RUST_SERVICE_NAME: &str = "CHROMA_OPEN_TELEMETRY__SERVICE_NAME";
/// The filter of logs and spans that Chroma 1.x reads: what stands for the granularity there.
pub const RUST_LOG: &str = "RUST_LOG";
/// The headers that the OTLP exporter in Chroma 1.x reads.
pub const OTLP_HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// What wins over [`RUST_ENDPOINT`] and [`OTLP_HEADERS`] if it is left in the environment of Chroma
/// 1.x: whoever sets those removes these, or the traces go elsewhere without a word (measured on
/// 1.0.20 and 1.5.9 for the endpoints).
pub const OVERRIDING: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
];

/// The service name where none is given; Chroma's own default on every version.
pub const DEFAULT_SERVICE_NAME: &str = "chromadb";

/// One of the four variables, for documentation and for help texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in every deployment.
    pub name: &'static str,
    /// Which values are read, in words.
    pub format: &'static str,
    /// What holds when it is not set, in words.
    pub default: &'static str,
    /// The variable that the Python server reads for it (up to 0.6.3), and its exact form.
    pub python_server: &'static str,
    /// The variable that the Rust server reads for it (from 1.0.0), and its exact form.
    pub rust_server: &'static str,
    /// Whether its value is secret.
    pub secret: bool,
}

/// The four variables, in the order in which one fills them in.
pub const TABLE: [Variable; 4] = [
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

/// The value as meant: without white space and one pair of quotes around the whole of it, as shell
/// and env files leave them behind. `None` if nothing remains: blank is the same as not set.
pub(crate) fn given(value: &str) -> Option<&str> {
    let value = value.trim();
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .map_or(value, str::trim);
    (!inner.is_empty()).then_some(inner)
}
}
mod version {
//! The versions of Chroma, and what differs between them in a deployment.
//!
//! Invariant: the table holds what PyPI has from 0.4.0 to 1.5.9; anything newer counts as the
//! newest.

use crate::{Invalid, invalid::shown, variable};
use std::{fmt, str::FromStr};

/// A version of Chroma. Reads `1.5.9` and `v1.5.9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChromaVersion {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

/// Whether a version was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was.
    Known,
    /// It is newer than the newest known, and treated as that.
    Newer,
    /// It never was, or is older than 0.4.0.
    Never {
        /// The closest release: of the same minor version if there is one.
        nearest: ChromaVersion,
    },
}

/// The two servers that Chroma has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Server {
    /// Up to 0.6.3: reads the four variables from 0.4.15 on.
    Python,
    /// From 1.0.0: reads others, speaks OTLP over gRPC without TLS only.
    Rust,
}

/// Major, minor, and the patches released, oldest first; as on PyPI in November 2026.
const RELEASES: &[(u16, u16, &[u16])] = &[
    (
        0,
        4,
        &[
            0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
            24,
        ],
    ),
    (
        0,
        5,
        &[
            0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 15, 16, 17, 18, 20, 21, 23,
        ],
    ),
    (0, 6, &[0, 1, 2, 3]),
    (
        1,
        0,
        &[
            0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20, 21,
        ],
    ),
    (1, 1, &[0, 1]),
    (1, 2, &[0, 1, 2]),
    (1, 3, &[0, 2, 3, 4, 5, 6, 7]),
    (1, 4, &[0, 1]),
    (1, 5, &[0, 1, 2, 4, 5, 6, 7, 8, 9]),
];

impl ChromaVersion {
    /// The newest release known here.
    pub const NEWEST: Self = Self::new(1, 5, 9);

    pub(crate) const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Every release from 0.4.0 to [`Self::NEWEST`], oldest first.
    pub fn releases() -> impl Iterator<Item = Self> {
        RELEASES.iter().flat_map(|&(major, minor, patches)| {
            patches
                .iter()
                .map(move |&patch| Self::new(major, minor, patch))
        })
    }

    /// Whether it was released.
    pub fn release(self) -> Release {
        if self > Self::NEWEST {
            return Release::Newer;
        }
        let mut nearest = Self::new(0, 4, 0);
        for release in Self::releases() {
            if release == self {
                return Release::Known;
            }
            let same_minor = (release.major, release.minor) == (self.major, self.minor);
            let closer = nearest < self
                && release.patch.abs_diff(self.patch) <= nearest.patch.abs_diff(self.patch);
            if release < self || (same_minor && closer) {
                nearest = release;
            }
        }
        Release::Never { nearest }
    }

    /// Which of the two servers it has.
    pub fn server(self) -> Server {
        if self.major == 0 {
            Server::Python
        } else {
            Server::Rust
        }
    }

    /// Whether it can be traced at all: from 0.4.15 on.
    ///
    /// Seen in the wheels: `CHROMA_OTEL_*` are first in `chromadb/config.py` of 0.4.15, not in
    /// that of 0.4.14.
    pub fn traces(self) -> bool {
        self >= Self::new(0, 4, 15)
    }

    /// Where the published image keeps its data, hence where to mount the volume.
    ///
    /// On 1.x only because the image's own `/config.yaml` says so: one's own must repeat it.
    pub fn data_directory(self) -> &'static str {
        match self.server() {
            Server::Python => "/chroma/chroma",
            Server::Rust => "/data",
        }
    }

    /// The path that answers 200 when the server is ready.
    ///
    /// `/api/v2` is first in the server of 0.5.16, not in that of 0.5.15 (seen in the wheels);
    /// `/api/v2/healthcheck` also asks the executor and the log (measured on 1.0.0 and 1.5.9).
    pub fn health_path(self) -> &'static str {
        match self.server() {
            Server::Python if self < Self::new(0, 5, 16) => "/api/v1/heartbeat",
            Server::Python => "/api/v2/heartbeat",
            Server::Rust => "/api/v2/healthcheck",
        }
    }

    /// The command of the published image: entrypoint, and the arguments that a deployment may
    /// replace. An image derived with another entrypoint must repeat both: setting one resets the
    /// other.
    ///
    /// Read in the Dockerfiles of the source distributions 0.4.0, 0.4.14, 0.4.15, 0.4.17 to
    /// 0.4.24, 0.5.0, 0.5.5, 0.5.16, 0.5.23 and 0.6.3, and for 1.x in `rust/Dockerfile` of 2026
    /// (`dumb-init -- chroma`; the supervisor is left to whoever derives). Not seen: the images
    /// themselves, and the Dockerfiles of the first versions of 1.0.
    ///
    /// The script of 0.4.0 to 0.4.22 builds a library anew at every start, with a network and as
    /// root, and does not pass signals on: the server is started without it.
    pub fn command(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self.server() {
            Server::Python if self < Self::new(0, 4, 23) => (&["uvicorn"], UVICORN_ARGUMENTS),
            Server::Python => (&["/docker_entrypoint.sh"], &[PYTHON_ARGUMENTS]),
            Server::Rust => (&["chroma"], &["run", "/config.yaml"]),
        }
    }
}

/// What the script of 0.4.0 to 0.4.22 passes on.
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

/// One word, which the script expands: the image's `ENV` has the values.
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

/// Digits only, no sign, no leading zero: so that `Display` gives back what was read.
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
pub use ignored::ignored_variables;
pub use invalid::Invalid;
pub use server::server_environment;
pub use settings::Settings;
pub use spans::rust_log;
pub use version::{ChromaVersion, Release, Server};

mod sdk {
//! Tracing for a Rust program that uses or serves Chroma: [`init`] and what it hands out.
//!
//! Invariant: nothing in here panics into the program or keeps it waiting longer than the time it
//! is given; what does not work is a [`Problem`], said once on standard error.

mod delivery {
//! What became of every span: the SDK's batch processor drops what its queue cannot hold, and its
//! shutdown answers `Ok` whatever was delivered, so the spans are counted on both sides of it.
//!
//! Invariant: `ended` counts a span before the queue sees it and `exported` only after the
//! collector took it, so that `ended - exported` never hides a loss.

use super::{problem::say, tally};
use opentelemetry::Context;
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor},
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Handle;

/// The counts of one pipeline.
#[derive(Debug)]
pub(super) struct Ledger {
    endpoint: String,
    exported: AtomicU64,
    failed: AtomicU64,
    told: AtomicBool,
    /// What the transport said last, if it failed.
    cause: Mutex<Option<String>>,
    /// What the last failed export said.
    reason: Mutex<Option<String>>,
}

impl Ledger {
    /// Nothing sent yet; `endpoint` is for the messages.
    pub(super) fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            told: AtomicBool::new(false),
            cause: Mutex::new(None),
            reason: Mutex::new(None),
        }
    }

    /// Sampled spans that ended.
    pub(super) fn ended(&self) -> u64 {
        tally::total()
    }

    /// Spans that the collector took.
    pub(super) fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that were sent and not taken.
    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// From now on only the guard speaks: what fails in the last flush is in its final count.
    pub(super) fn close(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// The final word on `lost` spans.
    pub(super) fn report(&self, lost: u64) {
        let ended = self.ended();
        let dropped = lost.saturating_sub(self.failed());
        let reason = match &*unpoisoned(&self.reason) {
            Some(reason) => format!("last error: {reason}"),
            None if dropped > 0 => "they did not fit the queue, or the time to send them was up; \
                                    hint: raise `OTEL_BSP_MAX_QUEUE_SIZE`"
                .to_owned(),
            None => String::new(),
        };
        let endpoint = &self.endpoint;
        say(format_args!(
            "warning: {lost} of {ended} spans did not reach `{endpoint}`; {reason}"
        ));
    }

    /// Why the transport failed, for the next failed export to say; `None` when it did not.
    pub(super) fn explain(&self, cause: Option<String>) {
        *unpoisoned(&self.cause) = cause;
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
        if !self.told.swap(true, Ordering::Relaxed) {
            let endpoint = &self.endpoint;
            say(format_args!(
                "warning: spans do not reach `{endpoint}`: {error}; the attempts go on, and the \
                 number of lost spans is told at the end"
            ));
        }
        *unpoisoned(&self.reason) = Some(error);
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The SDK's batch processor, with the spans counted that go in.
#[derive(Debug)]
pub(super) struct Counted(pub(super) Arc<BatchSpanProcessor>);

impl SpanProcessor for Counted {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        tally::add_one();
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    // `set_resource` is left out: the exporter was given the resource before it came here.
}

/// An exporter that works on our own thread, with the batches counted that came through.
///
/// The processor's thread has no reactor, and the exporters' time limits need one; and a panic in
/// an exporter ends a task here, not the processor.
#[derive(Debug)]
pub(super) struct Remote<E> {
    pub(super) exporter: Arc<E>,
    pub(super) handle: Handle,
    /// The longest that one batch may take, retries included.
    pub(super) limit: Duration,
    pub(super) ledger: Arc<Ledger>,
}

impl<E: SpanExporter + 'static> SpanExporter for Remote<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let (exporter, limit) = (Arc::clone(&self.exporter), self.limit);
        let sending = self
            .handle
            .spawn(async move { tokio::time::timeout(limit, exporter.export(batch)).await });
        let result = match sending.await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(limit)),
            Err(ended) if ended.is_cancelled() => Err(OTelSdkError::AlreadyShutdown),
            Err(_) => Err(OTelSdkError::InternalFailure(
                "the exporter panicked".to_owned(),
            )),
        };
        self.ledger.record(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}
}
mod exporter {
//! The OTLP exporter for an endpoint: gRPC or HTTP, plain or TLS.
//!
//! Invariant: header values are marked as sensitive, and come from here into no text.

use super::delivery::Ledger;
use crate::{Endpoint, Headers, Invalid, Problem, Protocol, variable};
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{
    Protocol as Encoding, SpanExporter, WithExportConfig, WithHttpConfig, WithTonicConfig,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{collections::HashMap, env, iter, sync::Arc, time::Duration};
use tonic::{
    async_trait,
    metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue},
    transport::ClientTlsConfig,
};

/// A file of PEM certificates to trust instead of the public authorities (OpenTelemetry
/// specification, `protocol/exporter.md`; the Rust exporters do not read it themselves).
const CERTIFICATE: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const TIMEOUT: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];

/// The longest that one batch may take: `OTEL_EXPORTER_OTLP_TIMEOUT` in milliseconds, 10 seconds
/// when it is not set or not a positive number (OpenTelemetry specification,
/// `protocol/exporter.md`).
pub(super) fn time_limit() -> Duration {
    first_set(TIMEOUT)
        .and_then(|(_, value)| value.parse().ok())
        .filter(|milliseconds| *milliseconds > 0)
        .map_or(Duration::from_secs(10), Duration::from_millis)
}

/// Makes the exporter. To be called in the context of a tokio runtime; connects only on export.
///
/// # Errors
/// What the endpoint, the headers or the certificate file has that cannot be used.
pub(super) fn exporter(
    endpoint: &Endpoint,
    headers: &Headers,
    ledger: &Arc<Ledger>,
) -> Result<SpanExporter, Problem> {
    let limit = time_limit();
    match endpoint.protocol() {
        Protocol::Grpc => grpc(endpoint, headers, limit),
        Protocol::Http => http(endpoint, headers, limit, Arc::clone(ledger)),
    }
}

fn grpc(endpoint: &Endpoint, headers: &Headers, limit: Duration) -> Result<SpanExporter, Problem> {
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.to_string())
        .with_timeout(limit)
        .with_metadata(metadata(headers)?);
    if endpoint.is_tls() {
        let roots = authorities()?.roots;
        builder = builder.with_tls_config(ClientTlsConfig::new().trust_anchors(roots));
    }
    builder.build().map_err(cannot_start)
}

fn http(
    endpoint: &Endpoint,
    headers: &Headers,
    limit: Duration,
    ledger: Arc<Ledger>,
) -> Result<SpanExporter, Problem> {
    let url = endpoint.traces_url();
    if !url.ends_with("/v1/traces") {
        return Err(Problem::Invalid(Invalid::new(
            variable::ENDPOINT,
            format!("is `{url}`, which is not an OTLP endpoint"),
            "name an OTLP endpoint, such as a collector's `http://collector:4317`, and let the \
             collector speak to Zipkin",
        )));
    }
    let roots = if endpoint.is_tls() {
        authorities()?
    } else {
        RootCertStore::empty()
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(cannot_start)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .build();
    let headers: HashMap<String, String> = headers
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    SpanExporter::builder()
        .with_http()
        .with_protocol(Encoding::HttpBinary)
        .with_endpoint(url)
        .with_timeout(limit)
        .with_headers(headers)
        .with_http_client(Explaining {
            client: HyperClient::new(connector, limit, None),
            ledger,
        })
        .build()
        .map_err(cannot_start)
}

/// A client that keeps why a request failed: the exporter makes "network error" of everything.
#[derive(Debug)]
struct Explaining<C> {
    client: C,
    ledger: Arc<Ledger>,
}

#[async_trait]
impl<C: HttpClient> HttpClient for Explaining<C> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let result = self.client.send_bytes(request).await;
        self.ledger.explain(result.as_ref().err().map(|error| {
            let causes = iter::successors(error.source(), |cause| cause.source());
            causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
        }));
        result
    }
}

fn metadata(headers: &Headers) -> Result<MetadataMap, Problem> {
    let mut metadata = MetadataMap::with_capacity(2);
    for (name, value) in headers.iter() {
        let refused = |what: &str| {
            Problem::Invalid(Invalid::new(
                variable::HEADERS,
                format!("has the header `{name}`, whose {what} gRPC does not carry"),
                "use letters, digits, `-`, `_` and `.` in names, not ending in `-bin`, and \
                 printable ASCII in values",
            ))
        };
        let key: MetadataKey<Ascii> = name.parse().map_err(|_| refused("name"))?;
        let mut value = MetadataValue::try_from(value).map_err(|_| refused("value"))?;
        value.set_sensitive(true);
        metadata.insert(key, value);
    }
    Ok(metadata)
}

/// Whom to trust: the file named by the environment, or else the public authorities that are
/// compiled in, because a scratch image has no file of them.
fn authorities() -> Result<RootCertStore, Problem> {
    let Some((variable, path)) = first_set(CERTIFICATE) else {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    };
    let refused = |what: String| {
        Problem::Invalid(Invalid::new(
            variable,
            format!("names `{path}`, {what}"),
            "name a readable file of PEM certificates, or unset it to trust the public authorities",
        ))
    };
    let mut store = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(&path)
        .map_err(|error| refused(format!("which cannot be read: {error}")))?;
    for certificate in certificates {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| store.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| refused(format!("which is not a file of certificates: {error}")))?;
    }
    if store.is_empty() {
        return Err(refused("which holds no certificate".to_owned()));
    }
    Ok(store)
}

fn first_set<const N: usize>(names: [&'static str; N]) -> Option<(&'static str, String)> {
    names.into_iter().find_map(|name| {
        let value = env::var(name).ok()?;
        let value = value.trim();
        (!value.is_empty()).then(|| (name, value.to_owned()))
    })
}

fn cannot_start(error: impl std::fmt::Display) -> Problem {
    Problem::Start(error.to_string())
}
}
mod filter {
//! Which spans are exported, and which log events are printed: two filters that know nothing of
//! each other.
//!
//! Invariant: both decide by a callsite's metadata alone, so that `tracing` asks once a callsite,
//! and `RUST_LOG` has no part in the decision about spans.

use crate::{Granularity, Invalid};
use tracing::{
    Event, Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    layer::{Context, Filter},
};

/// The crates that carry the export. Their spans would be exported by themselves, without end.
const EXPORT_STACK: [&str; 12] = [
    "h2",
    "hyper",
    "hyper_rustls",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_http",
    "opentelemetry_otlp",
    "opentelemetry_sdk",
    "rustls",
    "tokio_rustls",
    "tonic",
    "tower",
];

/// The spans, and events on them, of a granularity:
///
/// - `none`: nothing;
/// - `operation`: level `INFO` and above, and at any level the spans that declare `otel.kind` or
///   `otel.name`: those were made for a trace (a request that comes in or goes out; Chroma's own
///   request spans are `DEBUG`);
/// - `operation_and_segment`: also level `DEBUG`;
/// - `all`: also level `TRACE`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans(pub(super) Granularity);

impl Spans {
    fn wants(self, metadata: &Metadata<'_>) -> bool {
        let level = match self.0 {
            Granularity::None => return false,
            Granularity::Operation => Level::INFO,
            Granularity::OperationAndSegment => Level::DEBUG,
            Granularity::All => Level::TRACE,
        };
        let of_a_trace = || {
            let fields = metadata.fields();
            metadata.is_span()
                && ["otel.kind", "otel.name"]
                    .iter()
                    .any(|name| fields.field(*name).is_some())
        };
        (*metadata.level() <= level || of_a_trace()) && !of_export_stack(metadata.target())
    }

    fn most(self) -> LevelFilter {
        match self.0 {
            Granularity::None => LevelFilter::OFF,
            // A request span may have any level.
            Granularity::Operation | Granularity::OperationAndSegment | Granularity::All => {
                LevelFilter::TRACE
            }
        }
    }
}

fn of_export_stack(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or(target);
    EXPORT_STACK.contains(&root)
}

impl<S> Filter<S> for Spans {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(self.wants(metadata))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most())
    }
}

/// The log events of `RUST_LOG`; spans are not its concern.
#[derive(Clone, Debug)]
pub(super) struct Events(Targets);

impl Events {
    /// Of the value of `RUST_LOG`, blank being not set: `target=level` directives, default `info`.
    ///
    /// # Errors
    /// With the default, what is wrong with the value.
    pub(super) fn read(rust_log: Option<&str>) -> (Self, Option<Invalid>) {
        let default = || Self(Targets::new().with_default(Level::INFO));
        let Some(value) = rust_log.map(str::trim).filter(|value| !value.is_empty()) else {
            return (default(), None);
        };
        match value.parse() {
            Ok(targets) => (Self(targets), None),
            Err(error) => {
                let invalid = Invalid::new(
                    "RUST_LOG",
                    format!("is `{value}`, which cannot be read ({error}), so `info` is used"),
                    "write levels and `target=level` pairs, as in `info,chroma=debug`",
                );
                (default(), Some(invalid))
            }
        }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.0.would_enable(metadata.target(), metadata.level())
    }

    fn most(&self) -> Option<LevelFilter> {
        Filter::<Registry>::max_level_hint(&self.0)
    }
}

/// The one place where `init()`'s subscriber decides, for spans and logs together.
///
/// Per-layer filters would do the same, and look every span up again at each of its steps: 120 ns
/// more on a span of 750 ns (`benches/span.rs`). So this layer sits on top of the one that makes
/// OpenTelemetry spans and lets through what that one shall see.
pub(super) struct Gate<L> {
    pub(super) spans: Spans,
    /// Which events are printed, and what prints them.
    pub(super) logs: Option<(Events, L)>,
}

impl<L> Gate<L> {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let logged = |(events, _): &(Events, L)| events.wants(metadata);
        self.spans.wants(metadata) || self.logs.as_ref().is_some_and(logged)
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Gate<L> {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        interest(self.wants(metadata))
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let logs = self.logs.as_ref().and_then(|(events, _)| events.most());
        Some(self.spans.most().max(logs.unwrap_or(LevelFilter::OFF)))
    }

    /// Prints, because an event that is not let through to the spans ends here.
    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        if let Some((events, lines)) = &self.logs
            && events.wants(event.metadata())
        {
            lines.on_event(event, context);
        }
        self.spans.wants(event.metadata())
    }
}

fn interest(wanted: bool) -> Interest {
    if wanted {
        Interest::always()
    } else {
        Interest::never()
    }
}
}
mod guard {
//! The guard: as long as it lives spans are sent, and when it is dropped the rest goes out.
//!
//! Invariant: no call lasts longer than the time given to it, whatever the collector does.

use super::{Options, Problem, pipeline::Pipeline};
use opentelemetry_sdk::{error::OTelSdkError, trace::SpanProcessor};
use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What became of the spans since tracing was installed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Spans that the collector took.
    pub exported: u64,
    /// Spans that are gone: the queue was full, or the collector did not take them. A collector
    /// that takes a batch and then throws away a part of it (OTLP's partial success) is not seen.
    pub lost: u64,
    /// Spans that still wait to be sent, because the time was too short.
    pub pending: u64,
}

/// Keeps tracing alive. Dropping it sends what is left within [`Options::flush_timeout`], ends
/// tracing, and says once on standard error how many spans were lost, if any.
#[must_use = "dropping the guard ends tracing"]
pub struct Guard {
    pipeline: Option<Pipeline>,
    problems: Vec<Problem>,
    flush_timeout: Duration,
}

impl Guard {
    pub(super) fn new(
        pipeline: Option<Pipeline>,
        problems: Vec<Problem>,
        options: &Options,
    ) -> Self {
        Self {
            pipeline,
            problems,
            flush_timeout: options.flush_timeout,
        }
    }

    /// Whether spans are exported.
    pub fn enabled(&self) -> bool {
        self.pipeline.is_some()
    }

    /// What was wrong when tracing was installed; each was said on standard error too.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Sends the spans that ended so far, waiting for the collector's answer at most `timeout`.
    pub fn flush(&self, timeout: Duration) -> Outcome {
        let Some(pipeline) = &self.pipeline else {
            return Outcome::default();
        };
        let ledger = &pipeline.ledger;
        let ended = ledger.ended();
        let drained = drain(pipeline, timeout);
        let (exported, failed) = (ledger.exported(), ledger.failed());
        let unsettled = ended.saturating_sub(exported + failed);
        // What a drained queue does not hold and nobody sent never was in it.
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

    /// Ends tracing as dropping the guard does, and tells what became of the spans.
    pub fn shutdown(mut self) -> Outcome {
        self.end()
    }

    fn end(&mut self) -> Outcome {
        let Some(pipeline) = self.pipeline.take() else {
            return Outcome::default();
        };
        let ledger = Arc::clone(&pipeline.ledger);
        ledger.close();
        // Its own verdict is of no use: it is `Ok` whatever the collector did.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| {
            pipeline.provider.shutdown_with_timeout(self.flush_timeout)
        }));
        let exported = ledger.exported();
        let lost = ledger.ended().saturating_sub(exported);
        if lost > 0 {
            ledger.report(lost);
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

/// Whether all that had ended was sent, successfully or not, within `timeout`. On a thread of its
/// own, because the processor waits five seconds whatever it is told.
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
//! Trace and span ids.
//!
//! The SDK draws them from a cryptographic generator, which panics in the program's own thread in a
//! static binary where there is no `/dev/urandom` (measured). Ids need to be unique, not secret;
//! these are also quicker by more than the counting of spans costs.
//!
//! Invariant: no id is zero, and every thread has a state of 256 bits of its own.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

/// Ids from a generator in each thread, seeded with what the system gave the standard library.
#[derive(Debug)]
pub(super) struct Ids;

thread_local! {
    static STATE: Cell<[u64; 4]> = Cell::new(std::array::from_fn(|_| RandomState::new().hash_one(0)));
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(draw()) << 64 | u128::from(draw()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(draw())
    }
}

/// xoshiro256++ by Blackman and Vigna, <https://prng.di.unimi.it/xoshiro256plusplus.c>.
fn step([a, b, c, d]: [u64; 4]) -> (u64, [u64; 4]) {
    let drawn = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
    let (c, d) = (c ^ a, d ^ b);
    (drawn, [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)])
}

/// Never zero, which stands for "no id" (W3C Trace Context).
fn draw() -> u64 {
    STATE.with(|state| {
        let (drawn, next) = step(state.get());
        state.set(next);
        drawn.max(1)
    })
}
}
mod pipeline {
//! From a span that ends to the collector: provider, counted batch processor, exporter, thread.
//!
//! Invariant: a pipeline exists only if tracing is on and everything in it could be built.

use super::{
    Options, Problem,
    delivery::{Counted, Ledger, Remote},
    exporter,
    ids::Ids,
    resource::resource,
    runtime::{self, Runtime},
};
use crate::{Endpoint, Granularity, Settings};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider, SpanExporter};
use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// A running pipeline.
pub(super) struct Pipeline {
    pub(super) provider: SdkTracerProvider,
    pub(super) processor: Arc<BatchSpanProcessor>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) granularity: Granularity,
    _runtime: Runtime,
}

impl Pipeline {
    /// The pipeline to an endpoint.
    ///
    /// # Errors
    /// Why it cannot be built; a panic of a dependency is one of the reasons.
    pub(super) fn to_endpoint(
        endpoint: &Endpoint,
        settings: &Settings,
        options: &Options,
    ) -> Result<Self, Problem> {
        Self::start(endpoint.to_string(), settings, options, |ledger| {
            exporter::exporter(endpoint, &settings.headers, ledger)
        })
    }

    /// The pipeline to the exporter that `connect` makes in the context of our runtime.
    ///
    /// # Errors
    /// As [`Pipeline::to_endpoint`].
    pub(super) fn start<E: SpanExporter + 'static>(
        destination: String,
        settings: &Settings,
        options: &Options,
        connect: impl FnOnce(&Arc<Ledger>) -> Result<E, Problem>,
    ) -> Result<Self, Problem> {
        panic::catch_unwind(AssertUnwindSafe(|| {
            let runtime = runtime::start().map_err(|error| Problem::Start(error.to_string()))?;
            let ledger = Arc::new(Ledger::new(destination));
            // The gRPC channel puts its task on the runtime it finds around it.
            let exporter = {
                let _inside = runtime.handle.enter();
                connect(&ledger)?
            };
            Ok(Self::around(exporter, ledger, runtime, settings, options))
        }))
        .unwrap_or_else(|_| {
            Err(Problem::Start(
                "a library panicked, as it says above".to_owned(),
            ))
        })
    }

    fn around<E: SpanExporter + 'static>(
        exporter: E,
        ledger: Arc<Ledger>,
        runtime: Runtime,
        settings: &Settings,
        options: &Options,
    ) -> Self {
        let resource = resource(&settings.service_name, &options.resource);
        let mut exporter = Remote {
            exporter: Arc::new(exporter),
            handle: runtime.handle.clone(),
            limit: exporter::time_limit(),
            ledger: Arc::clone(&ledger),
        };
        exporter.set_resource(&resource);
        let processor = Arc::new(BatchSpanProcessor::builder(exporter).build());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_id_generator(Ids)
            .with_span_processor(Counted(Arc::clone(&processor)))
            .build();
        Self {
            provider,
            processor,
            ledger,
            granularity: settings.granularity,
            _runtime: runtime,
        }
    }

    /// The layer that makes OpenTelemetry spans of all `tracing` spans it is shown. Thread names and
    /// busy times are left out: they are the costly part of a span.
    pub(super) fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: tracing::Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.provider.tracer(env!("CARGO_PKG_NAME"));
        OpenTelemetryLayer::new(tracer)
            .with_threads(false)
            .with_tracked_inactivity(false)
    }
}
}
mod problem {
//! What kept tracing from being installed, or from being installed whole.
//!
//! Invariant: no problem ends the program, and no text shows a header's value.

use crate::Invalid;
use std::{
    fmt,
    io::{self, Write},
};

/// Why tracing is off, or less than was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A variable cannot be read: tracing is off, or for `RUST_LOG` the default is used.
    Invalid(Invalid),
    /// The exporter or its thread could not be started; tracing is off.
    Start(String),
    /// The program had a `tracing` subscriber before: only spans made with the OpenTelemetry
    /// interface are exported.
    SubscriberInstalled,
    /// Tracing was installed before in this process: the first guard stays in charge.
    AlreadyInitialized,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(formatter),
            Self::Start(what) => write!(formatter, "the exporter cannot be started: {what}"),
            Self::SubscriberInstalled => formatter.write_str(
                "the program has a `tracing` subscriber already, so that its spans are not \
                 exported; hint: add `chroma_otel_init::layer()` to that subscriber",
            ),
            Self::AlreadyInitialized => formatter.write_str(
                "tracing is initialized already, the first time counts; hint: call `init()` once, \
                 at the start of `main`",
            ),
        }
    }
}

impl std::error::Error for Problem {}

/// Says `text` on standard error, where an operator looks. A closed standard error is survived.
pub(super) fn say(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "chroma-otel-init: {text}");
}
}
mod propagation {
//! W3C trace context and baggage, in and out, without tying the program to an HTTP library.
//!
//! Invariant: before `init()`, or with tracing off, both directions do nothing.

use opentelemetry::{
    global,
    propagation::{Extractor, TextMapCompositePropagator},
};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use std::collections::{BTreeMap, HashMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Makes `traceparent`, `tracestate` and `baggage` the headers of this process.
pub(super) fn install() {
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]));
}

/// The headers to send along with a request made within `span` (`traceparent` and its kind), so
/// that the callee's spans become its children. Empty when the span is not traced.
pub fn trace_headers(span: &Span) -> BTreeMap<String, String> {
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&span.context(), &mut headers);
    });
    headers.into_iter().collect()
}

/// Makes `span` the child of the caller's span that the headers of an incoming request name; any
/// headers may be given, names in any case. To be called before the span is entered; returns
/// whether the headers named a caller.
pub fn continue_trace<'header>(
    span: &Span,
    headers: impl IntoIterator<Item = (&'header str, &'header str)>,
) -> bool {
    use opentelemetry::trace::TraceContextExt;

    let headers = Headers(
        headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect(),
    );
    let context = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    context.has_active_span() && span.set_parent(context).is_ok()
}

struct Headers<'header>(HashMap<String, &'header str>);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(&key.to_ascii_lowercase()).copied()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}
}
mod resource {
//! Who sends the spans.
//!
//! Invariant: the program's own attributes win over `OTEL_RESOURCE_ATTRIBUTES`, and the service
//! name of the settings wins over both.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// The resource of a service: `OTEL_RESOURCE_ATTRIBUTES` and `telemetry.sdk.*` from the SDK's own
/// detectors, `attributes` on top.
pub(super) fn resource(service_name: &str, attributes: &[(String, String)]) -> Resource {
    Resource::builder()
        .with_attributes(
            attributes
                .iter()
                .map(|(name, value)| KeyValue::new(name.clone(), value.clone())),
        )
        .with_service_name(service_name.to_owned())
        .build()
}
}
mod runtime {
//! A thread of our own for the network, so that the program needs no async runtime, and a
//! single-threaded one is not waited for by itself.
//!
//! Invariant: the tokio runtime is made, used and dropped on that thread alone: dropping it on a
//! thread of the program could block or panic there.

use std::{convert::Infallible, io, sync::mpsc, thread};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The thread; dropping this ends it, without waiting for it.
pub(super) struct Runtime {
    /// Spawns onto the thread; tasks spawned after its end are cancelled.
    pub(super) handle: Handle,
    _stop: oneshot::Sender<Infallible>,
}

/// Starts the thread.
pub(super) fn start() -> io::Result<Runtime> {
    let (stop, stopped) = oneshot::channel();
    let (started, starting) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("chroma-otel".to_owned())
        .spawn(
            move || match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let _ = started.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(stopped);
                    // A name being resolved cannot be cancelled.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            },
        )?;
    let handle = starting.recv().map_err(io::Error::other)??;
    Ok(Runtime {
        handle,
        _stop: stop,
    })
}
}
mod tally {
//! How many spans ended: a count for each thread, so that counting costs no bus lock (5 ns less on
//! a span of 185 ns, `benches/span.rs`) and no thread waits for another.
//!
//! Invariant: only its own thread writes a count; a thread that ends leaves its count behind. There
//! is one tally, as there is one pipeline in a process.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

static THREADS: Mutex<Vec<Arc<AtomicU64>>> = Mutex::new(Vec::new());
/// The counts of threads that ended.
static LEFT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LOCAL: Local = Local::new();
}

struct Local(Arc<AtomicU64>);

impl Local {
    fn new() -> Self {
        let count = Arc::new(AtomicU64::new(0));
        threads().push(Arc::clone(&count));
        Self(count)
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let mut threads = threads();
        LEFT.fetch_add(self.0.load(Ordering::Relaxed), Ordering::Relaxed);
        threads.retain(|count| !Arc::ptr_eq(count, &self.0));
    }
}

fn threads() -> MutexGuard<'static, Vec<Arc<AtomicU64>>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts one, also on a thread that is about to end.
pub(super) fn add_one() {
    let counted = LOCAL.try_with(|local| {
        let count = local.0.load(Ordering::Relaxed);
        local.0.store(count + 1, Ordering::Relaxed);
    });
    if counted.is_err() {
        LEFT.fetch_add(1, Ordering::Relaxed);
    }
}

/// What all threads counted so far.
pub(super) fn total() -> u64 {
    let threads = threads();
    let running: u64 = threads
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    running + LEFT.load(Ordering::Relaxed)
}
}

pub use guard::{Guard, Outcome};
/// The OpenTelemetry interface of the very release that [`init`] installs.
pub use opentelemetry;
/// The OpenTelemetry SDK of that release, for [`init_with_exporter`].
pub use opentelemetry_sdk;
pub use problem::Problem;
pub use propagation::{continue_trace, trace_headers};
/// The `tracing` interface whose spans [`init`] exports.
pub use tracing;

use crate::{Endpoint, Settings};
use filter::{Events, Gate, Spans};
use opentelemetry_sdk::trace::SpanExporter;
use pipeline::Pipeline;
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tracing_subscriber::{Layer, layer::SubscriberExt, registry::LookupSpan};

/// What [`init_with`] does besides what the four variables say.
#[derive(Clone, Debug)]
pub struct Options {
    /// Attributes of the resource, on top of `OTEL_RESOURCE_ATTRIBUTES` and winning over it.
    /// The service name always comes from the settings.
    pub resource: Vec<(String, String)>,
    /// Where the program's log events go.
    pub logs: Logs,
    /// The longest that dropping the [`Guard`] may take, whatever the collector does.
    pub flush_timeout: Duration,
}

impl Default for Options {
    /// No further attributes, logs on standard error, five seconds.
    fn default() -> Self {
        Self {
            resource: Vec::new(),
            logs: Logs::Stderr,
            flush_timeout: Duration::from_secs(5),
        }
    }
}

/// Where log events go. Spans are not concerned: the granularity alone decides about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// Nowhere.
    Off,
    /// Lines on standard error, filtered by `RUST_LOG` (`target=level` directives, default
    /// `info`). Tracing being off does not silence them.
    Stderr,
}

/// Installs tracing as the four variables say.
///
/// ```
/// use chroma_otel_init::tracing;
///
/// // Keep it until the end of `main`: dropping it sends the last spans.
/// let _guard = chroma_otel_init::init();
/// let request = tracing::info_span!("search", otel.kind = "server", collection = "books");
/// let _inside = request.enter();
/// tracing::info!(found = 3, "answered");
/// ```
///
/// - **Never fails, never waits**: needs no async runtime and minds none. What cannot be read
///   switches tracing off, is told once on standard error, and is kept in [`Guard::problems`].
///   Dropping the guard takes [`Options::flush_timeout`] at most, and tells how many spans were
///   lost, if any.
/// - **Spans** of `tracing` and of the [`opentelemetry`] interface are exported. The granularity
///   decides, and `RUST_LOG` does not: `operation` takes the levels `INFO` and above, and at any
///   level the spans that declare `otel.kind` or `otel.name` (those were made for a trace);
///   `operation_and_segment` also `DEBUG`; `all` also `TRACE`. Spans of the OpenTelemetry
///   interface have no level and count as operations.
/// - **Headers in and out** are W3C's, see [`continue_trace`] and [`trace_headers`].
/// - **TLS** trusts the public authorities that are compiled in, or instead of them those in the
///   file that `OTEL_EXPORTER_OTLP_CERTIFICATE` names.
/// - **Of OpenTelemetry's variables** it honours `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`,
///   `OTEL_TRACES_SAMPLER` and `_ARG`, `OTEL_SPAN_*_COUNT_LIMIT`, `OTEL_SDK_DISABLED`, and
///   `OTEL_EXPORTER_OTLP_{CERTIFICATE,COMPRESSION,HEADERS,TIMEOUT}` with their `_TRACES_` forms.
///   Endpoint and service name come from Chroma's variables alone.
#[must_use = "dropping the guard ends tracing"]
pub fn init() -> Guard {
    match Settings::from_env() {
        Ok(settings) => init_with(&settings, &Options::default()),
        Err(invalid) => {
            let problems = invalid.into_iter().map(Problem::Invalid).collect();
            install(None, problems, &Options::default())
        }
    }
}

/// Installs tracing as [`init`] does, from settings read before.
#[must_use = "dropping the guard ends tracing"]
pub fn init_with(settings: &Settings, options: &Options) -> Guard {
    let (pipeline, problems) = start(settings, options, Pipeline::to_endpoint);
    install(pipeline, problems, options)
}

/// Installs tracing as [`init_with`] does, with an exporter of the program's own in place of OTLP:
/// for a test that looks at spans, such as with the SDK's `InMemorySpanExporter`. The endpoint
/// only has to be there.
#[must_use = "dropping the guard ends tracing"]
pub fn init_with_exporter<E: SpanExporter + 'static>(
    exporter: E,
    settings: &Settings,
    options: &Options,
) -> Guard {
    let (pipeline, problems) = start(settings, options, |_, settings, options| {
        Pipeline::start("the exporter".to_owned(), settings, options, |_| {
            Ok(exporter)
        })
    });
    install(pipeline, problems, options)
}

/// For a program that has a `tracing` subscriber of its own: the layer to add to it.
///
/// Does all that [`init_with`] does, global tracer provider and propagator included, but installs
/// no subscriber and no logs, and costs some more for each span (per-layer filters do). The layer is `None`, which is a layer that does nothing, when
/// tracing is off.
pub fn layer<S>(
    settings: &Settings,
    options: &Options,
) -> (Option<Box<dyn Layer<S> + Send + Sync>>, Guard)
where
    S: tracing::Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
{
    let (pipeline, problems) = start(settings, options, Pipeline::to_endpoint);
    let layer = pipeline.as_ref().map(|pipeline| {
        let spans = Spans(pipeline.granularity);
        pipeline.layer().with_filter(spans).boxed()
    });
    (layer, guard(pipeline, problems, options))
}

/// Set by the start that succeeded: the tracer provider is the process's.
static INITIALIZED: AtomicBool = AtomicBool::new(false);

fn start(
    settings: &Settings,
    options: &Options,
    pipeline: impl FnOnce(&Endpoint, &Settings, &Options) -> Result<Pipeline, Problem>,
) -> (Option<Pipeline>, Vec<Problem>) {
    let Some(endpoint) = settings.endpoint.as_ref().filter(|_| settings.enabled()) else {
        return (None, Vec::new());
    };
    if switched_off() {
        return (None, Vec::new());
    }
    if INITIALIZED.swap(true, Ordering::AcqRel) {
        return (None, vec![Problem::AlreadyInitialized]);
    }
    match pipeline(endpoint, settings, options) {
        Ok(pipeline) => {
            opentelemetry::global::set_tracer_provider(pipeline.provider.clone());
            propagation::install();
            (Some(pipeline), Vec::new())
        }
        Err(problem) => {
            INITIALIZED.store(false, Ordering::Release);
            (None, vec![problem])
        }
    }
}

/// `OTEL_SDK_DISABLED` (OpenTelemetry specification, `sdk-environment-variables.md`): `true` in
/// any case, and nothing else. The Rust SDK does not read it.
fn switched_off() -> bool {
    std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Installs the subscriber: the pipeline's layer, and the logs, which come without a pipeline too.
fn install(pipeline: Option<Pipeline>, mut problems: Vec<Problem>, options: &Options) -> Guard {
    let logs = match options.logs {
        Logs::Off => None,
        Logs::Stderr => {
            let rust_log = std::env::var("RUST_LOG").ok();
            let (events, invalid) = Events::read(rust_log.as_deref());
            problems.extend(invalid.map(Problem::Invalid));
            Some(events)
        }
    };
    if pipeline.is_some() || logs.is_some() {
        let granularity = pipeline.as_ref().map(|pipeline| pipeline.granularity);
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false);
        let subscriber = tracing_subscriber::registry()
            .with(pipeline.as_ref().map(Pipeline::layer))
            .with(Gate {
                spans: Spans(granularity.unwrap_or_default()),
                logs: logs.map(|events| (events, lines)),
            });
        let installed = tracing::subscriber::set_global_default(subscriber);
        // Without a pipeline the program's own subscriber lacks nothing.
        if installed.is_err() && pipeline.is_some() {
            problems.push(Problem::SubscriberInstalled);
        }
    }
    guard(pipeline, problems, options)
}

fn guard(pipeline: Option<Pipeline>, problems: Vec<Problem>, options: &Options) -> Guard {
    for problem in &problems {
        match pipeline {
            Some(_) => problem::say(format_args!("warning: {problem}")),
            None => problem::say(format_args!("error: tracing is off: {problem}")),
        }
    }
    Guard::new(pipeline, problems, options)
}
}
pub use sdk::{
    Guard, Logs, Options, Outcome, Problem, continue_trace, init, init_with, init_with_exporter,
    layer, opentelemetry, opentelemetry_sdk, trace_headers, tracing,
};
