//! The spec as a person writes it: `chroma-otel.yaml`, overlaid by flags.
//!
//! Invariant: everything is optional here and defaults come last, in `Spec`; every problem of the
//! file is found in one reading, and no text of `tracing.headers` is ever part of a message.

mod form;
mod input;
mod kubernetes;
mod schema;
mod sections;

pub use input::{Input, flag_of};
pub use kubernetes::{BackupSection, ExposeSection, KubernetesSection, TolerationSection};
pub use schema::{Flag, Kind, flags, schema};
pub use sections::{
    ChromaSection, CollectorSection, MachineSection, MetricsSection, OneOrMore, RedactSection,
    SamplingSection, SpecFile, TracingSection,
};

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use crate::problem::Problem;

/// A spec is a page of text; more is a mistake, or an attack.
const MAX_BYTES: u64 = 1 << 20;

/// A value a flag gives: the key of the spec it overrides, the flag's name, the value.
#[derive(Debug, Clone)]
pub struct Override {
    /// Key as in the spec, such as `tracing.backend`.
    pub key: &'static str,
    /// Flag as typed, such as `--backend`.
    pub flag: &'static str,
    /// The value.
    pub value: Value,
}

/// Reads the file, if one is given, lays the flags over it, and checks the form of the whole.
///
/// # Errors
/// The file cannot be read, is no YAML, or is not a mapping: then nothing else can be said.
pub fn read(file: Option<&Path>, overrides: Vec<Override>) -> Result<Input, Problem> {
    let name = file.map_or(input::NO_FILE.to_owned(), |path| path.display().to_string());
    let mut tree = match file {
        Some(path) => read_yaml(path)?,
        None => Value::Object(Map::new()),
    };
    kubernetes::open_blank_sections(&mut tree);
    let mut flags = BTreeMap::new();
    for one in overrides {
        flags.insert(one.key, one.flag);
        set(&mut tree, one.key, one.value);
    }
    let mut input = Input {
        spec: SpecFile::default(),
        problems: Vec::new(),
        flags,
        file: name.clone(),
        given: given(&tree),
        backends: Vec::new(),
    };
    input.problems = form::check(&mut tree, &input);
    input.spec = serde_json::from_value(tree).map_err(|_| {
        Problem::new(name, "the schema took what the spec does not").hint("this is a bug")
    })?;
    // A path in the file is relative to the file, a flag's to where it is typed.
    let typed = input.flags.contains_key("tracing.backend_file");
    let folder = file.and_then(Path::parent).filter(|_| !typed);
    let paths = input
        .spec
        .tracing
        .backend_file
        .iter()
        .flat_map(OneOrMore::texts);
    input.backends = paths
        .map(|path| folder.unwrap_or(Path::new("")).join(path))
        .map(|path| (path.clone(), read_text(&path, MAX_BYTES)))
        .collect();
    Ok(input)
}

/// Keys of the first two levels that have a value.
fn given(tree: &Value) -> Vec<String> {
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut keys = Vec::new();
    for (name, value) in entries(tree) {
        match value {
            Value::Null => {}
            Value::Object(section) => {
                let set = section.iter().filter(|(_, value)| !value.is_null());
                keys.extend(set.map(|(key, _)| format!("{name}.{key}")));
            }
            _ => keys.push(name),
        }
    }
    keys
}

fn read_yaml(path: &Path) -> Result<Value, Problem> {
    let at = path.display().to_string();
    let text = read_text(path, MAX_BYTES)?;
    // The reader's own message can quote the text, and the text can hold a header: position only.
    let not_yaml = |error: serde_yaml::Error| {
        let place = match error.location() {
            Some(place) => format!(" at line {}, column {}", place.line(), place.column()),
            None => String::new(),
        };
        Problem::new(&at, format!("not YAML that can be read{place}"))
            .hint("look for a missing quote, a tab, or a key that stands twice")
    };
    // By way of YAML's own tree, which refuses a key that stands twice.
    let tree: serde_yaml::Value = serde_yaml::from_str(&text).map_err(not_yaml)?;
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

/// Reads a text file of at most `limit` bytes that a user named.
///
/// # Errors
/// A problem that names the file: not there, a folder, too large, not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, Problem> {
    let at = path.display().to_string();
    let open = |error: std::io::Error| Problem::new(&at, format!("cannot be read: {error}"));
    let file = fs::File::open(path).map_err(open)?;
    if file.metadata().map_err(open)?.is_dir() {
        return Err(Problem::new(at, "is a folder").hint("name the file in it"));
    }
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(open)?;
    if bytes.len() as u64 > limit {
        return Err(Problem::new(at, format!("larger than {} KiB", limit >> 10))
            .hint("is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|_| Problem::new(at, "not UTF-8 text"))
}

/// Sets `a.b` in a tree of mappings; a mapping is laid over the one that is there. A value in the way that is no mapping stays: `form::check` names it.
fn set(tree: &mut Value, key: &str, value: Value) {
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
