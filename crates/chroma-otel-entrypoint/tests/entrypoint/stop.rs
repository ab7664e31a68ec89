//! A child that does not end when requested is killed before the platform would kill it.

use rustix::process::Signal;

use crate::run::{Running, entrypoint};

/// The script under the entrypoint with this stop timeout, as Chroma 1.5.9.
pub(crate) fn limited(timeout: &str, script: &str) -> std::process::Command {
    let mut command = entrypoint(&["--stop-timeout", timeout, "--", "sh", "-c", script]);
    command.env("CHROMA_VERSION", "1.5.9");
    command
}

/// A child that reports requests to end, and continues.
pub(crate) const STUBBORN: &str = "trap 'echo TERM' TERM; trap '' INT; echo ready
    while :; do sleep 0.02; done";

#[test]
fn a_child_that_does_not_end_is_killed_and_that_is_reported() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut running = Running::start(&mut limited("1", STUBBORN));
        assert_eq!(running.line(), "ready");
        running.send(signal);
        let (code, _, errors) = running.end();
        assert_eq!(code, 128 + 9);
        let name = if signal == Signal::TERM {
            "SIGTERM"
        } else {
            "SIGINT"
        };
        let expected = format!(
            "chroma-otel-entrypoint: warning: `sh` was killed because it did not end within 1 s of {name}; hint: "
        );
        assert!(errors.starts_with(&expected), "{errors}");
        assert!(errors.contains("`--stop-timeout`"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}

#[test]
fn the_hold_leaves_the_child_half_of_the_timeout() {
    let script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.02; done";
    let mut command = limited("8", script);
    // The delay would be 5.25 s, and the child would be killed 2.75 s later if it did not end.
    command
        .env("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://127.0.0.1:9")
        .env("OTEL_BSP_SCHEDULE_DELAY", "5000");
    let mut running = Running::start(&mut command);
    assert_eq!(running.line(), "ready");
    let sent = std::time::Instant::now();
    running.send(Signal::TERM);
    let (code, _, errors) = running.end();
    assert_eq!((code, errors.contains("killed")), (5, false), "{errors}");
    let held = sent.elapsed();
    assert!(held < std::time::Duration::from_millis(5250), "{held:?}");
}

#[test]
fn without_a_timeout_the_child_is_not_killed() {
    let script = "trap 'echo TERM' TERM; trap 'exit 5' USR1; echo ready
        while :; do sleep 0.02; done";
    let mut running = Running::start(&mut limited("0", script));
    assert_eq!(running.line(), "ready");
    for _ in 0..2 {
        running.send(Signal::TERM);
        assert_eq!(running.line(), "TERM");
    }
    running.send(Signal::USR1);
    let (code, _, errors) = running.end();
    assert_eq!((code, errors.as_str()), (5, ""));
}
