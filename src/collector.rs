//! The collector's configuration: exporters, sampling, redaction.

pub mod exporters;
pub mod redact;
pub mod sampling;
pub(crate) mod surroundings;
