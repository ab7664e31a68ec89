//! Watching the child: which signal is forwarded when, how long a stop may take, how it ended.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, WaitOptions, getpgid, wait};

use crate::ending::{End, Ending};
use crate::signals::{self, Received, Signals};

/// What a terminal sends to every process of its foreground group.
const FROM_TERMINAL: [Signal; 4] = [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::WINCH];

/// The child, and how far its stop has got.
pub(crate) struct Watch {
    child: Pid,
    spawned: SystemTime,
    hold: Duration,
    stop_timeout: Option<Duration>,
    asked: Option<(Signal, SystemTime)>,
    held: Option<(Signal, Instant)>,
    kill_at: Option<Instant>,
    timed_out: Option<Duration>,
}

impl Watch {
    /// `hold` is how long the first stop waits; one without a `stop_timeout` may take for ever.
    pub(crate) fn new(
        child: Pid,
        spawned: SystemTime,
        hold: Duration,
        stop_timeout: Option<Duration>,
    ) -> Self {
        Self {
            child,
            spawned,
            // Half of the timeout is the child's own at least.
            hold: stop_timeout.map_or(hold, |timeout| hold.min(timeout / 2)),
            stop_timeout,
            asked: None,
            held: None,
            kill_at: None,
            timed_out: None,
        }
    }

    /// The child's process.
    pub(crate) fn child(&self) -> Pid {
        self.child
    }

    /// When it was started.
    pub(crate) fn spawned(&self) -> SystemTime {
        self.spawned
    }

    /// Until the child has ended.
    pub(crate) fn run(mut self, signals: &Signals) -> End {
        loop {
            signals.wait(self.next_deadline());
            while let Some(received) = signals.next() {
                self.receive(&received);
            }
            if let Some(ending) = self.reap() {
                return self.end(ending);
            }
            self.keep_deadlines(Instant::now());
        }
    }

    fn end(&self, ending: Ending) -> End {
        End {
            ending,
            at: SystemTime::now(),
            asked: self.asked,
            timed_out: self.timed_out,
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let held = self.held.map(|(_, until)| until);
        [held, self.kill_at].into_iter().flatten().min()
    }

    fn keep_deadlines(&mut self, now: Instant) {
        if let Some((signal, _)) = self.held.take_if(|(_, until)| *until <= now) {
            signals::send(self.child, signal);
        }
        if self.kill_at.take_if(|at| *at <= now).is_some() {
            self.timed_out = self.stop_timeout;
            signals::send(self.child, Signal::KILL);
        }
    }

    fn receive(&mut self, received: &Received) {
        match received.signal {
            // The child's end is looked for after every signal.
            Signal::CHILD => {}
            signal if received.from_kernel && self.has_it_from_the_terminal(signal) => {
                self.note_request(signal);
                if signal == Signal::TSTP {
                    signals::stop_as_the_terminal_asks();
                }
            }
            signal @ (Signal::TERM | Signal::INT) => self.stop(signal),
            signal => signals::send(self.child, signal),
        }
    }

    /// Whether the terminal has sent the signal to the child as well.
    fn has_it_from_the_terminal(&self, signal: Signal) -> bool {
        let together = || getpgid(Some(self.child)).is_ok_and(|group| Ok(group) == getpgid(None));
        FROM_TERMINAL.contains(&signal) && together()
    }

    /// Holds the first request back: the last spans are still with Chroma, which drops them when it
    /// is asked to end.
    fn stop(&mut self, signal: Signal) {
        let first = self.note_request(signal);
        let now = Instant::now();
        let timeout = || Some(now + self.stop_timeout?);
        self.kill_at = self.kill_at.or_else(timeout);
        if first && !self.hold.is_zero() {
            self.held = Some((signal, now + self.hold));
            return;
        }
        self.held = None;
        signals::send(self.child, signal);
    }

    /// Whether this is the first request to end; a signal that asks for nothing is none.
    fn note_request(&mut self, signal: Signal) -> bool {
        let first = matches!(signal, Signal::TERM | Signal::INT) && self.asked.is_none();
        if first {
            self.asked = Some((signal, SystemTime::now()));
        }
        first
    }

    /// Reaps whatever has ended; gives how the child did, if it is among them.
    fn reap(&self) -> Option<Ending> {
        let mut ending = None;
        while let Ok(Some((process, status))) = wait(WaitOptions::NOHANG) {
            if process == self.child {
                ending = Ending::read(status);
            }
        }
        ending
    }
}
