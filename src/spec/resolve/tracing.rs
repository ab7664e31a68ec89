//! `tracing`: where the traces go, under which name, in which detail.
//!
//! Invariant: of headers the names come out, the values go to the secrets.

use std::str::FromStr;

use chroma_otel_init::{Endpoint, Granularity, Headers, Invalid, variable};
use serde_json::Value;

use super::Reading;
use crate::backend::{self, Backend, Exporter};
use crate::problem::Problem;
use crate::spec::file::TracingFile;
use crate::spec::{Chroma, Image, Secret, Secrets, Tracing};
use crate::target::Target;

impl Reading {
    pub(super) fn tracing(
        &mut self,
        target: Option<Target>,
        chroma: &Chroma,
        secrets: &mut Secrets,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Tracing> {
        let image = chroma.image;
        let service_name = self.parse(
            "tracing.service_name",
            |file| &file.tracing.service_name,
            variable::DEFAULT_SERVICE_NAME,
        );
        let environment_name = self.parse(
            "tracing.environment",
            |file| &file.tracing.environment,
            "production",
        );
        let granularity = self
            .contract("tracing.granularity", |file| &file.granularity)
            .unwrap_or(Granularity::Operation);
        let given: Option<Endpoint> = self.contract("tracing.endpoint", |file| &file.endpoint);
        let backend = self.backend(target);
        // Headers that happen to be in this process's environment are not for a backend without any.
        let nothing: &dyn Fn(&str) -> Option<String> = &|_| None;
        let sends = backend.as_ref().is_none_or(Backend::wants_endpoint);
        let from = if sends { environment } else { nothing };
        let header_names = self.headers(target, image, secrets, from);
        let backend = backend?;
        if granularity == Granularity::None {
            self.notes
                .push("`tracing.granularity` is `none`: nothing is traced".to_owned());
        }
        for key in &backend.keys {
            if chroma
                .environment
                .keys()
                .any(|name| name.as_str() == key.variable)
            {
                let at = format!("chroma.environment.{}", key.variable);
                self.wrong(
                    &at,
                    format!(
                        "is the key of backend `{}`, which Chroma must not see",
                        backend.name
                    ),
                    "leave it out",
                );
            }
            if let Some(value) = environment(&key.variable).filter(|value| !value.trim().is_empty())
            {
                secrets.insert(key.variable.clone(), Secret(value));
            }
        }
        let given_endpoint = given.is_some();
        let endpoint = given.or_else(|| backend.endpoint_everywhere()?.parse().ok());
        let known = given_endpoint || backend.endpoint.is_some();
        if !known && image == Image::Stock && backend.wants_endpoint() {
            self.wrong(
                "tracing.endpoint",
                format!("is missing: backend `{}` has none of its own, and with `image: stock` it is rendered in", backend.name),
                "the backend's OTLP endpoint, such as `https://otlp.example.com:443`",
            );
        }
        self.check_endpoint(&backend, given_endpoint, &header_names, endpoint.as_ref());
        Some(Tracing {
            backend,
            endpoint,
            header_names,
            service_name,
            granularity,
            environment: environment_name,
        })
    }

    /// A value that the contract itself reads.
    fn contract<T: FromStr<Err = Invalid>>(
        &mut self,
        key: &str,
        get: impl Fn(&TracingFile) -> &Option<String>,
    ) -> Option<T> {
        let text = get(&self.input.spec.tracing)
            .clone()
            .filter(|text| !text.trim().is_empty())?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.wrong(key, invalid.what(), invalid.hint());
                None
            }
        }
    }

    fn backend(&mut self, target: Option<Target>) -> Option<Backend> {
        let name = self.input.spec.tracing.backend.clone().unwrap_or_else(|| {
            target
                .unwrap_or(Target::Docker)
                .default_backend()
                .to_owned()
        });
        match backend::load(name.trim()) {
            Ok(Some(backend)) => Some(backend),
            Ok(None) => {
                let at = self.input.at("tracing.backend");
                self.problems
                    .push(Problem::unknown(at, &name, &backend::names()));
                None
            }
            Err(error) => {
                self.wrong(
                    "tracing.backend",
                    format!("the file of `{name}` does not read: {error:#}"),
                    "this is a bug",
                );
                None
            }
        }
    }

    /// What the backend makes of the endpoint and the headers.
    fn check_endpoint(
        &mut self,
        backend: &Backend,
        given: bool,
        headers: &[String],
        endpoint: Option<&Endpoint>,
    ) {
        let name = &backend.name;
        if !backend.wants_endpoint() {
            for (key, set) in [
                ("tracing.endpoint", given),
                ("tracing.headers", !headers.is_empty()),
            ] {
                if set {
                    self.wrong(
                        key,
                        format!("has no effect with backend `{name}`, which has no use for it"),
                        "leave it out, or choose another backend",
                    );
                }
            }
        }
        let zipkin = endpoint.is_none_or(Endpoint::is_zipkin);
        if backend.exporter == Exporter::Zipkin && !zipkin {
            self.wrong(
                "tracing.endpoint",
                format!("is not an address of Zipkin's, which backend `{name}` needs"),
                "use `http://host:9411`, or a URL that ends in `/api/v2/spans`",
            );
        }
    }

    /// Names of the operator's headers; values go to the secrets.
    fn headers(
        &mut self,
        target: Option<Target>,
        image: Image,
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
        if !headers.is_empty() && !self.input.flags.contains_key("tracing.headers") {
            self.notes.push(format!(
                "{} holds values of headers: once they are in {}, leave only the names there",
                self.input.file,
                target.unwrap_or(Target::Docker).secret_store()
            ));
        }
        // Of this process's environment the values that the spec asks for: its names would make the
        // same spec render differently elsewhere.
        match environment(variable::HEADERS).map_or(Ok(Headers::default()), |text| text.parse()) {
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

    /// Puts the values of headers where the image reads them.
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
        if image == Image::Wrapped && !headers.is_empty() {
            secrets.insert(variable::HEADERS.to_owned(), Secret(headers.to_json()));
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
                secrets.insert(header_variable(name), Secret(value.to_owned()));
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

/// With `image: stock` there is nobody to take a header map apart: one variable a header.
pub fn header_variable(name: &str) -> String {
    let shouted: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    format!("CHROMA_OTEL_HEADER_{shouted}")
}

/// The forms of `tracing.headers`: text as in the variable, a mapping, or names alone.
fn read_headers(value: Value) -> Result<(Headers, Vec<String>), Invalid> {
    let mut headers = Headers::default();
    let mut names = Vec::new();
    // A name alone is checked as a header with a value would be.
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
