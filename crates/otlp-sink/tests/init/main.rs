//! `chroma_otel_init::init()` against a real receiver.
//!
//! Invariant: tracing is installed per process, so every case runs in its own process with its own
//! environment: this test binary again, with only [`subject::subject`].

mod configuration;
mod dead_connection;
mod delivery;
mod granularity;
mod plain_http;
mod program;
mod subject;

use otlp_sink::{Mode, Options, Sink};
use serde_json::Value;
use std::{
    env,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Time limit of every wait; only a failure reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a sink in `mode`.
fn sink(mode: Mode) -> Sink {
    Sink::start(Options {
        mode,
        ..Options::default()
    })
    .expect("loopback can be listened on")
}

fn over_grpc(sink: &Sink) -> String {
    format!("http://{}", sink.grpc())
}

fn over_http(sink: &Sink) -> String {
    format!("http://{}", sink.http())
}

/// Returns the URL of OTLP over HTTP, with its path.
fn http_traces(sink: &Sink) -> String {
    over_http(sink) + "/v1/traces"
}

/// Results of a finished process.
struct Ran {
    /// The report of the scenario.
    report: Value,
    /// All of standard error.
    stderr: String,
}

impl Ran {
    fn number(&self, name: &str) -> u64 {
        self.report[name].as_u64().unwrap_or_else(|| {
            panic!(
                "no number `{name}` in {} after {}",
                self.report, self.stderr
            )
        })
    }

    /// Returns the lines of standard error that the library wrote.
    fn messages(&self) -> Vec<&str> {
        let ours = |line: &&str| line.starts_with("chroma-otel-init:");
        self.stderr.lines().filter(ours).collect()
    }
}

/// Runs `scenario` to its end, with only `variables` in its environment.
fn run(scenario: &str, variables: &[(&str, &str)]) -> Ran {
    finish(command(scenario, variables))
}

fn command(scenario: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test has a path"));
    command
        .args(["subject::subject", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .env(subject::SCENARIO, scenario)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn finish(mut command: Command) -> Ran {
    let child = command.spawn().expect("the test binary can be run");
    ran(child)
}

/// Returns the results of `child` at its end.
fn ran(child: Child) -> Ran {
    let output = child.wait_with_output().expect("it ends");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let report = stdout
        .split_once(subject::REPORT)
        .and_then(|(_, report)| {
            serde_json::Deserializer::from_str(report)
                .into_iter()
                .next()
        })
        .and_then(Result::ok)
        .unwrap_or_else(|| panic!("no report in {stdout}\n{stderr}"));
    Ran { report, stderr }
}
