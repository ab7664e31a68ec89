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
