//! The collector's configuration: exporters, sampling, redaction.

pub mod exporters;
pub mod redact;
pub mod sampling;
pub(crate) mod surroundings;

/// The collector release that the images pin, and for which the templates are written.
pub const COLLECTOR_VERSION: &str = env!("COLLECTOR_VERSION");
