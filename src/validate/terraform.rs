//! Terraform modules: every file parses, every variable, local value, data source, module and output
//! that an expression or a call names is declared, and user data is small enough. `terraform validate`
//! checks resources and their arguments.

mod user_data;

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::structure::{Block, Body};
use hcl_edit::template::Template;
use hcl_edit::visit::{self, Visit};

use super::names::missing;
use crate::problem::Problem;

/// The files of one module, by their paths: `*.tf`, and its templates.
pub(super) type Module<'a> = BTreeMap<&'a str, &'a str>;

/// The files of every module, by its folder.
pub(super) type Modules<'a> = BTreeMap<&'a str, Module<'a>>;

/// The parsed files of one module, by their paths.
type Bodies<'a> = BTreeMap<&'a str, Body>;

/// Arguments of a call that are not variables of the module.
const META_ARGUMENTS: [&str; 6] = [
    "count",
    "depends_on",
    "for_each",
    "providers",
    "source",
    "version",
];

/// Returns the problems of modules.
pub(super) fn check(modules: &Modules) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut parsed = BTreeMap::new();
    for (folder, files) in modules {
        match bodies(files) {
            Ok(bodies) => drop(parsed.insert(*folder, bodies)),
            Err(found) => problems.extend(found),
        }
    }
    let named: BTreeMap<&str, Vec<String>> = parsed
        .iter()
        .map(|(folder, bodies)| (*folder, bodies.values().flat_map(declared).collect()))
        .collect();
    for (folder, bodies) in &parsed {
        problems.extend(user_data::problem(&modules[folder], bodies));
        let mut known = named[folder].clone();
        for block in bodies.values().flat_map(Body::blocks) {
            known.extend(outputs(block, folder, &named));
        }
        for (path, body) in bodies {
            for block in body.blocks().filter(|block| !has_addresses(block)) {
                let mut names = Names {
                    declared: &known,
                    problems: Vec::new(),
                };
                names.visit_body(&block.body);
                let at = format!("{path}: {}", address(block));
                let found = names.problems.into_iter().chain(shown(block));
                let found = found.chain(unknown_arguments(block, folder, &named));
                problems.extend(found.map(|problem| problem.within(&at)));
            }
        }
    }
    problems
}

/// Returns true if a block contains addresses of resources instead of expressions.
fn has_addresses(block: &Block) -> bool {
    ["import", "moved", "removed"].contains(&block.ident.as_str())
}

/// Parses the files of a module.
///
/// # Errors
/// The problems of files that cannot be parsed: their declarations are missing in the others.
fn bodies<'a>(files: &Module<'a>) -> Result<Bodies<'a>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut bodies = BTreeMap::new();
    for (path, text) in files {
        let parsed = match text.parse::<Body>() {
            _ if !path.ends_with(".tf") => text.parse::<Template>().map(drop),
            parsed => parsed.map(|body| drop(bodies.insert(*path, body))),
        };
        problems.extend(parsed.err().map(|error| cannot_parse(&error).within(path)));
    }
    if problems.is_empty() {
        Ok(bodies)
    } else {
        Err(problems)
    }
}

/// Returns the names that the module of a call in this folder declares; `None` without such a call,
/// or if the module is elsewhere.
fn called<'a>(
    block: &Block,
    folder: &str,
    named: &'a BTreeMap<&str, Vec<String>>,
) -> Option<&'a [String]> {
    let source = block.body.get_attribute("source")?;
    let source = source.value.as_str()?.strip_prefix("./")?;
    let below = format!("{folder}/{source}");
    let names = named.get(below.trim_start_matches('/'))?;
    (block.ident.as_str() == "module").then_some(names)
}

/// Returns the addresses of the outputs of a called module.
fn outputs(block: &Block, folder: &str, named: &BTreeMap<&str, Vec<String>>) -> Vec<String> {
    let names = called(block, folder, named).unwrap_or_default().iter();
    let outputs = names.filter_map(|name| name.strip_prefix("output."));
    outputs
        .map(|output| format!("{}.{output}", address(block)))
        .collect()
}

/// Returns problems of arguments that are not variables of the called module.
fn unknown_arguments(
    block: &Block,
    folder: &str,
    named: &BTreeMap<&str, Vec<String>>,
) -> Vec<Problem> {
    let Some(names) = called(block, folder, named) else {
        return Vec::new();
    };
    let known = || names.iter().filter_map(|name| name.strip_prefix("var."));
    let arguments = block.body.attributes().map(|one| one.key.as_str());
    arguments
        .filter(|name| !META_ARGUMENTS.contains(name))
        .filter_map(|name| missing("", "variable of the module", name, known()))
        .collect()
}

fn cannot_parse(error: &hcl_edit::parser::Error) -> Problem {
    let (line, column) = (error.location().line(), error.location().column());
    let at = format!("line {line}, column {column}");
    Problem::new(at, "cannot parse as HCL").hint(error.message())
}

/// Returns the addresses that a file declares.
fn declared(body: &Body) -> Vec<String> {
    let blocks = body.blocks().flat_map(|block| match block.ident.as_str() {
        "locals" => {
            let names = block.body.attributes().map(|local| local.key.as_str());
            names.map(|name| format!("local.{name}")).collect()
        }
        "check" => declared(&block.body),
        _ => vec![address(block)],
    });
    blocks.collect()
}

/// Returns a block's address in expressions: `var.NAME`, `data.TYPE.NAME`.
fn address(block: &Block) -> String {
    let kind = match block.ident.as_str() {
        "variable" => "var",
        kind => kind,
    };
    let labels = block
        .labels
        .iter()
        .map(|label| format!(".{}", label.as_str()));
    labels.fold(kind.to_owned(), |address, label| address + &label)
}

/// Everyone who can read a module reads its defaults.
fn shown(variable: &Block) -> Option<Problem> {
    let value = |key: &str| variable.body.get_attribute(key).map(|one| &one.value);
    let secret = value("sensitive")?.as_bool() == Some(true);
    let default = !value("default")?.as_str().unwrap_or_default().is_empty();
    let problem = Problem::new("default", "a secret in plain text");
    (secret && default).then(|| problem.hint("remove it, and set the variable `TF_VAR_NAME`"))
}

/// Collects names that are not declared.
struct Names<'a> {
    declared: &'a [String],
    problems: Vec<Problem>,
}

impl Visit for Names<'_> {
    fn visit_traversal(&mut self, traversal: &Traversal) {
        visit::visit_traversal(self, traversal);
        let Expression::Variable(root) = &traversal.expr else {
            return;
        };
        let (what, length) = match root.as_str() {
            "var" => ("variable", 2),
            "local" => ("local value", 2),
            "module" => ("module", 2),
            "data" => ("data source", 3),
            _ => return,
        };
        let steps = traversal.operators.iter();
        let steps = steps.map_while(|operator| match operator.value() {
            TraversalOperator::GetAttr(name) => Some(name.as_str()),
            _ => None,
        });
        let names: Vec<&str> = std::iter::once(root.as_str()).chain(steps).collect();
        let address = |length: usize| names[..length.min(names.len())].join(".");
        let known = || self.declared.iter().map(String::as_str);
        let mut found = missing("", what, &address(length), known());
        // Outputs are known of a module in this folder only.
        let of_module = format!("{}.", address(2));
        if what == "module" && names.len() > 2 && known().any(|name| name.starts_with(&of_module)) {
            found = found.or_else(|| missing("", "output", &address(3), known()));
        }
        self.problems.extend(found);
    }
}

#[cfg(test)]
mod tests;
