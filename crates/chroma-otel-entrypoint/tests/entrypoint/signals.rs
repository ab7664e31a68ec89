//! Forwarded signals, and their time: at once, or after the last spans are sent.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix_libc_wrappers::process::SignalExt;

use crate::run::{Running, eventually, set_in, shell};

/// Signals that are not forwarded: those that cannot be caught, SIGCHLD, the faults, those about a
/// process's use of a terminal, and two of the C library.
const NOT_FORWARDED: [i32; 14] = [4, 5, 6, 7, 8, 9, 11, 17, 19, 21, 22, 31, 32, 33];

/// A child that counts the requests to end.
const COUNTING: &str = "trap 'echo TERM' TERM; trap 'echo INT; exit 0' INT; echo ready
    while :; do sleep 0.02; done";

fn traced(script: &str, delay: &str) -> std::process::Command {
    let mut command = shell(script);
    // No process listens on this port: only the batch delay holds a stop back.
    command
        .env("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_BSP_SCHEDULE_DELAY", delay);
    command
}

#[test]
fn every_signal_is_forwarded() {
    let forwarded: Vec<i32> = (1..=64)
        .filter(|number| !NOT_FORWARDED.contains(number))
        .collect();
    let traps: String = forwarded
        .iter()
        .map(|number| format!("trap 'echo {number}' {number}; "))
        .collect();
    let script = format!("{traps} echo ready; while :; do sleep 0.02; done");
    let mut running = Running::start(&mut shell(&script));
    assert_eq!(running.line(), "ready");
    for number in forwarded {
        running.send(Signal::from_raw(number).expect("a signal"));
        assert_eq!(running.line(), number.to_string());
    }
}

#[test]
fn signals_about_terminal_use_are_ignored() {
    let mut running = Running::start(&mut shell(
        "trap 'echo TTIN' TTIN; trap 'echo TTOU' TTOU; trap 'echo USR1; exit 5' USR1; echo ready; \
         while :; do sleep 0.02; done",
    ));
    assert_eq!(running.line(), "ready");
    for signal in [Signal::TTIN, Signal::TTOU] {
        running.send_and_see(signal);
    }
    running.send(Signal::USR1);
    let (code, said, _) = running.end();
    assert_eq!((code, said.as_str()), (5, "USR1\n"));
}

#[test]
fn a_fault_ends_it() {
    // Rust's own handler of stack overflows takes the first BUS and the first SEGV.
    for (fault, times) in [(4, 1), (5, 1), (6, 1), (8, 1), (31, 1), (7, 2), (11, 2)] {
        let mut running = Running::start(&mut shell("echo $$; exec sleep 60"));
        let child = Pid::from_raw(running.line().parse().expect("a process id"));
        let signal = Signal::from_raw(fault).expect("a signal");
        for _ in 1..times {
            running.send_and_see(signal);
        }
        running.send(signal);
        let status = running.wait();
        kill_process(child.expect("a process id"), Signal::KILL).expect("it is not forwarded");
        assert_eq!(status.signal(), Some(fault));
    }
}

#[test]
fn without_tracing_a_stop_is_forwarded_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = shell("echo ready; exec sleep 60");
        // Duration of a delay, if there were one.
        let mut running = Running::start(command.env("OTEL_BSP_SCHEDULE_DELAY", "5000"));
        assert_eq!(running.line(), "ready");
        let sent = Instant::now();
        running.send(signal);
        let (code, _, errors) = running.end();
        assert_eq!(code, 128 + signal.as_raw());
        assert!(
            sent.elapsed() < Duration::from_secs(4),
            "{:?}",
            sent.elapsed()
        );
        assert_eq!(errors, "", "a requested end is not an error");
    }
}

