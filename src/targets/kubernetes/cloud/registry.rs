//! The cloud's own registry, where `chroma.registry` names one: what must be made in it.
//!
//! Invariant: a registry that is somebody else's gets no command.

use minijinja::Value;

use crate::spec::Spec;
use crate::targets::registry::Registry;

/// What the README reads of the registry: `kind` and what its commands name. Nothing where the
/// deployment builds no image, or the registry is not a cloud's.
pub(super) fn context(spec: &Spec) -> Option<Value> {
    let registry = spec.chroma.image.is_built().then(|| Registry::of(spec))?;
    registry.map(|registry| registry.in_template())
}
