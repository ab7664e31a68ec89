//! The problems that all formats share: a name that does not resolve, an unknown key.

use serde_yaml::Value;

use super::yaml::keys;
use crate::problem::{Problem, nearest};

/// Returns a problem if a name is not among the known names; `what` describes it.
pub(super) fn missing<'a>(
    at: impl Into<String>,
    what: &str,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<Problem> {
    let known: Vec<&str> = known.into_iter().collect();
    if known.contains(&name) {
        return None;
    }
    let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
    let hint = match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add the {what}, or correct the name"),
    };
    Some(Problem::new(at, format!("{what} `{name}` not found")).hint(hint))
}

/// Returns a problem for each key of a mapping that is not among the known keys.
pub(super) fn unknown_keys(at: &str, mapping: Option<&Value>, known: &[&str]) -> Vec<Problem> {
    let names: Vec<String> = known.iter().map(|name| (*name).to_owned()).collect();
    let problem = |key: &str| {
        let problem = Problem::new(format!("{at}{key}"), "unknown key");
        problem.hint(match nearest(key, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("remove it; known keys: {}", known.join(", ")),
        })
    };
    let unknown = keys(mapping).filter(|key| !known.contains(key));
    unknown.map(problem).collect()
}
