//! Messages of the entrypoint on standard error: one line each, prefixed with the program's name.
//!
//! Invariant: a message that cannot be written is dropped; it never stops the database.

use std::fmt::Display;
use std::io::Write;

/// The prefix that distinguishes these lines from Chroma's own in a container's log.
const NAME: &str = env!("CARGO_PKG_NAME");

/// Reports a problem that the operator must correct.
pub(crate) fn error(text: impl Display) {
    say("error", &text);
}

/// Reports a fact that the operator should know; everything works without a change.
pub(crate) fn warning(text: impl Display) {
    say("warning", &text);
}

fn say(kind: &str, text: &dyn Display) {
    // One write per line, so that Chroma's output cannot interrupt it.
    let text = text.to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let line = format!("{NAME}: {kind}: {}\n", lines.join("; "));
    let _ = std::io::stderr().write_all(line.as_bytes());
}
