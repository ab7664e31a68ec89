//! Supervision of Chroma as process 1: start, signals, reaping, exit code.
//!
//! Invariant: nothing but a signal or the hold of a stop is ever waited for here; health and
//! tracing have a thread of their own, so the database never waits for its observers.
//!
//! Behaves as tini: the child has a process group of its own and no signal blocked or ignored, signals go
//! to the child alone, orphans are reaped. One difference: with a terminal on standard input the
//! child stays in the terminal's foreground group instead of becoming it, and what the terminal
//! sends to the whole group (Ctrl-C) is not sent again.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use chroma_otel_init::variable;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

use crate::arguments::Supervise;
use crate::environment::{self, Translation, Variables};
use crate::health::Page;
use crate::healthcheck;
use crate::lifecycle::{Lifecycle, Subject};
use crate::message;
use crate::signals::{self, Received, Signals};

/// Bad usage or a variable that cannot be read; `EX_USAGE` of sysexits.h.
pub(crate) const REFUSED: u8 = 64;
/// There is no such program, as a shell says it.
const NOT_FOUND: u8 = 127;
/// The program cannot be started, as a shell says it.
const NOT_EXECUTABLE: u8 = 126;
/// Added to the number of the signal that ended the child, as a shell does.
const BY_SIGNAL: i32 = 128;

/// How Chroma ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an exit code.
    Code(i32),
    /// By a signal, of this number.
    Signal(i32),
}

/// The end of Chroma, as the traces tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// How it ended.
    pub(crate) ending: Ending,
    /// When it ended.
    pub(crate) at: SystemTime,
    /// The first signal that asked it to end, and when that came.
    pub(crate) asked: Option<(Signal, SystemTime)>,
}

impl End {
    /// Whether it ended well: with 0, or by the very signal that asked for it.
    pub(crate) fn is_good(&self) -> bool {
        match (self.ending, self.asked) {
            (Ending::Code(0), _) => true,
            (Ending::Signal(number), Some((signal, _))) => number == signal.as_raw(),
            (Ending::Code(code), Some((signal, _))) => code == BY_SIGNAL + signal.as_raw(),
            (_, None) => false,
        }
    }

    fn exit_code(&self) -> ExitCode {
        let code = match self.ending {
            Ending::Code(code) => code,
            Ending::Signal(number) => BY_SIGNAL + number,
        };
        ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}

/// Starts Chroma, passes signals on until it ends, and gives its exit code.
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
    for error in &translation.errors {
        message::error(format_args!("{error}; tracing is off until then"));
    }
    match start(&command, &translation) {
        Ok((watch, signals)) => until_the_end(watch, signals, command, translation, pages),
        Err(error) => not_started(&command, &error),
    }
}

/// Starts the child, with all signals caught before.
fn start(command: &[OsString], translation: &Translation) -> io::Result<(Watch, Signals)> {
    let signals = prepare()?;
    let terminal = io::stdin().is_terminal();
    let spawned = SystemTime::now();
    let watch = Watch {
        child: spawn(command, &translation.variables, terminal)?,
        spawned,
        hold: translation.hold,
        terminal,
        asked: None,
        held: None,
    };
    Ok((watch, signals))
}

/// Supervises the child, and tells of its start and its end.
fn until_the_end(
    watch: Watch,
    signals: Signals,
    command: Vec<OsString>,
    translation: Translation,
    pages: Vec<Page>,
) -> ExitCode {
    let named = environment::text(&translation.variables, variable::CHROMA_VERSION);
    let subject = Subject {
        process: watch.child,
        program: command[0].display().to_string(),
        version: named.and_then(|version| version.parse().ok()),
        spawned: watch.spawned,
        pages,
    };
    let lifecycle = translation
        .tracing
        .map(|settings| Lifecycle::begin(settings, subject));
    let end = watch.run(signals);
    tell_of_crash(&command, &end);
    if let Some(lifecycle) = lifecycle {
        lifecycle.end(end);
    }
    end.exit_code()
}

/// Makes signals readable, and orphans of the child children of this process.
fn prepare() -> io::Result<Signals> {
    let signals = Signals::catch()?;
    if std::process::id() != 1 {
        // As process 1 they are so anyway.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    Ok(signals)
}

/// With a terminal the child stays in the foreground group, where it may read from it.
fn spawn(command: &[OsString], variables: &Variables, terminal: bool) -> io::Result<Pid> {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).env_clear().envs(variables);
    if !terminal {
        child.process_group(0);
    }
    let child = child.spawn()?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("the child has no process id"))
}

/// Says why, and gives the exit code that a shell would.
pub(crate) fn not_started(command: &[OsString], error: &io::Error) -> ExitCode {
    let program = command[0].display();
    message::error(format_args!("`{program}` cannot be started: {error}"));
    ExitCode::from(match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    })
}

/// A program that a signal ends says nothing itself.
fn tell_of_crash(command: &[OsString], end: &End) {
    let Ending::Signal(number) = end.ending else {
        return;
    };
    if end.is_good() {
        return;
    }
    let hint = if number == Signal::KILL.as_raw() {
        "; hint: look whether the container ran out of memory"
    } else {
        ""
    };
    message::error(format_args!(
        "`{}` was ended by {}{hint}",
        command[0].display(),
        signals::name(number)
    ));
}

/// The child, and how far its stop has got.
struct Watch {
    child: Pid,
    spawned: SystemTime,
    hold: Duration,
    terminal: bool,
    asked: Option<(Signal, SystemTime)>,
    held: Option<(Signal, Instant)>,
}

impl Watch {
    /// Until the child has ended.
    fn run(mut self, mut signals: Signals) -> End {
        loop {
            signals.wait(self.held.map(|(_, until)| until));
            for received in signals.pending() {
                self.receive(received);
            }
            if let Some(ending) = self.reap() {
                return End {
                    ending,
                    at: SystemTime::now(),
                    asked: self.asked,
                };
            }
            if let Some((signal, _)) = self.held.take_if(|(_, until)| *until <= Instant::now()) {
                self.forward(signal);
            }
        }
    }

    fn receive(&mut self, received: Received) {
        let Received {
            signal,
            from_kernel,
        } = received;
        let asks = matches!(signal, Signal::TERM | Signal::INT);
        let first = asks && self.asked.is_none();
        if asks {
            self.asked.get_or_insert((signal, SystemTime::now()));
        }
        if signal == Signal::CHILD || (from_kernel && self.terminal) {
            // The child's end is looked for after every signal; the terminal told the child itself.
            return;
        }
        if first && !self.hold.is_zero() {
            // The last spans are still with Chroma, which drops them when it is told to end.
            self.held = Some((signal, Instant::now() + self.hold));
            return;
        }
        if asks {
            self.held = None;
        }
        self.forward(signal);
    }

    fn forward(&self, signal: Signal) {
        // The only failure is a child that has ended, which is noticed next.
        let _ = kill_process(self.child, signal);
    }

    /// Reaps whatever has ended; gives how the child did, if it is among them.
    fn reap(&self) -> Option<Ending> {
        let mut ending = None;
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if process == self.child {
                ending = ending_of(status);
            }
        }
        ending
    }
}

fn ending_of(status: WaitStatus) -> Option<Ending> {
    let code = status.exit_status().map(Ending::Code);
    code.or_else(|| status.terminating_signal().map(Ending::Signal))
}
