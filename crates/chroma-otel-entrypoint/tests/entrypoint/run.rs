//! Starts the entrypoint with a clean environment, and waits for its messages.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than any step takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The option of `env` that resets all ignored signals.
pub(crate) const DEFAULT_SIGNALS: &str = "--default-signal";

/// The entrypoint with these arguments, and with only a path in its environment. It does not
/// inherit the signals that this process ignores: a shell's background job ignores two.
pub(crate) fn entrypoint(arguments: &[&str]) -> Command {
    let mut command = Command::new("env");
    command
        .args([
            DEFAULT_SIGNALS,
            env!("CARGO_BIN_EXE_chroma-otel-entrypoint"),
        ])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .stdin(Stdio::null());
    command
}

/// The entrypoint that starts `script` by a shell, as Chroma 1.5.9.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = entrypoint(&["--", "sh", "-c", script]);
    command.env("CHROMA_VERSION", "1.5.9");
    command
}

/// Runs to the end.
pub(crate) fn finish(command: &mut Command) -> Output {
    command.output().expect("the entrypoint can be started")
}

/// Returns its exit code; for a signal, the code that a shell returns.
pub(crate) fn code(output: &Output) -> i32 {
    let by_signal = || 1000 + output.status.signal().unwrap_or_default();
    output.status.code().unwrap_or_else(by_signal)
}

/// Returns standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Returns standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running entrypoint whose output is read line by line; killed when dropped.
pub(crate) struct Running {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the entrypoint can be started");
        let output = child.stdout.take().map(BufReader::new);
        Self { child, output }
    }

    /// Returns the next line of its output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let output = self.output.as_mut().expect("it is taken once");
        output.read_line(&mut line).expect("output is text");
        line.trim_end().to_owned()
    }

    /// Returns its process.
    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn send(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("it runs");
    }

    /// Sends it a signal, and waits until it has read it: further signals come after it.
    pub(crate) fn send_and_see(&self, signal: Signal) {
        self.send(signal);
        let process = self.process();
        eventually("the signal is read", || {
            (!is_pending(process, signal)).then_some(())
        });
    }

    /// Returns its child processes, including those that have ended and were not reaped.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let own = self.process().as_raw_nonzero();
        let path = format!("/proc/{own}/task/{own}/children");
        let children = std::fs::read_to_string(path).expect("a list of children");
        let processes = children.split_whitespace();
        processes
            .filter_map(|process| Pid::from_raw(process.parse().ok()?))
            .collect()
    }

    /// Returns the first process that it started.
    pub(crate) fn only_child(&self) -> Pid {
        *self.children().first().expect("a child")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("it ends", || self.child.try_wait().expect("it is a child"))
    }

    /// Waits for its end with this code; returns its output, to which other processes may still
    /// write.
    pub(crate) fn wait_for_end(mut self, code: i32) -> BufReader<ChildStdout> {
        assert_eq!(self.wait().code(), Some(code));
        self.output.take().expect("it is taken once")
    }

    /// Returns the status of each of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let folder = format!("/proc/{}/task", self.process().as_raw_nonzero());
        let threads = std::fs::read_dir(folder).expect("it runs").flatten();
        // A thread that has ended meanwhile has no status.
        threads
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok())
            .collect()
    }

    /// Returns true if a signal has stopped it.
    pub(crate) fn is_stopped(&self) -> bool {
        let path = format!("/proc/{}/status", self.process().as_raw_nonzero());
        let status = std::fs::read_to_string(path).expect("it runs");
        status.contains("\nState:\tT")
    }

    /// Returns true if it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_none()
    }

    /// Waits for its end; returns exit code, the rest of its output, and its standard error.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let status = self.wait();
        let mut rest = String::new();
        let output = self.output.as_mut().expect("it is taken once");
        output.read_to_string(&mut rest).expect("output is text");
        let mut errors = String::new();
        let mut pipe = self.child.stderr.take().expect("piped");
        pipe.read_to_string(&mut errors).expect("errors are text");
        let by_signal = || 1000 + status.signal().unwrap_or_default();
        (status.code().unwrap_or_else(by_signal), rest, errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns true if the signal was sent to the process and neither read nor delivered.
pub(crate) fn is_pending(process: Pid, signal: Signal) -> bool {
    signal_set(process, "ShdPnd") & (1 << (signal.as_raw() - 1)) != 0
}

/// Returns a set of signals in a process's status; bit 0 is signal 1.
pub(crate) fn signal_set(process: Pid, name: &str) -> u64 {
    let path = format!("/proc/{}/status", process.as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("it runs");
    set_in(&status, name)
}

/// Returns the same set in the text of a status.
pub(crate) fn set_in(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let digits = line.expect(name).trim_start_matches(":\t");
    u64::from_str_radix(digits, 16).expect("hexadecimal")
}

/// Repeats until `found` returns a value.
pub(crate) fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
