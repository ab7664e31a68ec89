//! What is taken out of spans and metrics before they leave, as the collector's template reads it.
//!
//! Invariant: a name that is to be hidden is hidden in every place that it stands in; where names or unknown
//! attributes may not leave, neither may texts, which can quote both.

use minijinja::Value;
use serde::Serialize;

use crate::backend::Key;
use crate::render::as_is;
use crate::spec::signals::{AttributeName, NAMES_KEY, Names, Redact};

/// The paths of health checks, and of what a client asks before its first request.
const PROBES: &str = "^/api/v[12](/(heartbeat|healthcheck|version|pre-flight-checks))?/?$";

/// What templates read of redaction.
#[derive(Serialize)]
pub(crate) struct RedactTemplate {
    /// What is removed.
    redact: Redacted,
    /// The key that names are hashed with, as the collector's environment has it.
    key: Value,
    /// A pattern of the paths of health checks.
    probes: Value,
}

#[derive(Serialize)]
struct Redacted {
    /// What becomes of names: `hash` or `remove`.
    names: Option<&'static str>,
    /// The only attributes that are exported.
    allow: Option<Vec<String>>,
    /// Whether the texts of errors are exported.
    texts: bool,
}

impl RedactTemplate {
    /// Of a spec.
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

/// The key that names are hashed with, where they are: without it a name could be guessed.
pub(crate) fn key(redact: &Redact) -> Option<Key> {
    let hashed = redact.names == Some(Names::Hash);
    hashed.then(|| Key {
        variable: NAMES_KEY.to_owned(),
        what:
            "any long random word, as of `openssl rand -hex 32`: the same key gives the same tokens"
                .to_owned(),
    })
}
