//! Parses the text of a spec to a tree, and sets values in the tree.

use serde_json::{Map, Value};

use crate::problem::Problem;

/// Parses the text of a spec; `at` is its name in messages.
pub(super) fn from_yaml(at: &str, text: &str) -> Result<Value, Problem> {
    // Editors on Windows write a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    let not_yaml = |error: serde_yaml::Error| invalid(at, text, &error);
    // Parse to YAML's own tree first, which rejects duplicate keys.
    let tree: serde_yaml::Value = serde_yaml::from_str(text).map_err(not_yaml)?;
    let tree = serde_yaml::from_value(tree).map_err(not_yaml)?;
    match tree {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(mut map) => {
            // `chroma:` without a value is a blank section, not an error; `backup:` enables backups.
            map.retain(|name, section| !section.is_null() || name == "backup");
            Ok(Value::Object(map))
        }
        other => {
            let hint = if other.is_string() {
                "start with `target: docker`, with a space after the colon"
            } else {
                "start with `target: docker`"
            };
            Err(Problem::new(at, "not a mapping of keys to values").hint(hint))
        }
    }
}

/// Returns the problem of a text that is not YAML. The parser's message can quote the text, which can
/// contain a header, so it is not shown.
fn invalid(at: &str, text: &str, error: &serde_yaml::Error) -> Problem {
    let message = error.to_string();
    if let Some(key) = duplicate(&message) {
        let problem = Problem::new(at, format!("the key `{key}` occurs twice in one mapping"));
        return problem.hint("remove one of them");
    }
    if message.contains("more than one document") {
        let problem = Problem::new(at, "contains more than one YAML document");
        return problem.hint("remove `---` and what follows, or use one file for each deployment");
    }
    let is_indented_by_tab = |line: &str| {
        let mut indentation = line.chars().take_while(|c| c.is_whitespace());
        indentation.any(|c| c == '\t')
    };
    if let Some(line) = text.lines().position(is_indented_by_tab) {
        let problem = Problem::new(at, format!("line {} is indented by a tab", line + 1));
        return problem.hint("use spaces");
    }
    let place = match error.location() {
        Some(place) => format!(" at line {}, column {}", place.line(), place.column()),
        None => String::new(),
    };
    Problem::new(at, format!("invalid YAML{place}"))
        .hint("look for a missing quote or a wrong indentation")
}

/// Returns the key that the parser found twice, if it has the form of a spec's key and so is not
/// secret.
fn duplicate(message: &str) -> Option<&str> {
    let key = message.split_once("duplicate entry with key \"")?.1;
    let (key, _) = key.split_once('"')?;
    let is_name = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (is_name && key.len() <= 32).then_some(key)
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
