//! `chroma-otel-deploy`: generates Chroma deployments with working OpenTelemetry tracing from one short spec.
//!
//! ```text
//! arguments + chroma-otel.yaml ─▶ input ─▶ Spec ─▶ targets ─▶ Plan ─┬▶ folder    gen
//!                                                                   ├▶ report    check
//!                                                                   └▶ validate  validate
//! ```
//!
//! Parse once, decide in memory, touch the disk last. Only [`folder`] writes, only [`report`] prints.
//! ARCHITECTURE.md draws the layers.

pub mod backend;
pub mod cli;
pub mod collector;
pub mod commands;
pub mod deployment;
pub mod digest;
pub mod folder;
pub mod image;
pub mod input;
pub mod plan;
pub mod problem;
pub mod render;
pub mod report;
pub mod spec;
pub mod targets;
pub mod validate;
pub mod values;
