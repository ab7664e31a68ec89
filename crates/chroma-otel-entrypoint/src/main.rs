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
mod data_health;
mod data_version;
mod ending;
mod environment;
mod exporter;
mod health;
mod healthcheck;
mod hung;
mod lifecycle;
mod message;
mod open_files;
mod queue;
mod service_link;
mod signals;
mod supervise;
mod variables;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use arguments::{HELP, Healthcheck, Mode};

fn main() -> ExitCode {
    match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Mode::Supervise(options)) => supervise::supervise(options),
        Ok(Mode::Collector(options)) => {
            open_files::raise_limit();
            collector::become_collector(&options)
        }
        Ok(Mode::Healthcheck(options)) => check_health(options),
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

fn check_health(options: Healthcheck) -> ExitCode {
    let pages = options.page.map_or_else(
        || healthcheck::pages(&std::env::vars_os().collect(), &[]),
        |page| vec![page],
    );
    match healthcheck::ask_in_turn(&pages) {
        Ok(()) => {
            if options.end_after.is_some() {
                hung::note_healthy();
            }
            ExitCode::SUCCESS
        }
        Err(answer) => {
            message::error(format_args!("not healthy: {answer}"));
            if let Some(limit) = options.end_after {
                hung::note_unhealthy(limit);
            }
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
