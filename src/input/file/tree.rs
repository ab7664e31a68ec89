//! A spec's text as a tree, and values set in it.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// The tree of a spec's text; `at` is its name in messages.
pub(super) fn from_yaml(at: &str, text: &str) -> Result<Value, Problem> {
    // Editors on Windows begin a file with it.
    let text = text.trim_start_matches('\u{feff}');
    // The reader's own message can quote the text, and the text can hold a header: position only.
    let not_yaml = |error: serde_yaml::Error| {
        let place = match error.location() {
            Some(place) => format!(" at line {}, column {}", place.line(), place.column()),
            None => String::new(),
        };
        Problem::new(at, format!("not YAML that can be read{place}"))
            .hint("look for a missing quote, a tab, or a key that stands twice")
    };
    // By way of YAML's own tree, which refuses a key that stands twice.
    let tree: serde_yaml::Value = serde_yaml::from_str(text).map_err(not_yaml)?;
    let tree = serde_yaml::from_value(tree).map_err(not_yaml)?;
    match tree {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(mut map) => {
            // `chroma:` with nothing below it is a section left blank, not an error.
            map.retain(|_, section| !section.is_null());
            Ok(Value::Object(map))
        }
        _ => {
            Err(Problem::new(at, "not a mapping of keys to values")
                .hint("start with `target: docker`"))
        }
    }
}

/// Sets `a.b` in a tree of mappings; a mapping is laid over the one that is there. A value in the way that is no mapping stays: `form::check` names it.
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
