//! The schema of the spec, for `read` and for editors, and the flags of the keys.
//!
//! Invariant: no key is named here. Everything about a key is declared at its field.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::sections::SpecFile;

/// Address of the schema of `chroma-otel.yaml` at SchemaStore.
const ID: &str = "https://json.schemastore.org/chroma-otel.json";

/// File with the schema beside a spec that `gen` created: the first line of the spec names it, so that
/// editors need no network.
pub const SCHEMA: &str = "chroma-otel.schema.json";

/// Returns true if the first line of a spec names [`SCHEMA`].
pub fn names_schema(spec: &str) -> bool {
    let first = spec.lines().next().unwrap_or_default();
    first.starts_with("# yaml-language-server:") && first.ends_with(&format!("$schema={SCHEMA}"))
}

/// Keywords that editors do not support.
const PRIVATE: [&str; 4] = ["x-flag", "x-value", "x-heading", "format"];

/// Types of the values, and ranges of integers. `resolve` checks the rest, with better messages.
pub(super) static KINDS: LazyLock<Value> = LazyLock::new(|| {
    // Editors support draft 7 best. The schema is inlined: each section is used once.
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.transforms.clear();
    });
    let schema = settings.into_generator().into_root_schema_for::<SpecFile>();
    let mut schema = Value::from(schema);
    drop_null(&mut schema);
    schema
});

/// Flags of the keys: first those of the top level, then in the order of the keys.
static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let mut flags = Vec::new();
    add_flags(&KINDS, "", "Deployment", &mut flags);
    flags.sort_by_key(|flag| flag.key.contains('.'));
    flags
});

/// Returns the JSON Schema of the spec, for editors.
pub fn schema() -> Value {
    let mut schema = KINDS.clone();
    publish(&mut schema);
    schema["$id"] = ID.into();
    schema
}

/// Returns the flags of all keys that have one.
pub fn flags() -> &'static [Flag] {
    &FLAGS
}

/// The flag of a key.
#[derive(Debug)]
pub struct Flag {
    /// Key as in the spec, such as `chroma.port`.
    pub key: String,
    /// Flag as typed, such as `--port`.
    pub name: String,
    /// Heading in the help.
    pub heading: &'static str,
    schema: &'static Value,
}

/// Type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// True if the flag is set.
    Switch,
    /// An integer.
    Whole,
    /// Any number.
    Number,
    /// Text.
    Text,
    /// One text for each occurrence of the flag.
    List,
    /// One `NAME=VALUE` for each occurrence of the flag.
    Pairs,
}

impl Flag {
    /// Returns the type of the key's value.
    pub fn kind(&self) -> Kind {
        match self.schema["type"].as_str() {
            Some("boolean") => Kind::Switch,
            Some("integer") => Kind::Whole,
            Some("number") => Kind::Number,
            Some("array") => Kind::List,
            Some("object") => Kind::Pairs,
            Some(_) => Kind::Text,
            None => {
                let forms = self.schema["anyOf"].as_array().into_iter().flatten();
                let mut kinds = forms.map(|form| &form["type"]);
                // A key that also accepts a mapping takes one text as a flag: its entries would need quotes.
                if kinds.any(|kind| kind == "object") {
                    Kind::Text
                } else {
                    Kind::List
                }
            }
        }
    }

    /// Returns the description of the key.
    pub fn description(&self) -> String {
        self.text("description")
            .unwrap_or_default()
            .replace('\n', " ")
    }

    /// Returns the default, if it is the same for every target.
    pub fn default(&self) -> Option<String> {
        self.schema.get("x-default").map(plain)
    }

    /// Returns the possible values, if the list is complete.
    pub fn values(&self) -> Option<Vec<&'static str>> {
        let values = self.schema.get("x-enum")?.as_array()?;
        Some(values.iter().filter_map(Value::as_str).collect())
    }

    /// Returns the placeholder of the value in the help.
    pub fn placeholder(&self) -> String {
        let last = self.name.rsplit('-').next().unwrap_or_default();
        self.text("x-value")
            .map_or_else(|| last.to_uppercase(), str::to_owned)
    }

    fn text(&self, keyword: &str) -> Option<&'static str> {
        self.schema.get(keyword)?.as_str()
    }
}

/// A blank key counts as not set, and no editor should offer `null` for it. Exception: the value of a
/// variable or a header can be blank, and the schema has to allow it.
fn drop_null(section: &mut Value) {
    let properties = section.get_mut("properties").and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(Map::values_mut) {
        if let Some(Value::Array(types)) = property.get("type") {
            let one = types.iter().find(|one| *one != "null").cloned();
            property["type"] = one.unwrap_or_default();
        }
        if let Value::Object(keywords) = &mut *property {
            keywords.remove("default");
        }
        drop_null(property);
        if let Some(items) = property.get_mut("items") {
            drop_null(items);
        }
    }
}

fn add_flags(section: &'static Value, prefix: &str, heading: &'static str, flags: &mut Vec<Flag>) {
    let properties = section["properties"].as_object().into_iter().flatten();
    for (name, schema) in properties {
        let key = format!("{prefix}{name}");
        let heading = schema["x-heading"].as_str().unwrap_or(heading);
        add_flags(schema, &format!("{key}."), heading, flags);
        if let Some(flag) = schema["x-flag"].as_str() {
            flags.push(Flag {
                key,
                name: format!("--{flag}"),
                heading,
                schema,
            });
        }
    }
}

/// Converts a part of the schema to the form for editors.
fn publish(part: &mut Value) {
    let Value::Object(keywords) = part else {
        return;
    };
    for (keyword, below) in keywords.iter_mut() {
        match (keyword.as_str(), below) {
            ("properties", Value::Object(keys)) => keys.values_mut().for_each(publish),
            ("anyOf", Value::Array(forms)) => forms.iter_mut().for_each(publish),
            ("items" | "additionalProperties", below) => publish(below),
            _ => {}
        }
    }
    for name in PRIVATE {
        keywords.remove(name);
    }
    if let Some(Value::String(description)) = keywords.get("description") {
        let mut description = description.replace('\n', " ");
        if let Some(default) = keywords.get("x-default") {
            description = format!("{description} Default: {}.", plain(default));
        }
        keywords.insert("description".to_owned(), description.into());
    }
    let names: Vec<String> = keywords.keys().cloned().collect();
    for name in names {
        let Some(keyword) = name.strip_prefix("x-") else {
            continue;
        };
        let rule = keywords.remove(&name).unwrap_or_default();
        match keyword {
            "enum" | "pattern" => restrict(keywords, keyword, &rule),
            _ => drop(keywords.insert(keyword.to_owned(), rule)),
        }
    }
}

/// Applies a rule to every text in a value.
fn restrict(keywords: &mut Map<String, Value>, keyword: &str, rule: &Value) {
    if keywords.get("type").is_some_and(|kind| kind == "string") {
        keywords.insert(keyword.to_owned(), rule.clone());
        return;
    }
    for (name, below) in keywords.iter_mut() {
        match (name.as_str(), below) {
            ("anyOf", Value::Array(forms)) => {
                let forms = forms.iter_mut().filter_map(Value::as_object_mut);
                forms.for_each(|form| restrict(form, keyword, rule));
            }
            ("items" | "additionalProperties", Value::Object(below)) => {
                restrict(below, keyword, rule);
            }
            _ => {}
        }
    }
}

/// Returns a value as a person writes it.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
