//! The variables of a deployment whose values only a secret store has.
//!
//! Invariant: here are names and meanings; nothing in this module sees a value.

use chroma_otel_init::variable;

use crate::spec::{Image, Spec, header_variable};

/// A variable whose value only the secret store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SecretVariable {
    /// Its name.
    pub(super) variable: String,
    /// Whose it is.
    pub(super) container: Container,
    /// What it is and where to get it.
    pub(super) what: String,
    /// Whether the deployment is of no use without it.
    pub(super) required: bool,
}

/// Who gets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// The database.
    Chroma,
    /// The collector.
    Collector,
}

/// Every secret variable of the deployment, in the order in which an operator is asked for them.
pub(super) fn secrets(spec: &Spec) -> Vec<SecretVariable> {
    let tracing = &spec.tracing;
    let of_collector = |variable: &str, what: String, required: bool| SecretVariable {
        variable: variable.to_owned(),
        container: Container::Collector,
        what,
        required,
    };
    let keys = tracing.backend.keys.iter();
    let mut secrets: Vec<SecretVariable> = keys
        .map(|key| of_collector(&key.variable, key.what.clone(), true))
        .collect();
    match spec.chroma.image {
        Image::Wrapped if tracing.backend.wants_endpoint() => {
            let names = &tracing.header_names;
            let which = match names.is_empty() {
                true => "more headers for the backend".to_owned(),
                false => format!("the headers {}", names.join(", ")),
            };
            secrets.push(of_collector(
                variable::HEADERS,
                format!("{which}, as a JSON object or as k=v,k2=v2"),
                !names.is_empty(),
            ));
        }
        Image::Wrapped => {}
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
                what: "its value, for Chroma".to_owned(),
                required: true,
            }),
    );
    secrets
}
