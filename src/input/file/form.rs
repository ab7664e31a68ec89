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
    let elsewhere = keys_named(name);
    if !elsewhere.is_empty() {
        return problem.hint(format!("did you mean `{}`?", elsewhere.join("` or `")));
    }
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
    let expects = |kind: &str| schema_of(key).is_some_and(|schema| schema["type"] == kind);
    match error.kind() {
        ValidationErrorKind::Type { .. }
            if (error.instance().is_number() || error.instance().is_boolean())
                && error.to_string().contains("string") =>
        {
            problem.hint(match schema_of(key).and_then(example) {
                Some(example) => format!("write text in quotes, such as `\"{example}\"`"),
                None => "put it in quotes".to_owned(),
            })
        }
        ValidationErrorKind::Type { .. } if expects("array") => {
            problem.hint("write a list, in brackets: `[FIRST, SECOND]`")
        }
        ValidationErrorKind::Type { .. } if expects("object") => {
            match mapping_hint(key, error.instance()) {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
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

/// Returns an example of a text with a rule: its default, or that of its description.
fn example(schema: &Value) -> Option<&str> {
    schema.get("x-pattern")?;
    let default = schema.get("x-default").and_then(Value::as_str);
    let description = || {
        let text = schema.get("description")?.as_str()?;
        text.split_once("such as `")?.1.split('`').next()
    };
    default.or_else(description)
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

/// Returns the keys of that name in any section, or of a flag of that name.
fn keys_named(name: &str) -> Vec<String> {
    fn add(section: &Value, prefix: &str, name: &str, found: &mut Vec<String>) {
        let keys = section.get("properties").and_then(Value::as_object);
        for (key, below) in keys.into_iter().flatten() {
            let flag = below.get("x-flag").and_then(Value::as_str);
            if key == name || flag.is_some_and(|flag| flag.replace('-', "_") == name) {
                found.push(format!("{prefix}{key}"));
            }
            add(below, &format!("{prefix}{key}."), name, found);
        }
    }
    let mut found = Vec::new();
    add(&KINDS, "", name, &mut found);
    found
}

/// Returns the schema of a key.
fn schema_of(key: &str) -> Option<&'static Value> {
    let mut names = key.split('.');
    names.try_fold(&*KINDS, |section, name| {
        section.get("properties")?.get(name)
    })
}

/// Returns the hint for a value that should be a mapping; a text can be secret, so it is only shown if a
/// key in the mapping can have no other value.
fn mapping_hint(key: &str, value: &Value) -> Option<String> {
    let keys = schema_of(key)?.get("properties").and_then(Value::as_object);
    let text = value.as_str().unwrap_or_default();
    let (name, _) = text.split_once(':').unwrap_or_default();
    if keys.is_some_and(|keys| keys.contains_key(name)) {
        return Some(format!(
            "write `{name}: VALUE`, with a space after the colon"
        ));
    }
    let mut all = keys.into_iter().flatten();
    if let Some((name, _)) = all.find(|(_, schema)| is_for(schema, value)) {
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        return Some(format!(
            "write a mapping: `{name}: {value}` on the next line, indented"
        ));
    }
    let Some(keys) = keys else {
        return Some("write a mapping: `NAME: VALUE` on the next line, indented".to_owned());
    };
    if let Some((name, _)) = keys.iter().find(|(_, schema)| is_required(schema)) {
        return Some(format!(
            "write a mapping: `{name}: VALUE` on the next line, indented"
        ));
    }
    let names: Vec<&str> = keys.keys().map(String::as_str).collect();
    Some(format!(
        "write `{{}}` for the defaults, or a mapping of `{}`",
        names.join("`, `")
    ))
}

/// Returns true if the section needs this key, as its description says.
fn is_required(schema: &Value) -> bool {
    let description = schema.get("description").and_then(Value::as_str);
    description.is_some_and(|text| text.ends_with("Required."))
}

/// Returns true if the schema is of numbers and the value is one, or if it lists the value.
fn is_for(schema: &Value, value: &Value) -> bool {
    let listed = schema.get("x-enum").and_then(Value::as_array);
    match value {
        Value::Number(_) => schema["type"] == "number",
        Value::String(_) => listed.is_some_and(|listed| listed.contains(value)),
        _ => false,
    }
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
