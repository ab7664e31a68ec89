//! Backends, several of them, those of one's own, and their settings: what is said to what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::command::{folder, refused, relative, run, run_with, snapshot, texts};

/// A sound file of one's own.
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

/// What `gen` says to flags that it refuses; nothing is written.
fn told(home: &Path, flags: &[&str]) -> String {
    let before = snapshot(home);
    let arguments = [&["gen", "--target", "docker"], flags].concat();
    let (code, _, message) = run(home, &arguments);
    assert_eq!(code, 2, "{message}");
    assert!(snapshot(home) == before, "something was written");
    message
}

#[test]
fn all_that_is_wrong_with_settings_is_told_at_once() {
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
    error: chroma-otel.yaml: tracing.settings: `datadog.site` is no setting of a backend of yours
      hint: there are: datadog.region
    error: chroma-otel.yaml: tracing.settings: `endpoint` is no setting of a backend of yours
      hint: that of the first backend is `tracing.endpoint`, that of another `BACKEND.endpoint`
    error: chroma-otel.yaml: tracing.settings: `honeycomb.endpoint` is no setting of a backend of yours
      hint: it is the first one: use `tracing.endpoint`
    error: chroma-otel.yaml: tracing.settings: `honeycomb.region` is `mars`, which backend `honeycomb` does not take
      hint: write one of `eu1`, `us`
    error: chroma-otel.yaml: tracing.settings: `region` is a setting of several backends
      hint: say whose: `datadog.region`, `grafana-cloud.region`
    error: chroma-otel.yaml: tracing.settings: `signoz.region` is no setting of a backend of yours
      hint: there is no backend `signoz` here
    error: chroma-otel.yaml: tracing.settings: `stak` is no setting of a backend of yours
      hint: did you mean `stack`?
    error: chroma-otel.yaml: tracing.settings: has no `instance_id`, which backend `grafana-cloud` wants: the stack's instance ID, a number (Grafana Cloud portal: the stack, OpenTelemetry, Configure)
      hint: `--setting instance_id=…`, or under `tracing.settings`
    error: chroma-otel.yaml: tracing.settings: has no `tempo.endpoint`: backend `tempo` has none of its own
      hint: `--setting tempo.endpoint=…`, such as `http://tempo:4317`
    error: chroma-otel.yaml: tracing.settings: `zipkin.endpoint` is not an address of Zipkin's
      hint: use `http://host:9411`, or a URL that ends in `/api/v2/spans`
    error: 10 problems; nothing was written
    "##);
}

#[test]
fn settings_by_flags_win_over_the_file_and_a_backends_own_over_those_for_all() {
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
        // Blank is not set.
        (
            &["--region", ""],
            [honeycomb(""), datadog("us5.datadoghq.com")],
        ),
    ] {
        assert_eq!(endpoints(flags), expected, "{flags:?}");
    }
    // One word for two backends may be a place of one and nothing of the other.
    let (code, _, message) = run(home.path(), &["gen", "--setting", "datadog.region="]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: --setting: `region` is a setting of several backends
      hint: say whose: `datadog.region`, `honeycomb.region`
    error: one problem; nothing was written
    "##);
    let (code, _, message) = run(home.path(), &["gen", "--setting", "region"]);
    assert_eq!(code, 2);
    assert!(message.contains("write NAME=VALUE"), "{message}");
}

