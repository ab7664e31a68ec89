//! The commands as a person runs them: messages, exit codes, and files on disk.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

mod backends;
mod backup;
mod clouds;
mod command;
mod completions;
mod conflicts;
mod data_volume;
mod existing;
mod files;
mod helm;
mod help;
mod image;
mod input;
mod json;
mod kubernetes;

mod kubernetes_output;
mod kubernetes_restricted;
mod machine_size;
mod mistakes;
mod organization;
mod output;
mod presets;
mod registries;
mod schema;
mod terraform;
mod validate;
