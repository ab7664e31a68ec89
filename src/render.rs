//! Rendering: an embedded template and its context give the text of a file.
//!
//! Invariant: every value is written in the syntax of the file that contains it, selected by the
//! file's name, so a template cannot forget to escape. An unknown variable in a template is an
//! error.

mod gzip;
mod hcl;

pub(crate) use gzip::gzip_size;
pub(crate) use hcl::{hcl, in_quotes, quoted as hcl_quoted};

use anyhow::{Context as _, Result};
use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;

/// The folder `templates/`, embedded in the binary.
pub static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Renders one template of [`TEMPLATES`] (`docker/README.md.j2`) with its context.
///
/// # Errors
/// Fails if the template is missing, is wrong, or uses a variable that the context does not
/// contain: a bug.
pub fn render(template: &str, context: &Value) -> Result<String> {
    let source = TEMPLATES
        .get_file(template)
        .and_then(|file| file.contents_utf8())
        .with_context(|| format!("no template `{template}`"))?;
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let mut syntax = SyntaxConfig::builder();
    syntax
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true);
    environment.set_syntax(syntax.build()?);
    environment.set_auto_escape_callback(|name| AutoEscape::Custom(form(name).into()));
    environment.set_formatter(write_value);
    environment.add_filter("block", block);
    // Required for `include`.
    environment.set_loader(|name| {
        let file = TEMPLATES.get_file(name);
        Ok(file
            .and_then(|file| file.contents_utf8())
            .map(str::to_owned))
    });
    #[cfg(test)]
    assert_names_exist(&environment, template, source, context);
    environment
        .render_named_str(template, source, context.clone())
        .with_context(|| format!("template `{template}`"))
}

/// Converts a struct with a template's fields to the template's context.
pub(crate) fn values_of(template: impl Serialize) -> Value {
    #[cfg(test)]
    assert_no_name_twice(&template);
    Value::from(Serde(template))
}

/// Panics if a flattened struct hides a field of another: the later one would win without a
/// warning.
#[cfg(test)]
fn assert_no_name_twice(template: &impl Serialize) {
    let read = serde_yaml::from_str::<serde_yaml::Value>(&json(template));
    assert!(read.is_ok(), "{:?}", read.err());
}

/// Panics if a template uses an unknown field, even in a branch that is not rendered. A partial is
/// checked as part of the template that includes it.
#[cfg(test)]
fn assert_names_exist(environment: &Environment, template: &str, source: &str, context: &Value) {
    let parsed = environment
        .template_from_named_str(template, source)
        .unwrap_or_else(|error| panic!("`{template}`: {error}"));
    // MiniJinja reports variables that are set within a condition as undeclared.
    let sets = source.lines().filter(|line| line.contains("{% set "));
    let sets: Vec<&str> = sets
        .filter_map(|line| Some(line.split_once(" =")?.0))
        .collect();
    let is_set = |name: &str| sets.iter().any(|names| names.contains(name));
    for name in parsed.undeclared_variables(true) {
        if is_set(name.split('.').next().unwrap_or(&name)) {
            continue;
        }
        let mut value = context.clone();
        for field in name.split('.') {
            if value.kind() != ValueKind::Map {
                break; // absent in this context, or a list
            }
            value = value.get_attr(field).unwrap_or_default();
            assert!(
                !value.is_undefined(),
                "`{template}` uses `{name}`, which does not exist"
            );
        }
    }
}

/// Returns the syntax of values in a file, by its name.
fn form(template: &str) -> &'static str {
    let name = template.trim_end_matches(".j2");
    let file = name.rsplit('/').next().unwrap_or(name);
    match file {
        // Compose and the collector both expand `$`, and both read `$$` as one `$`.
        "docker-compose.yaml" | "otel-collector.yaml" => "yaml with dollars",
        _ if file.ends_with(".yaml") => "yaml",
        _ if file.ends_with(".tf") => "hcl",
        _ if file.ends_with(".tftpl") => "terraform template",
        _ => "text",
    }
}

fn write_value(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let form = match state.auto_escape() {
        AutoEscape::Custom(form) if !value.is_safe() => form.as_ref(),
        _ => "text",
    };
    let text = match form {
        "yaml" => yaml(value)?,
        "yaml with dollars" => yaml_with(value, &|text| text.replace('$', "$$"))?,
        "hcl" => hcl(value)?,
        "terraform template" => hcl::literal(&value.to_string()),
        _ => value.to_string(),
    };
    out.write_str(&text).map_err(Error::from)
}

/// Formats a value as one line of YAML. Text is plain if every reader reads it as the same string,
/// otherwise quoted.
pub(crate) fn yaml(value: &Value) -> Result<String, Error> {
    yaml_with(value, &str::to_owned)
}

