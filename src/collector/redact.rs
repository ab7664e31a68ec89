//! Redaction of spans and metrics, as input of the collector's template.
//!
//! Invariant: a hidden name is hidden everywhere. If names or unknown attributes may not be
//! exported, texts may not either, because they can quote both.

use minijinja::Value;
use serde::Serialize;

use crate::backend::Key;
use crate::render::as_is;
use crate::spec::signals::{AttributeName, NAMES_KEY, Names, Redact};

/// The paths of health checks, and of a client's requests before its first operation.
const PROBES: &str = "^/api/v[12](/(heartbeat|healthcheck|version|pre-flight-checks))?/?$";

/// Template input for redaction.
#[derive(Serialize)]
pub(crate) struct RedactTemplate {
    /// Data to remove.
    redact: Redacted,
    /// The key for hashing names, as a reference to the collector's environment.
    key: Value,
    /// A pattern of the paths of health checks.
    probes: Value,
}

#[derive(Serialize)]
struct Redacted {
    /// Treatment of names: `hash` or `remove`.
    names: Option<&'static str>,
    /// The only attributes to export.
    allow: Option<Vec<String>>,
    /// True if the texts of errors are exported.
    texts: bool,
}

impl RedactTemplate {
    /// Computes the input for a spec.
    pub(crate) fn new(redact: &Redact) -> Self {
        let names = redact.names.map(|names| match names {
            Names::Hash => "hash",
            Names::Remove => "remove",
        });
        let allow = redact.allow.as_ref().map(|names| {
            let names = names.iter().map(AttributeName::as_str);
            names.map(str::to_owned).collect::<Vec<String>>()
        });
        let asked_for = |allow: &Vec<String>| allow.iter().any(|name| name == "exception.message");
        let texts = names.is_none() && allow.as_ref().is_none_or(asked_for);
        Self {
            redact: Redacted {
                names,
                allow,
                texts,
            },
            key: as_is(format!("${{env:{NAMES_KEY}}}")),
            probes: as_is(PROBES),
        }
    }
}

/// Returns the key for hashing names if they are hashed: without a key, a name could be guessed.
pub(crate) fn key(redact: &Redact) -> Option<Key> {
    let hashed = redact.names == Some(Names::Hash);
    hashed.then(|| Key {
        variable: NAMES_KEY.to_owned(),
        what:
            "a long random text, for example from `openssl rand -hex 32`: equal keys give equal tokens"
                .to_owned(),
        setting: None,
    })
}