#[test]
fn a_backend_that_is_wrong_is_told_and_what_follows_from_that_is_not() {
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
    insta::assert_snapshot!(told(home.path(), &flags), @r##"
    error: --backend: `honycomb` is no backend
      hint: did you mean `honeycomb`?
    error: one problem; nothing was written
    "##);
    insta::assert_snapshot!(told(home.path(), &["--backend", "zipkin", "--backend", "zipkin", "--region", "eu1"]), @r##"
    error: --backend: has `zipkin` twice
      hint: leave one out
    error: one problem; nothing was written
    "##);
    insta::assert_snapshot!(told(home.path(), &["--backend", "debug", "--region", "eu1"]), @r##"
    error: --region: `region` is no setting of a backend of yours
      hint: no backend of yours has regions; that of a cluster is `kubernetes.region`
    error: one problem; nothing was written
    "##);
    // Of another cloud; and one that only a machine of a cloud can send to.
    insta::assert_snapshot!(told(home.path(), &["--backend", "jaeger", "--backend", "aws-xray"]), @r##"
    error: --backend: is `aws-xray`, which knows a sender by the identity of its machine in AWS
      hint: use `--target aws`, or another backend
    error: one problem; nothing was written
    "##);
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "aws", "--backend", "google-cloud-trace"],
    );
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: --backend: is `google-cloud-trace`, which knows a sender by the identity of its machine in GCP
      hint: use `--target gcp`, or another backend
    error: one problem; nothing was written
    "##);
}

#[test]
fn a_file_of_ones_own_is_checked_like_ours() {
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
    let message = told(home.path(), &flags);
    assert!(!message.contains("s3cret"), "{message}");
    insta::assert_snapshot!(message, @r##"
    error: not-yaml.yaml: not YAML that can be read at line 3, column 1
      hint: look for a missing quote, a tab, or a key that stands twice
    error: list.yaml: not a mapping of keys to values
      hint: start with `summary: …`
    error: empty.yaml: not a mapping of keys to values
      hint: start with `summary: …`
    error: typo.yaml: `sumary` is no key there at line 1, column 1
      hint: did you mean `summary`?
    error: kind.yaml: settings.cell.choices: is not of the right kind at line 7, column 35
      hint: write a mapping
    error: exporter.yaml: `exporter` cannot be used
      hint: write `otlp`, `otlp_http`, `zipkin` or `debug`, or a component's `name`, `queue` and `settings`
    error: cloud.yaml: identity.cloud: cannot be used at line 10, column 19
      hint: write one of `aws`, `gcp`, `azure`
    error: rules.yaml: breaks the rule: `documentation` is an address, `https://…`
    error: rules.yaml: breaks the rule: `endpoint` has a path or port 4318, as OTLP over HTTP does
    error: rules.yaml: breaks the rule: a header has a name in lower case and a line of text, which `X-Team` has not
    error: rules.yaml: breaks the rule: key `TEAM_KEY` says what it is, and stands in a header or in settings
    error: rules.yaml: breaks the rule: `{OTHER_KEY}` is neither a key nor one of `settings`
    error: Upper.yaml: `Upper` cannot be a backend's name
      hint: name the file as the backend is to be called: lower-case letters, digits and `-`
    error: honeycomb.yaml: `honeycomb` is a name that is taken
      hint: name the file as the backend is to be called: lower-case letters, digits and `-`
    error: folder.yaml: is a folder
      hint: name the file in it
    error: missing.yaml: cannot be read: No such file or directory (os error 2)
    error: 16 problems; nothing was written
    "##);
}

#[test]
fn a_file_of_ones_own_is_where_the_spec_or_the_flag_says() {
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
    // From the folder of the spec it would be there; a flag's path is from here.
    let elsewhere = [
        "gen",
        "--spec",
        "specs/spec.yaml",
        "--backend-file",
        "backends/ours.yaml",
    ];
    insta::assert_snapshot!(run(home.path(), &elsewhere).2, @r##"
    error: backends/ours.yaml: cannot be read: No such file or directory (os error 2)
    error: one problem; nothing was written
    "##);
    let again = told(
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
    error: specs/../specs/backends/ours.yaml: `ours` is a name that is taken
      hint: name the file as the backend is to be called: lower-case letters, digits and `-`
    error: one/otel-collector.yaml: `otel-collector` is a name that is taken
      hint: name the file as the backend is to be called: lower-case letters, digits and `-`
    error: tracing.settings: has no `cell`, which backend `ours` wants: the cell
      hint: `--setting cell=…`, or under `tracing.settings`
    error: 3 problems; nothing was written
    "##);
}

#[test]
fn no_key_goes_where_it_does_not_belong() {
    let home = folder();
    let mut told = String::new();
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
        told += &message;
    }
    assert!(!told.contains("s3cr3t"), "{told}");
    insta::assert_snapshot!(told, @r##"
    error: --backend: has `langfuse` and `langfuse-cloud`, which would both be sent `LANGFUSE_PUBLIC_KEY`
      hint: leave one out, or copy one's file, name another variable in it, and use `--backend-file`
    error: one problem; nothing was written
    error: --endpoint: `api.honeycomb.io:4317` is plain HTTP, in which the key of `honeycomb` travels in clear
      hint: write `https://`
    error: one problem; nothing was written
    error: taken.yaml: breaks the rule: key `PATH` has the name of a variable that the collector reads for something else
    error: one problem; nothing was written
    error: written.yaml: breaks the rule: header `x-api-key` has a value that looks like a secret: name a variable under `keys`, and write `{VARIABLE}`
    error: one problem; nothing was written
    error: --redact-names: is `hash`, whose key nobody checks without the entrypoint
      hint: use `remove`, or `image: wrapped`
    error: one problem; nothing was written
    "##);
    // A backend of one's own may be at such a place, which is told.
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
        format!("{answer}{message}").contains("travels in clear"),
        "{answer}{message}"
    );
}

/// Output and the files of `gen --target docker`, with these flags and variables.
fn written(flags: &[&str], environment: &[(&str, &str)]) -> (String, BTreeMap<String, String>) {
    let home = folder();
    let arguments = [&["gen", "--target", "docker", "--out", "."], flags].concat();
    let (code, _, message) = texts(&run_with(home.path(), &arguments, environment));
    assert_eq!(code, 0, "{message}");
    let files = relative(home.path()).into_iter();
    let files = files.filter_map(|(path, bytes)| Some((path, String::from_utf8(bytes).ok()?)));
    (message, files.collect())
}

#[test]
fn endpoint_without_backend_means_otlp_on_every_target() {
    for target in ["docker", "kubernetes", "aws", "gcp", "azure"] {
        for platform in ["vm", "kubernetes"] {
            let home = folder();
            let spec = format!(
                "target: {target}\nplatform: {platform}\ntracing: {{endpoint: 'https://otlp.example.com'}}\n"
            );
            fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
            let (code, files, message) = run(home.path(), &["gen", "--stdout"]);
            assert_eq!(code, 0, "{target} {platform}: {message}");
            assert!(files.contains("otlp.example.com"), "{target} {platform}");
            for other in [
                "jaegertracing/jaeger",
                "xray.",
                "telemetry.googleapis.com/v1",
            ] {
                assert!(!files.contains(other), "{target} {platform}: {other}");
            }
        }
    }
    let flags = ["--endpoint", "http://traces.example.com:4317"];
    let (_, files) = written(&flags, &[]);
    assert!(!files["docker-compose.yaml"].contains("jaeger"));
    let (_, files) = written(&[&flags[..], &["--backend", "jaeger"]].concat(), &[]);
    assert!(files["docker-compose.yaml"].contains("its traces to Jaeger"));
}

#[test]
fn endpoint_of_a_preset_names_the_preset() {
    let note =
        "note: `api.eu1.honeycomb.io` is Honeycomb: `--backend honeycomb` also sets its headers\n";
    let flags = ["--endpoint", "api.eu1.honeycomb.io"];
    let (message, _) = written(&flags, &[]);
    assert!(message.contains(note), "{message}");
    for others in [
        &["--endpoint", "https://otlp.example.com"][..],
        &["--endpoint", "api.eu1.honeycomb.io", "--backend", "otlp"],
    ] {
        let (message, _) = written(others, &[]);
        assert!(!message.contains("is Honeycomb"), "{message}");
    }
}

#[test]
fn header_that_the_preset_makes_fills_its_key() {
    let honeycomb = ["--backend", "honeycomb"];
    let header = ["--headers", "X-Honeycomb-Team=s3cret,x-other=b"];
    let (message, files) = written(&[honeycomb, header].concat(), &[]);
    assert_eq!(
        files[".env"],
        "CHROMA_OTEL_COLLECTION_HEADERS='{\"x-other\":\"b\"}'\nHONEYCOMB_API_KEY='s3cret'\n"
    );
    assert!(!message.contains("you still have to set"), "{message}");
    let variable = [("CHROMA_OTEL_COLLECTION_HEADERS", "x-honeycomb-team=s3cret")];
    let (_, files) = written(&honeycomb, &variable);
    assert_eq!(files[".env"], "HONEYCOMB_API_KEY='s3cret'\n");
    // The flag overrides the variable of the key, which overrides the variable of the headers.
    let variables = [variable[0], ("HONEYCOMB_API_KEY", "of-the-key")];
    let (_, files) = written(&honeycomb, &variables);
    assert_eq!(files[".env"], "HONEYCOMB_API_KEY='of-the-key'\n");
    let (_, files) = written(&[honeycomb, header].concat(), &variables);
    assert!(files[".env"].contains("HONEYCOMB_API_KEY='s3cret'\n"));
}

#[test]
fn header_name_that_the_preset_makes_is_ignored_with_a_note() {
    let spec = |headers: &str| {
        let home = folder();
        let spec = format!("target: docker\ntracing: {{backend: honeycomb, headers: {headers}}}\n");
        fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
        let (code, _, message) = run(home.path(), &["gen"]);
        assert_eq!(code, 0, "{message}");
        message
    };
    let message = spec("[x-honeycomb-team]");
    let note = "note: backend `honeycomb` sets the header `x-honeycomb-team` from `HONEYCOMB_API_KEY`: its name is ignored\n";
    assert!(message.contains(note), "{message}");
    assert!(!message.contains("COLLECTION_HEADERS"), "{message}");
    let message = spec("{x-honeycomb-team: s3cret}");
    let note = "from `HONEYCOMB_API_KEY`: remove it from the spec once the key is in `.env`\n";
    assert!(message.contains(note), "{message}");
}
