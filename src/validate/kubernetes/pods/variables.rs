//! The variables of a container, and where its command names them.
//!
//! Invariant: none is empty, and none is named that is not set.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, EnvVar};

use crate::validate::Finding;
use crate::values::VariableName;

/// What is wrong with them.
pub(super) fn check(one: &Container) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (index, variable) in one.env.iter().flatten().enumerate() {
        let mut wrong = |message: String| findings.push((format!("env[{index}]"), message));
        let EnvVar {
            name,
            value,
            value_from,
        } = variable;
        if name.parse::<VariableName>().is_err() {
            wrong(format!(
                "`{}` is no name of a variable",
                name.escape_debug()
            ));
        }
        match (value, value_from) {
            (Some(_), Some(_)) => wrong(format!("{name} has a value and a source of one")),
            (None, None) => wrong(format!("{name} is empty: leave it out")),
            (Some(value), None) if value.trim().is_empty() => {
                wrong(format!("{name} is empty: leave it out"))
            }
            _ => {}
        }
        for named in expansions(value.as_deref().unwrap_or_default()) {
            if !seen.contains(named) {
                wrong(format!(
                    "{name} names `$({named})`, which is not set before it"
                ));
            }
        }
        if !seen.insert(name) {
            wrong(format!("{name} is there twice"));
        }
    }
    // Other variables come from elsewhere, by `envFrom`: what they are is not known here.
    let open = one.env_from.iter().flatten().next().is_some();
    for (field, words) in [("command", &one.command), ("args", &one.args)] {
        for named in words.iter().flatten().flat_map(|word| expansions(word)) {
            if !open && !seen.contains(named) {
                findings.push((
                    field.to_owned(),
                    format!("names `$({named})`, which is not set"),
                ));
            }
        }
    }
    findings
}

/// The variables that Kubernetes replaces in a text: `$(NAME)`, but not `$$(NAME)`.
fn expansions(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('$') {
            rest = behind;
        } else if let Some((name, _)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            names.push(name);
        }
    }
    // A shell's `$(command)` is no name of a variable: Kubernetes leaves it as it is.
    names.retain(|name| name.parse::<VariableName>().is_ok());
    names
}
