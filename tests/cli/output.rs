//! Standard output: errors of writing to it.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{folder, run, texts};

/// Runs the binary with this standard output.
fn run_into(folder: &Path, arguments: &[&str], stdout: impl Into<Stdio>) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let (code, _, message) = texts(&output);
    (code, message)
}

/// Commands that answer on standard output.
const ANSWERS: &[&[&str]] = &[
    &["gen", "--target", "docker", "--stdout"],
    &[
        "check", "--target", "docker", "--port", "8001", "--out", "out",
    ],
    &["list", "targets"],
    &["list", "backends"],
    &["list", "backends", "jaeger"],
    &["list", "versions"],
    &["list", "variables"],
    &["schema"],
    &["completions", "bash"],
    &["man"],
    &["help"],
    &["help", "environment"],
    &["gen", "--help"],
    &["--version"],
];

#[test]
fn a_full_disk_is_an_error() {
    let home = folder();
    let written = ["gen", "--target", "docker", "--out", "out"];
    assert_eq!(run(home.path(), &written).0, 0);
    for arguments in ANSWERS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, message) = run_into(home.path(), arguments, full);
        assert_eq!(code, 2, "{arguments:?}: {message}");
        let expected = "error: cannot write to standard output: No space left on device";
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    for arguments in ANSWERS.iter().filter(|words| words[0] != "check") {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, message) = run_into(folder().path(), arguments, writer);
        assert_eq!(
            (code, message.contains("error")),
            (0, false),
            "{arguments:?}: {message}"
        );
    }
}
