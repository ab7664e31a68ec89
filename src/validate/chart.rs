//! Charts of Helm: their templates, rendered with the default values.
//!
//! Invariant: a template with an expression that `gen` does not write is reported as not checked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_yaml::Value;

use super::yaml;

/// Returns true if a file is the description of a chart.
pub(super) fn is_chart(path: &str) -> bool {
    path.rsplit('/').next() == Some("Chart.yaml")
}

/// Returns the files, with manifests in the place of templates, and without the other files of charts
/// and templates that cannot be rendered here.
pub(super) fn rendered(files: &BTreeMap<String, String>) -> Cow<'_, BTreeMap<String, String>> {
    let folders = files.keys().filter(|path| is_chart(path));
    let folders: Vec<&str> = folders
        .map(|path| path.trim_end_matches("Chart.yaml"))
        .collect();
    if folders.is_empty() {
        return Cow::Borrowed(files);
    }
    let mut manifests = files.clone();
    for folder in folders {
        manifests.retain(|path, _| !path.starts_with(folder));
        let values = files.get(&format!("{folder}values.yaml"));
        let values = values.and_then(|text| yaml::document(text).ok());
        let values = everything(values.unwrap_or_default());
        let folder = format!("{folder}templates/");
        let templates = files
            .iter()
            .filter(|(path, _)| path.starts_with(&folder) && path.ends_with(".yaml"));
        let rendered =
            templates.filter_map(|(path, text)| Some((path.clone(), render(text, &values, None)?)));
        manifests.extend(rendered);
    }
    Cow::Owned(manifests)
}

/// Returns the values with which optional parts are rendered.
fn everything(mut values: Value) -> Value {
    if let Some(restore) = values.get_mut("restore") {
        *restore = true.into();
    }
    values
}

/// Returns a template with the values inserted; `None` if it has an unknown expression. `dot` is the
/// value of the enclosing `with`.
fn render(template: &str, values: &Value, dot: Option<&Value>) -> Option<String> {
    const LITERAL: &str = "{{ \"{{\" }}";
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find("{{") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(LITERAL) {
            out.push_str("{{");
            rest = after;
            continue;
        }
        let (expression, after) = rest[2..].split_once("}}")?;
        rest = after;
        let words: Vec<&str> = expression.split_whitespace().collect();
        match *words.as_slice() {
            ["toJson", path] => out.push_str(&json(at_path(values, path)?)?),
            ["with" | "if", ref of @ ..] => {
                // The body of `with` is one expression; that of `if` is the rest of the file.
                let (body, after) = if words[0] == "if" {
                    rest.rsplit_once("{{ end }}")?
                } else {
                    rest.split_once("{{ end }}")?
                };
                rest = after;
                let value = operand(values, of)?;
                if is_set(&value) {
                    out.push_str(&render(body, values, Some(&value))?);
                }
            }
            ["toYaml", ".", "|", "nindent", indent] => {
                out.push_str(&block(dot?, indent.parse().ok()?)?);
            }
            ["dict", key, ".", "|", "toYaml", "|", "nindent", indent] => {
                let key = Value::from(key.trim_matches('"'));
                let fields = Value::Mapping([(key, dot?.clone())].into_iter().collect());
                out.push_str(&block(&fields, indent.parse().ok()?)?);
            }
            _ => return None,
        }
    }
    out.push_str(rest);
    Some(out)
}

/// Returns the value at `.Values.…`; null if there is none.
fn at_path(values: &Value, path: &str) -> Option<Value> {
    let mut keys = path.strip_prefix(".Values.")?.split('.');
    let found = keys.try_fold(values, |value, key| value.get(key));
    Some(found.cloned().unwrap_or_default())
}

/// Returns the value of `.Values.…` or `omit .Values.… "KEY"`.
fn operand(values: &Value, words: &[&str]) -> Option<Value> {
    match *words {
        [path] => at_path(values, path),
        ["omit", path, key] => {
            let mut value = at_path(values, path)?;
            if let Some(fields) = value.as_mapping_mut() {
                fields.remove(key.trim_matches('"'));
            }
            Some(value)
        }
        _ => None,
    }
}

/// Returns true for a value that is not empty, as Go's templates define it.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::String(text) => !text.is_empty(),
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(fields) => !fields.is_empty(),
        Value::Number(_) | Value::Tagged(_) => true,
    }
}

fn json(value: Value) -> Option<String> {
    serde_json::to_string(&value).ok()
}

/// Returns a mapping as lines below its key.
fn block(value: &Value, indent: usize) -> Option<String> {
    let text = serde_yaml::to_string(value).ok()?;
    let lines = text.lines().map(|line| format!("\n{:indent$}{line}", ""));
    Some(lines.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &str =
        "size: 1Gi\nlabels: {a/b: '1'}\nnone: {}\npod: {x: [1], y: z}\nrestore: false\n";

    fn rendered_text(template: &str) -> Option<String> {
        let values = serde_yaml::from_str(VALUES).expect("values");
        render(template, &values, None)
    }

    #[test]
    fn values_are_inserted_as_helm_does() {
        for (template, text) in [
            ("a: {{ toJson .Values.size }} # b", "a: \"1Gi\" # b"),
            ("a: {{ \"{{\" }} $x }}", "a: {{ $x }}"),
            (
                "a:{{ with .Values.labels }}{{ toYaml . | nindent 2 }}{{ end }}\n",
                "a:\n  a/b: '1'\n",
            ),
            (
                "a:{{ with .Values.none }}{{ toYaml . | nindent 2 }}{{ end }}\n",
                "a:\n",
            ),
            (
                "a:{{ with omit .Values.pod \"x\" }}{{ toYaml . | nindent 2 }}{{ end }}",
                "a:\n  y: z",
            ),
            (
                "a{{ with .Values.size }}{{ dict \"s\" . | toYaml | nindent 1 }}{{ end }}",
                "a\n s: 1Gi",
            ),
            ("{{ if .Values.restore }}\na\n{{ end }}\n", "\n"),
        ] {
            assert_eq!(rendered_text(template).as_deref(), Some(text), "{template}");
        }
    }

    #[test]
    fn a_template_with_another_expression_is_not_rendered() {
        for template in ["{{ .Release.Name }}", "{{ include \"x\" . }}", "{{ toJson"] {
            assert_eq!(rendered_text(template), None, "{template}");
        }
    }
}
