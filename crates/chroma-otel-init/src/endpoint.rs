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
    #[cfg(feature = "pipeline")]
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
    #[cfg(feature = "pipeline")]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Endpoint {
        text.parse()
            .unwrap_or_else(|invalid| panic!("{text}: {invalid}"))
    }

    #[test]
    fn parses_common_notations() {
        for (text, expected) in [
            ("collector", "http://collector:4317"),
            ("collector:4317", "http://collector:4317"),
            ("  Collector:4317 \n", "http://collector:4317"),
            ("http://collector", "http://collector:4317"),
            ("HTTP://Collector:4317///", "http://collector:4317"),
            ("\"http://collector:4317/\"", "http://collector:4317"),
            ("'collector'", "http://collector:4317"),
            ("http://collector:4318", "http://collector:4318"),
            (
                "collector:4318/v1/traces/",
                "http://collector:4318/v1/traces",
            ),
            ("collector/v1/traces", "http://collector:4318/v1/traces"),
            (
                "http://zipkin/api/v2/spans",
                "http://zipkin:9411/api/v2/spans",
            ),
            ("otel_collector.ns.svc", "http://otel_collector.ns.svc:4317"),
            (
                "otel.ns.svc.cluster.local.",
                "http://otel.ns.svc.cluster.local.:4317",
            ),
            ("host.docker.internal", "http://host.docker.internal:4317"),
            ("localhost:4317", "http://localhost:4317"),
            ("10.1.2.3", "http://10.1.2.3:4317"),
            ("8.8.8.8", "https://8.8.8.8:443"),
            ("[::1]", "http://[::1]:4317"),
            ("[FD00:0:0::1]:4318", "http://[fd00::1]:4318"),
            ("[2001:db8::1]:4317", "https://[2001:db8::1]:4317"),
            ("[::ffff:8.8.8.8]", "https://[::ffff:8.8.8.8]:443"),
            ("api.honeycomb.io", "https://api.honeycomb.io:443"),
            ("api.honeycomb.io:443", "https://api.honeycomb.io:443"),
            ("https://api.honeycomb.io", "https://api.honeycomb.io:443"),
            ("http://api.honeycomb.io", "http://api.honeycomb.io:4317"),
            (
                "https://otlp.nr-data.net/v1/traces",
                "https://otlp.nr-data.net:443/v1/traces",
            ),
            ("https://x.example/otlp/", "https://x.example:443/otlp"),
            ("grpc://collector", "http://collector:4317"),
            ("GRPCS://x.example", "https://x.example:443"),
            ("http://collector:65535", "http://collector:65535"),
        ] {
            assert_eq!(read(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn metrics_are_sent_to_the_same_endpoint_as_traces() {
        for (value, url) in [
            ("https://c", Some("https://c/v1/metrics")),
            (
                "https://c/otlp/v1/traces",
                Some("https://c/otlp/v1/metrics"),
            ),
            (
                "https://ingest.eu0.x/v2/trace/otlp",
                Some("https://ingest.eu0.x/v2/datapoint/otlp"),
            ),
            ("http://zipkin:9411", None),
        ] {
            assert_eq!(read(value).metrics_url().as_deref(), url, "{value}");
        }
    }

    #[test]
    fn port_or_path_decides_the_protocol() {
        for (text, protocol, traces_url) in [
            ("http://c:4317", Protocol::Grpc, "http://c:4317/v1/traces"),
            ("http://c:4318", Protocol::Http, "http://c:4318/v1/traces"),
            ("https://c", Protocol::Grpc, "https://c/v1/traces"),
            ("https://c/otlp", Protocol::Http, "https://c/otlp/v1/traces"),
            ("https://c/v1/traces", Protocol::Http, "https://c/v1/traces"),
            ("c:9411", Protocol::Http, "http://c:9411/api/v2/spans"),
            (
                "https://c/a/api/v2/spans",
                Protocol::Http,
                "https://c/a/api/v2/spans",
            ),
        ] {
            let endpoint = read(text);
            assert_eq!(endpoint.protocol(), protocol, "{text}");
            assert_eq!(endpoint.traces_url(), traces_url, "{text}");
        }
    }

    #[test]
    fn the_parts_of_an_address() {
        let endpoint = read("[fe80::1]:4317");
        assert_eq!(endpoint.host(), "fe80::1");
        assert_eq!(endpoint.port(), 4317);
        assert_eq!(endpoint.authority(), "[fe80::1]:4317");
        assert!(!endpoint.is_tls());
        assert_eq!(read("https://Example.org").authority(), "example.org:443");
    }

    #[test]
    fn errors_state_the_reason() {
        for (text, why) in [
            ("", "is empty"),
            ("http://", "no host"),
            ("http:///v1/traces", "no host"),
            (":4317", "no host"),
            ("/v1/traces", "no host"),
            ("4317", "neither a name nor"),
            ("1.2.3", "neither a name nor"),
            ("256.1.1.1:4317", "neither a name nor"),
            ("http://collector:", "port"),
            ("http://collector:0", "port"),
            ("http://collector:70000", "port"),
            ("http://collector:+80", "port"),
            ("http://collector:4317x", "port"),
            ("ftp://collector", "scheme"),
            ("://collector", "scheme"),
            ("unix:///run/otel.sock", "scheme"),
            ("http:collector", "`://`"),
            ("https:/collector:4317", "`://`"),
            ("http//collector", "`://`"),
            ("grpc://collector:4318", "grpc"),
            ("grpc://collector/v1/traces", "grpc"),
            ("my collector", "character ` `"),
            ("http://coll\nector", "character `\\n`"),
            ("http://\"collector\"", "character `\"`"),
            ("http://${HOST}:4317", "character `$`"),
            ("http://kollektör", "character `ö`"),
            ("::1", "more than one `:`"),
            ("fe80::1:4317", "more than one `:`"),
            ("[::1", "never closed"),
            ("[collector]", "no IPv6 address"),
            ("[fe80::1%eth0]", "no IPv6 address"),
            ("[::1]4317", "between `]` and the port"),
            ("-collector", "not a valid name"),
            ("a..b", "not a valid name"),
            (".", "neither a name nor"),
            ("http://h[1]", "not a valid name"),
            ("htp//collector:4317", "`//` after the host"),
            ("otlp//collector:4317/v1/traces", "`//` after the host"),
            ("http://c:4318//v1/traces", "`//` after the host"),
            ("http://h/../x", "`.` or `..`"),
            ("http://h/./x", "`.` or `..`"),
            ("http://h/x/..", "`.` or `..`"),
            ("http://c:4318/v1/metrics", "not for traces"),
            ("http://c:4318/v1/logs/", "not for traces"),
            ("http://jaeger:14268/api/traces", "Jaeger's own protocol"),
        ] {
            let invalid = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(invalid.variable(), variable::ENDPOINT);
            assert!(invalid.what().contains(why), "{text:?}: {invalid}");
            assert!(!invalid.hint().is_empty());
        }
    }

    #[test]
    fn rejects_passwords_and_keys_without_showing_them() {
        for text in [
            "https://user:hunter2@example.org",
            "hunter2@example.org",
            "https://example.org/?key=hunter2",
            "https://example.org/#hunter2",
            "x-key=hunter2",
            "x-key: hunter2",
            "x-key:hunter2",
            "http://x-key:hunter2",
            "Authorization: Bearer hunter2",
            r#"{"x-key": "hunter2"}"#,
            "hcaik_01jqk9hunter2w3e8r7t6y5u4i3o2p1a0s9d8f7g6h5j4k3l2z1x0c9v8b7n6m",
            "http//hcaik_01jqk9hunter2w3e8r7",
            "ftp://example.org/01jqk9hunter2w3e8r7",
            "ftp://hunter2a-2c1f-4b1e-9d3a-7f6e5d4c3b2a",
        ] {
            let invalid = text.parse::<Endpoint>().unwrap_err();
            assert!(
                !format!("{invalid} {invalid:?}").contains("hunter2"),
                "{text}"
            );
        }
    }

    #[test]
    fn hints_name_the_headers_only_for_a_key() {
        for (text, named) in [("a@b", true), ("a?b", true), ("http://a/#b", false)] {
            let invalid = text.parse::<Endpoint>().unwrap_err();
            assert_eq!(invalid.hint().contains(variable::HEADERS), named, "{text}");
            assert!(!invalid.hint().contains("()"));
        }
    }

    #[test]
    fn a_typo_without_a_secret_is_shown() {
        for text in [
            "ftp://collector",
            "collector:99999",
            "[::1",
            "http//c",
            "a..b",
            "ftp://otlp-gateway-prod-eu-west-2.grafana.net/otlp",
        ] {
            let invalid = text.parse::<Endpoint>().unwrap_err();
            assert!(invalid.what().contains(&format!("`{text}`")), "{invalid}");
        }
    }

    #[test]
    fn defaults_to_plain_text_only_on_a_local_network() {
        for host in [
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.2",
            "169.254.1.1",
            "a.local",
            "a.svc",
        ] {
            assert!(!read(host).is_tls(), "{host}");
        }
        for host in [
            "172.32.0.1",
            "1.1.1.1",
            "a.b",
            "svc.example",
            "locals.x",
            "[2606::1]",
        ] {
            assert!(read(host).is_tls(), "{host}");
        }
    }
}
