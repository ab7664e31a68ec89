//! A deployment: the spec, and every fact that follows from it, worked out once. The targets read it.
//!
//! Invariant: no fact here depends on a target's own files, and no field but `given` is a secret.

pub(crate) mod chroma;
pub(crate) mod collector;
pub(crate) mod registry;
pub(crate) mod secrets;

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::{Endpoint, Granularity};

use self::collector::CollectorFacts;
use self::registry::ImageSource;
use self::secrets::SecretVariable;
use crate::backend::{Backend, Service};
use crate::image::DeploymentImages;
use crate::plan::{Need, NeedPlace};
use crate::spec::{Resolved, Secrets, Spec};

/// A spec that can be deployed, with the facts that follow from it.
pub struct Deployment {
    /// What was asked for.
    pub spec: Spec,
    /// Values of secrets that came by flag, file or environment.
    pub given: Secrets,
    /// What the operator should know, one sentence each.
    pub notes: Vec<String>,
    /// Key of the spec to the flag that gave it.
    pub flags: BTreeMap<&'static str, &'static str>,
    /// The images, and the folder that they are built from.
    pub(crate) images: DeploymentImages,
    /// Where a machine pulls the images with the entrypoint from.
    pub(crate) image_source: ImageSource,
    /// The variables that only a secret store has, in the order in which an operator is asked for them.
    pub(crate) secrets: Vec<SecretVariable>,
    /// The address that Chroma sends its traces to: the collector, or with `mode: none` the operator's own.
    pub(crate) chroma_endpoint: String,
    /// Variables of Chroma's server on every target, whatever its image.
    pub(crate) server_variables: Vec<(&'static str, String)>,
    /// The collector: its command, its exporters, its endpoint.
    pub(crate) collector: CollectorFacts,
}

impl Deployment {
    /// Works out the facts.
    ///
    /// # Errors
    /// A template of the images is wrong: a bug.
    pub fn new(resolved: Resolved) -> Result<Self> {
        let Resolved {
            spec,
            secrets: given,
            notes,
            flags,
        } = resolved;
        Ok(Self {
            images: DeploymentImages::new(&spec.name, &spec.chroma, &spec.collector)?,
            image_source: ImageSource::new(&spec.chroma, spec.target.cloud()),
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

    /// The backends that run beside the collector, with the endpoint that it sends to.
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

    /// Whether the deployment creates the secret of one of the backend's keys itself.
    pub(crate) fn creates_key_of(&self, backend: &Backend) -> bool {
        let created = |variable: &str| {
            let named = self.spec.machine.secrets.contains_key(variable);
            self.spec.target.creates_secret(variable) && !named
        };
        backend.keys.iter().any(|key| created(&key.variable))
    }

    /// The operator's own variables of Chroma; `None` stands for a value that only the secret store has.
    pub(crate) fn own_variables(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        chroma::own_variables(&self.spec.chroma)
    }

    /// What the published image reads instead of the four variables, for a service name and a granularity.
    pub(crate) fn translated_variables(
        &self,
        service_name: &str,
        granularity: Granularity,
    ) -> BTreeMap<&'static str, String> {
        let (chroma, endpoint) = (&self.spec.chroma, &self.chroma_endpoint);
        chroma::translated_variables(chroma, endpoint, service_name, granularity)
    }

    /// The secrets that an operator is asked for: not one that the target makes itself where the spec names none.
    pub(crate) fn asked_secrets(&self) -> impl Iterator<Item = &SecretVariable> {
        let Spec {
            machine, target, ..
        } = &self.spec;
        self.secrets.iter().filter(|one| {
            machine.secrets.contains_key(&one.variable) || !target.creates_secret(&one.variable)
        })
    }

    /// The secrets that a deployment in a cloud needs and the spec names no place for. `what` is what the
    /// spec takes: `the ARN of a secret in …`.
    pub(crate) fn missing_secrets(&self, what: &str, place: NeedPlace) -> Vec<Need> {
        let named = &self.spec.machine.secrets;
        let missing = self
            .asked_secrets()
            .filter(|secret| secret.required && !named.contains_key(&secret.variable));
        missing
            .map(|secret| Need {
                variable: format!("machine.secrets.{}", secret.variable),
                what: format!(
                    "{what} with {}{}",
                    secret.what,
                    if self.given.contains_key(&secret.variable) {
                        "; the value given here went nowhere"
                    } else {
                        ""
                    }
                ),
                place,
            })
            .collect()
    }
}

/// The deployment of a sound spec with these keys.
#[cfg(test)]
pub(crate) fn sound(keys: &[(&'static str, serde_json::Value)]) -> Deployment {
    Deployment::new(crate::input::sound(keys)).expect("the templates are right")
}
