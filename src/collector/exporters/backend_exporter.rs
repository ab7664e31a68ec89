//! The exporters of one backend, with their address and headers.
//!
//! Invariant: environment variables are referenced by name; their values are never read.

use std::collections::BTreeMap;

use chroma_otel_init::{Endpoint, Protocol, variable};
use minijinja::Value;
use serde::Serialize;

use crate::backend::{Backend, ComponentSettings, Exporter, MetricsIntake};
use crate::render::{as_is, quoted, values_of, yaml};
use crate::spec::{Tracing, header_variable};
use crate::values::{Cloud, in_place};

/// Source of the endpoint and the headers for the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderSource {
    /// The entrypoint reads the operator's variables in any form, and sets those that the collector
    /// reads.
    Entrypoint,
    /// The endpoint is in the configuration, and each header has its own variable.
    Spec,
    /// The endpoint has a variable, in the form of [`super::exact_endpoint`], and each header has
    /// its own.
    Variables,
}

/// The exporters of one backend.
pub(super) struct BackendExporter<'a> {
    tracing: &'a Tracing,
    /// True if metrics are sent to backends.
    to_backend: bool,
    /// The region or project, if it is known when rendering.
    place: Option<&'a str>,
    pub(super) backend: &'a Backend,
    source: HeaderSource,
    /// Suffix that distinguishes its components from the first backend's: empty, or `/NAME`.
    pub(super) suffix: String,
}

/// An exporter, or one of those among which a variable chooses.
pub(super) struct ExporterConfig {
    pub(super) name: String,
    pub(super) queued: bool,
    pub(super) retries_itself: bool,
    pub(super) settings: BTreeMap<String, Value>,
}

/// An attribute that a backend needs on every resource.
#[derive(Serialize)]
pub(super) struct ResourceAttribute {
    name: String,
    /// The value as YAML.
    value: Value,
    /// The backend, for a comment.
    backend: Value,
}

/// Returns the exporters of all backends, the first one first.
pub(super) fn backend_exporters<'a>(
    tracing: &'a Tracing,
    to_backend: bool,
    source: HeaderSource,
    place: Option<&'a str>,
) -> Vec<BackendExporter<'a>> {
    let exporter = |backend, source, suffix| BackendExporter {
        tracing,
        to_backend,
        place,
        backend,
        source,
        suffix,
    };
    let first = exporter(&tracing.backend, source, String::new());
    let others = tracing.others.iter().map(|backend| {
        let suffix = format!("/{}", backend.name);
        exporter(backend, HeaderSource::Spec, suffix)
    });
    std::iter::once(first).chain(others).collect()
}

