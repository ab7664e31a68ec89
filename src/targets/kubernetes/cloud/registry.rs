//! The cloud's registry if `chroma.registry` names one: resources to create in it.
//!
//! Invariant: a registry outside the target's cloud gets no command.

use crate::deployment::registry::Registry;
use crate::spec::Chroma;

/// Returns the registry that the images are pushed to. `None` if the deployment builds no image, or
/// if the registry is not a cloud's.
pub(super) fn of(chroma: &Chroma) -> Option<Registry> {
    let address = chroma.registry.as_ref();
    Registry::of(address.filter(|_| chroma.image.is_built())?)
}
