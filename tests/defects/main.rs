//! What is wrong in the deployment files that people copy today is in none of ours: every target,
//! both images, old and new servers, backends with and without a container of their own.
//!
//! What a file is on a machine in a cloud is read out of the template that delivers it. What needs a
//! running engine or a stand-in of the cloud is in `tests/e2e`.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

mod broken;
mod cluster;
mod configurations;
mod containers;
mod data;
mod deployment;
mod machine;
mod manifests;
mod modules;
mod moved;
mod pods;
mod selectors;
mod stack;
mod variables;
