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
