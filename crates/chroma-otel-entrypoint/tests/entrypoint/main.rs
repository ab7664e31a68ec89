//! The entrypoint from outside: its process, its signals, its exit code, its output.
//!
//! Invariant: no test sleeps for a fixed time; every wait has a condition and a deadline.

mod collector;
mod data_version;
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
mod warnings;
