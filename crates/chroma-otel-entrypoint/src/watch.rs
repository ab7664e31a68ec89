//! Watches the child: forwards signals, limits the time of a stop, and reports the end.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, WaitOptions, getpgid, wait};

use crate::ending::{End, Ending};
use crate::signals::{self, Received, Signals};

/// Signals that a terminal sends to every process of its foreground group.
const FROM_TERMINAL: [Signal; 4] = [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::WINCH];

/// The child, and the state of its stop.
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
    /// `hold` is the delay of the first stop. Without a `stop_timeout` the stop has no limit.
    pub(crate) fn new(
        child: Pid,
        spawned: SystemTime,
        hold: Duration,
        stop_timeout: Option<Duration>,
    ) -> Self {
        Self {
            child,
            spawned,
            // At least half of the timeout is left for the child.
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

    /// Time of its start.
    pub(crate) fn spawned(&self) -> SystemTime {
        self.spawned
    }

    /// Runs until the child has ended.
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
            // The end of the child is checked after every signal.
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

    /// Returns true if the terminal has also sent the signal to the child.
    fn has_it_from_the_terminal(&self, signal: Signal) -> bool {
        let together = || getpgid(Some(self.child)).is_ok_and(|group| Ok(group) == getpgid(None));
        FROM_TERMINAL.contains(&signal) && together()
    }

    /// Delays the first request: Chroma still has the last spans, and drops them when it is asked
    /// to end.
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

    /// Returns true for the first signal that requests the end; other signals do not count.
    fn note_request(&mut self, signal: Signal) -> bool {
        let first = matches!(signal, Signal::TERM | Signal::INT) && self.asked.is_none();
        if first {
            self.asked = Some((signal, SystemTime::now()));
        }
        first
    }

    /// Reaps all processes that have ended; returns the end of the child if it is among them.
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
