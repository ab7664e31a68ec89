//! From the input to the spec: every default, every rule, every problem.
//!
//! Invariant: reading goes on after a problem, so that all of them are told at once; a spec comes
//! out only if there is none.

mod backends;
mod chroma;
mod collector;
mod kubernetes;
mod machine;
mod signals;
mod size;
mod tracing;
mod unused;

pub use tracing::header_variable;

use std::fmt::Display;
use std::str::FromStr;

use super::file::{self, Input};
use super::values::Memory;
use super::{Resolved, Secrets, Spec, Tracing};
use crate::problem::Problem;
use crate::target::Target;

/// Makes a spec of the input, or says everything that is wrong with it.
/// `environment` looks up a variable of this process: only secrets are taken from it.
///
/// # Errors
/// Every problem of the input, in the order of the spec's keys.
pub fn resolve(
    input: Input,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Resolved, Vec<Problem>> {
    let mut reading = Reading {
        input,
        problems: Vec::new(),
        notes: Vec::new(),
    };
    let mut secrets = Secrets::new();

    let target = reading.target();
    let name = reading.parse("name", |file| &file.name, "chroma");
    let chroma = reading.chroma(target, &mut secrets);
    let collector = reading.collector(target, chroma.image);
    let tracing = reading.tracing(
        target,
        &collector,
        &name,
        &chroma,
        &mut secrets,
        environment,
    );

    let format = reading.format(target);
    let machine = reading.machine(target);
    let kubernetes = reading.kubernetes(&name, machine.disk);
    let backends: Vec<_> = tracing.iter().flat_map(Tracing::backends).collect();
    let metrics = reading.metrics(&backends);
    let clients = reading.clients();
    reading.note_unused(target, chroma.image, collector.mode);

    let mut problems = std::mem::take(&mut reading.input.problems);
    problems.append(&mut reading.problems);
    match (target, tracing) {
        (Some(target), Some(tracing)) if problems.is_empty() => {
            let spec = Spec {
                target,
                name,
                chroma,
                tracing,
                collector,
                format,
                machine,
                kubernetes,
                metrics,
                clients,
            };
            Ok(Resolved {
                spec,
                secrets,
                notes: reading.notes,
            })
        }
        _ => Err(problems),
    }
}

/// A value of our own, which follows its rule.
fn sound<T: FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(_) => unreachable!("`{text}` follows its rule"),
    }
}

/// A text that says something: blank is not set.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// The input while it is read, with what was found wrong.
struct Reading {
    input: Input,
    problems: Vec<Problem>,
    /// What the operator should know, one sentence each.
    notes: Vec<String>,
}

impl Reading {
    fn wrong(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let at = self.input.at(key);
        self.problems.push(Problem::new(at, message).hint(hint));
    }

    /// Whether something was found wrong with `key` already.
    fn is_wrong(&self, key: &str) -> bool {
        let at = self.input.at(key);
        let mut all = self.problems.iter().chain(&self.input.problems);
        all.any(|problem| problem.at == at)
    }

    /// The value of `key`, or `default` where it is not set or wrong. `default` follows the rule.
    fn parse<T>(
        &mut self,
        key: &str,
        get: impl Fn(&file::SpecFile) -> &Option<String>,
        default: &str,
    ) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        if let Some(text) = get(&self.input.spec).clone() {
            match text.trim().parse() {
                Ok(value) => return value,
                Err(rule) => self.wrong(
                    key,
                    format!("`{}` cannot be used", text.escape_debug()),
                    format!("write {rule}"),
                ),
            }
        }
        sound(default)
    }

    /// A value that has no default; blank is not set.
    fn optional<T>(&mut self, key: &str, text: &Option<String>) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = given(text)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(rule) => {
                let message = format!("`{}` cannot be used", text.escape_debug());
                self.wrong(key, message, format!("write {rule}"));
                None
            }
        }
    }

    fn memory(
        &mut self,
        key: &str,
        get: impl Fn(&file::SpecFile) -> &Option<String>,
        default: &str,
        least: Memory,
    ) -> Memory {
        let memory = self.parse(key, get, default);
        self.at_least(key, memory, least);
        memory
    }

    fn at_least(&mut self, key: &str, memory: Memory, least: Memory) {
        if memory < least {
            let message = format!("`{memory}` is too little");
            self.wrong(key, message, format!("give it `{least}` or more"));
        }
    }

    fn target(&mut self) -> Option<Target> {
        let Some(name) = self.input.spec.target.clone() else {
            if !self.is_wrong("target") {
                let names = Target::names().join("`, `");
                self.problems
                    .push(Problem::new("--target", "is missing").hint(format!(
                        "one of `{names}`, here or as `target:` in the spec"
                    )));
            }
            return None;
        };
        let platform = self.input.spec.platform.as_deref().map(str::trim);
        let target = Target::from_name(name.trim(), platform == Some("kubernetes"));
        if target.is_none() {
            let at = self.input.at("target");
            self.problems
                .push(Problem::unknown(at, &name, &Target::names()));
        }
        target
    }
}
