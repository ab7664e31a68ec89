//! `tracing`: destination, service name and detail of the traces.
//!
//! Invariant: the values of keys are added to the secrets; a key without an effect is rejected.

mod authorities;
mod headers;

use std::str::FromStr;

use chroma_otel_init::{
    Endpoint, Granularity, Invalid, Settings, is_word, server_environment, variable,
};

use crate::backend::{Backend, Exporter, Key};
use crate::input::file::TracingSection;
use crate::input::resolve::reading::{Reading, given as written};
use crate::problem::Problem;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::signals::Names;
use crate::spec::{Chroma, Collector, Image, Secret, Secrets, Tracing, default};
use crate::spec::{signals::NAMES_KEY, target::Target};
use crate::values::DnsLabel;

impl Reading {
    pub(super) fn tracing(
        &mut self,
        target: Option<Target>,
        collector: &Collector,
        name: &DnsLabel,
        chroma: &Chroma,
        secrets: &mut Secrets,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Tracing> {
        let service_name = self.parse(
            "tracing.service_name",
            |file| &file.tracing.service_name,
            variable::DEFAULT_SERVICE_NAME,
        );
        let environment_name = self.parse(
            "tracing.environment",
            |file| &file.tracing.environment,
            default::ENVIRONMENT,
        );
        let granularity = self
            .contract("tracing.granularity", |file| &file.granularity)
            .unwrap_or(Granularity::Operation);
        let given: Option<Endpoint> = self.contract("tracing.endpoint", |file| &file.endpoint);
        self.note_assumed_tls(target, given.as_ref());
        let mut backends = self
            .backends(target, collector.mode, name, given.as_ref())
            .into_iter();
        let (backend, others) = (backends.next(), backends.collect::<Vec<_>>());
        // Headers in this process's environment are not meant for a backend without headers.
        let nothing: &dyn Fn(&str) -> Option<String> = &|_| None;
        let sends = backend.as_ref().is_none_or(Backend::wants_endpoint);
        let from = if sends { environment } else { nothing };
        let header_names = self.headers(target, collector.image, backend.as_ref(), secrets, from);
        let (sampling, redact) = (self.sampling(), self.redact());
        let backend = backend?;
        if granularity == Granularity::None {
            self.notes
                .push("`tracing.granularity` is `none`: nothing is traced".to_owned());
        }
        for backend in std::iter::once(&backend).chain(&others) {
            self.keys(backend, chroma, secrets, environment);
        }
        let names_key = environment(NAMES_KEY).filter(|value| !value.trim().is_empty());
        if let (Some(Names::Hash), Some(value)) = (redact.names, names_key) {
            // The key is inserted into a text of the collector's configuration.
            if !is_word(&value) {
                let message = "contains characters other than letters, digits and `._~+/=-`";
                let problem = Problem::new(format!("environment: {NAMES_KEY}"), message);
                self.problems
                    .push(problem.hint("`openssl rand -hex 32` makes one"));
            }
            secrets.insert(NAMES_KEY.to_owned(), Secret::new(value));
        }
        let is_given = given.is_some();
        let endpoint = given.or_else(|| backend.endpoint_everywhere()?.parse().ok());
        let authorities = self.authorities();
        let tracing = Tracing {
            backend,
            others,
            endpoint,
            authorities,
            header_names,
            service_name,
            granularity,
            environment: environment_name,
            sampling,
            redact,
        };
        match collector.mode {
            CollectorMode::None => self.check_own_collector(&tracing, chroma),
            CollectorMode::Gateway | CollectorMode::Tiered => {
                self.check_rendered_endpoint(&tracing, collector);
            }
        }
        self.check_endpoint(&tracing, is_given);
        self.check_authorities(&tracing, collector.mode);
        Some(tracing)
    }

    /// Adds a note if TLS is assumed for `service.namespace`, which can also be a public name.
    fn note_assumed_tls(&mut self, target: Option<Target>, endpoint: Option<&Endpoint>) {
        let text = written(&self.input.spec.tracing.endpoint).unwrap_or_default();
        let in_cluster = target.is_some_and(Target::is_kubernetes) && !text.contains("://");
        let two_labels = |one: &&Endpoint| one.is_tls() && one.host().matches('.').count() == 1;
        if let Some(endpoint) = endpoint.filter(two_labels).filter(|_| in_cluster) {
            self.notes.push(format!(
                "TLS is assumed for `{text}`, because it has no scheme: if it is a Service of the cluster, use `{}.svc` or `http://`",
                endpoint.host()
            ));
        }
    }

    /// Reads the backend's keys from this process's environment; Chroma receives none of them.
    fn keys(
        &mut self,
        backend: &Backend,
        chroma: &Chroma,
        secrets: &mut Secrets,
        environment: &dyn Fn(&str) -> Option<String>,
    ) {
        for Key { variable, .. } in &backend.keys {
            let mut names = chroma.environment.keys();
            if names.any(|name| name.as_str() == variable) {
                let at = format!("chroma.environment.{variable}");
                let name = &backend.name;
                let message =
                    format!("is the key of backend `{name}`, which Chroma must not receive");
                self.wrong(&at, message, "remove it");
            }
            let value = environment(variable).filter(|value| !value.trim().is_empty());
            if let Some(value) = value {
                // The value of a header in the input overrides the environment.
                let secret = secrets.entry(variable.clone());
                secret.or_insert_with(|| Secret::new(value));
            }
        }
    }

    /// Returns a value after a check by the code that reads it at run time.
    fn contract<T: FromStr<Err = Invalid>>(
        &mut self,
        key: &str,
        get: impl Fn(&TracingSection) -> &Option<String>,
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

    /// Without the entrypoint, the endpoint is part of the rendered files.
    fn check_rendered_endpoint(&mut self, tracing: &Tracing, collector: &Collector) {
        let backend = &tracing.backend;
        let known = tracing.endpoint.is_some() || backend.endpoint.is_some();
        if known || collector.image.has_entrypoint() || !backend.wants_endpoint() {
            return;
        }
        let why = if collector.operator {
            "collector.operator"
        } else {
            "image: stock"
        };
        self.wrong(
            "tracing.endpoint",
            format!(
                "is missing: backend `{}` has no default, and with `{why}` it is rendered in",
                backend.name
            ),
            format!(
                "the backend's OTLP endpoint, such as `{}`",
                backend.endpoint_example()
            ),
        );
    }

    /// Checks that Chroma can send to the endpoint directly, without a rendered collector.
    fn check_own_collector(&mut self, tracing: &Tracing, chroma: &Chroma) {
        let (backend, key) = (&tracing.backend, "tracing.endpoint");
        let plain = backend.exporter == Exporter::Otlp && backend.headers.is_empty();
        if !plain || !tracing.others.is_empty() {
            self.wrong(
                "tracing.backend",
                format!(
                    "is `{}`, which only a collector can send to, and `collector.mode` is `none`",
                    names(tracing)
                ),
                "remove it: your own collector knows its backend",
            );
            return;
        }
        if tracing.endpoint.is_none() && !self.is_wrong(key) {
            self.wrong(
                key,
                "is missing, and `collector.mode` is `none`",
                "your own collector, such as `http://otel-collector.monitoring.svc:4317`",
            );
        }
        let settings = tracing.endpoint.clone().map(Settings::new);
        let settings = settings.map(|settings| settings.with_granularity(tracing.granularity));
        let translated = settings.map(|settings| server_environment(&settings, chroma.version));
        if let Some(Err(invalid)) = translated {
            self.wrong(key, invalid.what(), invalid.hint());
        }
        if chroma.image == Image::Stock && !tracing.header_names.is_empty() {
            self.wrong(
                "tracing.headers",
                "have no effect with `collector.mode: none` and `image: stock`, which does not read them",
                "use `image: wrapped`, or a collector that requires none",
            );
        }
    }

    /// Checks the endpoint and the headers against the backend.
    fn check_endpoint(&mut self, tracing: &Tracing, given: bool) {
        let backend = &tracing.backend;
        let name = &backend.name;
        if !backend.wants_endpoint() {
            for (key, set) in [
                ("tracing.endpoint", given),
                ("tracing.headers", !tracing.header_names.is_empty()),
            ] {
                if set {
                    self.wrong(
                        key,
                        format!("has no effect with backend `{name}`, which does not use it"),
                        "remove it, or choose another backend",
                    );
                }
            }
        }
        let endpoint = tracing.endpoint.as_ref();
        let zipkin = endpoint.is_none_or(Endpoint::is_zipkin);
        if backend.exporter == Exporter::Zipkin && !zipkin {
            self.wrong(
                "tracing.endpoint",
                format!("is not an address of Zipkin's, which backend `{name}` needs"),
                "use `http://host:9411`, or a URL that ends in `/api/v2/spans`",
            );
        }
    }
}

fn names(tracing: &Tracing) -> String {
    let names: Vec<&str> = tracing
        .backends()
        .map(|backend| backend.name.as_str())
        .collect();
    names.join(", ")
}
