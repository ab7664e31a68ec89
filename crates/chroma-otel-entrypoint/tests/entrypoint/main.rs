//! The entrypoint as a container sees it: its process, its signals, its exit code, its output.
//!
//! Invariant: nothing sleeps to let something happen; everything is waited for with a deadline.

mod collector;
mod environment;
mod healthcheck;
mod lifecycle;
mod masks;
mod open_files;
mod run;
mod signals;
mod stop;
mod supervision;
mod terminal;
