//! The variables of a deployment whose values are in a secret store only.
//!
//! Invariant: this module contains names and descriptions, never a value.

use chroma_otel_init::variable;

use crate::collector::redact;
use crate::spec::{Image, Spec, header_variable};

/// A variable whose value is in the secret store only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretVariable {
    /// Its name.
    pub(crate) variable: String,
    /// The container that reads it.
    pub(crate) container: Container,
    /// Its description and source.
    pub(crate) what: String,
    /// True if the deployment cannot work without it.
    pub(crate) required: bool,
}

/// The container that reads a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    /// The database.
    Chroma,
    /// The collector.
    Collector,
    /// The proxy that requires a token.
    Proxy,
    /// In a cluster, the upload of backups to a bucket.
    Backup,
}

/// The token that the proxy in front of Chroma requires.
pub(crate) const TOKEN: &str = "CHROMA_TOKEN";

/// The least length of a token that the proxy accepts (`templates/proxy/_requests.j2`).
pub(crate) const LEAST_TOKEN: usize = 16;

/// Tokens that the proxy also accepts, if they are set.
pub(crate) const OTHER_TOKENS: [(&str, &str); 2] = [
    (
        "CHROMA_TOKEN_NEXT",
        "a second token, while it replaces the first one",
    ),
    (
        "CHROMA_READ_TOKEN",
        "a token with which clients can only read",
    ),
];

fn secret(container: Container, variable: &str, what: &str) -> SecretVariable {
    SecretVariable {
        variable: variable.to_owned(),
        container,
        what: what.to_owned(),
        required: true,
    }
}

/// Returns the tokens that clients send.
fn tokens() -> impl Iterator<Item = SecretVariable> {
    let what =
        "the token that clients send, at least 16 characters; `openssl rand -hex 32` generates one";
    let others = OTHER_TOKENS.map(|(name, what)| SecretVariable {
        required: false,
        ..secret(Container::Proxy, name, what)
    });
    [secret(Container::Proxy, TOKEN, what)]
        .into_iter()
        .chain(others)
}

/// Returns the secrets of a cluster's own parts: the proxy's tokens, and the keys of the backups'
/// bucket.
fn of_cluster(spec: &Spec) -> Vec<SecretVariable> {
    let (exposure, backup) = (&spec.kubernetes.exposure, &spec.backup);
    let mut secrets = Vec::new();
    if exposure.as_ref().is_some_and(|exposure| exposure.token) {
        secrets.extend(tokens());
    }
    let bucket = backup.as_ref().and_then(|backup| backup.place.bucket());
    if bucket.is_some_and(|bucket| !bucket.store.is_by_identity()) {
        let id = "the id of the access key for the backups' bucket";
        secrets.push(secret(Container::Backup, "AWS_ACCESS_KEY_ID", id));
        secrets.push(secret(
            Container::Backup,
            "AWS_SECRET_ACCESS_KEY",
            "the secret of that access key",
        ));
    }
    secrets
}

/// Returns every secret variable of the deployment, in the order in which the operator is asked for
/// them.
pub(super) fn all(spec: &Spec) -> Vec<SecretVariable> {
    let tracing = &spec.tracing;
    let of_collector = |variable: &str, what: String, required: bool| SecretVariable {
        variable: variable.to_owned(),
        container: Container::Collector,
        what,
        required,
    };
    let mut secrets: Vec<SecretVariable> = Vec::new();
    for key in tracing.backends().flat_map(|backend| &backend.keys) {
        // Two backends can share a key.
        if secrets.iter().all(|one| one.variable != key.variable) {
            secrets.push(of_collector(&key.variable, key.what.clone(), true));
        }
    }
    let names = redact::key(&spec.tracing.redact).into_iter();
    secrets.extend(names.map(|key| of_collector(&key.variable, key.what, true)));
    match spec.collector.image {
        Image::Wrapped | Image::Published if tracing.backend.wants_endpoint() => {
            let names = &tracing.header_names;
            let which = if !names.is_empty() {
                format!("the headers {}", names.join(", "))
            } else if tracing.others.is_empty() {
                "additional headers for the backend".to_owned()
            } else {
                format!("additional headers for {}", tracing.backend.name)
            };
            secrets.push(of_collector(
                variable::HEADERS,
                format!("{which}, as a JSON object or as k=v,k2=v2"),
                !names.is_empty(),
            ));
        }
        Image::Wrapped | Image::Published => {}
        Image::Stock => secrets.extend(tracing.header_names.iter().map(|name| {
            let what = format!("the value of the header {name}");
            of_collector(&header_variable(name), what, true)
        })),
    }
    let by_name = spec.chroma.environment.iter();
    secrets.extend(
        by_name
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| SecretVariable {
                variable: name.as_str().to_owned(),
                container: Container::Chroma,
                what: "the variable's value, for Chroma".to_owned(),
                required: true,
            }),
    );
    if spec.target.is_kubernetes() {
        secrets.extend(of_cluster(spec));
    }
    if !spec.target.is_kubernetes() && spec.chroma.access.token {
        // A machine's deployment gets a resource for each secret, so only those that are wanted.
        let named = |one: &SecretVariable| spec.machine.secrets.contains_key(&one.variable);
        let wanted = |one: &SecretVariable| one.required || !spec.target.is_machine() || named(one);
        secrets.extend(tokens().filter(wanted));
    }
    secrets
}

/// Converts a variable's name to camel case: `HONEYCOMB_API_KEY` becomes `HoneycombApiKey`.
pub(crate) fn name_of(variable: &str) -> String {
    let words = variable.split('_').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
        })
        .collect()
}
