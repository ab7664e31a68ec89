//! Signals, caught as they come and read one by one.
//!
//! Invariant: [`Signals::catch`] runs before the child is started, so that no signal is lost or
//! handled by its default action.
//!
//! They are caught by handlers and not blocked, because a child inherits the signal mask (the
//! standard library does not reset it), while handlers end with its `exec`.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Origin};

/// Everything that has a name, but for: `KILL` and `STOP`, which nobody can catch; the faults,
/// as catching them would turn a crash into a hang; `PIPE`, `TTIN` and `TTOU`, which concern
/// this process's own output; real-time signals, which the kernel drops for a process 1 anyway.
const CAUGHT: [Signal; 19] = [
    Signal::ALARM,
    Signal::CHILD,
    Signal::CONT,
    Signal::HUP,
    Signal::INT,
    Signal::IO,
    Signal::POWER,
    Signal::PROF,
    Signal::QUIT,
    Signal::STKFLT,
    Signal::TERM,
    Signal::TSTP,
    Signal::URG,
    Signal::USR1,
    Signal::USR2,
    Signal::VTALARM,
    Signal::WINCH,
    Signal::XCPU,
    Signal::XFSZ,
];

/// A signal as it arrived.
pub(crate) struct Received {
    /// Which signal.
    pub(crate) signal: Signal,
    /// The kernel sent it, as it does for the terminal's Ctrl-C: then every process of the
    /// foreground group has it already.
    pub(crate) from_kernel: bool,
}

/// The caught signals of this process, readable in turn.
pub(crate) struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    /// Begins to catch every signal that is to be forwarded, and the child's own.
    ///
    /// # Errors
    /// No file descriptors are left.
    pub(crate) fn catch() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let numbers = CAUGHT.map(Signal::as_raw);
        SignalDelivery::with_pipe(read, write, WithOrigin::default(), numbers).map(Self)
    }

    /// Waits until a signal is there or `until` has passed; for ever without an `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) {
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        let mut descriptors = [PollFd::new(self.0.get_read(), PollFlags::IN)];
        // An error is either an interruption or a lack of memory: the caller looks again.
        let _ = poll(&mut descriptors, timeout.as_ref());
    }

    /// The signals that have arrived, without waiting; those of one name in order.
    pub(crate) fn pending(&mut self) -> impl Iterator<Item = Received> + use<> {
        self.0.pending().filter_map(|origin: Origin| {
            Some(Received {
                signal: Signal::from_named_raw(origin.signal)?,
                from_kernel: matches!(origin.cause, Cause::Kernel),
            })
        })
    }
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
    signal_hook::low_level::signal_name(number)
        .map_or_else(|| format!("signal {number}"), str::to_owned)
}
