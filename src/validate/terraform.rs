//! A Terraform module: every name exists and is used, no secret leaves the way to its store, and what
//! a machine gets at its first boot can be read there.
//!
//! Invariant: nothing here knows a cloud. `terraform validate` knows the provider's own arguments,
//! which are no business of this.

mod cloud_config;
mod first_boot;
mod startup_script;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use hcl::expr::Expression;
use hcl::structure::Body;

use crate::problem::Problem;
use walk::{Declared, Walk};

/// Everything wrong with the module that is among the files (relative path to text).
pub(super) fn check(files: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut findings = Vec::new();
    let mut walk = Walk::default();
    for (path, text) in files.iter().filter(|(path, _)| path.ends_with(".tf")) {
        match hcl::parse(text) {
            Ok(body) => walk.file(path, &body),
            Err(error) => findings.push(Problem::new(path, format!("not Terraform: {error}"))),
        }
    }
    if !findings.is_empty() {
        return findings; // what one file declares is missing in the others
    }
    for rule in [names, unused, variables, secrets] {
        rule(&walk, &mut findings);
    }
    for call in &walk.templates {
        match files.get(&call.file) {
            Some(text) => findings.extend(first_boot::check(call, text)),
            None => findings.push(Problem::new(
                &call.at,
                format!("there is no `{}`", call.file),
            )),
        }
    }
    findings
}

/// What expressions name is there, once.
fn names(walk: &Walk, findings: &mut Vec<Problem>) {
    let mut known = BTreeSet::new();
    for declared in &walk.declared {
        if !known.insert(declared.address.as_str()) && declared.address != "terraform" {
            findings.push(problem(declared, "is there twice"));
        }
    }
    for reference in &walk.references {
        if !known.contains(reference.address.as_str()) {
            findings.push(Problem::new(
                format!("{}: {}", reference.file, reference.at),
                format!("there is no `{}`", reference.address),
            ));
        }
    }
}

/// What only exists to be named is named, by something else than itself.
fn unused(walk: &Walk, findings: &mut Vec<Problem>) {
    for declared in &walk.declared {
        let address = &declared.address;
        let to_be_named = ["var.", "local.", "data."]
            .iter()
            .any(|kind| address.starts_with(kind));
        let itself = format!("{address}.");
        let named = walk.references.iter().any(|reference| {
            &reference.address == address
                && !reference.at.starts_with(&itself)
                && &reference.at != address
        });
        if to_be_named && !named {
            findings.push(problem(declared, "is never used"));
        }
    }
}

fn variables(walk: &Walk, findings: &mut Vec<Problem>) {
    for variable in of_kind(walk, "var.") {
        for key in ["type", "description"] {
            if attribute(&variable.body, key).is_none() {
                findings.push(problem(variable, &format!("has no {key}")));
            }
        }
    }
}

/// A secret is given anew each time, and goes where it is written and never read.
fn secrets(walk: &Walk, findings: &mut Vec<Problem>) {
    let yes = |variable: &Declared, key: &str| {
        attribute(&variable.body, key) == Some(&Expression::Bool(true))
    };
    for variable in of_kind(walk, "var.") {
        match (yes(variable, "sensitive"), yes(variable, "ephemeral")) {
            (false, false) => continue,
            (true, true) => {}
            (true, false) => findings.push(problem(variable, "is kept in plans: not `ephemeral`")),
            (false, true) => findings.push(problem(variable, "is shown: not `sensitive`")),
        }
        let blank = Expression::String(String::new());
        let default = attribute(&variable.body, "default");
        if default.is_some_and(|value| *value != blank && *value != Expression::Null) {
            findings.push(problem(
                variable,
                "has the value of a secret as its default",
            ));
        }
        for reference in &walk.references {
            let written_only = reference.at.ends_with("_wo");
            let checked =
                reference.at.starts_with("var.") && reference.at.ends_with(".validation.condition");
            if reference.address == variable.address && !written_only && !checked {
                findings.push(Problem::new(
                    format!("{}: {}", reference.file, reference.at),
                    format!(
                        "the secret `{}` leaves the way to its store",
                        reference.address
                    ),
                ));
            }
        }
    }
}

fn of_kind<'a>(walk: &'a Walk, kind: &'a str) -> impl Iterator<Item = &'a Declared> {
    let all = walk.declared.iter();
    all.filter(move |declared| declared.address.starts_with(kind))
}

fn attribute<'a>(body: &'a Body, key: &str) -> Option<&'a Expression> {
    let mut attributes = body.attributes();
    Some(attributes.find(|one| one.key() == key)?.expr())
}

fn problem(declared: &Declared, message: &str) -> Problem {
    Problem::new(format!("{}: {}", declared.file, declared.address), message)
}

#[cfg(test)]
mod tests;
