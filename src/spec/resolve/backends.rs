//! `tracing.backend`, `tracing.backend_file` and `tracing.settings`: where the traces end up.
//!
//! Invariant: a backend that comes out has an endpoint where it takes one, unless it is the first, whose
//! endpoint the operator may say later; and no setting is left open.

use std::collections::BTreeMap;

use chroma_otel_init::Endpoint;

use super::Reading;
use crate::backend::{self, Backend};
use crate::problem::{Problem, nearest};
use crate::spec::file::OneOrMore;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::values::DnsLabel;
use crate::target::Target;

/// The backend that is any receiver of OTLP, as the operator's own collector is.
const OWN_COLLECTOR: &str = "otlp";

const SETTINGS: &str = "tracing.settings";

impl Reading {
    /// The backends, the one that `tracing.endpoint` is for first; `addressed` where that is given.
    pub(super) fn backends(
        &mut self,
        target: Option<Target>,
        mode: CollectorMode,
        name: &DnsLabel,
        addressed: bool,
    ) -> Vec<Backend> {
        let mut backends = self.named(target, mode);
        backends.extend(self.own());
        // One that breaks no rule comes first, so that its problems are told as the first one's.
        if let Some(first) = backends.iter().position(Backend::wants_endpoint) {
            backends[..=first].rotate_right(1);
        }
        let settings = self.input.spec.tracing.settings.clone().unwrap_or_default();
        self.check_settings(&settings, &backends);
        let mut settled = Vec::new();
        for (index, backend) in backends.into_iter().enumerate() {
            let backend = in_stack(backend, target, name);
            settled.extend(self.settled(backend, &settings, index == 0, addressed));
        }
        settled
    }

