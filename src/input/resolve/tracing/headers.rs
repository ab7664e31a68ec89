//! `tracing.headers`: a text as in the variable, a mapping, or only names.
//!
//! Invariant: only names are returned; values are added to the secrets.

use std::fmt;

use chroma_otel_init::{Headers, Invalid, variable};
use serde_json::Value;

use crate::backend::Backend;
use crate::input::resolve::reading::Reading;
use crate::problem::Problem;
use crate::spec::target::Target;
use crate::spec::{Image, Secret, Secrets, header_variable};

impl Reading {
    /// Returns the names of the operator's headers; adds the values to the secrets.
    pub(super) fn headers(
        &mut self,
        target: Option<Target>,
        image: Image,
        backend: Option<&Backend>,
        secrets: &mut Secrets,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<String> {
        let given = self.input.spec.tracing.headers.take();
        let blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        let given = given.filter(|value| !blank(value)).unwrap_or(Value::Null);
        let (mut headers, mut names) = match read_headers(given) {
            Ok(read) => read,
            Err(invalid) => {
                self.wrong("tracing.headers", invalid.what(), invalid.hint());
                return Vec::new();
            }
        };
        let from_environment: Result<Headers, Invalid> =
            environment(variable::HEADERS).map_or(Ok(Headers::default()), |text| text.parse());
        let store = target.unwrap_or(Target::Docker).info().secret_store;
        for key in backend.into_iter().flat_map(KeyHeader::of) {
            let is_set = environment(key.variable).is_some_and(|value| !value.trim().is_empty());
            if let Some(value) = take(&mut headers, key.name) {
                let given = self.input.flags.get("tracing.headers");
                let is_exported = given.is_some_and(|flag| !flag.starts_with("--"));
                if !(is_exported && is_set) {
                    secrets.insert(key.variable.to_owned(), Secret::new(value));
                }
                if given.is_none() {
                    let text = format!("{key}: remove it from the spec once the key is in {store}");
                    self.notes.push(text);
                }
            } else if names.iter().any(|name| name == key.name) {
                self.notes.push(format!("{key}: its name is ignored"));
            }
            names.retain(|name| name != key.name);
            let other = from_environment.as_ref().ok();
            let other = other.and_then(|headers| value_of(headers, key.name));
            if let Some(value) = other.filter(|_| !is_set) {
                let secret = secrets.entry(key.variable.to_owned());
                secret.or_insert_with(|| Secret::new(value));
            }
        }
        if !headers.is_empty() && !self.input.flags.contains_key("tracing.headers") {
            self.notes.push(format!(
                "{} holds values of headers: once they are in {}, leave only the names there",
                self.input.file, store
            ));
        }
        // Only values of headers that the spec names are read from the environment: other names would make the
        // same spec render differently elsewhere.
        match from_environment {
            Ok(others) => {
                for (name, value) in others
                    .iter()
                    .filter(|(name, _)| names.iter().any(|one| one == name))
                {
                    let _ = headers.insert(name, value); // both have been read as headers before
                }
            }
            Err(invalid) if names.is_empty() => drop(invalid),
            Err(invalid) => {
                let at = format!("environment: {}", variable::HEADERS);
                self.problems
                    .push(Problem::new(at, invalid.what()).hint(invalid.hint()));
            }
        }
        names.extend(headers.names().map(str::to_owned));
        names.sort();
        names.dedup();
        self.keep_values(image, &headers, &names, secrets);
        names
    }

    /// Stores the values of headers in the variables that the image reads.
    fn keep_values(
        &mut self,
        image: Image,
        headers: &Headers,
        names: &[String],
        secrets: &mut Secrets,
    ) {
        let missing: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|name| headers.names().all(|one| one != *name))
            .collect();
        if image.has_entrypoint() && !headers.is_empty() {
            secrets.insert(variable::HEADERS.to_owned(), Secret::new(headers.to_json()));
            if !missing.is_empty() {
                self.notes.push(format!(
                    "{} still lacks {}: add it in the value",
                    variable::HEADERS,
                    missing.join(", ")
                ));
            }
        }
        if image == Image::Stock {
            for (name, value) in headers.iter() {
                secrets.insert(header_variable(name), Secret::new(value.to_owned()));
            }
            let mut variables: Vec<String> =
                names.iter().map(|name| header_variable(name)).collect();
            variables.sort();
            variables.dedup();
            if variables.len() < names.len() {
                self.wrong(
                    "tracing.headers",
                    "has two names that differ only in their signs",
                    "use `image: wrapped`, or one of them",
                );
            }
        }
    }
}

/// Returns a header that a preset derives from a key alone.
struct KeyHeader<'a> {
    name: &'a str,
    variable: &'a str,
    backend: &'a str,
}

impl<'a> KeyHeader<'a> {
    fn of(backend: &'a Backend) -> impl Iterator<Item = Self> {
        backend.headers.iter().filter_map(|(name, text)| {
            let variable = text.strip_prefix('{')?.strip_suffix('}')?;
            let is_key = backend.keys.iter().any(|key| key.variable == variable);
            is_key.then_some(Self {
                name,
                variable,
                backend: &backend.name,
            })
        })
    }
}

impl fmt::Display for KeyHeader<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            variable,
            backend,
        } = self;
        write!(
            out,
            "backend `{backend}` sets the header `{name}` from `{variable}`"
        )
    }
}

fn value_of(headers: &Headers, name: &str) -> Option<String> {
    let mut all = headers.iter();
    all.find(|(one, _)| *one == name)
        .map(|(_, value)| value.to_owned())
}

/// Removes a header and returns its value.
fn take(headers: &mut Headers, name: &str) -> Option<String> {
    let value = value_of(headers, name)?;
    let mut rest = Headers::default();
    for (other, value) in headers.iter().filter(|(other, _)| *other != name) {
        let _ = rest.insert(other, value); // it was read as a header before
    }
    *headers = rest;
    Some(value)
}

/// Parses the forms of `tracing.headers`: text as in the variable, a mapping, or only names.
fn read_headers(value: Value) -> Result<(Headers, Vec<String>), Invalid> {
    let mut headers = Headers::default();
    let mut names = Vec::new();
    // A name without a value is checked like a header with a value.
    let mut name_only = |name: &str| -> Result<(), Invalid> {
        let mut probe = Headers::default();
        probe.insert(name, "x")?;
        names.extend(probe.names().map(str::to_owned));
        Ok(())
    };
    match value {
        Value::String(text) => headers = text.parse()?,
        Value::Array(list) => {
            for name in list.iter().filter_map(Value::as_str) {
                name_only(name)?;
            }
        }
        Value::Object(map) => {
            for (name, value) in &map {
                match value.as_str().filter(|value| !value.trim().is_empty()) {
                    Some(value) => headers.insert(name, value)?,
                    None => name_only(name)?,
                }
            }
        }
        _ => {}
    }
    Ok((headers, names))
}
