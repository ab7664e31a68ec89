//! The cloud's own registry, where `chroma.registry` names one: what must be made in it.
//!
//! Invariant: a registry that is somebody else's gets no command.

use minijinja::Value;
use minijinja::value::Serde;

use crate::deployment::Deployment;
use crate::deployment::registry::Registry;

/// What the README reads of the registry: `kind` and what its commands name. Nothing where the
/// deployment builds no image, or the registry is not a cloud's.
pub(super) fn context(deployment: &Deployment) -> Option<Value> {
    let chroma = &deployment.spec.chroma;
    let address = chroma
        .registry
        .as_ref()
        .filter(|_| chroma.image.is_built())?;
    Some(Value::from(Serde(Registry::of(address)?)))
}