    /// Those by name; the target's own where nothing is said.
    fn named(&mut self, target: Option<Target>, mode: CollectorMode) -> Vec<Backend> {
        let default = match mode {
            CollectorMode::None => OWN_COLLECTOR,
            _ => target.unwrap_or(Target::Docker).default_backend(),
        };
        let given = self.input.spec.tracing.backend.as_ref();
        let mut names = given.map(OneOrMore::texts).unwrap_or_default();
        if names.is_empty() && self.input.backends.is_empty() && !self.is_wrong("tracing.backend") {
            names.push(default.to_owned());
        }
        let mut backends: Vec<Backend> = Vec::new();
        for name in names {
            match backend::load(&name) {
                Ok(Some(one)) if backends.iter().any(|other| other.name == one.name) => {
                    self.wrong(
                        "tracing.backend",
                        format!("has `{name}` twice"),
                        "leave one out",
                    );
                }
                Ok(Some(one)) => backends.push(one),
                Ok(None) => {
                    // They are too many to be named.
                    let names = backend::names();
                    let hint = match nearest(&name, &names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "`chroma-otel-deploy list backends` shows what there is".to_owned(),
                    };
                    let message = format!("`{}` is no backend", name.escape_debug());
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

    /// The operator's own, by their files.
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
                || backends.iter().any(|other| other.name == name);
            if name.parse::<DnsLabel>().is_err() || taken {
                let message = match taken {
                    true => format!("`{name}` is the name of another backend"),
                    false => format!("`{}` cannot be a backend's name", name.escape_debug()),
                };
                let hint = "name the file as the backend is to be called: lower-case letters, digits and `-`";
                self.problems.push(Problem::new(at, message).hint(hint));
                continue;
            }
            match backend::read(name, text.as_bytes()) {
                Ok(backend) => backends.push(backend),
                Err(error) => {
                    let hint = "the files in `templates/backends` are examples of the form";
                    let problem = Problem::new(at, format!("is no backend: {error:#}"));
                    self.problems.push(problem.hint(hint));
                }
            }
        }
        backends
    }

    /// Every setting has a backend that takes it.
    fn check_settings(&mut self, settings: &BTreeMap<String, String>, backends: &[Backend]) {
        for (key, written) in settings.iter().filter(|_| !backends.is_empty()) {
            let (whose, name) = match key.split_once('.') {
                Some((whose, name)) => (Some(whose), name),
                None => (None, key.as_str()),
            };
            let of = |backend: &&Backend| whose.is_none_or(|whose| whose == backend.name);
            let mut taken = false;
            for (index, backend) in backends.iter().enumerate().filter(|(_, one)| of(one)) {
                taken |=
                    whose.is_some() && name == "endpoint" && index > 0 && backend.wants_endpoint();
                let Some(setting) = backend.settings.get(name) else {
                    continue;
                };
                taken = true;
                // The more special one is told of in its own turn.
                let special = format!("{}.{name}", backend.name);
                if whose.is_none() && settings.contains_key(&special) {
                    continue;
                }
                if let Err(rule) = setting.text(written.trim()) {
                    let shown = written.escape_debug();
                    let message = format!(
                        "`{key}` is `{shown}`, which backend `{}` does not take",
                        backend.name
                    );
                    self.wrong(SETTINGS, message, format!("write {rule}"));
                }
            }
            if !taken {
                let first = backends
                    .first()
                    .is_some_and(|first| Some(first.name.as_str()) == whose);
                let hint = match name {
                    "endpoint" if first => "it is the first one: use `tracing.endpoint`".to_owned(),
                    "region" => "no backend of yours has regions of its own; that of a cluster is \
                                 `kubernetes.region`"
                        .to_owned(),
                    _ => format!("there are: {}", known(backends)),
                };
                self.wrong(
                    SETTINGS,
                    format!("`{key}` is no setting of a backend of yours"),
                    hint,
                );
            }
        }
    }

    /// The backend with its settings in place; and its endpoint, if it is not the first.
    fn settled(
        &mut self,
        backend: Backend,
        settings: &BTreeMap<String, String>,
        first: bool,
        addressed: bool,
    ) -> Option<Backend> {
        let name = backend.name.clone();
        let special = |key: &str| settings.get(&format!("{name}.{key}"));
        let given = |key: &str| {
            let written = special(key).or_else(|| settings.get(key))?;
            Some(written.trim().to_owned())
        };
        let own: Option<Endpoint> = match special("endpoint").filter(|_| !first) {
            Some(text) => match text.parse() {
                Ok(endpoint) => Some(endpoint),
                Err(invalid) => {
                    let invalid: chroma_otel_init::Invalid = invalid;
                    let message = format!("`{name}.endpoint` {}", invalid.what());
                    self.wrong(SETTINGS, message, invalid.hint());
                    return None;
                }
            },
            None => None,
        };
        let mut settled = match backend.settled(&given, (first && addressed) || own.is_some()) {
            Ok(settled) => settled,
            Err(missing) => {
                for one in missing {
                    // A wrong one has been told.
                    if given(&one.name).is_none() {
                        let message = format!(
                            "has no `{}`, which backend `{name}` wants: {}",
                            one.name, one.what
                        );
                        let hint =
                            format!("`--setting {}=…`, or under `tracing.settings`", one.name);
                        self.wrong(SETTINGS, message, hint);
                    }
                }
                return None;
            }
        };
        if first {
            return Some(settled);
        }
        if let Some(own) = own {
            settled.endpoint = Some(own.to_string());
        }
        if settled.wants_endpoint() && settled.endpoint.is_none() {
            let like = settled.endpoint_example();
            let message = format!("has no `{name}.endpoint`: backend `{name}` has none of its own");
            self.wrong(
                SETTINGS,
                message,
                format!("`--setting {name}.endpoint=…`, such as `{like}`"),
            );
            return None;
        }
        Some(settled)
    }
}

/// The settings that there are, for a message.
fn known(backends: &[Backend]) -> String {
    let of = |backend: &Backend| -> Vec<String> {
        let names = backend.settings.keys();
        names
            .map(|name| format!("`{}.{name}`", backend.name))
            .collect()
    };
    let known = backends.iter().flat_map(of).collect::<Vec<_>>();
    match known.is_empty() {
        true => "none".to_owned(),
        false => known.join(", "),
    }
}

/// A backend that runs beside the collector; in a cluster its Service is named after the deployment.
fn in_stack(mut backend: Backend, target: Option<Target>, name: &DnsLabel) -> Backend {
    if target.is_some_and(Target::is_kubernetes) && backend.service.is_some() {
        let (short, long) = (backend.name.clone(), format!("{name}-{}", backend.name));
        let endpoint = backend.endpoint;
        backend.endpoint =
            endpoint.map(|one| one.replace(&format!("//{short}:"), &format!("//{long}:")));
    }
    backend
}
