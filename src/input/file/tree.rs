//! Parses the text of a spec to a tree, and sets values in the tree.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// Parses the text of a spec; `at` is its name in messages.
pub(super) fn from_yaml(at: &str, text: &str) -> Result<Value, Problem> {
    // Editors on Windows write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    // The parser's message can quote the text, which can contain a header: report the position only.
    let not_yaml = |error: serde_yaml::Error| {
        let place = match error.location() {
            Some(place) => format!(" at line {}, column {}", place.line(), place.column()),
            None => String::new(),
        };
        Problem::new(at, format!("invalid YAML{place}"))
            .hint("look for a missing quote, a tab, or a duplicate key")
    };
    // Parse to YAML's own tree first, which rejects duplicate keys.
    let tree: serde_yaml::Value = serde_yaml::from_str(text).map_err(not_yaml)?;
    let tree = serde_yaml::from_value(tree).map_err(not_yaml)?;
    match tree {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(mut map) => {
            // `chroma:` without a value is a blank section, not an error.
            map.retain(|_, section| !section.is_null());
            Ok(Value::Object(map))
        }
        _ => {
            Err(Problem::new(at, "not a mapping of keys to values")
                .hint("start with `target: docker`"))
        }
    }
}

/// Sets `a.b` in a tree of mappings; a mapping is merged into an existing one. A parent that is not a
/// mapping is kept: `form::check` reports it.
pub(super) fn set(tree: &mut Value, key: &str, value: Value) {
    let mut place = tree;
    for part in key.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(part).or_insert(Value::Null);
    }
    match (place, value) {
        (Value::Object(old), Value::Object(new)) => old.extend(new),
        (place, value) => *place = value,
    }
}
