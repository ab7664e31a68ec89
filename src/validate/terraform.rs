//! Terraform modules: every file parses, and every variable, local value, data source and module
//! that an expression names is declared. `terraform validate` checks resources and their arguments.

use std::collections::BTreeMap;

use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::structure::{Block, Body};
use hcl_edit::template::Template;
use hcl_edit::visit::{self, Visit};

use super::names::missing;
use crate::problem::Problem;

/// The files of one module, by their paths: `*.tf`, and its templates.
pub(super) type Module<'a> = BTreeMap<&'a str, &'a str>;

/// Returns the problems of a module.
pub(super) fn check(files: &Module) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut bodies = BTreeMap::new();
    for (path, text) in files {
        let parsed = match text.parse::<Body>() {
            _ if !path.ends_with(".tf") => text.parse::<Template>().map(drop),
            parsed => parsed.map(|body| drop(bodies.insert(*path, body))),
        };
        problems.extend(parsed.err().map(|error| cannot_parse(&error).within(path)));
    }
    if !problems.is_empty() {
        return problems; // declarations of this file are missing in the others
    }
    let declared: Vec<String> = bodies.values().flat_map(declared).collect();
    for (path, body) in &bodies {
        for block in body.blocks() {
            let mut names = Names {
                declared: &declared,
                problems: Vec::new(),
            };
            names.visit_body(&block.body);
            let at = format!("{path}: {}", address(block));
            let found = names.problems.into_iter().chain(shown(block));
            problems.extend(found.map(|problem| problem.within(&at)));
        }
    }
    problems
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
        let address = std::iter::once(root.as_str()).chain(steps).take(length);
        let address = address.collect::<Vec<_>>().join(".");
        let known = self.declared.iter().map(String::as_str);
        self.problems.extend(missing("", what, &address, known));
    }
}

#[cfg(test)]
mod tests;
