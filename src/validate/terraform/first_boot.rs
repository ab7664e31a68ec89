//! The template of a machine's first boot, which Terraform fills in: cloud-init or the cloud's agent runs
//! what comes out.
//!
//! Invariant: a value that Terraform fills in is text in Base64, alone in its file.

use std::collections::BTreeSet;

use hcl::eval::{Context, Evaluate};
use hcl::expr::Expression;
use hcl::template::{Element, Template};

use super::walk::TemplateCall;
use super::{cloud_config, startup_script};
use crate::problem::Problem;
use crate::validate::on_machine;

/// What stands for every value: text in Base64.
pub(super) const FILLED: &str = "eD15Cg==";

/// What a machine's first boot does.
#[derive(Default)]
pub(super) struct FirstBoot {
    pub(super) files: Vec<Delivered>,
    /// The words that name a service to start.
    pub(super) services: Vec<String>,
}

/// A file that is written to the machine.
pub(super) struct Delivered {
    pub(super) path: String,
    /// As `chmod` takes it, `0644`.
    pub(super) mode: String,
    /// Nothing where the file is a value, out of Base64.
    pub(super) text: Option<String>,
}

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
            Ok(text) => machine(path, &text, &mut findings),
            Err(error) => findings.push(Problem::new(path, format!("not a template: {error}"))),
        }
    }
    findings
}

/// What is wrong with the machine that a filled template makes.
fn machine(path: &str, text: &str, findings: &mut Vec<Problem>) {
    let boot = match path.ends_with(".sh.tftpl") {
        true => startup_script::read(path, text, findings),
        false => cloud_config::read(path, text, findings),
    };
    let mut paths = BTreeSet::new();
    for file in &boot.files {
        let at = format!("{path}: {}", file.path);
        if !file.path.starts_with('/') || !paths.insert(file.path.as_str()) {
            findings.push(Problem::new(&at, "is no path, or there twice"));
        }
        if file.mode.len() != 4 {
            findings.push(Problem::new(&at, "has no permissions such as \"0644\""));
        }
        let Some(text) = &file.text else { continue };
        if text.is_empty() || text.contains(FILLED) {
            let message = "is neither plain text nor one value in Base64";
            findings.push(Problem::new(&at, message));
        }
        let wrong = on_machine(&file.path, text).into_iter();
        findings.extend(wrong.map(|(key, message)| Problem::new(format!("{at}: {key}"), message)));
    }
    let unit = |service: &String| format!("/etc/systemd/system/{service}");
    let started = boot.services.first().map(unit);
    if !started.is_some_and(|unit| paths.contains(unit.as_str())) {
        findings.push(Problem::new(path, "starts no service that it writes"));
    }
}
