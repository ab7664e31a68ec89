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

/// Files that cannot read `versions.env`, with a line that has a version in it.
#[test]
fn copies_of_versions_agree_with_versions_env() {
    let newest = env!("CHROMA_VERSIONS").split(' ').next_back().unwrap();
    let numbers = newest.replace('.', ", ");
    let recipes = Target::names().into_iter().map(|target| {
        let path = format!("deploy/{target}/chroma-otel.yaml");
        (path, format!("\n  version: {newest}\n"))
    });
    let others = [
        (
            "crates/chroma-otel-init/src/version.rs",
            format!("const NEWEST: Self = Self::new({numbers});"),
        ),
        (
            "templates/backends/jaeger.yaml",
            format!("image: jaegertracing/jaeger:{}\n", env!("JAEGER_VERSION")),
        ),
        (
            "templates/backends/zipkin.yaml",
            format!("image: openzipkin/zipkin:{}\n", env!("ZIPKIN_VERSION")),
        ),
        (
            "tests/e2e/otelcol.yaml",
            format!("\n  version: {}\n", env!("COLLECTOR_VERSION")),
        ),
    ];
    let others = others.map(|(path, line)| (path.to_owned(), line));
    for (path, line) in recipes.chain(others) {
        let text = fs::read_to_string(&path).unwrap();
        let expected = line.trim();
        assert!(
            text.contains(&line),
            "{path}: no `{expected}`, as versions.env has it: run `.ci/regenerate`"
        );
    }
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
        assert!(fresh, "run `.ci/regenerate`\n{message}");
        let (valid, message) = run(&["validate", "--spec", spec]);
        assert!(valid, "{message}");
        recipes += 1;
    }
    assert_eq!(recipes, Target::names().len(), "a target without a recipe");
}
