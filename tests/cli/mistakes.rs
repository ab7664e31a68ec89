//! Messages about common mistakes in flags and specs.

use std::fs;

use chroma_otel_init::ChromaVersion;

use crate::command::{folder, refused, run};

/// Returns the first problem of a spec, with its hint.
fn first(spec: &str) -> String {
    let message = refused(spec);
    let lines: Vec<&str> = message.lines().take(2).collect();
    lines.join("\n")
}

#[test]
fn a_file_of_authorities_contains_certificates_that_a_connection_uses() {
    let folder = folder();
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----\n";
    fs::write(folder.path().join("ca.pem"), certificate).unwrap();
    fs::write(
        folder.path().join("both.pem"),
        format!("{key}{certificate}"),
    )
    .unwrap();
    let mut messages = String::new();
    for (target, tracing) in [
        (
            "docker",
            "backend: tempo, endpoint: 'https://tempo:4317', ca_file: both.pem",
        ),
        (
            "docker",
            "backend: tempo, endpoint: 'https://tempo:4317', ca_file: chroma-otel.yaml",
        ),
        (
            "docker",
            "backend: tempo, endpoint: 'https://tempo:4317', ca_file: missing.pem",
        ),
        (
            "docker",
            "backend: tempo, endpoint: 'http://tempo:4317', ca_file: ca.pem",
        ),
        ("docker", "ca_file: ca.pem"),
        (
            "kubernetes\ncollector: {mode: none}",
            "endpoint: 'http://otel:4317', ca_file: ca.pem",
        ),
    ] {
        let spec = format!("target: {target}\ntracing: {{{tracing}}}\n");
        fs::write(folder.path().join("chroma-otel.yaml"), spec).unwrap();
        let (_, _, text) = run(folder.path(), &["gen"]);
        let lines = text
            .lines()
            .filter(|line| !line.contains("nothing was written"));
        messages.extend(lines.map(|line| format!("{line}\n")));
    }
    assert!(!messages.contains("s3cr3t"));
    insta::assert_snapshot!(messages, @r#"
    error: chroma-otel.yaml: tracing.ca_file: contains a private key
      hint: name a file that contains only the authority's certificate
    error: chroma-otel.yaml: tracing.ca_file: is not a file of certificates between `-----BEGIN CERTIFICATE-----` and `-----END CERTIFICATE-----`
      hint: convert it: `openssl x509 -inform der -in ca.cer -out ca.pem`
    error: missing.pem: cannot be read: No such file or directory (os error 2)
    error: chroma-otel.yaml: tracing.ca_file: has no effect: no endpoint uses TLS
      hint: remove it, or use an `https://` endpoint
    error: chroma-otel.yaml: tracing.ca_file: has no effect: no endpoint uses TLS
      hint: remove it, or use an `https://` endpoint
    error: chroma-otel.yaml: tracing.ca_file: has no effect: `collector.mode` is `none`
      hint: remove it: your own collector knows its backend
    "#);
}

#[test]
fn mistakes_in_a_spec_have_a_hint_that_corrects_them() {
    let mut messages = String::new();
    for part in [
        "chroma:\n  port:8001\n",
        "chroma: [port]\n",
        "chroma: {environment: [FOO=s3cr3t]}\n",
        "chroma: {version: 1.5}\n",
        "chroma: {memory: 4}\n",
        "name: 5\n",
        "backend: jaeger\n",
        "memory: 4GiB\n",
        "tracing: {sampling: {errors: true}}\n",
        "tracing: {backend: grafana}\n",
        "tracing: {sampling: 0.1}\n",
        "tracing: {redact: hash}\n",
        "chroma: {version: 0.3.29}\n",
        "machine: {machine_type: t4g.large}\n",
        "machine: {allow_from: '10.0.0.0/16,10.1.0.0/16'}\n",
        "machine: {allow_from: 192.0.2.7}\n",
        "machine: {snapshots: -1}\n",
        "tracing: {backend: honeycomb, settings: {region: eu}}\n",
    ] {
        messages += &format!("{}\n", first(&format!("target: docker\n{part}")));
    }
    for spec in ["", "target:docker\n"] {
        messages += &format!("{}\n", first(spec));
    }
    assert!(!messages.contains("s3cr3t"));
    let messages = messages.replace(&ChromaVersion::NEWEST.to_string(), "NEWEST");
    insta::assert_snapshot!(messages, @r#"
    error: chroma-otel.yaml: chroma: has the wrong type
      hint: write `port: VALUE`, with a space after the colon
    error: chroma-otel.yaml: chroma: has the wrong type
      hint: write `{}` for the defaults, or a mapping of `access`, `bind`, `cors_allow_origins`, `dimensions`, `environment`, `image`, `image_context`, `memory`, `open_to_world`, `port`, `registry`, `replicas`, `repository`, `vectors`, `version`
    error: chroma-otel.yaml: chroma.environment: has the wrong type
      hint: write a mapping: `NAME: VALUE` on the next line, indented
    error: chroma-otel.yaml: chroma.version: 1.5 is not of type `string`
      hint: write text in quotes, such as `"NEWEST"`
    error: chroma-otel.yaml: chroma.memory: 4 is not of type `string`
      hint: write text in quotes, such as `"4GiB"`
    error: chroma-otel.yaml: name: has the wrong type
      hint: write text in quotes, such as `"chroma"`
    error: chroma-otel.yaml: backend: no such key
      hint: did you mean `tracing.backend`?
    error: chroma-otel.yaml: memory: no such key
      hint: did you mean `chroma.memory` or `collector.memory`?
    error: chroma-otel.yaml: tracing.sampling.ratio: is missing
      hint: the share of the traces that is kept, such as `0.1`
    error: chroma-otel.yaml: tracing.backend: unknown backend `grafana`
      hint: did you mean `grafana-cloud`?
    error: chroma-otel.yaml: tracing.sampling: 0.1 is not of type `object`
      hint: write a mapping: `ratio: 0.1` on the next line, indented
    error: chroma-otel.yaml: tracing.redact: `hash` is not of type `object`
      hint: write a mapping: `names: hash` on the next line, indented
    error: chroma-otel.yaml: chroma.version: `0.3.29` is older than the oldest supported release
      hint: use 0.4.0 or newer; see `list versions`
    error: chroma-otel.yaml: machine.machine_type: no such key
      hint: did you mean `machine.type`?
    error: chroma-otel.yaml: machine.allow_from: `10.0.0.0/16,10.1.0.0/16` cannot be used
      hint: write several as a list: `[10.0.0.0/16, 10.1.0.0/16]`
    error: chroma-otel.yaml: machine.allow_from: `192.0.2.7` cannot be used
      hint: write a range, for this address alone `192.0.2.7/32`
    error: chroma-otel.yaml: machine.snapshots: -1 is less than the minimum of 0
    error: 1 problem; nothing was written
    error: chroma-otel.yaml: tracing.settings: `region` is `eu`, which backend `honeycomb` does not take
      hint: did you mean `eu1`?
    error: chroma-otel.yaml: target: is missing
      hint: one of `docker`, `kubernetes`, `aws`, `gcp`, `azure`
    error: chroma-otel.yaml: not a mapping of keys to values
      hint: start with `target: docker`, with a space after the colon
    "#);
}

#[test]
fn a_flag_without_a_value_is_rejected() {
    for flag in [
        "--endpoint",
        "--headers",
        "--backend",
        "--registry",
        "--granularity",
        "--name",
        "--port",
        "--client",
        "--setting",
        "--region",
        "--backend-file",
    ] {
        let home = folder();
        let arguments = ["gen", "--target", "docker", flag, " "];
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 2, "{flag}");
        let expected = format!("error: {flag}: has no value\n  hint: leave out the flag; ");
        assert!(message.starts_with(&expected), "{message}");
        assert!(message.contains("error: 1 problem;"), "{message}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
    let home = folder();
    let arguments = ["gen", "--target", "docker", "--setting", "region="];
    let (code, _, message) = run(home.path(), &arguments);
    assert!(
        code == 2 && message.contains("--setting: has no value"),
        "{message}"
    );
}

#[test]
fn sampling_flags_without_a_ratio_name_the_missing_flag() {
    for flags in [&["--keep-errors"][..], &["--keep-slower-than", "1s"]] {
        let arguments = [&["gen", "--target", "docker"], flags].concat();
        let (code, _, message) = run(folder().path(), &arguments);
        assert_eq!(code, 2);
        let expected = format!("error: {}: requires `--sample`\n", flags[0]);
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn check_and_validate_report_a_folder_without_a_deployment() {
    let home = folder();
    fs::create_dir(home.path().join("empty")).unwrap();
    for (out, expected) in [
        ("nowhere", "error: nowhere: not found\n"),
        ("empty", "error: empty: has no spec (`chroma-otel.yaml`)\n"),
    ] {
        let (code, _, message) = run(home.path(), &["check", "--out", out]);
        assert_eq!(code, 2);
        assert!(message.starts_with(expected), "{message}");
    }
    let (code, _, message) = run(home.path(), &["validate", "--out", "nowhere"]);
    assert!(
        code == 2 && message.starts_with("error: nowhere: "),
        "{message}"
    );
}

#[test]
fn notes_when_tls_is_assumed_for_a_name_that_can_be_in_the_cluster() {
    let note = |target: &str, endpoint: &str| {
        let home = folder();
        let arguments = [
            "gen",
            "--target",
            target,
            "--endpoint",
            endpoint,
            "--dry-run",
        ];
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 0, "{message}");
        message.contains("note: TLS is assumed for ")
    };
    assert!(note("kubernetes", "otel.observability"));
    assert!(note("kubernetes", "otel.observability:4317"));
    for endpoint in [
        "otel",
        "otel.observability.svc",
        "otel.observability.svc.cluster.local",
        "https://otel.observability",
        "api.honeycomb.io",
        "10.0.0.1",
    ] {
        assert!(!note("kubernetes", endpoint), "{endpoint}");
    }
    assert!(!note("docker", "example.com"));
}

#[test]
fn rejects_a_name_that_is_too_long_for_its_resources() {
    let name = "a".repeat(59);
    let message = first(&format!("target: docker\nname: {name}\n"));
    assert!(message.contains("has 59 characters"), "{message}");
    let accepted = folder();
    let name = &name[1..];
    let flags = ["gen", "--target", "docker", "--name", name];
    assert_eq!(run(accepted.path(), &flags).0, 0);
}
