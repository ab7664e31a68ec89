//! The end of the child, and if it was requested.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use rustix::process::{Signal, WaitStatus};

/// Added to the number of the signal that ended the child, as a shell does.
const BY_SIGNAL: i32 = 128;

/// The end of Chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With an exit code.
    Code(i32),
    /// By a signal, of this number.
    Signal(i32),
}

impl Ending {
    /// Parses the result of `wait`; `None` for a process that was only stopped or continued.
    pub(crate) fn read(status: WaitStatus) -> Option<Self> {
        let code = status.exit_status().map(Self::Code);
        code.or_else(|| status.terminating_signal().map(Self::Signal))
    }
}

/// The end of Chroma, as reported in the traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Exit code or signal.
    pub(crate) ending: Ending,
    /// Time of the end.
    pub(crate) at: SystemTime,
    /// The first signal that requested the end, and its time.
    pub(crate) asked: Option<(Signal, SystemTime)>,
    /// The stop timeout, if the child was killed because it exceeded it.
    pub(crate) timed_out: Option<Duration>,
}

impl End {
    /// Returns true if the child ended with 0, or by the same signal that requested the end.
    pub(crate) fn is_good(&self) -> bool {
        match (self.ending, self.asked) {
            (Ending::Code(0), _) => true,
            (Ending::Signal(number), Some((signal, _))) => number == signal.as_raw(),
            (Ending::Code(code), Some((signal, _))) => code == BY_SIGNAL + signal.as_raw(),
            (_, None) => false,
        }
    }

    /// Returns the child's exit code, or 128 plus the number of the signal that ended it.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = match self.ending {
            Ending::Code(code) => code,
            Ending::Signal(number) => BY_SIGNAL + number,
        };
        ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_good_if_it_was_requested() {
        let now = SystemTime::now();
        for (ending, asked, good) in [
            (Ending::Code(0), None, true),
            (Ending::Code(0), Some(Signal::TERM), true),
            (Ending::Code(143), Some(Signal::TERM), true),
            (Ending::Signal(15), Some(Signal::TERM), true),
            (Ending::Code(1), Some(Signal::TERM), false),
            (Ending::Signal(9), Some(Signal::TERM), false),
            (Ending::Signal(15), None, false),
            (Ending::Code(1), None, false),
        ] {
            let end = End {
                ending,
                at: now,
                asked: asked.map(|signal| (signal, now)),
                timed_out: None,
            };
            assert_eq!(end.is_good(), good, "{end:?}");
        }
    }
}