impl BackendExporter<'_> {
    /// Returns the backend's name in comments: its own name only if there are others.
    pub(super) fn called(&self) -> &str {
        if self.tracing.others.is_empty() {
            "the backend"
        } else {
            &self.backend.name
        }
    }

    /// Returns the attributes that the backend needs on every resource, each as YAML.
    pub(super) fn resource(&self) -> Vec<ResourceAttribute> {
        let attributes = self.backend.resource.iter();
        let attribute = |(name, text): (&String, &String)| ResourceAttribute {
            name: name.clone(),
            value: from_environment(self.backend, &text.as_str().into()),
            backend: as_is(self.called()),
        };
        attributes.map(attribute).collect()
    }

    /// Returns the backend's support for metrics if metrics are sent to it.
    pub(super) fn metrics(&self) -> Option<&MetricsIntake> {
        let wanted = self.to_backend;
        self.backend.metrics.as_ref().filter(|_| wanted)
    }

    /// Returns the exporter for pipelines. With the entrypoint, the operator's endpoint chooses it.
    pub(super) fn in_pipeline(&self) -> Value {
        match (&self.backend.exporter, self.source) {
            (Exporter::Otlp, HeaderSource::Entrypoint) => as_is("\"${env:CHROMA_OTEL_EXPORTER}\""),
            _ => self.configs().swap_remove(0).name.into(),
        }
    }

    /// Returns the endpoint if it is known when rendering.
    fn known_endpoint(&self) -> Option<Endpoint> {
        if self.suffix.is_empty() {
            return self.tracing.known_endpoint(self.place);
        }
        self.placed()?.parse().ok()
    }

    /// Returns its endpoint in the known place, or else in [`SOMEWHERE`].
    fn placed(&self) -> Option<String> {
        let place = self.place.unwrap_or(SOMEWHERE);
        Some(in_place(self.backend.endpoint.as_deref()?, place))
    }

    /// Returns the protocol of the endpoint that is known when rendering.
    fn protocol(&self) -> Protocol {
        let known = self.known_endpoint();
        let known = known.or_else(|| self.placed()?.parse().ok());
        known.map_or(Protocol::Grpc, |endpoint| endpoint.protocol())
    }

    /// Returns its exporters: several if a variable chooses among them.
    pub(super) fn configs(&self) -> Vec<ExporterConfig> {
        let exporter = |name: &str, queued: bool, settings: Vec<(&str, Value)>| ExporterConfig {
            name: format!("{name}{}", self.suffix),
            queued,
            retries_itself: false,
            settings: settings
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        };
        let Address {
            grpc,
            insecure,
            url,
            metrics_url,
            headers,
        } = self.address();
        let auth = self.backend.extension.as_ref().map(|extension| {
            let auth = format!("{{authenticator: {}{}}}", extension.name, self.suffix);
            ("auth", as_is(auth))
        });
        let tls = self.has_private_authority().then(|| as_is(TLS));
        let otlp_grpc = || {
            let plain = || as_is(format!("{{insecure: {insecure}}}"));
            let settings = [
                ("endpoint", grpc.clone()),
                ("tls", tls.clone().unwrap_or_else(plain)),
                ("headers", headers.clone()),
            ];
            exporter(
                "otlp_grpc",
                true,
                settings.into_iter().chain(auth.clone()).collect(),
            )
        };
        let tls = tls.clone().map(|tls| ("tls", tls));
        let otlp_http = || {
            let settings = [
                ("traces_endpoint", url.clone()),
                ("headers", headers.clone()),
            ];
            let metrics = metrics_url.clone().filter(|_| self.metrics().is_some());
            let metrics = metrics.map(|url| ("metrics_endpoint", url));
            let settings = settings.into_iter().chain(metrics).chain(tls.clone());
            exporter("otlp_http", true, settings.chain(auth.clone()).collect())
        };
        match &self.backend.exporter {
            Exporter::Otlp if self.source == HeaderSource::Entrypoint => {
                vec![otlp_grpc(), otlp_http()]
            }
            Exporter::Otlp if self.protocol() == Protocol::Grpc => vec![otlp_grpc()],
            Exporter::Otlp | Exporter::OtlpHttp => vec![otlp_http()],
            Exporter::Zipkin => {
                let settings = [("endpoint", url), ("headers", headers)].into_iter();
                vec![exporter("zipkin", true, settings.chain(tls).collect())]
            }
            Exporter::Debug => {
                vec![exporter(
                    "debug",
                    false,
                    vec![("verbosity", "normal".into())],
                )]
            }
            Exporter::Component(component) => {
                let mut settings = settings(self.backend, &component.settings);
                settings.extend(auth.map(|(name, value)| (name.to_owned(), value)));
                vec![ExporterConfig {
                    name: format!("{}{}", component.name, self.suffix),
                    queued: component.queue,
                    retries_itself: component.retries_itself,
                    settings,
                }]
            }
        }
    }

    /// Returns true if its connections trust private authorities. The collector then uses TLS even if
    /// `insecure` is set, so the endpoint must not be known as plain text.
    fn has_private_authority(&self) -> bool {
        let known = self.known_endpoint();
        let known = known.or_else(|| self.placed()?.parse().ok());
        self.tracing.authorities.is_some() && known.is_none_or(|endpoint| endpoint.is_tls())
    }

    fn address(&self) -> Address {
        let from_env = |name: &str| as_is(format!("${{env:{name}}}"));
        let own = self.metrics().and_then(|intake| intake.endpoint.as_deref());
        let own = own.map(Value::from);
        match (self.source, self.known_endpoint()) {
            (HeaderSource::Spec, Some(endpoint)) => Address {
                grpc: endpoint.authority().into(),
                insecure: as_is(if endpoint.is_tls() { "false" } else { "true" }),
                url: self.in_its_place(&endpoint.traces_url()),
                metrics_url: own.or_else(|| Some(self.in_its_place(&endpoint.metrics_url()?))),
                headers: self.headers(),
            },
            (HeaderSource::Variables, known) => Address {
                grpc: from_env(variable::ENDPOINT),
                // `https://` in the endpoint enables TLS regardless (measured with 0.158).
                insecure: as_is("true"),
                url: from_env(variable::ENDPOINT),
                metrics_url: own.or_else(|| Some(known?.metrics_url()?.into())),
                headers: self.headers(),
            },
            (HeaderSource::Entrypoint, _) | (HeaderSource::Spec, None) => Address {
                grpc: from_env("CHROMA_OTEL_GRPC_ENDPOINT"),
                // Quoted, because the first bare `}` would end the enclosing flow mapping.
                insecure: as_is("\"${env:CHROMA_OTEL_GRPC_INSECURE}\""),
                url: from_env("CHROMA_OTEL_TRACES_URL"),
                metrics_url: own.or_else(|| Some(from_env("CHROMA_OTEL_METRICS_URL"))),
                headers: from_env(variable::HEADERS),
            },
        }
    }

    /// Returns a URL with the variable of the place if only the machine knows the place.
    fn in_its_place(&self, url: &str) -> Value {
        match self.backend.cloud().and_then(Cloud::place) {
            Some(place) if url.contains(SOMEWHERE) => {
                as_is(url.replace(SOMEWHERE, &format!("${{env:{}}}", place.variable)))
            }
            _ => url.into(),
        }
    }

    /// Returns the headers, one variable each, because the collector cannot parse a map of them.
    fn headers(&self) -> Value {
        let of_backend = self.backend.headers.iter().map(|(name, text)| {
            let text = with_keys(self.backend, text.replace('$', "$$"));
            (name.as_str(), text)
        });
        let names = &self.tracing.header_names;
        let names = names.iter().filter(|_| self.suffix.is_empty());
        let own = names.map(|name| {
            let variable = header_variable(name);
            (name.as_str(), format!("${{env:{variable}}}"))
        });
        let headers: Vec<String> = of_backend
            .chain(own)
            .map(|(name, text)| format!("{}: {}", quoted(name), quoted(&text)))
            .collect();
        as_is(format!("{{{}}}", headers.join(", ")))
    }
}

