//! The sources of the entrypoint as a rendered image needs them: one file a crate, without tests, and
//! without the modules, features and dependencies that the entrypoint does not use.
//!
//! Invariant: an item is left out only if it is compiled in no build of the entrypoint. The sources
//! are formatted by rustfmt: an item ends in the column in which it begins.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::str::Lines;

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
        // For the registry alone.
        if let Some(package) = manifest["package"].as_table_like_mut() {
            for key in [
                "categories",
                "documentation",
                "include",
                "keywords",
                "metadata",
                "readme",
            ] {
                package.remove(key);
            }
        }
        files.push((format!("{name}/Cargo.toml"), manifest.to_string()));
        let mut text = String::new();
        add_module(
            &crates.join(name).join("src").join(root),
            features,
            &mut text,
        );
        files.push((format!("{name}/src/{root}"), text));
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
    values
        .filter_map(|value| Some(value.as_str()?.to_owned()))
        .collect()
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

/// Adds the text of a module, with those of its submodules in the place of their declarations.
fn add_module(file: &Path, features: &BTreeSet<String>, out: &mut String) {
    let is_root = ["lib.rs", "main.rs", "mod.rs"]
        .iter()
        .any(|root| file.ends_with(root));
    let folder = if is_root {
        file.with_file_name("")
    } else {
        file.with_extension("")
    };
    let text = read(file);
    let mut lines = text.lines();
    // Where the attributes and the documentation of the next item begin.
    let mut item = None;
    while let Some(line) = lines.next() {
        let code = line.trim_start();
        let cfg = code
            .strip_prefix("#[cfg(")
            .and_then(|cfg| cfg.strip_suffix(")]"));
        match cfg.map(|cfg| holds(cfg, features)) {
            Some(Some(true)) => continue,
            Some(Some(false)) => {
                out.truncate(item.take().unwrap_or(out.len()));
                skip_item(&mut lines);
                continue;
            }
            _ => {}
        }
        if code.starts_with("#[") || code.starts_with("///") {
            item.get_or_insert(out.len());
        } else {
            item = None;
        }
        match module_name(code) {
            Some(name) => {
                let (plain, nested) = (format!("{name}.rs"), format!("{name}/mod.rs"));
                let file = [plain, nested].map(|file| folder.join(file));
                let file = file.iter().find(|file| file.exists());
                out.push_str(&format!("{} {{\n", line.trim_end_matches(';')));
                add_module(file.expect("a module has a file"), features, out);
                out.push_str("}\n");
            }
            // What was left out can leave a blank line too many.
            None if code.is_empty() && (out.ends_with("\n\n") || out.ends_with("{\n")) => {}
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

/// Skips an item, with the attributes and the documentation that are left of it.
fn skip_item(lines: &mut Lines<'_>) {
    let is_about = |line: &&str| line.starts_with("#[") || line.starts_with("//");
    let mut first = lines.next().unwrap_or_default();
    while is_about(&first.trim_start()) {
        first = lines.next().unwrap_or_default();
    }
    if first.ends_with([';', ',', '}']) {
        return;
    }
    let indent = &first[..first.len() - first.trim_start().len()];
    let ends = |line: &str| {
        let rest = line.strip_prefix(indent);
        rest.is_some_and(|rest| rest.starts_with(['}', ')']))
    };
    let _ = lines.find(|line| ends(line));
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
