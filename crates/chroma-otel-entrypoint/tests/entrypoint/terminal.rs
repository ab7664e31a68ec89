//! The entrypoint with a terminal: Ctrl-C, Ctrl-Z, hangup.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Command;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::run::{DEFAULT_SIGNALS, Running};

const ENTRYPOINT: &str = env!("CARGO_BIN_EXE_chroma-otel-entrypoint");

/// The keyboard of a terminal; dropping it is a hangup.
struct Keyboard(File);

impl Keyboard {
    fn press(&mut self, key: &[u8]) {
        self.0.write_all(key).expect("the terminal reads");
    }
}

const CTRL_C: &[u8] = b"\x03";
const CTRL_Z: &[u8] = b"\x1a";

/// Starts the command as the leader of a new terminal's session; its output is a pipe.
fn start(command: &[&str]) -> (Running, Keyboard) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let keyboard = keyboard.expect("a terminal");
    grantpt(&keyboard).expect("it is ours");
    unlockpt(&keyboard).expect("it is ours");
    let name = ptsname(&keyboard, Vec::new()).expect("it has a name");
    let name = name.into_string().expect("it is text");
    let terminal = File::options().read(true).write(true).open(name);
    let terminal = OwnedFd::from(terminal.expect("it can be opened"));
    let mut leader = Command::new("env");
    leader
        .args([DEFAULT_SIGNALS, "setsid", "--ctty"])
        .args(command)
        .env("CHROMA_VERSION", "1.5.9")
        .stdin(terminal);
    let running = Running::start(&mut leader);
    (running, Keyboard(File::from(keyboard)))
}

/// Starts the script under the entrypoint, which leads the session.
fn start_script(script: &str) -> (Running, Keyboard) {
    start(&[ENTRYPOINT, "--", "sh", "-c", script])
}

#[test]
fn signals_that_the_terminal_sends_to_the_group_are_not_sent_again() {
    let (mut running, mut keyboard) = start_script(
        "trap 'echo INT' INT; trap 'echo QUIT' QUIT; trap 'echo TERM; exit 6' TERM; echo ready
        while :; do sleep 0.02; done",
    );
    assert_eq!(running.line(), "ready");
    for (key, name) in [(CTRL_C, "INT"), (b"\x1c", "QUIT"), (CTRL_C, "INT")] {
        keyboard.press(key);
        assert_eq!(running.line(), name);
    }
    running.send(Signal::TERM);
    let (code, rest, _) = running.end();
    assert_eq!((code, rest.as_str()), (6, "TERM\n"));
}

#[test]
fn a_hangup_reaches_the_child() {
    let (mut running, keyboard) = start_script(
        "trap 'echo CONT' CONT; trap 'echo HUP; exit 4' HUP; echo ready; while :; do sleep 0.02; done",
    );
    assert_eq!(running.line(), "ready");
    drop(keyboard);
    let (code, said, _) = running.end();
    assert_eq!((code, said.lines().last()), (4, Some("HUP")), "{said}");
}

#[test]
fn ctrl_c_reaches_a_child_in_its_own_session() {
    let (mut running, mut keyboard) = start(&[
        ENTRYPOINT,
        "--",
        "setsid",
        "sh",
        "-c",
        "trap 'echo INT; exit 4' INT; echo ready; while :; do sleep 0.02; done",
    ]);
    assert_eq!(running.line(), "ready");
    keyboard.press(CTRL_C);
    let (code, said, _) = running.end();
    assert_eq!((code, said.as_str()), (4, "INT\n"));
}

#[test]
fn ctrl_z_stops_it_with_the_child_and_the_shell_continues_both() {
    let script = format!(
        "'{ENTRYPOINT}' -- sh -c 'trap \"echo CONT\" CONT; trap \"echo INT; exit 6\" INT; echo ready; while :; do sleep 0.02; done'
        echo \"stopped $?\"; fg >/dev/null; echo \"ended $?\""
    );
    // Without a terminal on standard error, bash has no job control.
    let on_terminal = "exec bash -m -c \"$1\" 2>&0";
    let (mut running, mut keyboard) = start(&["sh", "-c", on_terminal, "sh", &script]);
    assert_eq!(running.line(), "ready");
    keyboard.press(CTRL_Z);
    assert_eq!(
        running.line(),
        format!("stopped {}", 128 + Signal::TSTP.as_raw())
    );
    // The shell returns the terminal before it continues them; both the shell and the entrypoint
    // may continue the child.
    assert_eq!(running.line(), "CONT");
    keyboard.press(CTRL_C);
    let line = std::iter::repeat_with(|| running.line()).find(|line| line != "CONT");
    assert_eq!(line.as_deref(), Some("INT"));
    assert_eq!(running.line(), "ended 6");
}

#[test]
fn ctrl_z_without_a_shell_that_could_continue_it_stops_nothing() {
    let (mut running, mut keyboard) =
        start_script("trap 'echo INT; exit 6' INT; echo ready; while :; do sleep 0.02; done");
    assert_eq!(running.line(), "ready");
    keyboard.press(CTRL_Z);
    keyboard.press(CTRL_C);
    let (code, said, _) = running.end();
    assert_eq!((code, said.as_str()), (6, "INT\n"));
}

#[test]
fn a_child_reads_and_writes_the_terminal_with_job_control() {
    let (mut running, mut keyboard) = start(&[ENTRYPOINT, "--", "bash", "-m", "-i"]);
    keyboard.press(b"echo \"flags [[$-]]\"\nexit 3\n");
    let flags = running.line();
    assert!(
        flags.starts_with("flags [[") && flags.contains('m'),
        "{flags}"
    );
    assert_eq!(running.end().0, 3);
}
