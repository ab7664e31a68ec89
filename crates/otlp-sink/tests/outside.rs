//! The published crates from a user's point of view: the packages' files, and examples that compile
//! in a user's crate.
//!
//! Invariant: that crate has only the dependencies that the documentation names.

#![allow(clippy::disallowed_methods, reason = "a test writes its files")]

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

/// The crate `examples-outside` does the same in each `cargo test`, but inside the workspace, where
/// other crates enable features that a user's crate may lack.
#[test]
#[ignore = "compiles some 100 crates"]
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
    // The same versions as in this workspace, which are already on this machine.
    let lock = crates.join("../Cargo.lock");
    fs::copy(lock, outside.join("Cargo.lock")).expect("the workspace has a lock file");
    cargo(&outside, &["check", "--quiet", "--target-dir", "target"]);
}

#[test]
fn packages_have_a_readme_a_licence_and_no_tests() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let licence = fs::read(crates.join("../LICENSE")).expect("the workspace has a licence");
    for name in ["chroma-otel-init", "chroma-otel-entrypoint"] {
        let folder = crates.join(name);
        let files = cargo(&folder, &["package", "--list", "--allow-dirty"]);
        let files: Vec<_> = files.lines().collect();
        for wanted in ["Cargo.toml", "LICENSE", "README.md"] {
            assert!(files.contains(&wanted), "{name} lacks {wanted}: {files:?}");
        }
        let is_test = |file: &&&str| file.starts_with("tests/") || file.contains("fuzz");
        assert_eq!(files.iter().find(is_test), None, "{name}");
        let copy = fs::read(folder.join("LICENSE")).expect("listed above");
        assert!(copy == licence, "{name} has another licence");
    }
}

/// Runs cargo without a network; returns its output.
fn cargo(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new(std::env::var_os("CARGO").expect("cargo runs the tests"))
        .args(arguments)
        .arg("--offline")
        .current_dir(folder)
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
