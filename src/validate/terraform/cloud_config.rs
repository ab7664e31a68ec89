//! The template of a machine's first boot, which Terraform fills in and cloud-init reads.

use std::collections::BTreeSet;

use hcl::eval::{Context, Evaluate};
use hcl::expr::Expression;
use hcl::template::{Element, Template};
use serde_yaml::Value;

use super::walk::TemplateCall;
use crate::problem::Problem;
use crate::validate::{on_machine, texts};

/// What stands for every value: text in Base64.
const FILLED: &str = "eD15Cg==";

/// Everything wrong with the template that a call names, given as its text.
pub(super) fn check(call: &TemplateCall, text: &str) -> Vec<Problem> {
    let path = call.file.as_str();
    let template: Template = match text.parse() {
        Ok(template) => template,
        Err(error) => return vec![Problem::new(path, format!("not a template: {error}"))],
    };
    let mut findings = Vec::new();
    let given: BTreeSet<&str> = call.names.iter().map(String::as_str).collect();
    let mut filled = BTreeSet::new();
    for element in template.elements() {
        match element {
            Element::Literal(_) => {}
            Element::Interpolation(part) => match &part.expr {
                Expression::Variable(name) => drop(filled.insert(name.as_str())),
                _ => findings.push(Problem::new(path, "fills in more than a name")),
            },
            Element::Directive(_) => findings.push(Problem::new(path, "has a directive")),
        }
    }
    for name in filled.difference(&given) {
        findings.push(Problem::new(path, format!("nobody gives `{name}`")));
    }
    for name in given.difference(&filled) {
        findings.push(Problem::new(&call.at, format!("`{name}` is not in {path}")));
    }
    if findings.is_empty() {
        let mut context = Context::new();
        for name in filled {
            context.declare_var(name, FILLED);
        }
        match template.evaluate(&context) {
            Ok(text) => cloud_config(path, &text, &mut findings),
            Err(error) => findings.push(Problem::new(path, format!("not a template: {error}"))),
        }
    }
    findings
}

fn cloud_config(path: &str, text: &str, findings: &mut Vec<Problem>) {
    if text.lines().next() != Some("#cloud-config") {
        findings.push(Problem::new(
            path,
            "does not begin with `#cloud-config`: nobody would read it",
        ));
    }
    let tree: Value = match serde_yaml::from_str(text) {
        Ok(tree) => tree,
        Err(error) => return findings.push(Problem::new(path, format!("not YAML: {error}"))),
    };
    let mut paths = BTreeSet::new();
    let files = tree.get("write_files").and_then(Value::as_sequence);
    for file in files.into_iter().flatten() {
        let field = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = field("path");
        let at = format!("{path}: {name}");
        if !name.starts_with('/') || !paths.insert(name) {
            findings.push(Problem::new(&at, "is no path, or there twice"));
        }
        if field("permissions").len() != 4 {
            findings.push(Problem::new(&at, "has no permissions such as \"0644\""));
        }
        let content = field("content");
        match (field("encoding"), content) {
            ("b64", FILLED) => continue,
            ("", content) if !content.is_empty() && !content.contains(FILLED) => {}
            _ => findings.push(Problem::new(
                &at,
                "is neither plain text nor one value in Base64",
            )),
        }
        let wrong = on_machine(name, content).into_iter();
        findings.extend(wrong.map(|(key, message)| Problem::new(format!("{at}: {key}"), message)));
    }
    let commands = tree.get("runcmd").and_then(Value::as_sequence);
    let mut words = commands
        .into_iter()
        .flatten()
        .flat_map(|line| texts(Some(line)));
    let service = words.find(|word| word.ends_with(".service"));
    let unit = service.map(|service| format!("/etc/systemd/system/{service}"));
    if !unit.is_some_and(|unit| paths.contains(unit.as_str())) {
        findings.push(Problem::new(path, "starts no service that it writes"));
    }
}
