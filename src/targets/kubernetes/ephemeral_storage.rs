//! Ephemeral storage of containers: their log, their writable layer, and emptyDir volumes.
//!
//! Invariant: a container that fills its emptyDir volumes stays within its limit.

use serde::Serialize;

use super::cloud::managed;
use crate::deployment::Deployment;
use crate::values::Memory;

/// MiB for the log, which kubelets rotate at 50 MiB, and for a writable layer.
const REST: u64 = 128;

/// The request and the limit of a container.
#[derive(Serialize)]
pub(super) struct EphemeralStorage {
    request: String,
    limit: String,
}

impl EphemeralStorage {
    /// Computes the storage of a container that always needs `used` MiB, and at most `volumes` MiB in
    /// emptyDir volumes.
    pub(super) fn new(deployment: &Deployment, used: u64, volumes: u64) -> Self {
        let limit = volumes + REST;
        // GKE Autopilot lowers the limit to the request, and evicts pods that exceed it.
        let lowers = managed(deployment.spec.target)
            .is_some_and(|managed| managed.request_is_ephemeral_limit);
        let request = if lowers { limit } else { used };
        let text = |mebibytes| Memory::mebibytes(mebibytes).quantity();
        Self {
            request: text(request),
            limit: text(limit),
        }
    }
}
