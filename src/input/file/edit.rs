//! Edits the text of a spec: sets values and keeps everything else, including comments and order.
//!
//! Invariant: the result parses to the old values overlaid by the new ones, or there is no result.

use std::str::FromStr;

use serde_json::Value;
use yaml_edit::path::YamlPath;
use yaml_edit::{Document, YamlValue};

use super::Override;
use super::schema::SCHEMA;
use super::tree::{from_yaml, set};
use crate::problem::Problem;

/// Returns the text of a new spec with these values.
///
/// # Errors
/// A value cannot be written: a bug.
pub fn created(values: &[Override]) -> Result<String, Problem> {
    let head = format!(
        "# yaml-language-server: $schema={SCHEMA}\n\
         # Spec of this deployment. Change it, then run `chroma-otel-deploy gen` in this folder.\n\
         # `chroma-otel-deploy help gen` lists the flags, `chroma-otel-deploy schema` describes every key.\n"
    );
    // The target is the first key; its value is replaced by that of the flag.
    Ok(head + &edited("target: docker\n", values)?)
}

/// Returns the text with these values; a null removes its key.
///
/// # Errors
/// The text cannot be edited without changing something else, for example because of anchors.
pub fn edited(text: &str, values: &[Override]) -> Result<String, Problem> {
    let mut expected = from_yaml("", text)?;
    let refused = |key: &str| {
        Problem::new(
            key,
            "cannot be set in this spec without changing something else",
        )
        .hint("set it in the spec yourself, and run `gen` without the flag")
    };
    let document = Document::from_str(text).map_err(|_| refused("spec"))?;
    for one in values {
        if one.value.is_null() {
            remove(&mut expected, &document, one.key);
        } else {
            set(&mut expected, one.key, one.value.clone());
            write(&document, one.key, &one.value).map_err(|()| refused(one.key))?;
        }
        let is_right = from_yaml("", &document.to_string()).is_ok_and(|tree| tree == expected);
        if !is_right {
            return Err(refused(one.key));
        }
    }
    let mut text = document.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Removes a key of a section, from the tree and from the document.
fn remove(tree: &mut Value, document: &Document, key: &str) {
    let Some((section, name)) = key.split_once('.') else {
        return;
    };
    if let Some(Value::Object(section)) = tree.get_mut(section) {
        section.remove(name);
    }
    if let Some(section) = document.get_mapping(section) {
        section.remove(name);
    }
}

/// Sets a value; for a mapping, each of its entries.
fn write(document: &Document, path: &str, value: &Value) -> Result<(), ()> {
    if let Value::Object(entries) = value {
        return entries.iter().try_for_each(|(name, value)| {
            let name = name.replace('\\', "\\\\").replace('.', "\\.");
            write(document, &format!("{path}.{name}"), value)
        });
    }
    document
        .try_set_path(path, leaf(value).ok_or(())?)
        .map_err(|_| ())
}

fn leaf(value: &Value) -> Option<YamlValue> {
    Some(match value {
        Value::String(text) => YamlValue::from(text.as_str()),
        Value::Bool(on) => YamlValue::from(*on),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => YamlValue::from(whole),
            None => YamlValue::from(number.as_f64()?),
        },
        Value::Array(entries) => {
            YamlValue::Sequence(entries.iter().map(leaf).collect::<Option<_>>()?)
        }
        Value::Null | Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(key: &'static str, value: Value) -> Override {
        Override {
            key,
            flag: "--flag",
            value,
        }
    }

    #[test]
    fn keeps_comments_and_order() {
        let text = "\
# top
target: docker # here
chroma:
  version: 1.5.9 # pinned

# the backend
tracing:
  backend: jaeger # or zipkin
kubernetes:
";
        let values = [
            value("chroma.port", json!(8001)),
            value("tracing.backend", json!(["honeycomb", "jaeger"])),
            value("tracing.settings", json!({"honeycomb.region": "eu1"})),
            value("tracing.sampling.ratio", json!(0.5)),
            value("kubernetes.namespace", json!("a: b")),
        ];
        insta::assert_snapshot!(edited(text, &values).unwrap(), @r#"
        # top
        target: docker # here
        chroma:
          version: 1.5.9 # pinned
          port: 8001

        # the backend
        tracing:
          backend: # or zipkin
            - honeycomb
            - jaeger
          settings:
            honeycomb.region: eu1
          sampling:
            ratio: 0.5
        kubernetes:
          namespace: 'a: b'
        "#);
    }

    #[test]
    fn null_removes_a_key_and_nothing_else() {
        let text = "\
target: docker
tracing:
  backend: honeycomb # ours
  # the EU
  settings: {region: eu1} # since May
  granularity: all
";
        let values = [
            value("tracing.settings", Value::Null),
            value("tracing.settings", json!({"region": "prod-eu-west-2"})),
            value("tracing.settings", Value::Null),
        ];
        let after = edited(text, &values).unwrap();
        assert!(after.contains("backend: honeycomb # ours\n"), "{after}");
        assert!(
            !after.contains("region") && after.contains("granularity: all"),
            "{after}"
        );
    }

    #[test]
    fn begins_with_the_modeline_of_editors() {
        let values = [
            value("name", json!("search")),
            value("target", json!("aws")),
        ];
        let text = created(&values).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=chroma-otel.schema.json\n"));
        assert!(text.ends_with("target: aws\nname: search\n"), "{text}");
        let text = created(&values[1..]).unwrap();
        assert!(text.ends_with("\ntarget: aws\n"), "{text}");
    }

    #[test]
    fn rejects_specs_with_anchors() {
        let text = "target: docker\ntracing: &shared {backend: jaeger}\nchroma: *shared\n";
        let wrong = edited(text, &[value("chroma.port", json!(1))]).unwrap_err();
        assert_eq!(wrong.at, "chroma.port");
    }
}
