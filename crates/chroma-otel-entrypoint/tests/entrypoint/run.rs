//! Starting the entrypoint with a clean environment, and waiting for what it says.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The entrypoint with these arguments and nothing in the environment but a path.
pub(crate) fn entrypoint(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chroma-otel-entrypoint"));
    command
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

/// Its exit code; that of a shell if a signal ended it.
pub(crate) fn code(output: &Output) -> i32 {
    let by_signal = || 1000 + output.status.signal().unwrap_or_default();
    output.status.code().unwrap_or_else(by_signal)
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running entrypoint whose output is read line by line; killed when dropped.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the entrypoint can be started");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, output }
    }

    /// The next line of its output.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("output is text");
        line.trim_end().to_owned()
    }

    /// Its process.
    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub(crate) fn send(&self, signal: Signal) {
        kill_process(self.process(), signal).expect("it runs");
    }

    /// The first process that it started.
    pub(crate) fn only_child(&self) -> Pid {
        let own = self.process().as_raw_nonzero();
        let path = format!("/proc/{own}/task/{own}/children");
        let children = std::fs::read_to_string(path).expect("a list of children");
        let first = children.split_whitespace().next();
        first
            .and_then(|process| Pid::from_raw(process.parse().ok()?))
            .expect("a child")
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is a child").is_none()
    }

    /// Waits for its end: exit code, the rest of its output, and what it said on standard error.
    pub(crate) fn end(mut self) -> (i32, String, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.runs() {
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = self.child.wait().expect("it has ended");
        let mut rest = String::new();
        self.output
            .read_to_string(&mut rest)
            .expect("output is text");
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

/// Looks until `found` finds something.
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
