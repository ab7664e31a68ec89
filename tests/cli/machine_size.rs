//! The machine type and the memory that the deployment needs.

use std::fs;
use std::path::Path;
use std::process::Command;

use chroma_otel_deploy::spec::Target;

use crate::command::{folder, refused, run};

const TARGETS: [(&str, Target); 3] = [
    ("aws", Target::Aws),
    ("gcp", Target::Gcp),
    ("azure", Target::Azure),
];

/// Renders a spec with these lines and returns the machine type and the step `limits` of the boot
/// script.
fn rendered(target: &str, lines: &str) -> (String, String) {
    let home = folder();
    fs::write(
        home.path().join("chroma-otel.yaml"),
        format!("target: {target}\n{lines}\n"),
    )
    .unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{target} {lines}: {message}");
    let read = |name: &str| fs::read_to_string(home.path().join(name)).unwrap_or_default();
    let texts = [
        "parameters.json",
        "chroma/variables.tf",
        "template.yaml",
        "chroma/startup-script.sh.tftpl",
        "chroma/cloud-config.yaml.tftpl",
    ];
    let text = texts.map(read).join("\n").replace("$${", "${");
    (kind(&text), limits(&text))
}

/// Returns the value of `InstanceType` in `parameters.json`, or the default of `machine_type` in
/// `variables.tf`.
fn kind(text: &str) -> String {
    let after = |start: &str| Some(text.split_once(start)?.1);
    let variable = || after("variable \"machine_type\"")?.split_once("default     = \"");
    let rest = after("\"InstanceType=").or_else(|| Some(variable()?.1));
    rest.unwrap().split('"').next().unwrap().to_owned()
}

/// Returns the function `limits`, at any indentation.
fn limits(text: &str) -> String {
    let lines = text.lines().skip_while(|line| line.trim() != "limits() {");
    let lines: Vec<&str> = lines.collect();
    let indent = lines[0].len() - lines[0].trim_start().len();
    let end = lines
        .iter()
        .position(|line| *line == format!("{}}}", " ".repeat(indent)));
    lines[..=end.unwrap()].join("\n")
}

/// Runs the step on a machine with this `MemTotal` in KiB; returns its exit code and Chroma's limit.
fn boot(folder: &Path, limits: &str, total: u64) -> (i32, String) {
    fs::write(folder.join("meminfo"), format!("MemTotal: {total} kB\n")).unwrap();
    let script = format!(
        "set -euo pipefail\nrun=.\nrefuse() {{ echo \"$*\" >&2; exit 65; }}\n{}\nlimits",
        limits.replace("/proc/meminfo", "meminfo")
    );
    let mut bash = Command::new("bash");
    let done = bash
        .args(["-c", &script])
        .current_dir(folder)
        .output()
        .unwrap();
    let chroma = fs::read_to_string(folder.join("limits.env")).unwrap_or_default();
    (done.status.code().unwrap(), chroma)
}

#[test]
fn the_default_machine_type_boots_with_every_backend_and_size() {
    let home = folder();
    for (target, info) in TARGETS.map(|(name, target)| (name, target.info().machine.unwrap())) {
        for lines in [
            "",
            "tracing: {backend: jaeger}",
            "tracing: {backend: zipkin}",
            "tracing: {backend: [jaeger, zipkin]}",
            "chroma: {memory: 3GiB}",
            "chroma: {vectors: 2000000, dimensions: 1536}",
            "chroma: {vectors: 5000000, dimensions: 1536}",
            "collector: {memory: 2GiB}",
        ] {
            let (kind, limits) = rendered(target, lines);
            let [found] = info
                .types
                .iter()
                .filter(|one| one.name == kind)
                .collect::<Vec<_>>()[..]
            else {
                panic!("{target} {lines}: {kind}");
            };
            // The kernel keeps 7.5 % of small machines.
            let total = found.memory.as_mebibytes() * 1024 * 925 / 1000;
            let (code, chroma) = boot(home.path(), &limits, total);
            assert_eq!(code, 0, "{target} {lines}: {kind} is too small");
            assert!(chroma.starts_with("CHROMA_MEMORY="), "{chroma}");
        }
    }
}

#[test]
fn the_default_machine_type_follows_from_the_memory() {
    let kinds = |lines| TARGETS.map(|(name, _)| rendered(name, lines).0);
    assert_eq!(kinds(""), ["t3.medium", "e2-medium", "Standard_B2s_v2"]);
    assert_eq!(
        kinds("tracing: {backend: jaeger}"),
        ["t3.large", "e2-standard-2", "Standard_B2s_v2"]
    );
    assert_eq!(
        kinds("chroma: {vectors: 2000000, dimensions: 1536}"),
        ["r7i.xlarge", "e2-highmem-4", "Standard_E4s_v5"]
    );
    // The spec's own type stays.
    assert_eq!(
        rendered(
            "aws",
            "tracing: {backend: jaeger}\nmachine: {type: x2gd.medium}"
        )
        .0,
        "x2gd.medium"
    );
}

#[test]
fn rejects_machine_types_that_are_known_to_be_too_small() {
    for (target, kinds) in [
        ("aws", &["t3.small", "t4g.nano", "c7g.medium"][..]),
        (
            "gcp",
            &["e2-micro", "f1-micro", "e2-small", "n2-custom-2-2048"],
        ),
        (
            "azure",
            &["Standard_B1s", "Standard_B1ms", "Standard_B2ts_v2"],
        ),
    ] {
        for kind in kinds {
            let message = refused(&format!("target: {target}\nmachine: {{type: {kind}}}\n"));
            let told = format!("error: machine.type: `{kind}` has ");
            assert!(message.starts_with(&told), "{message}");
        }
    }
    insta::assert_snapshot!(refused("target: aws\ntracing: {backend: jaeger}\nmachine: {type: t3.medium}"), @r##"
    error: machine.type: `t3.medium` has 4 GiB of memory, but Chroma, the collector, jaeger and the system require 5 GiB
      hint: use `t3.large` or another type with at least 5 GiB of memory
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(refused("target: gcp\nchroma: {memory: 1000GiB}"), @r##"
    error: machine.type: `n2-highmem-64` has 512 GiB of memory, but Chroma, the collector and the system require 1089 GiB
      hint: use a type with at least 1089 GiB of memory
    error: 1 problem; nothing was written
    "##);
}
