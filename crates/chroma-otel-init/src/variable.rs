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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_spaces_around_a_value_are_removed() {
        for (value, expected) in [
            ("", None),
            (" \t\n", None),
            ("\"\"", None),
            ("' '", None),
            ("a", Some("a")),
            (" a b ", Some("a b")),
            ("\" a \"", Some("a")),
            ("'a'", Some("a")),
            ("'a\"", Some("'a\"")),
            ("\"", Some("\"")),
            ("''a''", Some("''a''")),
            ("'a'='b'", Some("'a'='b'")),
            ("'it\"s'", Some("it\"s")),
        ] {
            assert_eq!(given(value), expected, "{value:?}");
        }
    }

    #[test]
    fn names_have_letters_digits_and_underscores() {
        for (name, sound) in [
            ("A_1", true),
            ("_", true),
            ("", false),
            ("1A", false),
            ("A-B", false),
            ("Ä", false),
        ] {
            assert_eq!(is_name(name), sound, "{name}");
        }
    }

    #[test]
    fn the_table_names_each_of_the_four_once() {
        let names: Vec<_> = TABLE.iter().map(|variable| variable.name).collect();
        assert_eq!(names, [ENDPOINT, SERVICE_NAME, HEADERS, GRANULARITY]);
        assert!(TABLE.iter().all(|v| v.secret == (v.name == HEADERS)));
    }
}
