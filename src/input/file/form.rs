//! Checks the form of the spec: known keys, values of the expected type.
//!
//! Invariant: invalid parts are reported and removed, so that the rest can be read; no text that may be a
//! secret is part of a message.

use std::sync::LazyLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::input::Input;
use super::schema::KINDS;
use crate::problem::Problem;

/// Compiled once: the tests read thousands of specs.
static FORM: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| jsonschema::validator_for(&KINDS).map_err(|error| error.to_string()));

/// Checks the tree against the schema and removes invalid parts.
pub(super) fn check(tree: &mut Value, input: &Input) -> Vec<Problem> {
    let validator = match &*FORM {
        Ok(validator) => validator,
        Err(error) => return vec![Problem::new("schema", error).hint("this is a bug")],
    };
    let mut problems = Vec::new();
    let mut wrong = Vec::new();
    for error in validator.iter_errors(tree) {
        let pointer = error.instance_path().to_string();
        let key = pointer.trim_start_matches('/').replace('/', ".");
        let key = key.replace("~1", "/").replace("~0", "~");
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let known = keys_of(error.schema_path().as_str());
            for name in unexpected {
                let at = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                problems.push(unknown_key(&input.at(&at), name, &known));
                wrong.push(format!(
                    "{pointer}/{}",
                    name.replace('~', "~0").replace('/', "~1")
                ));
            }
        } else {
            if !is_blank(&error, tree) {
                problems.push(wrong_value(&key, &error, input));
            }
            wrong.push(pointer);
        }
    }
    for pointer in wrong {
        remove(tree, &pointer);
    }
    problems
}

/// Returns true if the error is about a key without a value, which counts as not set.
fn is_blank(error: &jsonschema::ValidationError<'_>, tree: &Value) -> bool {
    let place = error.instance_path().to_string();
    let section = place.rsplit_once('/').map(|(section, _)| section);
    let section = section.and_then(|section| tree.pointer(section));
    error.instance().is_null() && section.is_some_and(Value::is_object)
}

fn unknown_key(at: &str, name: &str, known: &[String]) -> Problem {
    let problem = Problem::new(at, "no such key");
    match crate::problem::nearest(name, known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("there are: {}", known.join(", "))),
    }
}

fn wrong_value(key: &str, error: &jsonschema::ValidationError<'_>, input: &Input) -> Problem {
    if key.starts_with("tracing.headers") {
        return Problem::new(input.at("tracing.headers"), "invalid headers")
            .hint("a mapping of names to quoted text, a JSON object as text, `k=v,k2=v2`, or a list of names");
    }
    // An invalid section, or a value under a name like `…_TOKEN`, may contain a secret.
    let may_hold_secrets = error.instance().is_object()
        || error.instance().is_array()
        || !key.contains('.')
        || key.starts_with("chroma.environment")
        || key.starts_with("machine.secrets");
    let message = match error.kind() {
        ValidationErrorKind::Type { .. } if may_hold_secrets => "has the wrong type".to_owned(),
        _ if may_hold_secrets => "cannot be read".to_owned(),
        _ => error.to_string().replace('"', "`"),
    };
    let by_flag = input.flags.contains_key(key);
    if let (true, Some(text)) = (by_flag, error.instance().as_str()) {
        return wrong_flag(input.at(key), text, error);
    }
    let problem = Problem::new(input.at(key), message);
    match error.kind() {
        ValidationErrorKind::Type { .. }
            if (error.instance().is_number() || error.instance().is_boolean())
                && error.to_string().contains("string") =>
        {
            problem.hint("put it in quotes")
        }
        ValidationErrorKind::Type { .. } if error.to_string().contains("boolean") => {
            problem.hint("write `true` or `false`, without quotes")
        }
        ValidationErrorKind::Type { .. } if error.to_string().contains("integer") => {
            problem.hint("write a whole number, without quotes")
        }
        ValidationErrorKind::Type { .. } if error.to_string().contains("number") => {
            problem.hint("write a number such as `0.1`, without quotes")
        }
        ValidationErrorKind::Type { .. } if may_hold_secrets => {
            problem.hint("see its type in `chroma-otel-deploy schema`")
        }
        ValidationErrorKind::AnyOf { .. } => {
            problem.hint(format!("see `{key}` in `chroma-otel-deploy schema`"))
        }
        _ => problem,
    }
}

/// Returns the problem of a flag that requires a number or `NAME=VALUE`. The latter may be a secret.
fn wrong_flag(at: String, text: &str, error: &jsonschema::ValidationError<'_>) -> Problem {
    let kind = error.to_string();
    if kind.contains("object") {
        return Problem::new(at, "has no `=`").hint("write NAME=VALUE");
    }
    let hint = if kind.contains("integer") {
        "write a whole number"
    } else {
        "write a number such as `0.1`"
    };
    Problem::new(at, format!("`{}` cannot be used", text.escape_debug())).hint(hint)
}

/// Returns the keys that the schema allows at a failed `additionalProperties`.
fn keys_of(schema_path: &str) -> Vec<String> {
    KINDS
        .pointer(schema_path.trim_end_matches("/additionalProperties"))
        .and_then(|object| object.get("properties"))
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

fn remove(tree: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        *tree = Value::Object(Map::new());
        return;
    };
    let name = last.replace("~1", "/").replace("~0", "~");
    match tree.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(&name)),
        // An invalid element removes its list: indexes would shift under the next removal.
        Some(list @ Value::Array(_)) => *list = Value::Array(Vec::new()),
        _ => {}
    }
}
