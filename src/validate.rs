//! Checks of the files themselves, as text: each parses as its format, and what it names exists.
//!
//! Invariant: a finding names the file and the place in it. These are the checks that need no
//! other tool; `docker compose config` and `otelcol validate` know more.

mod cloudformation;
mod collector;
mod compose;
mod kubernetes;
mod terraform;

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::problem::Problem;
use crate::spec::Secrets;

/// Everything wrong with the files of a deployment (relative path to text), and any secret in them.
pub fn files(files: &BTreeMap<String, String>, secrets: &Secrets) -> Vec<Problem> {
    let mut findings = Vec::new();
    for (path, text) in files {
        if is_source(path) {
            continue; // the same for every spec
        }
        leaked(path, text, secrets, &mut findings);
        let name = path.rsplit('/').next().unwrap_or(path);
        match name {
            _ if kubernetes::is_manifest(path, text) => {} // all of them at once, below
            _ if name.ends_with(".yaml") => yaml(path, text, files, &mut findings),
            "Dockerfile" => dockerfile(path, text, &mut findings),
            ".env.example" => dotenv(path, text, &mut findings),
            _ => {}
        }
    }
    findings.extend(terraform::check(files));
    findings.extend(kubernetes::check(files));
    findings
}

/// Whether a file is one of the entrypoint's sources, in the folder that images are built from.
pub fn is_source(path: &str) -> bool {
    path.starts_with("entrypoint/") || path.contains("/entrypoint/")
}

/// A secret's value in a file. No template can print one; but the operator may have written it down
/// as something else as well. Shorter ones are found by chance, in words of the templates.
fn leaked(path: &str, text: &str, secrets: &Secrets, findings: &mut Vec<Problem>) {
    const SHORTEST: usize = 16;
    for (name, value) in secrets {
        let shown = |part: &String| part.len() >= SHORTEST && text.contains(part);
        if value.parts().iter().any(shown) {
            let problem = Problem::new(path, format!("holds the value of {name}"));
            findings.push(
                problem.hint("the same value stands elsewhere in the spec: take it out there"),
            );
        }
    }
}

fn yaml(path: &str, text: &str, files: &BTreeMap<String, String>, findings: &mut Vec<Problem>) {
    let mut tree: Value = match serde_yaml::from_str(text) {
        Ok(tree) => tree,
        Err(error) => return findings.push(Problem::new(path, format!("not YAML: {error}"))),
    };
    if let Err(error) = tree.apply_merge() {
        findings.push(Problem::new(
            path,
            format!("a merge key `<<` that does not merge: {error}"),
        ));
    }
    let found = match path {
        "docker-compose.yaml" => compose::check(&tree, files),
        "otel-collector.yaml" => collector::check(&tree),
        "config.yaml" => chroma_config(&tree),
        "template.yaml" => {
            let values = files.get("parameters.json").map(String::as_str);
            cloudformation::check(text, &tree, values)
        }
        _ => Vec::new(),
    };
    findings.extend(
        found
            .into_iter()
            .map(|(at, message)| Problem::new(format!("{path}: {at}"), message)),
    );
}

/// A place in a file, and what is wrong there.
type Finding = (String, String);

/// What is wrong with a configuration that is delivered to a machine, by its path there.
fn on_machine(path: &str, text: &str) -> Vec<Finding> {
    let check = match path.rsplit('/').next() {
        Some("otel-collector.yaml") => collector::check,
        Some("config.yaml") => chroma_config,
        _ => return Vec::new(),
    };
    match serde_yaml::from_str(text) {
        Ok(tree) => check(&tree),
        Err(error) => vec![("text".to_owned(), format!("is not YAML: {error}"))],
    }
}

/// Chroma ignores unknown keys without a word, and moves its data without `persist_path`.
fn chroma_config(tree: &Value) -> Vec<Finding> {
    const KNOWN: [&str; 5] = [
        "persist_path",
        "listen_address",
        "port",
        "cors_allow_origins",
        "allow_reset",
    ];
    let mut findings: Vec<Finding> = keys(tree)
        .filter(|key| !KNOWN.contains(key))
        .map(|key| {
            (
                key.to_owned(),
                "Chroma does not know this key and would ignore it".to_owned(),
            )
        })
        .collect();
    if tree.get("persist_path").and_then(Value::as_str).is_none() {
        findings.push((
            "persist_path".to_owned(),
            "is missing: the data would be lost with the container".to_owned(),
        ));
    }
    findings
}

fn dockerfile(path: &str, text: &str, findings: &mut Vec<Problem>) {
    let lines = text.lines().map(str::trim).enumerate();
    let instructions = lines.filter(|(_, line)| line.starts_with("FROM "));
    let mut any = false;
    for (number, line) in instructions {
        any = true;
        let words = line.split_whitespace().skip(1);
        let mut words = words.skip_while(|word| word.starts_with("--"));
        let image = words.next().unwrap_or_default();
        if let Some(message) = unpinned(image) {
            findings.push(Problem::new(format!("{path}:{}", number + 1), message));
        }
    }
    if !any {
        findings.push(Problem::new(path, "has no FROM"));
    }
}

fn dotenv(path: &str, text: &str, findings: &mut Vec<Problem>) {
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim_start_matches('#').trim();
        let name = bare.split('=').next().unwrap_or_default();
        let assignment =
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let assigned = assignment && bare.contains('=');
        if !(line.starts_with('#') || line.is_empty() || assigned) {
            findings.push(Problem::new(
                format!("{path}:{}", number + 1),
                "is neither NAME=value nor a comment",
            ));
        }
    }
}

/// Why an image reference would change under the operator.
fn unpinned(image: &str) -> Option<String> {
    let tag = image
        .rsplit('/')
        .next()
        .unwrap_or(image)
        .split_once(':')
        .map(|(_, tag)| tag);
    match tag {
        _ if image.contains("@sha256:") => None,
        None => Some(format!("`{image}` has no tag")),
        Some("latest" | "") => Some(format!("`{image}` changes with every release")),
        Some(_) => None,
    }
}

/// The keys of a mapping that are text; of anything else, none.
fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_mapping()
        .into_iter()
        .flat_map(|map| map.keys())
        .filter_map(Value::as_str)
}

/// The entries of a mapping; of anything else, none.
fn entries(value: Option<&Value>) -> impl Iterator<Item = (&str, &Value)> {
    value
        .and_then(Value::as_mapping)
        .into_iter()
        .flat_map(|map| map.iter())
        .filter_map(|(key, value)| Some((key.as_str()?, value)))
}

/// The elements of a list; of anything else, none.
fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_sequence).into_iter().flatten()
}

/// The elements of a list that are text; of anything else, none.
fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    items(value).filter_map(Value::as_str)
}
