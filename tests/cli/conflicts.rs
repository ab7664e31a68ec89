//! Flags that conflict with the spec or the files of a folder.

use std::fs;
use std::path::Path;

use crate::command::{folder, run, snapshot};

/// Runs `gen` for the folder `out`.
fn gen_in_out(home: &Path, arguments: &str) -> (i32, String, String) {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    run(home, &[&["gen", "--out", "out"], &arguments[..]].concat())
}

#[test]
fn another_backend_is_refused_while_the_endpoint_of_the_previous_one_is_in_the_spec() {
    let home = folder();
    let gen_ = |arguments: &str| gen_in_out(home.path(), arguments);
    let own = "--target docker --endpoint https://old.example.com:4317 --headers x-old=1";
    assert_eq!(gen_(own).0, 0);
    let before = snapshot(home.path());
    let (code, _, message) = gen_("--backend honeycomb");
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: --backend: the spec has `tracing.endpoint`, `tracing.headers` of backend `otlp`
      hint: remove `tracing.endpoint`, `tracing.headers` from out/chroma-otel.yaml, or set them with flags
    error: 1 problem; nothing was written
    "##);
    assert_eq!(snapshot(home.path()), before);
    assert_eq!(gen_("--backend otlp --port 8001").0, 0);
    let replaced = "--backend honeycomb --endpoint https://proxy.example.com --headers a=b";
    assert_eq!(gen_(replaced).0, 0);
}

#[test]
fn another_format_or_platform_is_refused_in_a_used_folder() {
    let home = folder();
    let gen_ = |arguments: &str| gen_in_out(home.path(), arguments);
    assert_eq!(gen_("--target aws --format cloudformation").0, 0);
    let before = snapshot(home.path());
    let (code, _, message) = gen_("--format terraform");
    assert_eq!(code, 1);
    assert!(
        message.contains(
            "error: out: holds a deployment with format `cloudformation`, not `terraform`"
        ),
        "{message}"
    );
    assert_eq!(snapshot(home.path()), before);
}

#[test]
fn prune_keeps_gitignore_while_there_is_a_file_of_secrets() {
    let home = folder();
    let out = home.path().join("out");
    run(home.path(), &["gen", "--target", "docker", "--out", "out"]);
    fs::write(out.join(".env"), "HONEYCOMB_API_KEY=x\n").unwrap();
    let aws = [
        "gen", "--target", "aws", "--out", "out", "--force", "--prune",
    ];
    let (code, _, message) = run(home.path(), &aws);
    assert_eq!(code, 0, "{message}");
    assert!(out.join(".gitignore").exists() && !out.join("docker-compose.yaml").exists());
    fs::remove_file(out.join(".env")).unwrap();
    assert_eq!(run(home.path(), &aws).0, 0);
    assert!(!out.join(".gitignore").exists());
}

#[test]
fn a_replaced_deployment_is_reported_as_still_running() {
    let home = folder();
    let out = home.path().join("out");
    let gen_ = |arguments: &str| gen_in_out(home.path(), arguments);
    assert_eq!(gen_("--target docker --backend honeycomb").0, 0);
    fs::write(out.join(".env"), "HONEYCOMB_API_KEY='x'\n").unwrap();
    let (code, _, message) = gen_("--target kubernetes --force --prune");
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("keeps running with its data"), "{message}");
    assert!(message.contains("`kubectl` keeps them"), "{message}");
    let (_, _, message) = gen_("--port 8001");
    assert!(!message.contains("keeps running"), "{message}");
}

#[test]
fn a_folder_finds_its_spec_elsewhere() {
    let home = folder();
    fs::write(home.path().join("s.yaml"), "target: docker\nname: search\n").unwrap();
    let (code, _, message) = run(home.path(), &["gen", "--spec", "s.yaml", "--out", "o"]);
    assert_eq!(code, 0, "{message}");
    let (code, _, message) = run(&home.path().join("o"), &["check"]);
    assert_eq!(code, 0, "{message}");
}

#[test]
fn rejects_endpoints_that_are_the_collector_itself() {
    for (target, endpoint) in [
        ("docker", "localhost:4317"),
        ("docker", "http://127.0.0.1:4318"),
        ("aws", "http://[::1]:4317"),
        ("kubernetes", "0.0.0.0:4317"),
        ("docker", "http://otel-collector:4317"),
        ("kubernetes", "http://chroma-otel-collector.chroma.svc:4317"),
    ] {
        let home = folder();
        let arguments = [
            "gen",
            "--target",
            target,
            "--backend",
            "otlp",
            "--endpoint",
            endpoint,
        ];
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 2, "{message}");
        assert!(
            message.contains("error: --endpoint: ") && message.contains("is the collector itself"),
            "{message}"
        );
    }
}

#[test]
fn collector_reaches_backends_on_this_machine_and_in_other_projects() {
    let home = folder();
    let spec = "target: docker\ncollector: {networks: [tempo_default]}\ntracing: {backend: tempo, endpoint: 'http://host.docker.internal:4317'}\n";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    let compose = fs::read_to_string(home.path().join("docker-compose.yaml")).unwrap();
    for line in [
        "    extra_hosts: [\"host.docker.internal:host-gateway\"] # this machine\n",
        "    networks: [default, tempo_default]\n",
        "networks: # of other projects\n  tempo_default: {external: true}\n\nvolumes:\n",
    ] {
        assert!(compose.contains(line), "{line}{compose}");
    }
}

#[test]
fn common_names_of_platforms_name_the_target() {
    let home = folder();
    let (code, _, message) = run(home.path(), &["gen", "--target", "eks"]);
    assert_eq!(code, 2);
    assert!(
        message.contains("hint: use `--target aws --platform kubernetes`"),
        "{message}"
    );
}
