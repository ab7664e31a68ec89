//! The commands as a person runs them: messages, exit codes, and what is on disk afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop where it stands, and writes what it needs"
)]

mod backends;
mod clouds;
mod command;
mod completions;
mod files;
mod help;
mod image;
mod input;
mod json;
mod kubernetes;
mod output;
mod schema;
