//! `validate` on rendered and edited files.

use std::fs;

use crate::command::{folder, run};

#[test]
fn validate_reports_problems_of_the_files_on_disk() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker", "--out", "out"]);
    fs::remove_file(home.path().join("out/.gitignore")).unwrap();
    fs::write(home.path().join("out/docker-compose.yaml"), "services: [\n").unwrap();
    let (code, _, message) = run(
        home.path(),
        &["validate", "--target", "docker", "--out", "out"],
    );
    assert_eq!(code, 1);
    insta::assert_snapshot!(message, @r##"
    error: docker-compose.yaml: cannot parse as YAML: did not find expected node content at line 2 column 1, while parsing a flow node
      hint: look for a missing quote, a tab, or a duplicate key
    error: out/.gitignore: missing
      hint: run `gen`
    2 problems
    checked: .env.example, config.yaml, docker-compose.yaml, otel-collector.yaml, image/Dockerfile
    not checked: README.md, image/ (8 files)
    "##);
}

#[test]
fn validate_lists_what_it_checked() {
    let home = folder();
    let arguments = ["--target", "docker", "--out", "out"];
    let validate = || run(home.path(), &[&["validate"], &arguments[..]].concat());
    let (code, _, message) = validate();
    assert_eq!(code, 0);
    insta::assert_snapshot!(message, @r##"
    no problems in the spec and the files that it renders; out has none yet
    checked: .env.example, config.yaml, docker-compose.yaml, otel-collector.yaml, image/Dockerfile
    not checked: .gitignore, README.md, image/ (8 files)
    "##);
    run(home.path(), &[&["gen"], &arguments[..]].concat());
    fs::write(home.path().join("out/notes.txt"), "").unwrap();
    fs::write(home.path().join("out/own.yaml"), "a: [b]\n").unwrap();
    let (code, _, message) = validate();
    assert_eq!(code, 0);
    insta::assert_snapshot!(message, @r##"
    out: no problems in the spec and the files
    checked: .env.example, config.yaml, docker-compose.yaml, otel-collector.yaml, image/Dockerfile
    syntax only: own.yaml
    not checked: .gitignore, README.md, notes.txt, image/ (8 files)
    "##);
}

#[test]
fn validate_takes_a_folder_without_a_spec() {
    let home = folder();
    let validate = || run(home.path(), &["validate", "--out", "."]);
    let (code, _, message) = validate();
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: .: was not written by `gen`
      hint: `validate` checks deployments that `gen` wrote; it does not know the properties that other files need
    error: 1 problem
    "##);
    run(
        home.path(),
        &["gen", "--target", "kubernetes", "--out", "."],
    );
    fs::remove_file(home.path().join("chroma-otel.yaml")).unwrap();
    let certificate = "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: a}\n";
    fs::write(home.path().join("certificate.yaml"), certificate).unwrap();
    let (code, _, message) = validate();
    assert_eq!(code, 0, "{message}");
    insta::assert_snapshot!(message, @r##"
    .: no problems, not compared with a spec
    checked: .env.example, certificate.yaml, chroma.yaml, collector.yaml, jaeger.yaml, keep.yaml, kustomization.yaml, image/Dockerfile
    not checked: .gitignore, README.md, fields of Certificate (no schema), image/ (8 files)
    "##);
    let file = home.path().join("chroma.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text
        .replace("replicas: 1", "replica: 1")
        .replace("{name: chroma-environment}", "{name: chroma-environ}");
    fs::write(&file, text).unwrap();
    fs::write(home.path().join("keep.yaml"), "kind: [").unwrap();
    let (code, _, message) = validate();
    assert_eq!(code, 1);
    insta::assert_snapshot!(message, @r##"
    error: keep.yaml: cannot parse as YAML: did not find expected node content at line 2 column 1, while parsing a flow node
      hint: look for a missing quote, a tab, or a duplicate key
    error: chroma.yaml: StatefulSet chroma: spec.replica: unknown field
      hint: see `kubectl explain statefulset.spec`
    error: chroma.yaml: StatefulSet chroma: spec.template.spec.containers[0].envFrom[0].configMapRef: ConfigMap `chroma-environ` not found
      hint: did you mean `chroma-environment`?
    3 problems
    checked: .env.example, certificate.yaml, chroma.yaml, collector.yaml, jaeger.yaml, keep.yaml, kustomization.yaml, image/Dockerfile
    not checked: .gitignore, README.md, fields of Certificate (no schema), image/ (8 files)
    "##);
}
