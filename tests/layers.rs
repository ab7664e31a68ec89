//! The layers in ARCHITECTURE.md: data flows one way.
//!
//! A file depends on another if a path in it (`crate::…`, `super::…`) leads there. The declaration
//! of a module is not a dependency, and tests are omitted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The modules of `src` from top to bottom. A module may use only modules of later rows.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["cli", "report"],
    &["targets", "folder", "validate"],
    &["deployment"],
    &["image", "input"],
    &["collector"],
    &["spec"],
    &["backend"],
    &["digest", "plan", "problem", "render", "values"],
];

/// A module's path: `["targets", "aws"]`; empty for the root.
type Module = Vec<String>;

/// The modules of a crate, each with its dependencies.
type Graph = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn no_two_files_depend_on_each_other() {
    for source in [
        "src",
        "crates/chroma-otel-init/src",
        "crates/chroma-otel-entrypoint/src",
    ] {
        let graph = graph(Path::new(source));
        assert!(graph.len() > 10, "{source} has modules");
        for module in graph.keys() {
            if let Some(circle) = circle(&graph, module) {
                panic!("{source}: {}", circle.join(" → "));
            }
        }
    }
}

#[test]
fn a_module_uses_lower_layers_only() {
    let graph = graph(Path::new("src"));
    let layer = |module: &Module| {
        let name = module.first().map_or("main", String::as_str);
        let layer = LAYERS.iter().position(|layer| layer.contains(&name));
        layer.unwrap_or_else(|| panic!("`{name}` is in no layer"))
    };
    let mut upwards = Vec::new();
    for (module, used) in &graph {
        let others = used.iter().filter(|used| used.first() != module.first());
        let higher = others.filter(|used| layer(used) <= layer(module));
        upwards.extend(higher.map(|used| format!("{} uses {}", name(module), name(used))));
    }
    assert_eq!(upwards, [""; 0]);
}

/// Returns a path from the module back to itself, if there is one.
fn circle(graph: &Graph, start: &Module) -> Option<Vec<String>> {
    let mut open: Vec<Vec<&Module>> = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while let Some(way) = open.pop() {
        for next in &graph[*way.last()?] {
            if next == start {
                let way = way.iter().chain([&start]);
                return Some(way.map(|module| name(module)).collect());
            }
            if seen.insert(next) {
                open.push([way.clone(), vec![next]].concat());
            }
        }
    }
    None
}

fn name(module: &Module) -> String {
    if module.is_empty() {
        "the root".to_owned()
    } else {
        module.join("::")
    }
}

/// Returns the graph of the crate whose sources are in this folder.
fn graph(source: &Path) -> Graph {
    let files = files(source);
    let modules: BTreeSet<Module> = files.keys().cloned().collect();
    let edges = files.iter().map(|(module, file)| {
        let text = fs::read_to_string(file).unwrap();
        let mut paths = Paths {
            module,
            found: Vec::new(),
        };
        let tree = syn::parse_file(&text).unwrap();
        paths.visit_file(&tree);
        let found = paths
            .found
            .iter()
            .filter_map(|path| nearest(&modules, path));
        (
            module.clone(),
            found.filter(|used| used != module).collect(),
        )
    });
    edges.collect()
}

/// Returns the sources by their module, except tests.
fn files(source: &Path) -> BTreeMap<Module, PathBuf> {
    let mut files = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let module = path.strip_prefix(source).unwrap().with_extension("");
            let module: Module = module
                .iter()
                .map(|name| name.to_str().unwrap().to_owned())
                .collect();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            } else if ["main", "lib"].map(String::from).contains(&module[0]) {
                files.insert(Vec::new(), path);
            } else if module
                .last()
                .is_some_and(|name| name != "tests" && name != "fuzz")
            {
                files.insert(module, path);
            }
        }
    }
    files
}

/// Returns the module to which a path leads: the longest prefix that is a module.
fn nearest(modules: &BTreeSet<Module>, path: &Module) -> Option<Module> {
    let mut lengths = (1..=path.len()).rev();
    let module = lengths.find_map(|length| modules.get(&path[..length]))?;
    Some(module.clone())
}

/// Collects the paths in a file that lead into its own crate, from the root.
struct Paths<'a> {
    module: &'a Module,
    found: Vec<Module>,
}

impl Paths<'_> {
    /// Adds a path as written.
    fn add(&mut self, written: &[String]) {
        let mut at = match written.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return,
        };
        for name in written {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                name => at.push(name.to_owned()),
            }
        }
        self.found.push(at);
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
            _ => self.add(before),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|name| name == "test")
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string());
        self.add(&names.collect::<Vec<_>>());
        visit::visit_path(self, path);
    }
}
