//! Supervision of Chroma as process 1: start, signals, reaping, exit code.
//!
//! Invariant: the supervisor waits only for a signal, the delay of a stop and the stop timeout.
//! Health checks and tracing have their own thread, so the database never waits for them.
//!
//! Behaves as `tini -s`: signals are sent only to the child, orphans are reaped, and the child
//! starts with the inherited signal mask and ignored signals. The differences:
//! - The first TERM or INT waits for the last spans, and a child that does not end is killed.
//! - With a terminal on standard input the child stays in the foreground group instead of leading a
//!   new one. Signals that the terminal sends to the group (INT, QUIT, TSTP, WINCH) are not sent
//!   again, and TSTP also stops the entrypoint, as in dumb-init.
//! - The child starts with PIPE and CHLD at their default, even if they were inherited as ignored,
//!   and with the C library's own signals 32 and 33 ignored. An ignored CHLD hangs tini.
//! - The soft limit of open files is the hard limit.
//! - The first BUS or SEGV that another process sends has no effect; Rust handles it.
//! - tini's options `-e`, `-g`, `-p`, `-w`, `-v` have no counterpart.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use chroma_otel_init::Gauges;
use rustix::process::Signal;

use crate::arguments::Supervise;
use crate::child::{self, Group};
use crate::data_health;
use crate::data_version;
use crate::ending::{End, Ending};
use crate::environment::{self, Translation};
use crate::health::Page;
use crate::healthcheck;
use crate::hung;
use crate::lifecycle::{self, Lifecycle, Subject};
use crate::message;
use crate::open_files;
use crate::signals::{self, Signals};
use crate::variables::{self, Variables};
use crate::watch::Watch;

/// Invalid usage or a variable that cannot be parsed; `EX_USAGE` of sysexits.h.
pub(crate) const REFUSED: u8 = 64;
/// A newer Chroma has opened the data; `EX_DATAERR` of sysexits.h. A retry cannot succeed:
/// chroma.service of the rendered machines does not restart after it.
const NEWER_DATA: u8 = 65;
/// The program does not exist; the code of shells.
const NOT_FOUND: u8 = 127;
/// The program cannot be executed; the code of shells.
const NOT_EXECUTABLE: u8 = 126;
/// Starts Chroma, forwards signals until it ends, and returns its exit code.
pub(crate) fn supervise(options: Supervise) -> ExitCode {
    let variables: Variables = std::env::vars_os().collect();
    let command = options.command;
    let pages = match options.health {
        Some(page) => vec![page],
        None => healthcheck::pages(&variables, &command),
    };
    let translation = environment::translate(variables, &command);
    translation.warnings.iter().for_each(message::warning);
    if options.strict && !translation.errors.is_empty() {
        translation.errors.iter().for_each(message::error);
        return ExitCode::from(REFUSED);
    }
    match data_version::record(&translation.variables, &command) {
        Ok(warning) => warning.iter().for_each(message::warning),
        Err(newer) => {
            message::error(newer);
            return ExitCode::from(NEWER_DATA);
        }
    }
    for error in &translation.errors {
        message::error(format_args!(
            "{error}; tracing is off until this is corrected"
        ));
    }
    match start(&command, &translation, options.stop_timeout) {
        Ok((watch, signals)) => until_the_end(watch, signals, command, translation, pages),
        Err(error) => not_started(&command, &error),
    }
}

/// Starts the child, after signals are collected and the limit of open files is raised.
fn start(
    command: &[OsString],
    translation: &Translation,
    stop_timeout: Option<Duration>,
) -> io::Result<(Watch, Signals)> {
    let signals = Signals::catch()?;
    adopt_orphans();
    open_files::raise_limit();
    hung::forget();
    // With a terminal the child stays in the foreground group, where it can read from the terminal.
    let terminal = io::stdin().is_terminal();
    let group = if terminal { Group::Shared } else { Group::Own };
    let spawned = SystemTime::now();
    let child = child::spawn(command, &translation.variables, signals.inherited(), group)?;
    let watch = Watch::new(child, spawned, translation.hold, stop_timeout);
    Ok((watch, signals))
}

/// Supervises the child, and reports its start and its end.
fn until_the_end(
    watch: Watch,
    signals: Signals,
    command: Vec<OsString>,
    translation: Translation,
    pages: Vec<Page>,
) -> ExitCode {
    let version = variables::chroma_version(&translation.variables);
    if let Some(version) = version {
        let server = version.server();
        let directory = data_version::directory(&translation.variables, &command, server);
        let collector = translation.tracing.as_ref().and_then(|settings| {
            let options = lifecycle::options(Some(version));
            Gauges::over_plain_http(settings, &options, env!("CARGO_PKG_NAME"))
        });
        data_health::watch(directory, collector);
    }
    let subject = Subject {
        process: watch.child(),
        program: command[0].display().to_string(),
        version,
        spawned: watch.spawned(),
        pages,
    };
    let lifecycle = translation
        .tracing
        .map(|settings| Lifecycle::begin(settings, subject));
    let end = watch.run(&signals);
    report_end(&command, &end);
    if let Some(lifecycle) = lifecycle {
        lifecycle.end(end);
    }
    end.exit_code()
}

/// Makes orphans of the child children of this process, as they are of process 1 in any case.
fn adopt_orphans() {
    if std::process::id() == 1 {
        return;
    }
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        message::warning(format_args!("orphaned processes are not reaped: {error}"));
    }
}

/// Reports the reason, and returns the exit code that a shell would.
pub(crate) fn not_started(command: &[OsString], error: &io::Error) -> ExitCode {
    let program = command[0].display();
    message::error(format_args!("cannot start `{program}`: {error}"));
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    })
}

/// Reports the end: a program that a signal ends reports nothing itself.
fn report_end(command: &[OsString], end: &End) {
    let program = command[0].display();
    match (end.timed_out, end.ending) {
        (Some(timeout), _) => message::warning(format_args!(
            "`{program}` was killed because it did not end within {} s of {}; hint: find the \
             unfinished request, or raise `--stop-timeout`",
            timeout.as_secs(),
            end.asked
                .map_or_else(String::new, |(signal, _)| signals::name(signal.as_raw())),
        )),
        (None, Ending::Signal(number)) if !end.is_good() => message::error(format_args!(
            "`{program}` was ended by {}{}",
            signals::name(number),
            hint_for(number)
        )),
        _ => {}
    }
}

fn hint_for(signal: i32) -> &'static str {
    if signal == Signal::KILL.as_raw() {
        "; hint: check if the container ran out of memory"
    } else {
        ""
    }
}
