//! The input while it is read, with the problems found so far.

use std::fmt::Display;
use std::str::FromStr;

use crate::input::file::{self, Input};
use crate::problem::Problem;
use crate::spec::Target;
use crate::values::{ImageRepository, Memory};

/// Parses a built-in value, which is always valid.
pub(super) fn sound<T: FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(_) => unreachable!("`{text}` follows its rule"),
    }
}

/// Returns the text unless it is blank, which counts as not set.
pub(super) fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref()
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

/// The input while it is read, with the problems found so far.
pub(super) struct Reading {
    pub(super) input: Input,
    pub(super) problems: Vec<Problem>,
    /// Notes for the operator, one sentence each.
    pub(super) notes: Vec<String>,
}

impl Reading {
    pub(super) fn wrong(&mut self, key: &str, message: impl Into<String>, hint: impl Into<String>) {
        let at = self.input.at(key);
        self.problems.push(Problem::new(at, message).hint(hint));
    }

    /// Returns true if a problem of `key` was reported already.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        let at = self.input.at(key);
        let mut all = self.problems.iter().chain(&self.input.problems);
        all.any(|problem| problem.at == at)
    }

    /// Returns the value of `key`, or `default` if it is not set or invalid. `default` must be valid.
    pub(super) fn parse<T>(
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

    /// Returns a value without a default; blank counts as not set.
    pub(super) fn optional<T>(&mut self, key: &str, text: &Option<String>) -> Option<T>
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

    /// Returns the place of an image of Docker Hub: in a cluster with a registry that mirrors it, there.
    pub(super) fn mirrored(&self, target: Option<Target>, image: &str) -> String {
        let registry = given(&self.input.spec.kubernetes.image_registry);
        let registry = registry.filter(|_| target.is_some_and(Target::is_kubernetes));
        let registry = registry.and_then(|text| text.parse::<ImageRepository>().ok());
        registry.map_or_else(|| image.to_owned(), |registry| registry.mirror_of(image))
    }

    pub(super) fn memory(
        &mut self,
        key: &str,
        get: impl Fn(&file::SpecFile) -> &Option<String>,
        default: &str,
        least: Memory,
    ) -> Memory {
        let written = get(&self.input.spec).clone();
        let memory = self.parse(key, get, default);
        self.at_least(key, memory, least, &written);
        memory
    }

    /// Rejects less memory than `least`; the message has the unit of the input.
    pub(super) fn at_least(
        &mut self,
        key: &str,
        memory: Memory,
        least: Memory,
        written: &Option<String>,
    ) {
        if memory < least {
            let shown = memory.to_string();
            let written = given(written).unwrap_or(&shown);
            let message = format!("`{}` is too little", written.escape_debug());
            let least = least.in_unit_of(written);
            self.wrong(key, message, format!("give it `{least}` or more"));
        }
    }
}
