//! A deployment: the spec, and every fact that follows from it, computed once. Targets read it.
//!
//! Invariant: no fact here depends on a target's own files, and no field except `given` is a
//! secret.

pub(crate) mod chroma;
pub(crate) mod collector;
pub(crate) mod registry;
pub(crate) mod secrets;

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::{Endpoint, Granularity};

use self::collector::CollectorFacts;
use self::registry::{ImageSource, Mirrors, Registry};
use self::secrets::SecretVariable;
use crate::backend::{Backend, Service};
use crate::image::DeploymentImages;
use crate::plan::{Need, NeedPlace};
use crate::spec::{Resolved, Secrets, Spec};

/// A spec that can be deployed, with the facts that follow from it.
pub struct Deployment {
    /// The spec.
    pub spec: Spec,
    /// Values of secrets from flags, the file or the environment.
    pub given: Secrets,
    /// Notes for the operator, one sentence each.
    pub notes: Vec<String>,
    /// Keys of the spec and the flags that set them.
    pub flags: BTreeMap<&'static str, &'static str>,
    /// The images and their build context.
    pub(crate) images: DeploymentImages,
    /// Source of the images with the entrypoint for a machine.
    pub(crate) image_source: ImageSource,
    /// Sources of the other images of a machine.
    pub(crate) mirrors: Mirrors,
    /// The variables whose values are in a secret store only, in the order in which the operator is
    /// asked for them.
    pub(crate) secrets: Vec<SecretVariable>,
    /// The endpoint for Chroma's traces: the collector, or with `mode: none` the operator's own.
    pub(crate) chroma_endpoint: String,
    /// Variables of Chroma's server on every target and for every image.
    pub(crate) server_variables: Vec<(&'static str, String)>,
    /// The collector: its command, exporters and endpoint.
    pub(crate) collector: CollectorFacts,
}

impl Deployment {
    /// Computes the facts.
    ///
    /// # Errors
    /// Fails if a template of the images is wrong, which is a bug.
    pub fn new(resolved: Resolved) -> Result<Self> {
        let Resolved {
            spec,
            secrets: given,
            mut notes,
            flags,
        } = resolved;
        let services = spec
            .tracing
            .backends()
            .filter_map(|backend| backend.service.as_ref());
        let mirrors = Mirrors::new(&spec, services.map(|service| service.image.as_str()));
        let image_source = ImageSource::new(&spec.chroma, spec.target.cloud());
        if spec.target.is_machine() {
            notes.extend(registry::note(&image_source, &spec.chroma, &mirrors));
        }
        Ok(Self {
            images: DeploymentImages::new(&spec.name, &spec.chroma, &spec.collector)?,
            mirrors,
            image_source,
            secrets: secrets::all(&spec),
            chroma_endpoint: chroma::endpoint(&spec),
            server_variables: chroma::server_variables(&spec.chroma),
            collector: CollectorFacts::new(&spec),
            spec,
            given,
            notes,
            flags,
        })
    }

    /// Returns the backends that run next to the collector, with the endpoint that the collector
    /// uses.
    pub(crate) fn backends_in_stack(
        &self,
    ) -> impl Iterator<Item = (&Backend, &Service, Option<Endpoint>)> {
        let tracing = &self.spec.tracing;
        tracing
            .backends()
            .enumerate()
            .filter_map(|(index, backend)| {
                let first = tracing.endpoint.clone().filter(|_| index == 0);
                let own = || backend.endpoint.as_deref()?.parse().ok();
                Some((backend, backend.service.as_ref()?, first.or_else(own)))
            })
    }

    /// Returns the registries of the machine's cloud that the spec names. The machine logs in to them.
    pub(crate) fn registries(&self) -> impl Iterator<Item = &Registry> + Clone {
        let given = self.image_source.given();
        given.into_iter().chain(&self.mirrors.of_cloud)
    }

    /// Returns true if the machine logs in to a registry.
    pub(crate) fn logs_in(&self) -> bool {
        self.image_source.logs_in() || self.registries().next().is_some()
    }

    /// Returns true if the deployment creates the backend's resource in the cloud.
    pub(crate) fn creates_resource_of(&self, backend: &Backend) -> bool {
        let unknown = backend.addresses.iter().any(|one| one.value.is_none());
        self.spec.target.is_machine() && unknown
    }

    /// Returns the operator's own variables of Chroma; `None` for a value that is in the secret
    /// store only.
    pub(crate) fn own_variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        chroma::own_variables(&self.spec.chroma)
    }

    /// Returns the variables that the published image reads instead of the four, for a service name
    /// and a granularity.
    pub(crate) fn translated_variables(
        &self,
        service_name: &str,
        granularity: Granularity,
    ) -> BTreeMap<&'static str, String> {
        let (chroma, endpoint) = (&self.spec.chroma, &self.chroma_endpoint);
        chroma::translated_variables(chroma, endpoint, service_name, granularity)
    }

    /// Returns the secrets that a deployment in a cloud needs and the spec does not name. `what`
    /// describes their names: `the ARN of a secret in …`.
    pub(crate) fn missing_secrets(&self, what: &str, place: NeedPlace) -> Vec<Need> {
        let named = &self.spec.machine.secrets;
        let missing = self
            .secrets
            .iter()
            .filter(|secret| secret.required && !named.contains_key(&secret.variable));
        missing
            .map(|secret| Need {
                variable: format!("machine.secrets.{}", secret.variable),
                what: format!(
                    "{what} with {}{}",
                    secret.what,
                    if self.given.contains_key(&secret.variable) {
                        "; the given value was ignored"
                    } else {
                        ""
                    }
                ),
                place,
            })
            .collect()
    }
}

/// Returns the deployment of a valid spec with these keys.
#[cfg(test)]
pub(crate) fn sound(keys: &[(&'static str, serde_json::Value)]) -> Deployment {
    Deployment::new(crate::input::sound(keys)).expect("the templates are right")
}