/// Formats a value as one line of YAML and applies `escape` to text.
fn yaml_with(value: &Value, escape: &dyn Fn(&str) -> String) -> Result<String, Error> {
    let parts = |values: Value, write: &dyn Fn(&Value) -> Result<String, Error>| {
        let parts: Result<Vec<String>, Error> =
            values.try_iter()?.map(|part| write(&part)).collect();
        Ok::<String, Error>(parts?.join(", "))
    };
    let part = |value: &Value| yaml_with(value, escape);
    match (value.kind(), value.as_str()) {
        (ValueKind::String, Some(text)) if value.is_safe() => Ok(text.to_owned()),
        (ValueKind::String, Some(text)) if is_plain(text) => Ok(escape(text)),
        (ValueKind::Seq, _) => Ok(format!("[{}]", parts(value.clone(), &part)?)),
        (ValueKind::Map, _) => {
            let pair =
                |key: &Value| Ok(format!("{}: {}", part(key)?, part(&value.get_item(key)?)?));
            Ok(format!("{{{}}}", parts(value.clone(), &pair)?))
        }
        (ValueKind::String, Some(text)) => Ok(escape(&quoted(text))),
        _ => serde_json::to_string(value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string())),
    }
}

/// Formats a mapping of names to texts as YAML lines below its key, each indented by `indent`
/// spaces.
fn block(value: &Value, indent: usize) -> Result<Value, Error> {
    let mut lines = String::new();
    for key in value.try_iter()? {
        let entry = format!("{}: {}", yaml(&key)?, yaml(&value.get_item(&key)?)?);
        lines.push_str(&format!("\n{:indent$}{entry}", ""));
    }
    if lines.is_empty() {
        lines.push_str(" {}");
    }
    Ok(as_is(lines))
}

/// Quotes text for both JSON and YAML. YAML has more line breaks and fewer printable characters
/// than JSON; these are escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{feff}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Returns true if every YAML reader reads the text as the same string: it begins with a letter, is
/// not a word with a special meaning (YAML 1.1 has more of them than 1.2), and contains no
/// indicator.
pub fn is_plain(text: &str) -> bool {
    let amount = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if ["g", "m", "MiB", "Gi", "Mi"].contains(&&text[amount.len()..])
        && amount.bytes().all(|c| c.is_ascii_digit())
    {
        return !amount.is_empty(); // an amount of memory
    }
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._/:-@+".contains(c))
        && !text.ends_with(':')
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// Marks text as already formatted in the file's syntax.
pub fn as_is(text: impl Into<String>) -> Value {
    Value::from_safe_string(text.into())
}

/// Formats JSON, which YAML and the Dockerfile can also read.
pub(crate) fn json(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value)
        .unwrap_or_else(|_| unreachable!("strings and lists of strings are JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_every_string_unchanged() {
        for text in [
            "",
            "a",
            "true",
            "No",
            "~",
            "1.5.9",
            "0x1",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "\\",
            "a\nb",
            "é😀",
            "{a}",
            "[",
            "*",
            "&a",
            "!",
            "%",
            "@a",
            "`",
            "- a",
            "a:",
            "=",
            "1e3",
            "2026-01-01",
            "/data",
            "a:b",
            "2g",
            "512MiB",
            "20Gi",
            "Gi",
            "g",
            "1m",
            ": \u{2028}",
            "\u{85}\u{feff}\u{7f}",
        ] {
            let written = yaml(&Value::from(text)).expect("a string can be written");
            let read: String =
                serde_yaml::from_str(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(read, text);
        }
    }

    #[test]
    #[should_panic(expected = "uses `a.missing`, which does not exist")]
    fn checks_names_in_branches_that_are_not_rendered() {
        let context = minijinja::context! { a => minijinja::context! { there => false } };
        let source = "{% if a.there %}{{ a.missing }}{% endif %}";
        assert_names_exist(&Environment::new(), "x", source, &context);
    }

    #[test]
    #[should_panic(expected = "duplicate entry")]
    fn rejects_fields_that_hide_another_field() {
        #[derive(Serialize)]
        struct Inner {
            name: u8,
        }
        #[derive(Serialize)]
        struct Outer {
            #[serde(flatten)]
            inner: Inner,
            name: u8,
        }
        values_of(Outer {
            inner: Inner { name: 1 },
            name: 2,
        });
    }

    #[test]
    #[should_panic(expected = "which does not exist")]
    fn rejects_unknown_names_in_templates() {
        let _ = render("docker/docker-compose.yaml.j2", &minijinja::context! {});
    }
}
