//! The values of the chart: their defaults, which are the manifests' own, and their schema.
//!
//! Invariant: Helm refuses a value that the templates do not read, and a label or annotation that an
//! object already has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::lines::Line;

/// Input of `values.yaml`.
#[derive(Default, Serialize)]
pub(super) struct Values {
    /// Image references.
    images: BTreeMap<String, String>,
    /// Requests and limits, as YAML lines.
    resources: BTreeMap<String, String>,
    /// Storage classes, as YAML.
    pub(super) classes: BTreeMap<&'static str, String>,
    /// Sizes of claims.
    pub(super) sizes: BTreeMap<String, String>,
    /// Fields of every pod, as YAML.
    pub(super) pod: BTreeMap<String, String>,
    /// Keys of labels in the manifests.
    pub(super) taken_labels: BTreeSet<String>,
    /// Keys of annotations in the manifests.
    pub(super) taken_annotations: BTreeSet<String>,
    /// The Secret that the operator creates.
    pub(super) existing_secret: Option<String>,
    /// True if the chart contains the restore.
    pub(super) restore: bool,
}

impl Values {
    /// Adds the image of a container, and returns its key. Containers of one program share a key.
    pub(super) fn image(&mut self, container: &str, image: &str) -> String {
        let program = match container {
            "backup" | "restore" | "snapshot" | "test" => "python",
            "fetch" | "send" => "rclone",
            other => other,
        };
        let (program, own) = (camel_case(program), camel_case(container));
        let differs = self.images.get(&program).is_some_and(|one| one != image);
        let key = if differs { own } else { program };
        self.images.insert(key.clone(), image.to_owned());
        key
    }

    /// Returns the keys of the values that README.md lists.
    pub(super) fn keys(&self) -> ValueKeys {
        let classes = self.classes.keys().copied();
        let sizes = self.sizes.keys().map(String::as_str);
        ValueKeys {
            image_keys: quoted(self.images.keys().map(String::as_str)),
            resource_keys: quoted(self.resources.keys().map(String::as_str)),
            storage_keys: quoted(classes.chain(sizes)),
        }
    }

    /// Adds the resources of a container, whose key is at `line`, and returns their key.
    pub(super) fn resources(&mut self, name: &str, line: &Line, block: &[&str]) -> String {
        let key = camel_case(name);
        let lines = block.iter().map(|text| &text[line.indent + 2..]);
        let lines: Vec<&str> = lines.collect();
        self.resources.insert(key.clone(), lines.join("\n"));
        key
    }

    /// Returns `values.schema.json`.
    pub(super) fn schema(&self) -> String {
        let text = json!({"type": "string", "minLength": 1});
        let size = json!({"type": "string", "pattern": "^[1-9][0-9]*(Mi|Gi|Ti)$"});
        let images = self.images.keys().map(|key| (key.clone(), text.clone()));
        let resources = self.resources.iter();
        let resources = resources.map(|(key, block)| (key.clone(), resources_schema(key, block)));
        let classes = self.classes.keys();
        let classes = classes.map(|key| ((*key).to_owned(), json!({"type": "string"})));
        let sizes = self.sizes.keys().map(|key| (key.clone(), size.clone()));
        let mut properties = vec![
            (
                "annotations".to_owned(),
                free_texts(&self.taken_annotations),
            ),
            ("global".to_owned(), json!({"type": "object"})),
            ("images".to_owned(), closed(images, true)),
            ("labels".to_owned(), free_texts(&self.taken_labels)),
            ("pod".to_owned(), pod_schema()),
            ("resources".to_owned(), closed(resources, true)),
            ("storage".to_owned(), closed(classes.chain(sizes), true)),
        ];
        if self.existing_secret.is_some() {
            let name = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
            let secret = json!({"type": "string", "pattern": name});
            properties.push(("existingSecret".to_owned(), secret));
        }
        if self.restore {
            properties.push(("restore".to_owned(), json!({"type": "boolean"})));
        }
        let mut schema = closed(properties.into_iter(), false);
        schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
        let text = serde_json::to_string_pretty(&schema);
        text.unwrap_or_else(|_| unreachable!("a tree of JSON is JSON")) + "\n"
    }
}

/// The keys of values, in backticks.
#[derive(Serialize)]
pub(super) struct ValueKeys {
    image_keys: Vec<String>,
    resource_keys: Vec<String>,
    storage_keys: Vec<String>,
}

fn quoted<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    keys.map(|key| format!("`{key}`")).collect()
}

/// Returns the schema of an object with these properties and no others.
fn closed(properties: impl Iterator<Item = (String, Json)>, all: bool) -> Json {
    let properties: BTreeMap<String, Json> = properties.collect();
    let mut schema = json!({"type": "object", "additionalProperties": false});
    if all {
        schema["required"] = properties.keys().cloned().collect();
    }
    schema["properties"] = json!(properties);
    schema
}

/// Returns the schema of labels or annotations that replace none of the manifests.
fn free_texts(taken: &BTreeSet<String>) -> Json {
    json!({
        "type": "object",
        "additionalProperties": {"type": "string"},
        "propertyNames": {"not": {"enum": taken}},
    })
}

fn pod_schema() -> Json {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let objects = json!({"type": "array", "items": {"type": "object"}});
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "imagePullSecrets": objects,
            "nodeSelector": texts,
            "priorityClassName": {"type": "string"},
            "tolerations": objects,
        },
    })
}

/// Returns the schema of a container's resources. The memory of a collector is the spec's, because
/// its GOMEMLIMIT follows from it.
fn resources_schema(key: &str, block: &str) -> Json {
    let amount = json!({"type": ["string", "number"]});
    let mut amounts = json!({"type": "object", "additionalProperties": amount});
    let memory = block.split_once("limits: {memory: ").map(|(_, rest)| rest);
    let memory = memory.and_then(|rest| rest.split([',', '}']).next());
    if let Some(memory) = memory.filter(|_| ["collector", "member", "router"].contains(&key)) {
        amounts["properties"]["memory"] = json!({
            "const": memory,
            "description": "`collector.memory` in the spec: GOMEMLIMIT follows from it",
        });
    }
    let parts = ["limits", "requests"].map(|part| (part.to_owned(), amounts.clone()));
    closed(parts.into_iter(), false)
}

/// Returns a name of Kubernetes as a key that Helm's templates can name.
fn camel_case(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(word.len().min(1));
        format!("{name}{}{rest}", initial.to_uppercase())
    })
}
