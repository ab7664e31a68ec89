//! Which signals are forwarded, and when: at once, or after the last spans are out.

use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::run::{Running, shell};

/// Everything that is forwarded: all with a name but those that cannot be caught, the child's
/// own, the faults, and those about a process's own output.
const FORWARDED: [Signal; 18] = [
    Signal::ALARM,
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

/// A child that counts how often it is told to end.
const COUNTING: &str = "trap 'echo TERM' TERM; trap 'echo INT; exit 0' INT; echo ready
    while :; do sleep 0.02; done";

fn traced(script: &str, delay: &str) -> std::process::Command {
    let mut command = shell(script);
    // Nobody listens: what holds a stop back is the delay alone.
    command
        .env("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_BSP_SCHEDULE_DELAY", delay);
    command
}

#[test]
fn every_signal_is_forwarded() {
    for number in FORWARDED.map(Signal::as_raw) {
        let mut running = Running::start(&mut shell(&format!(
            "trap 'echo {number}; exit 5' {number}; echo ready; while :; do sleep 0.02; done"
        )));
        assert_eq!(running.line(), "ready");
        running.send(Signal::from_named_raw(number).expect("it has a name"));
        let (code, said, _) = running.end();
        assert_eq!((code, said), (5, format!("{number}\n")));
    }
}

#[test]
fn without_tracing_a_stop_is_forwarded_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = Running::start(&mut shell("echo ready; exec sleep 60"));
        assert_eq!(running.line(), "ready");
        let sent = Instant::now();
        running.send(signal);
        let (code, _, errors) = running.end();
        assert_eq!(code, 128 + signal.as_raw());
        assert!(
            sent.elapsed() < Duration::from_millis(600),
            "{:?}",
            sent.elapsed()
        );
        assert_eq!(errors, "", "what was asked for is no error");
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
    running.send(Signal::INT);
    running.send(Signal::TERM);
    // The second takes the place of the first.
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
fn other_signals_pass_a_hold() {
    let mut running = Running::start(&mut traced(
        "trap 'echo HUP; exit 3' HUP; echo ready; while :; do sleep 0.02; done",
        "5000",
    ));
    assert_eq!(running.line(), "ready");
    let sent = Instant::now();
    running.send(Signal::TERM);
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
fn a_child_that_ends_in_the_hold_is_not_waited_for() {
    let mut running = Running::start(&mut traced(
        "echo ready; read line </dev/stdin; exit 9",
        "5000",
    ));
    // Standard input is at its end, so the child is about to end by itself.
    assert_eq!(running.line(), "ready");
    running.send(Signal::TERM);
    assert_eq!(running.end().0, 9);
}

#[test]
fn what_the_terminal_sends_to_all_is_not_sent_again() {
    let script = "trap 'echo INT' INT; trap 'echo TERM; exit 6' TERM; echo ready; \
        while :; do sleep 0.02; done";
    let command = format!(
        "exec '{}' -- sh -c \"{script}\"",
        env!("CARGO_BIN_EXE_chroma-otel-entrypoint")
    );
    let mut terminal = std::process::Command::new("script");
    terminal
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .env("CHROMA_VERSION", "1.5.9");
    let (mut keyboard, keys) = std::os::unix::net::UnixStream::pair().expect("sockets");
    terminal.stdin(std::os::fd::OwnedFd::from(keys));
    let mut running = Running::start(&mut terminal);
    drop(terminal);
    assert_eq!(running.line(), "ready");
    for _ in 0..2 {
        // Ctrl-C, which the terminal shows as `^C`: each comes once, at once.
        keyboard.write_all(b"\x03").expect("it reads");
        assert_eq!(running.line(), "^CINT");
    }
    let shell = running.only_child();
    kill_process(shell, Signal::TERM).expect("it runs");
    let (code, rest, _) = running.end();
    assert_eq!((code, rest.trim_end()), (6, "TERM"));
}
