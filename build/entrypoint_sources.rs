//! The sources of the entrypoint as a rendered image needs them: without tests, and without the
//! modules, features and dependencies that the entrypoint does not use.
//!
//! Invariant: a file is left out only if its module is compiled in no build of the entrypoint.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item};

const ENTRYPOINT: &str = "chroma-otel-entrypoint";
const LIBRARY: &str = "chroma-otel-init";

/// Path to text, of both crates in the folder `crates`.
pub(crate) fn collect(crates: &Path) -> Vec<(String, String)> {
    let mut entrypoint = manifest(crates, ENTRYPOINT);
    let mut library = manifest(crates, LIBRARY);
    let features = used_features(&entrypoint, &library);
    keep_features(&mut library, &features);
    let mut files = Vec::new();
    for (name, manifest, root, features) in [
        (ENTRYPOINT, &mut entrypoint, "main.rs", &BTreeSet::new()),
        (LIBRARY, &mut library, "lib.rs", &features),
    ] {
        for section in ["dev-dependencies", "bench", "example", "test"] {
            manifest.remove(section);
        }
        files.push((format!("{name}/Cargo.toml"), manifest.to_string()));
        let folder = crates.join(name);
        let mut modules = Vec::new();
        add_module(&folder.join("src").join(root), features, &mut modules);
        for (path, text) in modules {
            let path = path.strip_prefix(&folder).expect("modules are in the crate");
            files.push((format!("{name}/{}", path.display()), text));
        }
    }
    files.sort();
    files
}

fn manifest(crates: &Path, name: &str) -> DocumentMut {
    read(&crates.join(name).join("Cargo.toml"))
        .parse()
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The features of the library that the entrypoint's dependency turns on, with those they imply.
fn used_features(entrypoint: &DocumentMut, library: &DocumentMut) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut open = texts(&entrypoint["dependencies"][LIBRARY]["features"]);
    while let Some(feature) = open.pop() {
        let implied = library["features"].get(&feature).map(texts);
        if let Some(implied) = implied.filter(|_| used.insert(feature)) {
            open.extend(implied);
        }
    }
    used
}

fn texts(list: &Item) -> Vec<String> {
    let values = list.as_array().into_iter().flatten();
    values.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
}

/// Removes the other features, and the optional dependencies that only they turn on.
fn keep_features(library: &mut DocumentMut, used: &BTreeSet<String>) {
    let mut enabled = BTreeSet::new();
    if let Some(features) = library.get_mut("features").and_then(Item::as_table_mut) {
        features.retain(|name, _| used.contains(name));
        let entries = features.iter().flat_map(|(_, list)| texts(list));
        enabled.extend(entries.map(|entry| {
            let name = entry.trim_start_matches("dep:");
            name.split(['/', '?']).next().unwrap_or(name).to_owned()
        }));
    }
    if let Some(dependencies) = library.get_mut("dependencies").and_then(Item::as_table_mut) {
        dependencies.retain(|name, dependency| {
            let optional = dependency.get("optional").and_then(Item::as_bool);
            optional != Some(true) || enabled.contains(name)
        });
    }
}

/// Adds the file of a module and those of its submodules, each without its tests.
fn add_module(file: &Path, features: &BTreeSet<String>, files: &mut Vec<(PathBuf, String)>) {
    let text = without_tests(&read(file));
    let is_root = ["lib.rs", "main.rs", "mod.rs"].iter().any(|root| file.ends_with(root));
    let folder = if is_root { file.with_file_name("") } else { file.with_extension("") };
    let mut condition = None;
    for line in text.lines().map(str::trim) {
        if let Some(cfg) = line.strip_prefix("#[cfg(") {
            condition = cfg.strip_suffix(")]");
        } else if let Some(name) = module_name(line) {
            let compiled = condition.is_none_or(|cfg| holds(cfg, features) != Some(false));
            if compiled {
                let nested = folder.join(name).join("mod.rs");
                let plain = folder.join(format!("{name}.rs"));
                add_module(if plain.exists() { &plain } else { &nested }, features, files);
            }
            condition = None;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            condition = None;
        }
    }
    files.push((file.to_owned(), text));
}

/// The name of a module that is in a file of its own.
fn module_name(line: &str) -> Option<&str> {
    let (visibility, name) = line.strip_suffix(';')?.split_once("mod ")?;
    let is_declaration = visibility.is_empty() || visibility.starts_with("pub");
    is_declaration.then_some(name)
}

/// Whether a `cfg` holds in a build of the entrypoint; nothing where that depends on the platform.
fn holds(cfg: &str, features: &BTreeSet<String>) -> Option<bool> {
    let inner = |name: &str| cfg.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(cfg) = inner("not") {
        return holds(cfg, features).map(|holds| !holds);
    }
    for (name, decisive) in [("any", true), ("all", false)] {
        if let Some(list) = inner(name) {
            let answers: Vec<_> = operands(list).map(|cfg| holds(cfg, features)).collect();
            let decided = answers.contains(&Some(decisive)).then_some(decisive);
            let known = !answers.contains(&None);
            return decided.or(known.then_some(!decisive));
        }
    }
    match cfg.split_once('=') {
        Some((key, feature)) if key.trim() == "feature" => {
            Some(features.contains(feature.trim().trim_matches('"')))
        }
        _ => (cfg == "test").then_some(false),
    }
}

/// The operands of `any` and `all`, which may have operands themselves.
fn operands(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let parts = list.split(move |sign: char| {
        depth += i32::from(sign == '(') - i32::from(sign == ')');
        sign == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// The text of a file without its inline test module, which ends at the next `}` in column 0.
fn without_tests(text: &str) -> String {
    let Some((before, tests)) = text.split_once("\n#[cfg(test)]\nmod tests {\n") else {
        return text.to_owned();
    };
    let after = tests.split_once("\n}\n").map_or("", |(_, after)| after);
    format!("{}\n{after}", before.trim_end())
}
