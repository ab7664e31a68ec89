//! The examples of `chroma-otel-init` in a crate of their own, outside of the workspace.
//!
//! Invariant: that crate has no other dependencies than those that the documentation names.

use std::{fs, path::Path, process::Command};

const MANIFEST: &str = r#"
[workspace]

[package]
name = "outside"
edition = "2024"

[dependencies]
chroma-otel-init = { path = "LIBRARY", features = ["sdk"] }
tracing = "0.1"
# Of the example that speaks HTTP.
serde_json = "1"
ureq = { version = "3", default-features = false }
"#;

#[test]
fn the_examples_compile_outside_of_the_workspace() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let library = crates.join("chroma-otel-init");
    let outside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let sources = outside.join("src/bin");
    fs::create_dir_all(&sources).expect("cargo made the folder above");
    let path = library.to_str().expect("the path is text");
    let manifest = MANIFEST.replace("LIBRARY", path);
    fs::write(outside.join("Cargo.toml"), manifest).expect("there is room");
    for example in ["trace.rs", "chroma_http.rs"] {
        let from = library.join("examples").join(example);
        fs::copy(from, sources.join(example)).expect("the example is there");
    }
    // The same versions as here, which are on this machine already.
    let lock = crates.join("../Cargo.lock");
    fs::copy(lock, outside.join("Cargo.lock")).expect("the workspace has a lock file");
    let output = Command::new(std::env::var_os("CARGO").expect("cargo runs the tests"))
        .args(["check", "--offline", "--quiet", "--target-dir", "target"])
        .current_dir(&outside)
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
