//! `chroma-otel-deploy`: one short spec in, a deployment of Chroma out whose tracing works.
//!
//! ```text
//! args ─▶ SpecFile ─▶ Spec ─▶ target::context ─▶ render ─▶ Plan ─┬▶ compare ▶ apply    gen
//! (flags + spec file)  (+ Backend)                                ├▶ compare ▶ report   check
//!                                                                 └▶ validate ▶ report  validate
//! ```
//!
//! Parse once, decide in memory, touch the disk last. Only [`tree`] writes, only [`report`] prints.

pub mod backend;
pub mod cli;
pub mod commands;
pub mod plan;
pub mod problem;
pub mod render;
pub mod report;
pub mod spec;
pub mod target;
pub mod tree;
pub mod validate;
