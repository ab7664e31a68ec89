//! Terraform's syntax: values in its language, and text in its templates.
//!
//! Invariant: Terraform reads back the same characters, and never evaluates a value as an
//! expression. (Terraform converts all text to Unicode's form NFC.)

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Formats a value as an expression on one line: text in quotes, lists, maps, numbers, `true`,
/// `null`.
pub(crate) fn hcl(value: &Value) -> Result<String, Error> {
    let parts = |write: &dyn Fn(&Value) -> Result<String, Error>| {
        let parts: Result<Vec<String>, Error> =
            value.try_iter()?.map(|part| write(&part)).collect();
        Ok::<String, Error>(parts?.join(", "))
    };
    match (value.kind(), value.as_str()) {
        (ValueKind::String, Some(text)) if value.is_safe() => Ok(text.to_owned()),
        (ValueKind::String, Some(text)) => Ok(quoted(text)),
        (ValueKind::Seq, _) => Ok(format!("[{}]", parts(&hcl)?)),
        (ValueKind::Map, _) => match parts(&|key| {
            let name = quoted(&key.to_string());
            Ok(format!("{name} = {}", hcl(&value.get_item(key)?)?))
        })? {
            pairs if pairs.is_empty() => Ok("{}".to_owned()),
            pairs => Ok(format!("{{ {pairs} }}")),
        },
        (ValueKind::None, _) => Ok("null".to_owned()),
        _ => serde_json::to_string(value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string())),
    }
}

/// Quotes text. Invisible characters, and characters that some readers treat as line breaks, are
/// escaped.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", in_quotes(text))
}

/// Formats text for a position between quotes, next to expressions.
pub(crate) fn in_quotes(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{feff}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    literal(&out)
}

/// Formats text for a template: no expression can begin in it.
pub(crate) fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    const HOSTILE: [&str; 19] = [
        "",
        "a",
        "\"",
        "\\",
        "\\\"\\\\",
        "a\nb\r\n\tc\n",
        "${var.x}",
        "$${x}",
        "$$${x} $$",
        "%{if true}",
        "%%{x} % %%",
        "$%{x}%${y}",
        "\\${x}",
        "{{ x }} {% y %}",
        "é😀",
        "\u{0}\u{1}\u{7f}\u{85}\u{9f}",
        "\u{feff}\u{2028}\u{2029}\u{a0}",
        "'`$(id)`' # // /* */ ~",
        "<<EOT",
    ];

    #[test]
    fn reads_back_every_string_unchanged() {
        for text in HOSTILE {
            let written = format!("x = {}", hcl(&Value::from(text)).expect("text has a form"));
            let body = hcl::parse(&written).unwrap_or_else(|error| panic!("{written}: {error}"));
            let attribute = body.attributes().next().expect("one attribute");
            let expression = attribute.expr.clone();
            let context = hcl::eval::Context::new();
            let read = hcl::eval::Evaluate::evaluate(&expression, &context)
                .unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(read, hcl::Value::from(text), "{written}");
        }
    }

    #[test]
    fn reads_back_every_text_from_a_template() {
        for text in HOSTILE {
            let written = literal(text);
            let template: hcl::Template = written
                .parse()
                .unwrap_or_else(|error| panic!("{written}: {error}"));
            let read = hcl::eval::Evaluate::evaluate(&template, &hcl::eval::Context::new());
            assert_eq!(read.expect("no expression is in it"), text, "{written}");
        }
    }

    #[test]
    fn formats_values_of_every_kind() {
        let value = context! { list => ["a", "${b}"], none => (), yes => true, number => 1.5, map => context! { a => 1 } };
        assert_eq!(
            hcl(&value).expect("a map has a form"),
            r#"{ "list" = ["a", "$${b}"], "none" = null, "yes" = true, "number" = 1.5, "map" = { "a" = 1 } }"#
        );
        assert_eq!(hcl(&context! {}).expect("so has an empty one"), "{}");
    }
}
