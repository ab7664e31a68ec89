//! No rendered file contains the defects of commonly copied deployment files: every target, both
//! images, old and new servers, backends with and without their own container.
//!
//! The files of a machine in a cloud are extracted from the template that delivers them. Tests that
//! need a running engine or a stand-in of the cloud are in `tests/e2e`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod broken;
mod cluster;
mod configurations;
mod containers;
mod data;
mod deployment;
mod downgrade;
mod machine;
mod manifests;
mod modules;
mod moved;
mod pods;
mod selectors;
mod stack;
mod variables;
