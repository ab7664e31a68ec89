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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_variable_occurs_once_and_has_a_sentence() {
        for version in ["0.4.24", "0.6.3", "1.5.9"] {
            let version: ChromaVersion = version.parse().unwrap();
            let mut names = BTreeSet::new();
            for (name, instead) in ignored_variables(version) {
                assert!(names.insert(name), "{name}");
                assert!(instead.ends_with('.') && instead.len() > 10, "{name}");
                assert!(!name.starts_with("CHROMA_OTEL_"), "{name}");
            }
            assert!(!names.is_empty());
        }
    }

    #[test]
    fn names_the_variable_that_was_meant() {
        for (name, meant) in [
            ("CHROMA_OTEL_ENDPOINT", Some(variable::ENDPOINT)),
            ("CHROMA_OTEL_EXPORTER_ENDPOINT", Some(variable::ENDPOINT)),
            ("CHROMA_OTEL_EXPORTER_OTLP_HEADERS", Some(variable::HEADERS)),
            ("CHROMA_OTEL_EXPORTER_PROTOCOL", Some(variable::ENDPOINT)),
            ("CHROMA_OTEL_HEADERS", Some(variable::HEADERS)),
            // The collector's own variable, which the entrypoint sets.
            ("CHROMA_OTEL_EXPORTER", None),
            ("CHROMA_OTEL_GRPC_ENDPOINT", None),
            ("CHROMA_OTEL_HEADER_X_KEY", None),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", None),
        ] {
            assert_eq!(misnamed_variable(name), meant, "{name}");
        }
        for one in variable::TABLE {
            assert_eq!(misnamed_variable(one.name), None);
        }
    }

    #[test]
    fn shows_names_reason_and_fix() {
        let one = Ignored::new(&["A"], "`B` overrides it", "unset it");
        assert_eq!(
            one.to_string(),
            "`A` is ignored: `B` overrides it; hint: unset it"
        );
        let two = Ignored::new(&["A", "B"], "w", "h");
        assert_eq!(two.to_string(), "`A`, `B` are ignored: w; hint: h");
    }

    #[test]
    fn no_version_ignores_a_variable_that_its_hints_recommend() {
        let rust: BTreeSet<_> = OF_PYTHON.iter().map(|(name, _)| *name).collect();
        for (name, _) in OF_RUST {
            assert!(!rust.contains(name), "{name}");
        }
    }

    #[test]
    fn warns_of_authentication_variables_of_another_version() {
        let found = ignored_variables(ChromaVersion::NEWEST)
            .find(|(name, _)| *name == "CHROMA_SERVER_AUTHN_CREDENTIALS");
        assert!(found.is_some_and(|(_, instead)| instead.contains("proxy")));
        let names = |version: &str| -> Vec<_> {
            let version = version.parse().unwrap();
            ignored_variables(version).map(|(name, _)| name).collect()
        };
        assert!(names("0.4.24").contains(&"CHROMA_SERVER_AUTHN_PROVIDER"));
        assert!(!names("0.5.0").contains(&"CHROMA_SERVER_AUTHN_PROVIDER"));
        assert!(names("0.5.0").contains(&"CHROMA_SERVER_AUTH_PROVIDER"));
    }
}
