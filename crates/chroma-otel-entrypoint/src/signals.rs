//! Signals, blocked and read one by one from a queue.
//!
//! Invariant: [`Signals::catch`] runs before the child and any thread is started, so that no signal
//! is lost, handled by its default action or delivered to another thread.
//!
//! They are blocked and not caught by handlers: the kernel then keeps what was inherited as ignored
//! (`nohup`) for the child, and hands signals out in one place and in a fixed order.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{self as posix, SigSet, SigmaskHow};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix_libc_wrappers::process::SignalExt;

/// Not collected, as in tini: a fault of this process must end it. One that is sent by another
/// process also does (BUS and SEGV at the second time, as Rust's handler of stack overflows takes
/// the first), but for process 1, for which the kernel drops it.
const FAULTS: [posix::Signal; 7] = [
    posix::Signal::SIGABRT,
    posix::Signal::SIGBUS,
    posix::Signal::SIGFPE,
    posix::Signal::SIGILL,
    posix::Signal::SIGSEGV,
    posix::Signal::SIGSYS,
    posix::Signal::SIGTRAP,
];

/// `si_code` of a signal that the kernel sent, as it does for the terminal's Ctrl-C.
const SI_KERNEL: i32 = 0x80;

/// A signal as it arrived.
pub(crate) struct Received {
    /// Which signal.
    pub(crate) signal: Signal,
    /// Sent by the kernel and not by a process.
    pub(crate) from_kernel: bool,
}

/// The signals of this process, readable in turn.
pub(crate) struct Signals {
    queue: SignalFd,
    inherited: SigSet,
}

impl Signals {
    /// Begins to collect every signal but the faults. The real-time ones are among them.
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

    /// The mask that this process was started with, which is the child's.
    pub(crate) fn inherited(&self) -> &SigSet {
        &self.inherited
    }

    /// Waits until a signal is there or `until` has passed; for ever without an `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        let mut descriptors = [PollFd::new(&self.queue, PollFlags::IN)];
        // An error is either an interruption or a lack of memory: the caller looks again.
        let _ = poll(&mut descriptors, timeout.as_ref());
    }

    /// The next signal that has arrived, without waiting; of several, the lowest number first.
    pub(crate) fn next(&self) -> Option<Received> {
        loop {
            let information = self.queue.read_signal().ok()??;
            if let Some(received) = received(&information) {
                return Some(received);
            }
        }
    }
}

/// `None` for what concerns only this process: its own broken pipe, and its use of a terminal.
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

/// Where `SIGCHLD` is inherited as ignored, the kernel drops exit codes. A handler of any kind ends
/// that, and ends itself with the child's `exec`.
fn keep_exit_codes() -> io::Result<()> {
    let flag = Arc::default();
    signal_hook::flag::register(Signal::CHILD.as_raw(), flag).map(drop)
}

/// Sends a signal; the only failure is a process that has ended.
pub(crate) fn send(process: Pid, signal: Signal) {
    let _ = kill_process(process, signal);
}

/// Stops this process as the terminal's Ctrl-Z does by default; returns when it is continued.
pub(crate) fn stop_as_the_terminal_asks() {
    send(getpid(), Signal::TSTP);
    let stop = SigSet::from(posix::Signal::SIGTSTP);
    // Unblocked for a moment, the signal has its default action, which knows when not to stop.
    let _ = stop.thread_unblock();
    let _ = stop.thread_block();
}

/// Rounded up to the next millisecond, so that a wait never ends before its time.
fn timespec(duration: Duration) -> Timespec {
    let rounded = duration + Duration::from_millis(1);
    Timespec {
        tv_sec: i64::try_from(rounded.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(rounded.subsec_nanos()),
    }
}

/// `SIGTERM`, or the number where there is no name.
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
