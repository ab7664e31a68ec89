//! The spec file `chroma-otel.yaml`, overridden by flags.
//!
//! Invariant: everything is optional here and defaults come last, in `Spec`; every problem of the
//! file is found in one pass, and no text of `tracing.headers` is ever part of a message.

mod backup;
mod edit;
mod form;
mod input;
mod kubernetes;
mod schema;
mod sections;
mod tree;

pub use backup::BackupSection;
pub use edit::{created, edited};
pub use input::{Input, flag_of};
pub use kubernetes::{ExposeSection, KubernetesSection, TolerationSection};
pub use schema::{Flag, Kind, SCHEMA, flags, names_schema, schema};
pub use sections::{
    AccessSection, ChromaSection, CollectorSection, MachineSection, MetricsSection, OneOrMore,
    RedactSection, SamplingSection, SpecFile, TracingSection,
};

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use self::tree::{from_yaml, set};
use crate::problem::Problem;

/// Maximum size of a spec; a larger file is a mistake or an attack.
const MAX_BYTES: u64 = 1 << 20;

/// A value of a flag, with the key that it overrides.
#[derive(Debug, Clone)]
pub struct Override {
    /// Key as in the spec, such as `tracing.backend`.
    pub key: &'static str,
    /// Flag as typed, such as `--backend`.
    pub flag: &'static str,
    /// The value.
    pub value: Value,
}

/// Reads the file, if there is one, applies the flags, and checks the form of the result.
///
/// # Errors
/// The file cannot be read, is invalid YAML, or is not a mapping.
pub fn read(file: Option<&Path>, overrides: Vec<Override>) -> Result<Input, Problem> {
    let name = file.map_or(input::NO_FILE.to_owned(), |path| path.display().to_string());
    let mut tree = match file {
        Some(path) => from_yaml(&name, &text(path)?)?,
        None => Value::Object(Map::new()),
    };
    kubernetes::open_blank_sections(&mut tree);
    let mut flags = BTreeMap::new();
    let mut blank = Vec::new();
    for one in overrides {
        flags.insert(one.key, one.flag);
        if one.flag.starts_with('-') && is_blank(&one.value) {
            let hint = format!(
                "leave out the flag; to use the default again, delete `{}` in the spec",
                one.key
            );
            blank.push(Problem::new(one.flag, "has no value").hint(hint));
        } else {
            set(&mut tree, one.key, one.value);
        }
    }
    let mut input = Input {
        spec: SpecFile::default(),
        problems: Vec::new(),
        flags,
        file: name.clone(),
        given: given(&tree),
        backends: Vec::new(),
        ca: None,
    };
    input.problems = blank;
    input.problems.extend(form::check(&mut tree, &input));
    input.spec = serde_json::from_value(tree).map_err(|_| {
        Problem::new(name, "the schema took what the spec does not").hint("this is a bug")
    })?;
    // A path in the file is relative to the file, a path in a flag to the working directory.
    let folder = file.and_then(Path::parent);
    let ca = input.spec.tracing.ca_file.as_deref().map(str::trim);
    let ca = ca.filter(|path| !path.is_empty());
    input.ca = ca.map(|path| read_text(&folder.unwrap_or(Path::new("")).join(path), MAX_BYTES));
    let typed = input.flags.contains_key("tracing.backend_file");
    let folder = folder.filter(|_| !typed);
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

/// Returns true if the value of a flag, or one of its values, is blank.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Array(values) => values.iter().any(is_blank),
        Value::Object(values) => values.values().any(is_blank),
        _ => false,
    }
}

/// Returns the keys of the first two levels that have a value.
fn given(tree: &Value) -> Vec<String> {
    let mut keys = Vec::new();
    for (name, value) in tree.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(section) => {
                let set = section.iter().filter(|(_, value)| !value.is_null());
                keys.extend(set.map(|(key, _)| format!("{name}.{key}")));
            }
            _ => keys.push(name.clone()),
        }
    }
    keys
}

/// Reads the text of a spec.
///
/// # Errors
/// As [`read_text`].
pub fn text(path: &Path) -> Result<String, Problem> {
    read_text(path, MAX_BYTES)
}

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// The file is missing, a folder, too large, or not UTF-8.
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
