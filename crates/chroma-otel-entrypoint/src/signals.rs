//! Signals, blocked and read one by one from a queue.
//!
//! Invariant: [`Signals::catch`] runs before the child and any thread is started, so that no signal
//! is lost, handled by its default action or delivered to another thread.
//!
//! The signals are blocked and not caught by handlers. The kernel then keeps the inherited ignored
//! signals (`nohup`) for the child, and delivers signals in one place and in a fixed order.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{self as posix, SigSet, SigmaskHow};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix_libc_wrappers::process::SignalExt;

/// Not collected, as in tini: a fault of this process must end it. A fault that another process
/// sends also ends it (BUS and SEGV at the second time, because Rust's handler of stack overflows
/// takes the first), except as process 1, for which the kernel drops it.
const FAULTS: [posix::Signal; 7] = [
    posix::Signal::SIGABRT,
    posix::Signal::SIGBUS,
    posix::Signal::SIGFPE,
    posix::Signal::SIGILL,
    posix::Signal::SIGSEGV,
    posix::Signal::SIGSYS,
    posix::Signal::SIGTRAP,
];

/// `si_code` of a signal that the kernel sent, as for the terminal's Ctrl-C.
const SI_KERNEL: i32 = 0x80;

/// A received signal.
pub(crate) struct Received {
    /// The signal.
    pub(crate) signal: Signal,
    /// True if the kernel sent it and not a process.
    pub(crate) from_kernel: bool,
}

/// The signals of this process, readable in turn.
pub(crate) struct Signals {
    queue: SignalFd,
    inherited: SigSet,
}

impl Signals {
    /// Begins to collect every signal except the faults, including the real-time signals.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub(crate) fn catch() -> io::Result<Self> {
        keep_exit_codes()?;
        let mut collected = SigSet::all();
        for fault in FAULTS {
            collected.remove(fault);
        }
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let queue = SignalFd::with_flags(&collected, flags)?;
        let inherited = collected.thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
        Ok(Self { queue, inherited })
    }

    /// The mask that this process inherited, which is also the child's.
    pub(crate) fn inherited(&self) -> &SigSet {
        &self.inherited
    }

    /// Waits until a signal arrives or `until` has passed; without `until`, waits without a limit.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        let mut descriptors = [PollFd::new(&self.queue, PollFlags::IN)];
        // An error is either an interruption or a lack of memory: the caller checks again.
        let _ = poll(&mut descriptors, timeout.as_ref());
    }

    /// Returns the next signal that has arrived, without waiting; the lowest number first.
    pub(crate) fn next(&self) -> Option<Received> {
        loop {
            let information = self.queue.read_signal().ok()??;
            if let Some(received) = received(&information) {
                return Some(received);
            }
        }
    }
}

/// Returns `None` for signals that concern only this process: its own broken pipe, and its use of a
/// terminal.
fn received(information: &siginfo) -> Option<Received> {
    let signal = Signal::from_raw(i32::try_from(information.ssi_signo).ok()?)?;
    let own = u32::try_from(getpid().as_raw_nonzero().get()) == Ok(information.ssi_pid);
    let concerns_us = match signal {
        Signal::PIPE => own,
        Signal::TTIN | Signal::TTOU => true,
        _ => false,
    };
    (!concerns_us).then_some(Received {
        signal,
        from_kernel: information.ssi_code == SI_KERNEL,
    })
}

/// If `SIGCHLD` is inherited as ignored, the kernel drops exit codes. Any handler prevents this,
/// and the child's `exec` removes it.
fn keep_exit_codes() -> io::Result<()> {
    let flag = Arc::default();
    signal_hook::flag::register(Signal::CHILD.as_raw(), flag).map(drop)
}

/// Sends a signal; it fails only if the process has ended.
pub(crate) fn send(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// Stops this process as the terminal's Ctrl-Z does by default; returns when it is continued.
pub(crate) fn stop_as_the_terminal_asks() {
    send(getpid(), Signal::TSTP);
    let stop = SigSet::from(posix::Signal::SIGTSTP);
    // While it is unblocked for a moment, the signal has its default action, which decides if the
    // process can stop.
    let _ = stop.thread_unblock();
    let _ = stop.thread_block();
}

/// Rounds up to the next millisecond, so that a wait never ends too early.
fn timespec(duration: Duration) -> Timespec {
    let rounded = duration + Duration::from_millis(1);
    Timespec {
        tv_sec: i64::try_from(rounded.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(rounded.subsec_nanos()),
    }
}

/// Returns the name, such as `SIGTERM`, or the number if there is no name.
pub(crate) fn name(number: i32) -> String {
    posix::Signal::try_from(number)
        .map_or_else(|_| format!("signal {number}"), |signal| signal.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        assert_eq!(name(9), "SIGKILL");
        assert_eq!(name(40), "signal 40");
    }
}
