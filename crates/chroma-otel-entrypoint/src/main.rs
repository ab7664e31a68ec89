//! Process 1 of the rendered images.
//!
//! Translates Chroma's four tracing variables for every version, refuses data that a newer Chroma
//! has opened, delays a stop until the last spans are sent, reports start and end as spans, answers
//! health checks, and prepares the variables of an OpenTelemetry Collector. See `--help`.
//!
//! Invariant: no problem with tracing prevents the database from starting, unless `--strict` is
//! set.

mod arguments;
mod child;
mod collector;
mod command;
mod data_version;
mod ending;
mod environment;
mod exporter;
mod health;
mod healthcheck;
mod lifecycle;
mod message;
mod open_files;
mod service_link;
mod signals;
mod supervise;
mod variables;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use arguments::{HELP, Mode};
use health::Page;

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Mode::Supervise(options)) => supervise::supervise(options),
        Ok(Mode::Collector(options)) => {
            open_files::raise_limit();
            collector::become_collector(&options)
        }
        Ok(Mode::Healthcheck(page)) => check_health(page),
        Ok(Mode::Help) => print(HELP),
        Ok(Mode::Version) => print(concat!(
            env!("CARGO_PKG_NAME"),
            " ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )),
        Err(problem) => {
            message::error(problem);
            ExitCode::from(supervise::REFUSED)
        }
    }
}

fn check_health(page: Option<Page>) -> ExitCode {
    let pages = page.map_or_else(
        || healthcheck::pages(&std::env::vars_os().collect(), &[]),
        |page| vec![page],
    );
    match healthcheck::ask_in_turn(&pages) {
        Ok(()) => ExitCode::SUCCESS,
        Err(answer) => {
            message::error(format_args!("not healthy: {answer}"));
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
