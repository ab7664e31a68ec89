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
