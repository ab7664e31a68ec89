//! Backends, several backends, operators' own backends, and their settings: messages for invalid
//! input.

use std::fs;
use std::path::Path;

use crate::command::{folder, refused, run, run_with, snapshot, texts};

/// A valid backend file of an operator.
const OWN: &str = "\
summary: Ours
documentation: https://docs.example.com
traces: https://{cell}.example.com
endpoint: https://{cell}.example.com/v1/traces
exporter: otlp_http
settings:
  cell: {what: the cell, choices: {east: e1, west: w1}}
headers: {x-team: '{TEAM_KEY}'}
keys: [{variable: TEAM_KEY, what: the team's key}]
";

/// Returns the message of `gen` for flags that it rejects; asserts that nothing is written.
fn rejected(home: &Path, flags: &[&str]) -> String {
    let before = snapshot(home);
    let arguments = [&["gen", "--target", "docker"], flags].concat();
    let (code, _, message) = run(home, &arguments);
    assert_eq!(code, 2, "{message}");
    assert!(snapshot(home) == before, "something was written");
    message
}

#[test]
fn all_problems_of_settings_are_reported_at_once() {
    let message = refused(
        "\
target: docker
tracing:
  backend: [honeycomb, datadog, grafana-cloud, tempo, zipkin]
  settings:
    region: eu
    honeycomb.region: mars
    honeycomb.endpoint: https://api.example.com
    endpoint: https://api.example.com
    stak: acme
    zipkin.endpoint: http://zipkin:4318
    signoz.region: us
    datadog.site: us5
    instance_id: ' '
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: tracing.settings: `datadog.site` is not a setting of the selected backends
      hint: there are: datadog.region
    error: chroma-otel.yaml: tracing.settings: `endpoint` is not a setting of the selected backends
      hint: that of the first backend is `tracing.endpoint`, that of another `BACKEND.endpoint`
    error: chroma-otel.yaml: tracing.settings: `honeycomb.endpoint` is not a setting of the selected backends
      hint: it is the first one: use `tracing.endpoint`
    error: chroma-otel.yaml: tracing.settings: `honeycomb.region` is `mars`, which backend `honeycomb` does not take
      hint: write one of `eu1`, `us`
    error: chroma-otel.yaml: tracing.settings: `region` is a setting of several backends
      hint: name the backend: `datadog.region`, `grafana-cloud.region`
    error: chroma-otel.yaml: tracing.settings: `signoz.region` is not a setting of the selected backends
      hint: there is no backend `signoz` here
    error: chroma-otel.yaml: tracing.settings: `stak` is not a setting of the selected backends
      hint: did you mean `stack`?
    error: chroma-otel.yaml: tracing.settings.instance_id: required by backend `grafana-cloud`: the numeric instance ID of the stack (Grafana Cloud portal: the stack, OpenTelemetry, Configure)
      hint: set it, or use `--setting instance_id=…`
    error: chroma-otel.yaml: tracing.settings.tempo.endpoint: required, because backend `tempo` has no default
      hint: set it, or use `--setting tempo.endpoint=…`, such as `http://tempo:4317`
    error: chroma-otel.yaml: tracing.settings: `zipkin.endpoint` is not an address of Zipkin's
      hint: use `http://host:9411`, or a URL that ends in `/api/v2/spans`
    error: 10 problems; nothing was written
    "##);
}

#[test]
fn flags_override_the_file_and_a_backends_settings_override_general_ones() {
    let home = folder();
    let spec = "\
target: docker
tracing:
  backend: [honeycomb, datadog]
  settings: {region: eu1, datadog.region: us5}
";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let endpoints = |flags: &[&str]| -> [String; 2] {
        let arguments = [&["gen", "--stdout"], flags].concat();
        let (code, answer, message) = run(home.path(), &arguments);
        assert_eq!(code, 0, "{message}");
        let after = |start: &str| {
            let rest = answer
                .split_once(start)
                .map(|(_, rest)| rest)
                .unwrap_or(start);
            rest.split(['}', '\n', '"'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        [
            after(
                "CHROMA_OTEL_COLLECTION_ENDPOINT: ${CHROMA_OTEL_COLLECTION_ENDPOINT:-${CHROMA_OPEN_TELEMETRY__ENDPOINT:-",
            ),
            after("traces_endpoint: https://otlp"),
        ]
    };
    let honeycomb = |region: &str| format!("https://api.{region}honeycomb.io:443");
    let datadog = |site: &str| format!(".{site}/v1/traces");
    for (flags, expected) in [
        (&[][..], [honeycomb("eu1."), datadog("us5.datadoghq.com")]),
        (
            &["--setting", "datadog.region=eu1"],
            [honeycomb("eu1."), datadog("datadoghq.eu")],
        ),
        (
            &["--setting", "honeycomb.region=us"],
            [honeycomb(""), datadog("us5.datadoghq.com")],
        ),
        (
            &["--setting", " honeycomb.region = us "],
            [honeycomb(""), datadog("us5.datadoghq.com")],
        ),
    ] {
        assert_eq!(endpoints(flags), expected, "{flags:?}");
    }
    // A word for two backends may be valid for one and invalid for the other.
    let general = spec.replace(", datadog.region: us5", "");
    fs::write(home.path().join("chroma-otel.yaml"), general).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: tracing.settings: `region` is a setting of several backends
      hint: name the backend: `datadog.region`, `honeycomb.region`
    error: 1 problem; nothing was written
    "##);
    let (code, _, message) = run(home.path(), &["gen", "--setting", "region"]);
    assert_eq!(code, 2);
    assert!(message.contains("write NAME=VALUE"), "{message}");
}

#[test]
fn an_invalid_backend_is_reported_without_its_consequences() {
    let home = folder();
    let flags = [
        "--backend",
        "honycomb",
        "--backend",
        "debug",
        "--region",
        "eu1",
        "--endpoint",
        "a.example",
        "--headers",
        "x-a=s3cret",
    ];
    insta::assert_snapshot!(rejected(home.path(), &flags), @r##"
    error: --backend: unknown backend `honycomb`
      hint: did you mean `honeycomb`?
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(rejected(home.path(), &["--backend", "zipkin", "--backend", "zipkin", "--region", "eu1"]), @r##"
    error: --backend: `zipkin` is listed twice
      hint: remove one
    error: 1 problem; nothing was written
    "##);
    insta::assert_snapshot!(rejected(home.path(), &["--backend", "debug", "--region", "eu1"]), @r##"
    error: --region: `region` is not a setting of the selected backends
      hint: no selected backend has regions; the region of a cluster is `kubernetes.region` (`--cluster-region`), and a machine is in the region of its zone
    error: 1 problem; nothing was written
    "##);
    // Of another cloud; and one that only a machine of a cloud can send to.
    insta::assert_snapshot!(rejected(home.path(), &["--backend", "jaeger", "--backend", "aws-xray"]), @r##"
    error: --backend: `aws-xray` identifies senders by their machine's identity in AWS
      hint: use `--target aws` or another backend
    error: 1 problem; nothing was written
    "##);
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "aws", "--backend", "google-cloud-trace"],
    );
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: --backend: `google-cloud-trace` identifies senders by their machine's identity in GCP
      hint: use `--target gcp` or another backend
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn an_own_backend_file_is_checked_like_a_built_in_one() {
    let home = folder();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("not-yaml.yaml", "summary: 's3cret\nexporter: otlp\n");
    write("list.yaml", "- s3cret\n");
    write("empty.yaml", "");
    write("typo.yaml", &OWN.replace("summary", "sumary"));
    write(
        "kind.yaml",
        &OWN.replace("choices: {east: e1, west: w1}", "choices: s3cret"),
    );
    write("exporter.yaml", &OWN.replace("otlp_http", "s3cret"));
    write(
        "cloud.yaml",
        &format!("{OWN}identity: {{cloud: s3cret, permissions: []}}\n"),
    );
    write(
        "rules.yaml",
        &OWN.replace("'{TEAM_KEY}'", "'{OTHER_KEY}'")
            .replace("https://docs", "docs")
            .replace("x-team", "X-Team")
            .replace("/v1/traces", ""),
    );
    write("Upper.yaml", OWN);
    write("honeycomb.yaml", OWN);
    fs::create_dir(home.path().join("folder.yaml")).unwrap();
    let files = [
        "not-yaml.yaml",
        "list.yaml",
        "empty.yaml",
        "typo.yaml",
        "kind.yaml",
        "exporter.yaml",
        "cloud.yaml",
        "rules.yaml",
        "Upper.yaml",
        "honeycomb.yaml",
        "folder.yaml",
        "missing.yaml",
    ];
    let flags: Vec<&str> = files
        .into_iter()
        .flat_map(|file| ["--backend-file", file])
        .collect();
    let message = rejected(home.path(), &flags);
    assert!(!message.contains("s3cret"), "{message}");
    insta::assert_snapshot!(message, @r##"
    error: not-yaml.yaml: cannot parse as YAML at line 3, column 1
      hint: look for a missing quote, a tab, or a duplicate key
    error: list.yaml: not a mapping of keys to values
      hint: start with `summary: …`
    error: empty.yaml: not a mapping of keys to values
      hint: start with `summary: …`
    error: typo.yaml: unknown key `sumary` at line 1, column 1
      hint: did you mean `summary`?
    error: kind.yaml: settings.cell.choices: wrong type at line 7, column 35
      hint: write a mapping
    error: exporter.yaml: invalid `exporter`
      hint: write `otlp`, `otlp_http`, `zipkin` or `debug`, or a component's `name`, `queue` and `settings`
    error: cloud.yaml: identity.cloud: invalid value at line 10, column 19
      hint: write one of `aws`, `gcp`, `azure`
    error: rules.yaml: breaks the rule: `documentation` is an address, `https://…`
    error: rules.yaml: breaks the rule: `endpoint` has a path or port 4318, as OTLP over HTTP does
    error: rules.yaml: breaks the rule: header `X-Team` needs a name in lower case and one line of text
    error: rules.yaml: breaks the rule: key `TEAM_KEY` needs a description, and a header or a setting that contains it
    error: rules.yaml: breaks the rule: `{OTHER_KEY}` is neither a key nor one of `settings`
    error: Upper.yaml: `Upper` cannot be a backend's name
      hint: name the file like the backend: lower-case letters, digits and `-`
    error: honeycomb.yaml: `honeycomb` is already the name of a backend
      hint: name the file like the backend: lower-case letters, digits and `-`
    error: folder.yaml: is a folder
      hint: name the file in it
    error: missing.yaml: cannot be read: No such file or directory (os error 2)
    error: 16 problems; nothing was written
    "##);
}

#[test]
fn an_own_backend_file_is_found_relative_to_the_spec_or_the_current_folder() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    fs::create_dir_all(at("specs/backends")).unwrap();
    fs::write(at("specs/backends/ours.yaml"), OWN).unwrap();
    let spec =
        "target: docker\ntracing: {backend_file: backends/ours.yaml, settings: {cell: west}}\n";
    fs::write(at("specs/spec.yaml"), spec).unwrap();
    let key = [("TEAM_KEY", "s3cr3t-value")];
    let with_spec = ["gen", "--spec", "specs/spec.yaml", "--out", "one"];
    let output = run_with(home.path(), &with_spec, &key);
    let (code, answer, message) = texts(&output);
    assert_eq!(code, 0, "{message}");
    assert!(!answer.contains("s3cr3t") && !message.contains("s3cr3t"));
    let with_flags = [
        "gen",
        "--target",
        "docker",
        "--backend-file",
        "specs/backends/ours.yaml",
        "--setting",
        "cell=west",
        "--out",
        "two",
    ];
    assert_eq!(texts(&run_with(home.path(), &with_flags, &key)).0, 0);
    for file in ["docker-compose.yaml", "otel-collector.yaml", ".env"] {
        let read = |folder: &str| fs::read_to_string(at(folder).join(file)).unwrap();
        assert_eq!(read("one"), read("two"), "{file}");
    }
    assert_eq!(
        fs::read_to_string(at("one/.env")).unwrap(),
        "TEAM_KEY='s3cr3t-value'\n"
    );
    let compose = fs::read_to_string(at("one/docker-compose.yaml")).unwrap();
    assert!(
        compose.contains("https://w1.example.com:443/v1/traces"),
        "{compose}"
    );
    // The file exists relative to the spec's folder; a flag's path is relative to the current
    // folder.
    let elsewhere = [
        "gen",
        "--spec",
        "specs/spec.yaml",
        "--backend-file",
        "backends/ours.yaml",
    ];
    insta::assert_snapshot!(run(home.path(), &elsewhere).2, @r##"
    error: backends/ours.yaml: cannot be read: No such file or directory (os error 2)
    error: 1 problem; nothing was written
    "##);
    let again = rejected(
        home.path(),
        &[
            "--backend-file",
            "specs/backends/ours.yaml",
            "--backend-file",
            "specs/../specs/backends/ours.yaml",
            "--backend-file",
            "one/otel-collector.yaml",
        ],
    );
    insta::assert_snapshot!(again, @r##"
    error: specs/../specs/backends/ours.yaml: `ours` is already the name of a backend
      hint: name the file like the backend: lower-case letters, digits and `-`
    error: one/otel-collector.yaml: `otel-collector` is already the name of a backend
      hint: name the file like the backend: lower-case letters, digits and `-`
    error: tracing.settings.cell: required by backend `ours`: the cell
      hint: set it, or use `--setting cell=…`
    error: 3 problems; nothing was written
    "##);
}

#[test]
fn keys_are_never_sent_to_another_backend() {
    let home = folder();
    let mut rejected = String::new();
    let own = "summary: s\ndocumentation: https://d\ntraces: t\nexporter: otlp\n";
    let taken = format!("{own}headers: {{x: '{{PATH}}'}}\nkeys: [{{variable: PATH, what: w}}]\n");
    fs::write(home.path().join("taken.yaml"), taken).unwrap();
    let written = format!("{own}headers: {{x-api-key: s3cr3t}}\n");
    fs::write(home.path().join("written.yaml"), written).unwrap();
    for flags in [
        &[
            "--backend",
            "langfuse",
            "--backend",
            "langfuse-cloud",
            "--endpoint",
            "http://langfuse:3000",
        ][..],
        &[
            "--backend",
            "honeycomb",
            "--endpoint",
            "http://api.honeycomb.io",
        ],
        &["--backend-file", "taken.yaml"],
        &["--backend-file", "written.yaml"],
        &["--image", "stock", "--redact-names", "hash"],
    ] {
        let arguments = [&["gen", "--target", "docker"], flags].concat();
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 2, "{message}");
        rejected += &message;
    }
    assert!(!rejected.contains("s3cr3t"), "{rejected}");
    insta::assert_snapshot!(rejected, @r##"
    error: --backend: has `langfuse` and `langfuse-cloud`, which would both be sent `LANGFUSE_PUBLIC_KEY`
      hint: remove one, or copy its file, name another variable in it, and use `--backend-file`
    error: 1 problem; nothing was written
    error: --endpoint: `api.honeycomb.io:4317` is plain HTTP, which sends the key of `honeycomb` unencrypted
      hint: write `https://`
    error: 1 problem; nothing was written
    error: taken.yaml: breaks the rule: key `PATH` has the name of a variable with another use in the collector
    error: 1 problem; nothing was written
    error: written.yaml: breaks the rule: header `x-api-key` has a value that looks like a secret: declare a variable in `keys`, and write `{VARIABLE}`
    error: 1 problem; nothing was written
    error: --redact-names: `hash` needs the entrypoint, which checks the key
      hint: use `remove` or `image: wrapped`
    error: 1 problem; nothing was written
    "##);
    // An operator's own backend may use such a place, which is reported.
    let plain = [
        "--backend",
        "uptrace",
        "--endpoint",
        "http://uptrace.example.com:14317",
    ];
    let (code, answer, message) = run(
        home.path(),
        &[&["gen", "--target", "docker", "--dry-run"], &plain[..]].concat(),
    );
    assert_eq!(code, 0, "{message}");
    assert!(
        format!("{answer}{message}").contains("unencrypted"),
        "{answer}{message}"
    );
}
