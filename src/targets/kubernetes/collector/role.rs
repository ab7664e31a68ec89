//! The workloads that the collector consists of.

/// One of the collector's workloads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Receives, and sends to the backend.
    Gateway,
    /// Receives, and sends each trace to one member.
    Router,
    /// Receives of routers, and sends to the backend.
    Member,
}