/// The TLS settings with private authorities, which the first exporter that uses them declares.
pub(super) const TLS: &str = "*tls";

/// A place that only the machine knows.
const SOMEWHERE: &str = "somewhere-1";

/// Address and headers, each value in the syntax of its setting.
struct Address {
    grpc: Value,
    insecure: Value,
    url: Value,
    metrics_url: Option<Value>,
    headers: Value,
}

/// Returns settings of a component, each as YAML, with references to environment variables.
pub(super) fn settings(backend: &Backend, settings: &ComponentSettings) -> BTreeMap<String, Value> {
    settings
        .iter()
        .map(|(name, value)| (name.clone(), from_environment(backend, value)))
        .collect()
}

/// Converts a backend's value to YAML, with the collector's references for its placeholders.
fn from_environment(backend: &Backend, value: &serde_json::Value) -> Value {
    let text = yaml(&values_of(value))
        .unwrap_or_else(|_| unreachable!("YAML that was parsed can be written"))
        .replace('$', "$$");
    let place = backend.cloud().and_then(Cloud::place);
    let text = place.into_iter().fold(text, |text, place| {
        text.replace(place.placeholder, &format!("${{env:{}}}", place.variable))
    });
    as_is(with_keys(backend, text))
}

/// Replaces placeholders by the variables of the backend's keys and of its identity.
fn with_keys(backend: &Backend, text: String) -> String {
    backend.variables().fold(text, |text, name| {
        text.replace(&format!("{{{name}}}"), &format!("${{env:{name}}}"))
    })
}
