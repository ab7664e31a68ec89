//! The deployments in `deploy/` are up to date.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

use std::fs;
use std::process::Command;

use chroma_otel_deploy::spec::target::Target;

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
fn every_deployment_equals_the_output_of_gen() {
    let mut recipes = 0;
    for folder in fs::read_dir("deploy")
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        if folder.ends_with("image") {
            continue; // the recipes share it, and `check` compares it for each
        }
        let spec = folder.join("chroma-otel.yaml");
        let spec = spec.to_str().unwrap();
        let (fresh, message) = run(&["check", "--spec", spec]);
        assert!(fresh, "run `cargo run -- gen --spec {spec}`\n{message}");
        let (valid, message) = run(&["validate", "--spec", spec]);
        assert!(valid, "{message}");
        recipes += 1;
    }
    assert_eq!(recipes, Target::names().len(), "a target without a recipe");
}
