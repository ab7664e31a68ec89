//! The recipes in `deploy/` and the lock file of the entrypoint's sources are fresh.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop where it stands, and writes what it needs"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use chroma_otel_deploy::target::Target;

fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

#[test]
fn every_recipe_is_what_gen_writes() {
    let mut recipes = 0;
    for folder in fs::read_dir("deploy")
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let spec = folder.join("chroma-otel.yaml");
        let spec = spec.to_str().unwrap();
        let (fresh, told) = run(&["check", "--spec", spec]);
        assert!(fresh, "run `cargo run -- gen --spec {spec}`\n{told}");
        let (valid, told) = run(&["validate", "--spec", spec]);
        assert!(valid, "{told}");
        recipes += 1;
    }
    assert_eq!(recipes, Target::names().len(), "a target without a recipe");
}

/// The image is built with `--locked`: its lock file is this workspace's, cut down to what the
/// rendered sources need. `tests/update-entrypoint-lock` writes it anew.
#[test]
fn the_entrypoints_lock_file_is_fresh() {
    let home = tempfile::TempDir::new().unwrap();
    let out = home.path().join("out");
    let (written, told) = run(&["gen", "--target", "docker", "--out", out.to_str().unwrap()]);
    assert!(written, "{told}");
    let sources = out.join("entrypoint");
    let manifest = sources.join("Cargo.toml");
    fs::copy("Cargo.lock", sources.join("Cargo.lock")).unwrap();
    let cut = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--offline",
            "--format-version",
            "1",
            "--manifest-path",
        ])
        .arg(&manifest)
        .output()
        .unwrap();
    assert!(
        cut.status.success(),
        "{}",
        String::from_utf8_lossy(&cut.stderr)
    );
    let needed = fs::read_to_string(sources.join("Cargo.lock")).unwrap();
    let carried = fs::read_to_string(Path::new("templates/entrypoint/Cargo.lock")).unwrap();
    assert!(needed == carried, "run `tests/update-entrypoint-lock`");
}
