//! Parsing of YAML, and access to its trees.

use serde::Deserialize;
use serde_yaml::Value;

use crate::problem::Problem;

/// Returns every document of a text, except empty ones.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, Problem> {
    let documents = serde_yaml::Deserializer::from_str(text).map(Value::deserialize);
    let trees: Result<Vec<Value>, _> = documents.collect();
    let mut trees = trees.map_err(cannot_parse)?;
    trees.retain(|tree| !tree.is_null());
    Ok(trees)
}

/// Returns the only document of a text, with its merge keys (`<<`) applied.
pub(super) fn document(text: &str) -> Result<Value, Problem> {
    let mut tree: Value = serde_yaml::from_str(text).map_err(cannot_parse)?;
    tree.apply_merge().map_err(cannot_parse)?;
    Ok(tree)
}

fn cannot_parse(error: serde_yaml::Error) -> Problem {
    let problem = Problem::new("", format!("cannot parse as YAML: {error}"));
    problem.hint("look for a missing quote, a tab, or a duplicate key")
}

/// Returns the value at nested keys.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(*key))
}

/// Returns a value that is text, otherwise an empty text.
pub(super) fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// Returns the keys of a mapping that are text.
pub(super) fn keys(value: Option<&Value>) -> impl Iterator<Item = &str> {
    entries(value).map(|(key, _)| key)
}

/// Returns the entries of a mapping.
pub(super) fn entries(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    let mapping = value.and_then(Value::as_mapping).into_iter().flatten();
    mapping.filter_map(|(key, value)| Some((key.as_str()?, value)))
}

/// Returns the elements of a list.
pub(super) fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_sequence).into_iter().flatten()
}

/// Returns a text, or the texts of a list.
pub(super) fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let one = value.and_then(Value::as_str);
    one.into_iter()
        .chain(items(value).filter_map(Value::as_str))
}
