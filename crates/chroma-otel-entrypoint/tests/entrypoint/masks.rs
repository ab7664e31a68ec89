//! Blocked and ignored signals that the entrypoint inherits; compared with tini's behaviour.

use std::process::Command;

use rustix::process::Signal;

use crate::run::{Running, eventually, finish, is_pending, set_in, shell, signal_set, stdout};

/// 32 and 33 are the C library's own; its `posix_spawn` ignores them in every child.
const LIBRARY: u64 = 0b11 << 31;

/// Returns the set of these signals.
fn set(signals: &[Signal]) -> u64 {
    signals
        .iter()
        .map(|signal| 1 << (signal.as_raw() - 1))
        .sum()
}

/// The command, started with ignored and blocked signals, by the names that `env` accepts.
fn with(options: &[&str], command: &Command) -> Command {
    let mut changed = Command::new("env");
    // The options come after the one that `command` begins with.
    let mut arguments = command.get_args();
    changed.args(arguments.next()).args(options).args(arguments);
    for (name, value) in command.get_envs() {
        changed.env(name, value.expect("only set"));
    }
    changed
}

#[test]
fn from_a_clean_parent_the_child_starts_with_no_signal_blocked_or_ignored() {
    let output = finish(&mut shell("exec cat /proc/self/status"));
    for kind in ["SigBlk", "SigIgn", "SigCgt"] {
        let found = set_in(&stdout(&output), kind) & !LIBRARY;
        assert_eq!(found, 0, "{kind}: {found:#x}");
    }
}

#[test]
fn the_child_inherits_blocked_and_ignored_signals() {
    let options = [
        "--ignore-signal=TTOU,SEGV,INT,HUP",
        "--block-signal=TTIN,ILL,TERM",
    ];
    let output = finish(&mut with(&options, &shell("exec cat /proc/self/status")));
    let ignored = [Signal::TTOU, Signal::SEGV, Signal::INT, Signal::HUP];
    let blocked = [Signal::TTIN, Signal::ILL, Signal::TERM];
    let status = stdout(&output);
    assert_eq!(set_in(&status, "SigIgn") & !LIBRARY, set(&ignored));
    assert_eq!(set_in(&status, "SigBlk"), set(&blocked));
}

#[test]
fn a_blocked_signal_is_forwarded() {
    let options = ["--block-signal=TERM,USR1"];
    let mut running = Running::start(&mut with(&options, &shell("echo ready; exec sleep 60")));
    assert_eq!(running.line(), "ready");
    let child = running.only_child();
    assert_ne!(signal_set(child, "SigBlk") & set(&[Signal::TERM]), 0);
    for signal in [Signal::TERM, Signal::USR1] {
        running.send(signal);
        eventually("the child has the signal", || {
            is_pending(child, signal).then_some(())
        });
    }
}

#[test]
fn under_nohup_it_survives_a_hangup_and_an_interrupt() {
    let options = ["--ignore-signal=HUP,INT"];
    let script = "trap 'echo USR1; exit 5' USR1; echo ready; while :; do sleep 0.02; done";
    let mut running = Running::start(&mut with(&options, &shell(script)));
    assert_eq!(running.line(), "ready");
    for signal in [Signal::HUP, Signal::INT] {
        running.send_and_see(signal);
    }
    running.send(Signal::USR1);
    let (code, said, _) = running.end();
    assert_eq!((code, said.as_str()), (5, "USR1\n"));
}

#[test]
fn with_an_ignored_sigchld_the_exit_code_is_still_the_childs() {
    let options = ["--ignore-signal=CHLD"];
    let output = finish(&mut with(&options, &shell("exit 3")));
    assert_eq!(output.status.code(), Some(3));
}