#[test]
fn with_tracing_a_stop_waits_for_the_batch_delay() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = Running::start(&mut traced(
            "trap 'echo stopped; exit 0' TERM INT; echo ready; while :; do sleep 0.01; done",
            "700",
        ));
        assert_eq!(running.line(), "ready");
        let sent = Instant::now();
        running.send(signal);
        assert_eq!(running.line(), "stopped");
        let held = sent.elapsed();
        assert!(held >= Duration::from_millis(950), "{held:?}");
        assert!(held < Duration::from_millis(2500), "{held:?}");
        assert_eq!(running.end().0, 0);
    }
}

#[test]
fn a_second_stop_is_forwarded_at_once() {
    let mut running = Running::start(&mut traced(COUNTING, "5000"));
    assert_eq!(running.line(), "ready");
    let sent = Instant::now();
    running.send_and_see(Signal::INT);
    running.send(Signal::TERM);
    // The second signal replaces the first.
    assert_eq!(running.line(), "TERM");
    assert!(
        sent.elapsed() < Duration::from_secs(4),
        "{:?}",
        sent.elapsed()
    );
    running.send(Signal::INT);
    let (code, rest, _) = running.end();
    assert_eq!((code, rest.as_str()), (0, "INT\n"));
}

/// A thread that receives the first of two signals could hand it on after the second.
#[test]
fn every_thread_leaves_signals_to_the_queue() {
    let mut running = Running::start(&mut traced("echo ready; exec sleep 60", "5000"));
    assert_eq!(running.line(), "ready");
    let statuses = eventually("tracing has its threads", || {
        let statuses = running.threads();
        (statuses.len() > 1).then_some(statuses)
    });
    for status in statuses {
        for signal in [Signal::INT, Signal::TERM, Signal::CHILD] {
            let blocked = set_in(&status, "SigBlk") >> (signal.as_raw() - 1);
            assert_eq!(blocked & 1, 1, "{signal:?}: {status}");
        }
    }
}

#[test]
fn the_lower_of_two_simultaneous_stops_comes_first() {
    let mut running = Running::start(&mut traced(COUNTING, "5000"));
    assert_eq!(running.line(), "ready");
    running.send(Signal::STOP);
    eventually("it has stopped", || running.is_stopped().then_some(()));
    for signal in [Signal::INT, Signal::TERM, Signal::CONT] {
        running.send(signal);
    }
    // The first is delayed, and the second replaces it.
    assert_eq!(running.line(), "TERM");
}

#[test]
fn after_the_hold_every_further_stop_is_forwarded() {
    let mut running = Running::start(&mut traced(COUNTING, "1"));
    assert_eq!(running.line(), "ready");
    for _ in 0..3 {
        running.send(Signal::TERM);
        assert_eq!(running.line(), "TERM");
    }
    running.send(Signal::INT);
    assert_eq!(running.line(), "INT");
    assert_eq!(running.end().0, 0);
}

#[test]
fn other_signals_are_forwarded_during_a_hold() {
    let mut running = Running::start(&mut traced(
        "trap 'echo HUP; exit 3' HUP; echo ready; while :; do sleep 0.02; done",
        "5000",
    ));
    assert_eq!(running.line(), "ready");
    let sent = Instant::now();
    running.send_and_see(Signal::TERM);
    running.send(Signal::HUP);
    assert_eq!(running.line(), "HUP");
    assert!(
        sent.elapsed() < Duration::from_secs(4),
        "{:?}",
        sent.elapsed()
    );
    assert_eq!(running.end().0, 3);
}

#[test]
fn a_child_that_ends_during_the_hold_ends_the_wait() {
    let mut command = traced("echo ready; read line; exit 9", "5000");
    let (unblock, blocked) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    command.stdin(std::os::fd::OwnedFd::from(blocked));
    let mut running = Running::start(&mut command);
    drop(command);
    assert_eq!(running.line(), "ready");
    let sent = Instant::now();
    running.send_and_see(Signal::TERM);
    drop(unblock);
    assert_eq!(running.end().0, 9);
    assert!(
        sent.elapsed() < Duration::from_secs(5),
        "{:?}",
        sent.elapsed()
    );
}
