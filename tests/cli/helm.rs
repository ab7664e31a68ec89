//! `gen` for a chart: what it prints and refuses when the folder already has one.

use std::fs;

use crate::command::{folder, run};

#[test]
fn a_template_that_left_the_chart_must_be_removed() {
    let home = folder();
    let spec = home.path().join("chroma-otel.yaml");
    let exposed = "target: kubernetes\nformat: helm\nkubernetes: {expose: {host: a.example.com, tls_secret: a}}\n";
    fs::write(&spec, exposed).unwrap();
    assert_eq!(run(home.path(), &["gen"]).0, 0);
    fs::write(&spec, "target: kubernetes\nformat: helm\n").unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 1, "{message}");
    let refusal = "error: chart/templates/expose.yaml: no longer part of the chart, but Helm installs all templates";
    assert!(message.contains(refusal), "{message}");
    let (code, _, message) = run(home.path(), &["gen", "--prune"]);
    assert_eq!(code, 0, "{message}");
    assert!(!home.path().join("chart/templates/expose.yaml").exists());
    // Helm deletes the resources.
    assert!(!message.contains("kubectl delete"), "{message}");
    let apply = "helm upgrade --install chroma chart --namespace chroma";
    assert!(
        message.lines().any(|line| line.trim() == apply),
        "{message}"
    );
}

#[test]
fn changes_of_the_volume_are_noted_as_for_manifests() {
    let home = folder();
    let gen_with = |more: &[&str]| {
        let words = ["gen", "--target", "kubernetes", "--format", "helm"];
        let (code, _, message) = run(home.path(), &[&words, more].concat());
        assert_eq!(code, 0, "{message}");
        message
    };
    assert!(!gen_with(&["--disk", "20GiB"]).contains("the volume changes"));
    let message = gen_with(&["--disk", "30GiB", "--storage-class", "fast"]);
    for note in [
        "note: the volume changes from 20Gi to 30Gi, which Kubernetes rejects",
        "note: the storage class changes from the default to `fast`, which Kubernetes rejects",
    ] {
        assert!(message.contains(note), "{message}");
    }
}
