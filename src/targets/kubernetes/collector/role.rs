//! The workloads of the collector.

/// One of the collector's workloads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Receives spans, and sends them to the backend.
    Gateway,
    /// Receives spans, and sends each trace to one member.
    Router,
    /// Receives spans from routers, and sends them to the backend.
    Member,
}
