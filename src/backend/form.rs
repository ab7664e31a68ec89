//! The format of a backend's file: error messages for its author.
//!
//! Invariant: names of keys are the only text of the file in a message: a secret may be anywhere.

use super::definition::Backend;
use super::rules;
use crate::problem::{Problem, nearest};

/// Parses an operator's own backend file; `at` names the file.
///
/// # Errors
/// The text is not valid YAML, or not a backend (the first problem); or it breaks rules (all of
/// them).
pub fn own(name: &str, text: &str, at: &str) -> Result<Backend, Vec<Problem>> {
    let not_yaml = |error: serde_yaml::Error| {
        let problem = Problem::new(at, format!("cannot parse as YAML{}", place(&error)));
        vec![problem.hint("look for a missing quote, a tab, or a duplicate key")]
    };
    // YAML's own tree first: it rejects a duplicate key.
    let tree: serde_yaml::Value = serde_yaml::from_str(text).map_err(not_yaml)?;
    if !tree.is_mapping() {
        let problem = Problem::new(at, "not a mapping of keys to values");
        return Err(vec![problem.hint("start with `summary: …`")]);
    }
    let mut backend: Backend =
        serde_yaml::from_str(text).map_err(|error| vec![invalid_form(&error, at)])?;
    name.clone_into(&mut backend.name);
    let mut broken = rules::broken(&backend);
    broken.dedup(); // several choices of a setting may break the same rule
    let problem = |rule: &String| Problem::new(at, format!("breaks the rule: {rule}"));
    if broken.is_empty() {
        Ok(backend)
    } else {
        Err(broken.iter().map(problem).collect())
    }
}

fn place(error: &serde_yaml::Error) -> String {
    match error.location() {
        Some(place) => format!(" at line {}, column {}", place.line(), place.column()),
        None => String::new(),
    }
}

/// Returns serde's message without quoted text: `keys[0]: missing field `what` at line 5 column 8`.
fn invalid_form(error: &serde_yaml::Error, at: &str) -> Problem {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let (key, text) = match text.split_once(": ") {
        Some((key, rest)) if is_path(key) => (format!("{key}: "), rest),
        _ => (String::new(), text),
    };
    let (what, hint) = translated(text);
    // For an untagged enum, serde knows no location.
    let place = if text.contains("enum") {
        String::new()
    } else {
        place(error)
    };
    let problem = Problem::new(at, format!("{key}{what}{place}"));
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Returns true for keys with indexes of lists: `keys[0].what`.
fn is_path(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-[]".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

/// Translates serde's message into a problem and a hint.
fn translated(text: &str) -> (String, Option<String>) {
    let between = |start: &str, end: &str| Some(text.strip_prefix(start)?.split_once(end)?.0);
    if let Some(name) = between("unknown field `", "`") {
        let known: Vec<String> = text
            .split('`')
            .skip(3)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        let hint = match nearest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known keys: {}", known.join(", ")),
        };
        return (format!("unknown key `{name}`"), Some(hint));
    }
    if let Some(name) = between("missing field `", "`") {
        return (format!("missing key `{name}`"), None);
    }
    if text.contains("enum Exporter") {
        let hint = "write `otlp`, `otlp_http`, `zipkin` or `debug`, or a component's `name`, `queue` and `settings`";
        return ("invalid `exporter`".to_owned(), Some(hint.to_owned()));
    }
    let wanted = text.rsplit_once("expected ").map(|(_, wanted)| wanted);
    let hint = match wanted {
        Some(wanted) if wanted.starts_with("struct ") || wanted == "a map" => "write a mapping",
        Some("a sequence") => "write a list",
        Some("a string") => "write a text, in quotes if it looks like a number",
        Some("a boolean") => "write `true` or `false`, without quotes",
        Some("u16" | "u32") => "write a whole number, without quotes",
        Some(one) if one.starts_with("one of ") => {
            return ("invalid value".to_owned(), Some(format!("write {one}")));
        }
        _ => "see the files in `templates/backends` for examples",
    };
    ("wrong type".to_owned(), Some(hint.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::own;

    #[test]
    fn problems_name_the_location_and_quote_no_text() {
        let sound = "summary: s\ndocumentation: https://d\ntraces: t\n";
        for (text, expected) in [
            (
                "exporter: otlp\nheaders: {a: 's3cret\n",
                "f.yaml: cannot parse as YAML at line 6, column 1",
            ),
            (
                "exporter: otlp\nexporter: otlp\n",
                "f.yaml: cannot parse as YAML at line 1, column 1",
            ),
            ("exporter: s3cret\n", "f.yaml: invalid `exporter`"),
            ("exporter: {name: a}\n", "f.yaml: invalid `exporter`"),
            (
                "exporter: otlp\ntypo: s3cret\n",
                "f.yaml: unknown key `typo` at line 5, column 1",
            ),
            (
                "exporter: otlp\nkeys: [{variable: s3cret}]\n",
                "f.yaml: keys[0]: missing key `what` at line 5, column 8",
            ),
            (
                "exporter: otlp\nkeys: s3cret\n",
                "f.yaml: keys: wrong type at line 5, column 7",
            ),
            (
                "exporter: otlp\nheaders: {a: [s3cret]}\n",
                "f.yaml: headers.a: wrong type at line 5, column 14",
            ),
            (
                "exporter: otlp\nidentity: {cloud: s3cret, permissions: []}\n",
                "f.yaml: identity.cloud: invalid value at line 5, column 19",
            ),
            (
                "exporter: otlp\nspans_per_request: -1\n",
                "f.yaml: spans_per_request: wrong type at line 5, column 20",
            ),
            (
                "exporter: otlp\nmetrics: s3cret\n",
                "f.yaml: metrics: wrong type at line 5, column 10",
            ),
            (
                "exporter: otlp\nservice: {image: a, memory: s3cret, ui_port: 1, probe: {port: 1, path: /}}\n",
                "f.yaml: service: wrong type at line 5, column 10",
            ),
        ] {
            let problems = own("f", &format!("{sound}{text}"), "f.yaml").expect_err(text);
            let [problem] = &problems[..] else {
                panic!("{problems:?}")
            };
            assert_eq!(problem.to_string(), expected, "{text}");
            assert!(
                problem.hint.is_some() || expected.contains("missing key"),
                "{expected}"
            );
            assert!(!format!("{problem:?}").contains("s3cret"), "{problem:?}");
        }
        for text in ["", "- a\n", "s3cret"] {
            let problems = own("f", text, "f.yaml").expect_err(text);
            assert_eq!(problems[0].message, "not a mapping of keys to values");
        }
    }

    #[test]
    fn reports_all_broken_rules() {
        let text =
            "summary: s\ndocumentation: d\ntraces: t\nexporter: debug\nendpoint: http://h:4317\n";
        let problems = own("f", text, "f.yaml").expect_err("two rules");
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
