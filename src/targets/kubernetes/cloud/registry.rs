//! The cloud's own registry, where `chroma.registry` names one: what must be made in it.
//!
//! Invariant: a registry that is somebody else's gets no command.

use crate::deployment::registry::Registry;
use crate::spec::Chroma;

/// The registry that the images are pushed to. Absent: the deployment builds no image, or the registry is
/// not a cloud's.
pub(super) fn of(chroma: &Chroma) -> Option<Registry> {
    let address = chroma.registry.as_ref();
    Registry::of(address.filter(|_| chroma.image.is_built())?)
}
