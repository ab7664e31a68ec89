//! The limit of open files that the command starts with.

use std::process::Command;

use crate::run::{code, finish, stderr, stdout};

/// Returns soft and hard limit, as a command under the entrypoint in this mode reports them.
fn limits(mode: &str) -> (String, String) {
    let script = format!(
        "ulimit -Sn 256; exec '{}' {mode} -- sh -c 'ulimit -Sn; ulimit -Hn'",
        env!("CARGO_BIN_EXE_chroma-otel-entrypoint")
    );
    let mut command = Command::new("sh");
    let output = finish(command.args(["-c", &script]).env("CHROMA_VERSION", "1.5.9"));
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let said = stdout(&output);
    let (soft, hard) = said.trim_end().split_once('\n').expect("two lines");
    (soft.to_owned(), hard.to_owned())
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_limit() {
    for mode in ["", "collector --no-endpoint"] {
        let (soft, hard) = limits(mode);
        assert_eq!(soft, hard, "{mode}");
        assert_ne!(soft, "256", "the hard limit is not higher");
    }
}
