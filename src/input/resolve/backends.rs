//! `tracing.backend`, `tracing.backend_file` and `tracing.settings`: the destinations of the traces.
//!
//! Invariant: every returned backend that accepts an endpoint has one, except the first, whose
//! endpoint can be set later; every required setting has a value.

mod settings;

use chroma_otel_init::Endpoint;

use crate::backend::{self, Backend, Key};
use crate::input::file::OneOrMore;
use crate::input::resolve::reading::{Reading, given};
use crate::problem::{Problem, nearest};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::target::Target;
use crate::values::DnsLabel;

/// Backend for any OTLP receiver, such as the operator's own collector.
const OTLP: &str = "otlp";

/// Names of the containers that run next to a backend.
const TAKEN: [&str; 3] = ["chroma", "otel-collector", "prepare-volumes"];

impl Reading {
    /// Returns the backends, first the one that `tracing.endpoint` (`given`) applies to; none if one is
    /// invalid, because the first one is then unknown.
    pub(super) fn backends(
        &mut self,
        target: Option<Target>,
        mode: CollectorMode,
        name: &DnsLabel,
        given: Option<&Endpoint>,
    ) -> Vec<Backend> {
        let reported = self.problems.len();
        let mut backends = self.named(target, mode);
        self.check_keys(&backends);
        backends.extend(self.own());
        let complete = self.problems.len() == reported && !self.is_wrong("tracing.backend");
        if let Some(first) = backends.iter().position(Backend::wants_endpoint) {
            backends[..=first].rotate_right(1);
        }
        let backends: Vec<Backend> = backends
            .into_iter()
            .map(|backend| in_stack(backend, target, name))
            .map(|backend| self.authenticated(backend, target))
            .collect();
        let settings = self.settings();
        self.check_settings(&settings, &backends, complete);
        let mut settled = Vec::new();
        for index in 0..backends.len() {
            settled.extend(self.settled(&backends, index, &settings, (target, given)));
        }
        if !complete || settled.len() < backends.len() {
            settled.clear();
        }
        settled
    }

    /// Returns the backend as it authenticates on the target. `machine.secrets` selects a key where an
    /// identity could replace it.
    fn authenticated(&self, backend: Backend, target: Option<Target>) -> Backend {
        let named = self.input.spec.machine.secrets.as_ref();
        let names_key = |key: &Key| {
            let name = named.and_then(|named| named.get(&key.variable));
            name.is_some_and(|name| !name.trim().is_empty())
        };
        let by_identity = target.and_then(Target::cloud) == backend.cloud()
            && !backend.keys.iter().any(names_key);
        backend.authenticated(by_identity, target.is_some_and(Target::is_kubernetes))
    }

    /// Rejects two presets with the same key: it would be sent to both. Backend files are exempt.
    fn check_keys(&mut self, backends: &[Backend]) {
        for (index, one) in backends.iter().enumerate() {
            for other in &backends[index + 1..] {
                let common = |key: &&Key| other.keys.iter().any(|own| own.variable == key.variable);
                let Some(key) = one.keys.iter().find(common) else {
                    continue;
                };
                let message = format!(
                    "has `{}` and `{}`, which would both be sent `{}`",
                    one.name, other.name, key.variable
                );
                let hint = "remove one, or copy its file, name another variable in it, and use `--backend-file`";
                self.wrong("tracing.backend", message, hint);
            }
        }
    }

    /// Returns the backends that are named, or the default.
    fn named(&mut self, target: Option<Target>, mode: CollectorMode) -> Vec<Backend> {
        let given = self.input.spec.tracing.backend.as_ref();
        let mut names = given.map(OneOrMore::texts).unwrap_or_default();
        if names.is_empty() && self.input.backends.is_empty() && !self.is_wrong("tracing.backend") {
            names.push(self.default_backend(target, mode).to_owned());
        }
        let mut backends: Vec<Backend> = Vec::new();
        for name in names {
            match backend::load(&name) {
                Ok(Some(one)) if backends.iter().any(|other| other.name == one.name) => {
                    self.wrong(
                        "tracing.backend",
                        format!("`{name}` is listed twice"),
                        "remove one",
                    );
                }
                Ok(Some(one)) => backends.push(one),
                Ok(None) => {
                    // The list is too long for a hint.
                    let names = backend::names();
                    let hint = match nearest(&name, &names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "see `chroma-otel-deploy list backends`".to_owned(),
                    };
                    let message = format!("unknown backend `{}`", name.escape_debug());
                    self.wrong("tracing.backend", message, hint);
                }
                Err(error) => {
                    let message = format!("the file of `{name}` does not read: {error:#}");
                    self.wrong("tracing.backend", message, "this is a bug");
                }
            }
        }
        backends
    }

    /// Returns the backend of a spec that names none. An endpoint without a backend selects `otlp`.
    fn default_backend(&mut self, target: Option<Target>, mode: CollectorMode) -> &'static str {
        let file = &self.input.spec.tracing;
        let has_endpoint = given(&file.endpoint).is_some() || self.is_wrong("tracing.endpoint");
        if has_endpoint {
            self.note_preset();
        }
        if has_endpoint || mode == CollectorMode::None {
            OTLP
        } else {
            target.unwrap_or(Target::Docker).info().default_backend
        }
    }

    /// Adds a note if the endpoint's host is that of a preset.
    fn note_preset(&mut self) {
        let endpoint = given(&self.input.spec.tracing.endpoint).map(str::parse::<Endpoint>);
        let Some(Ok(endpoint)) = endpoint else {
            return;
        };
        let Some(preset) = Backend::at_host(endpoint.host()) else {
            return;
        };
        let more = if preset.service.is_some() {
            "runs it"
        } else if preset.headers.is_empty() {
            "authenticates requests"
        } else {
            "sets its headers"
        };
        self.notes.push(format!(
            "`{}` is {}: `--backend {}` also {more}",
            endpoint.host(),
            preset.title(),
            preset.name
        ));
    }

    /// Returns the backends of the operator's files.
    fn own(&mut self) -> Vec<Backend> {
        let mut backends: Vec<Backend> = Vec::new();
        for (path, text) in std::mem::take(&mut self.input.backends) {
            let text = match text {
                Ok(text) => text,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let at = path.display().to_string();
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let taken = backend::names().iter().any(|one| one == name)
                || TAKEN.contains(&name)
                || backends.iter().any(|other| other.name == name);
            if name.parse::<DnsLabel>().is_err() || taken {
                let message = if taken {
                    format!("`{name}` is already the name of a backend")
                } else {
                    format!("`{}` cannot be a backend's name", name.escape_debug())
                };
                let hint = "name the file like the backend: lower-case letters, digits and `-`";
                self.problems.push(Problem::new(at, message).hint(hint));
                continue;
            }
            match backend::own(name, &text, &at) {
                Ok(backend) => backends.push(backend),
                Err(problems) => self.problems.extend(problems),
            }
        }
        backends
    }
}

/// Names a backend that runs next to the collector; in a cluster, its Service has the deployment's name.
fn in_stack(mut backend: Backend, target: Option<Target>, name: &DnsLabel) -> Backend {
    if target.is_some_and(Target::is_kubernetes) && backend.service.is_some() {
        let (short, long) = (backend.name.clone(), format!("{name}-{}", backend.name));
        let endpoint = backend.endpoint;
        backend.endpoint =
            endpoint.map(|one| one.replace(&format!("//{short}:"), &format!("//{long}:")));
    }
    backend
}
