//! From the input to the spec: every default, every rule, every problem.
//!
//! Invariant: reading goes on after a problem, so that all of them are told at once; a spec comes
//! out only if there is none.

mod chroma;
mod machine;
mod tracing;

pub use tracing::header_variable;

use std::fmt::Display;
use std::str::FromStr;

use super::file::{self, Input};
use super::values::Memory;
use super::{Collector, Resolved, Secrets, Spec};
use crate::problem::Problem;
use crate::target::Target;

/// Below this, the collector's memory limiter has no room to work in.
const LEAST_COLLECTOR_MEMORY: Memory = Memory::mebibytes(128);

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
    let tracing = reading.tracing(target, &chroma, &mut secrets, environment);
    let collector = Collector {
        repository: reading.parse(
            "collector.repository",
            |file| &file.collector.repository,
            "otel/opentelemetry-collector-contrib",
        ),
        memory: reading.memory(
            "collector.memory",
            |file| &file.collector.memory,
            "512MiB",
            LEAST_COLLECTOR_MEMORY,
        ),
    };

    let format = reading.format(target);
    let machine = reading.machine(target);
    reading.note_unused(target);

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
        match default.parse() {
            Ok(value) => value,
            Err(_) => unreachable!("the default of `{key}` follows its rule"),
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
        if memory < least {
            self.wrong(
                key,
                format!("`{memory}` is too little"),
                format!("give it `{least}` or more"),
            );
        }
        memory
    }

    fn target(&mut self) -> Option<Target> {
        let Some(name) = self.input.spec.target.clone() else {
            if !self.input.is_wrong("target") {
                let names = Target::names().join("`, `");
                self.problems
                    .push(Problem::new("--target", "is missing").hint(format!(
                        "one of `{names}`, here or as `target:` in the spec"
                    )));
            }
            return None;
        };
        let target = Target::from_name(name.trim());
        if target.is_none() {
            let at = self.input.at("target");
            self.problems
                .push(Problem::unknown(at, &name, &Target::names()));
        }
        target
    }
}
