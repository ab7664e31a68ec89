//! Messages of the commands for their input.

use std::fs;

use chroma_otel_init::ChromaVersion;

use crate::command::{folder, run, run_with, snapshot, texts};

#[test]
fn all_problems_are_reported_at_once_and_nothing_is_written() {
    let home = folder();
    fs::write(
        home.path().join("chroma-otel.yaml"),
        "\
target: dockr
nmae: x
name: Upper
chroma:
  version: latest
  image: stok
  bind: 0.0.0.0
  port: 70000
  memory: 1GiB
  repository: chromadb/chroma:latest
  cors_allow_origins: [example.com]
  environment: {CHROMA_PERSIST_PATH: /elsewhere, 'A-B': x, MULTI: \"a\\nb\", TOKEN: 17}
tracing:
  backend: honycomb
  endpoint: http://
  headers: {x-a: 17}
  service_name: \"a\\u0007b\"
  granularity: verbose
  environment: 3
colector: {}
collector:
  memory: lots
",
    )
    .unwrap();
    let before = snapshot(home.path());
    let (code, answer, message) = run(home.path(), &["gen"]);
    assert_eq!((code, answer.as_str()), (2, ""));
    assert_eq!(snapshot(home.path()), before);
    let message = message.replace(&ChromaVersion::NEWEST.to_string(), "NEWEST");
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: chroma.environment.TOKEN: has the wrong type
      hint: put it in quotes
    error: chroma-otel.yaml: chroma.port: 70000 is greater than the maximum of 65535
    error: chroma-otel.yaml: tracing.environment: 3 is not of type `string`
      hint: write text in quotes, such as `"production"`
    error: chroma-otel.yaml: tracing.headers: invalid headers
      hint: a mapping of names to quoted text, a JSON object as text, `k=v,k2=v2`, or a list of names
    error: chroma-otel.yaml: colector: no such key
      hint: did you mean `collector`?
    error: chroma-otel.yaml: nmae: no such key
      hint: did you mean `name`?
    error: chroma-otel.yaml: target: `dockr` is not one of `docker`, `kubernetes`, `aws`, `gcp`, `azure`
      hint: did you mean `docker`?
    error: chroma-otel.yaml: name: `Upper` cannot be used
      hint: write lower-case letters, digits and `-`, at most 63, no `-` at either end
    error: chroma-otel.yaml: chroma.version: `latest` is not a version
      hint: three numbers, such as `NEWEST`; `latest` changes without notice
    error: chroma-otel.yaml: chroma.bind: `0.0.0.0` is a public address: Chroma has no built-in authentication, and ports that Docker publishes bypass the host's firewall
      hint: bind a private address; or set `chroma.access.host` (`--access-host`), for TLS and a token; or, with an authenticating proxy or a firewall of the network in front, set `chroma.open_to_world: true`
    error: chroma-otel.yaml: chroma.image: `stok` cannot be used
      hint: write `wrapped` (with the entrypoint, built), `published` (the same, from `chroma.registry`) or `stock` (Chroma's image without changes)
    error: chroma-otel.yaml: chroma.repository: `chromadb/chroma:latest` cannot be used
      hint: write an image's repository in lower case without tag, such as `registry.example:5000/chroma`; the version is the tag
    error: chroma-otel.yaml: chroma.memory: `1GiB` is too little
      hint: give it `2GiB` or more
    error: chroma-otel.yaml: chroma.cors_allow_origins: `example.com` is not an origin
      hint: scheme, host and port without a path, such as `https://app.example.com`
    error: chroma-otel.yaml: chroma.environment.A-B: invalid variable name `A-B`
      hint: write letters, digits and `_`, no digit first, at most 253
    error: chroma-otel.yaml: chroma.environment.CHROMA_PERSIST_PATH: is set by the deployment itself
      hint: remove it: elsewhere than on the volume, the data is lost with the container
    error: chroma-otel.yaml: chroma.environment.MULTI: has more than one line
      hint: a variable of a container is one line
    error: chroma-otel.yaml: collector.memory: `lots` cannot be used
      hint: write a whole number with `MiB` or `GiB`, such as `2GiB`
    error: chroma-otel.yaml: tracing.service_name: `a\u{7}b` cannot be used
      hint: write one line of printable text, at most 255 characters
    error: chroma-otel.yaml: tracing.granularity: is `verbose`, which is not a granularity
      hint: use `none`, `operation`, `operation_and_segment` or `all`
    error: chroma-otel.yaml: tracing.endpoint: is `http://`, which has no host
      hint: use `http://collector:4317` for OTLP over gRPC, `https://…` for TLS, `https://…/v1/traces` for OTLP over HTTP
    error: chroma-otel.yaml: tracing.backend: unknown backend `honycomb`
      hint: did you mean `honeycomb`?
    error: 22 problems; nothing was written
    "##);
}

#[test]
fn reports_specs_that_cannot_be_parsed() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    fs::create_dir(at("folder.yaml")).unwrap();
    fs::write(at("not.yaml"), "tracing: {headers: 's3cr3t, key: [\n").unwrap();
    fs::write(at("twice.yaml"), "name: a\nname: b\n").unwrap();
    fs::write(at("tab.yaml"), "tracing:\n\theaders: s3cr3t\n").unwrap();
    fs::write(at("two.yaml"), "target: docker\n---\ntarget: aws\n").unwrap();
    fs::write(at("list.yaml"), "- docker\n").unwrap();
    fs::write(at("bytes.yaml"), b"name: \xff\n").unwrap();
    fs::write(at("huge.yaml"), "a".repeat(100 << 20)).unwrap();
    let bomb: String = (1..30)
        .map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1))
        .collect();
    fs::write(at("bomb.yaml"), format!("a0: &a0 x\n{bomb}")).unwrap();
    let mut messages = String::new();
    for name in [
        "missing.yaml",
        "folder.yaml",
        "not.yaml",
        "twice.yaml",
        "tab.yaml",
        "two.yaml",
        "list.yaml",
        "bytes.yaml",
        "huge.yaml",
        "bomb.yaml",
    ] {
        let (code, answer, message) = run(home.path(), &["gen", "--spec", name, "--out", "out"]);
        assert_eq!((code, answer.as_str()), (2, ""), "{name}");
        assert!(!message.contains("s3cr3t"));
        messages += &message;
    }
    assert!(!at("out").exists());
    insta::assert_snapshot!(messages, @r##"
    error: missing.yaml: cannot be read: No such file or directory (os error 2)
    error: 1 problem; nothing was written
    error: folder.yaml: is a folder
      hint: name the file in it
    error: 1 problem; nothing was written
    error: not.yaml: invalid YAML at line 2, column 1
      hint: look for a missing quote or a wrong indentation
    error: 1 problem; nothing was written
    error: twice.yaml: the key `name` occurs twice in one mapping
      hint: remove one of them
    error: 1 problem; nothing was written
    error: tab.yaml: line 2 is indented by a tab
      hint: use spaces
    error: 1 problem; nothing was written
    error: two.yaml: contains more than one YAML document
      hint: remove `---` and what follows, or use one file for each deployment
    error: 1 problem; nothing was written
    error: list.yaml: not a mapping of keys to values
      hint: start with `target: docker`
    error: 1 problem; nothing was written
    error: bytes.yaml: not UTF-8 text
    error: 1 problem; nothing was written
    error: huge.yaml: larger than 1024 KiB
      hint: is it the right file?
    error: 1 problem; nothing was written
    error: bomb.yaml: invalid YAML
      hint: look for a missing quote or a wrong indentation
    error: 1 problem; nothing was written
    "##);
}

#[test]
fn no_colour_without_a_terminal() {
    let home = folder();
    let (_, answer, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--image", "nothing"],
    );
    assert!(
        !answer.contains('\u{1b}') && !message.contains('\u{1b}'),
        "{message:?}"
    );
}

#[test]
fn schema_answers() {
    let (code, answer, _) = run(folder().path(), &["schema"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!("schema", answer);
}

#[test]
fn rejects_keys_without_effect() {
    let home = folder();
    fs::write(
        home.path().join("debug.yaml"),
        "target: docker\ntracing: {backend: debug, endpoint: a.example, headers: {x-a: b}}\nchroma: {version: 1.0.20, environment: {CHROMA_SERVER_AUTHN_PROVIDER: token, PERSIST_DIRECTORY: /x}}\n",
    )
    .unwrap();
    fs::write(
        home.path().join("zipkin.yaml"),
        "target: docker\ntracing: {backend: zipkin, endpoint: 'zipkin.example:4317'}\n",
    )
    .unwrap();
    let mut messages = String::new();
    fs::write(
        home.path().join("stock.yaml"),
        "target: docker\nchroma: {image: stock}\ntracing: {headers: {x-a: 'a${b}'}}\n",
    )
    .unwrap();
    for name in ["debug.yaml", "zipkin.yaml", "stock.yaml"] {
        let (code, _, message) = run(home.path(), &["gen", "--spec", name, "--out", "out"]);
        assert_eq!(code, 2, "{message}");
        messages += &message;
    }
    assert!(!home.path().join("out").exists());
    insta::assert_snapshot!(messages, @r##"
    error: debug.yaml: chroma.environment.CHROMA_SERVER_AUTHN_PROVIDER: does not work on Chroma 1.0.20
      hint: Chroma 1.x has no authentication, so everyone who reaches the port can read all data: put a proxy that checks credentials in front of it.
    error: debug.yaml: chroma.environment.PERSIST_DIRECTORY: is set by the deployment itself
      hint: remove it: elsewhere than on the volume, the data is lost with the container
    error: debug.yaml: tracing.endpoint: has no effect with backend `debug`, which does not use it
      hint: remove it, or choose another backend
    error: debug.yaml: tracing.headers: has no effect with backend `debug`, which does not use it
      hint: remove it, or choose another backend
    error: 4 problems; nothing was written
    error: zipkin.yaml: tracing.endpoint: is not an address of Zipkin's, which backend `zipkin` needs
      hint: use `http://host:9411`, or a URL that ends in `/api/v2/spans`
    error: 1 problem; nothing was written
    error: CHROMA_OTEL_HEADER_X_A: contains `${` or `$$`, which the collector would expand
      hint: use `image: wrapped`, which accepts any value
    error: 1 problem; nothing was written
    "##);
}

/// A misplaced key, or a key that was typed into a file, is not printed.
#[test]
fn a_misplaced_key_is_not_printed() {
    let home = folder();
    for spec in [
        "tracing:\n  - headers: {x-api-key: s3cretLEAK}\n",
        "tracing: x-api-key=s3cretLEAK\n",
        "chroma:\n  - environment: {API_TOKEN: s3cretLEAK}\n",
        "chroma: {environment: {API_TOKEN: [s3cretLEAK]}}\n",
        "tracing: {headers: {x-a: {y: s3cretLEAK}}}\n",
        "target: {a: s3cretLEAK}\n",
    ] {
        fs::write(home.path().join("spec.yaml"), spec).unwrap();
        let (code, answer, message) = run(home.path(), &["gen", "--spec", "spec.yaml"]);
        assert_eq!(code, 2);
        assert!(
            !answer.contains("s3cret") && !message.contains("s3cret"),
            "{message}"
        );
    }
    run(home.path(), &["gen", "--target", "docker"]);
    let example = home.path().join("chroma/.env.example");
    let typed = fs::read_to_string(&example).unwrap() + "SOME_KEY=s3cretLEAK\n";
    fs::write(&example, typed).unwrap();
    for command in ["check", "gen"] {
        let (code, answer, message) = run(home.path(), &[command, "--target", "docker"]);
        assert_eq!(code, 1);
        assert!(answer.contains("-SOME_KEY=…"), "{answer}");
        assert!(
            !answer.contains("s3cret") && !message.contains("s3cret"),
            "{answer}"
        );
    }
}

#[test]
fn rejects_chromas_variables_for_the_data_directory_in_any_case() {
    let home = folder();
    fs::write(
        home.path().join("spec.yaml"),
        "target: docker\nchroma: {environment: {chroma_persist_path: /tmp/x, Persist_Directory: /tmp/x}}\n",
    )
    .unwrap();
    let (code, _, message) = run(home.path(), &["gen", "--spec", "spec.yaml", "--out", "out"]);
    assert_eq!(code, 2);
    assert_eq!(
        message.matches("is set by the deployment itself").count(),
        2,
        "{message}"
    );
}

#[test]
fn rejects_tracing_variables_and_names_the_key_to_use() {
    let home = folder();
    fs::write(
        home.path().join("spec.yaml"),
        "target: docker\nchroma: {environment: {OTEL_EXPORTER_OTLP_HEADERS: x-key=s3cretLEAK, \
         CHROMA_OTEL_EXPORTER_ENDPOINT: c, CHROMA_OTEL_HEADERS: x-key=s3cretLEAK}}\n",
    )
    .unwrap();
    let (code, _, message) = run(home.path(), &["gen", "--spec", "spec.yaml", "--out", "out"]);
    assert_eq!(code, 2);
    for (key, count) in [("tracing.headers", 2), ("tracing.endpoint", 1)] {
        let hint = format!("use `{key}`");
        assert_eq!(message.matches(&hint).count(), count, "{message}");
    }
    assert!(!message.contains("s3cretLEAK"), "{message}");
}

#[test]
fn exported_variables_override_the_spec_and_flags_override_them() {
    let home = folder();
    let exported = [
        ("CHROMA_OTEL_COLLECTION_HEADERS", "x-api-key=s3cr3t-value"),
        ("CHROMA_OTEL_GRANULARITY", "all"),
        ("CHROMA_OTEL_SERVICE_NAME", " "),
    ];
    let arguments = ["gen", "--target", "docker", "--granularity", "none"];
    let (code, _, message) = texts(&run_with(home.path(), &arguments, &exported));
    assert_eq!(code, 0, "{message}");
    let source = "`tracing.headers` comes from the variable CHROMA_OTEL_COLLECTION_HEADERS";
    assert!(message.contains(source), "{message}");
    assert!(!message.contains("CHROMA_OTEL_GRANULARITY"), "{message}");
    let spec = home.path().join("chroma/chroma-otel.yaml");
    let written = fs::read_to_string(&spec).unwrap();
    assert!(written.ends_with("tracing:\n  headers:\n    - x-api-key\n  granularity: none\n"));
    let env = home.path().join("chroma/.env");
    assert!(fs::read_to_string(env).unwrap().contains("s3cr3t-value"));
    // Without the variables the spec has everything.
    assert_eq!(run(&home.path().join("chroma"), &["check"]).0, 0);
}

#[test]
fn exported_names_of_chromas_documentation_are_synonyms() {
    let endpoint = ("CHROMA_OPEN_TELEMETRY__ENDPOINT", "http://collector:4317");
    let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=s3cr3t-value");
    for (exported, flags, has_headers) in [
        (&[endpoint, headers][..], &[][..], true),
        // The headers belong to another endpoint.
        (&[headers], &["--endpoint", "http://other:4317"], false),
        (
            &[endpoint, headers],
            &["--endpoint", "http://other:4317"],
            false,
        ),
        (
            &[
                endpoint,
                headers,
                ("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://other:4317"),
            ],
            &[],
            false,
        ),
        (
            &[
                endpoint,
                headers,
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://other:4317"),
            ],
            &[],
            false,
        ),
    ] {
        let home = folder();
        let arguments = [&["gen", "--target", "docker", "--backend", "otlp"], flags].concat();
        let (code, _, message) = texts(&run_with(home.path(), &arguments, exported));
        assert_eq!(code, 0, "{message}");
        let env = fs::read_to_string(home.path().join("chroma/.env")).unwrap_or_default();
        assert_eq!(
            env.contains("s3cr3t-value"),
            has_headers,
            "{exported:?} {flags:?}"
        );
        let spec = fs::read_to_string(home.path().join("chroma/chroma-otel.yaml")).unwrap();
        assert_eq!(spec.contains("x-api-key"), has_headers);
    }
    let (_, help, _) = run(folder().path(), &["help", "environment"]);
    for (name, _) in [
        endpoint,
        headers,
        ("CHROMA_OPEN_TELEMETRY__SERVICE_NAME", ""),
    ] {
        assert!(help.contains(&format!("{name} ")), "{help}");
    }
}

#[test]
fn a_deployment_remembers_its_flags() {
    let home = folder();
    let first = [
        "gen",
        "--target",
        "docker",
        "--backend",
        "honeycomb",
        "--chroma-version",
        "1.0.20",
        "--out",
        "d",
    ];
    assert_eq!(run(home.path(), &first).0, 0);
    let folder = home.path().join("d");
    let compose = || fs::read_to_string(folder.join("docker-compose.yaml")).unwrap();
    let before = compose();
    let spec = fs::read_to_string(folder.join("chroma-otel.yaml")).unwrap();
    let commented = spec.replace("version: 1.0.20", "version: 1.0.20 # until August");
    fs::write(folder.join("chroma-otel.yaml"), &commented).unwrap();

    let (code, _, message) = run(&folder, &["gen", "--port", "8001"]);
    assert_eq!(code, 0, "{message}");
    assert_eq!(
        compose(),
        before.replace("127.0.0.1:8000:8000", "127.0.0.1:8001:8000")
    );
    let spec = fs::read_to_string(folder.join("chroma-otel.yaml")).unwrap();
    assert!(
        spec.contains("version: 1.0.20 # until August\n  port: 8001\n"),
        "{spec}"
    );
    assert_eq!(run(&folder, &["check"]).0, 0);
    assert_eq!(run(&folder, &["validate"]).0, 0);
}

#[test]
fn a_folder_belongs_to_one_spec() {
    let home = folder();
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    write("dev.yaml", "target: docker\n");
    write("prod.yaml", "target: kubernetes\n");
    assert_eq!(run(home.path(), &["gen", "--spec", "dev.yaml"]).0, 0);
    let before = snapshot(home.path());
    for arguments in [
        &["gen", "--spec", "prod.yaml", "--prune"][..],
        &["check", "--spec", "prod.yaml"],
    ] {
        let (code, _, message) = run(home.path(), arguments);
        assert_eq!(code, 1);
        assert!(
            message.contains("holds the deployment of `dev.yaml`, not of `prod.yaml`"),
            "{message}"
        );
    }
    assert_eq!(snapshot(home.path()), before);
    assert_eq!(
        run(
            home.path(),
            &["gen", "--spec", "prod.yaml", "--out", "prod"]
        )
        .0,
        0
    );
}

#[test]
fn rejects_an_older_chroma_without_allow_downgrade() {
    let home = folder();
    assert_eq!(
        run(home.path(), &["gen", "--target", "docker", "--out", "d"]).0,
        0
    );
    let before = snapshot(home.path());
    let older = ["gen", "--out", "d", "--chroma-version", "1.0.20"];
    let (code, _, message) = run(home.path(), &older);
    assert_eq!(code, 1);
    assert!(
        message.contains("chroma.version: `1.0.20` is older than"),
        "{message}"
    );
    assert_eq!(snapshot(home.path()), before);
    let allowed = [&older[..], &["--allow-downgrade"]].concat();
    assert_eq!(run(home.path(), &allowed).0, 0);
}

#[test]
fn init_without_a_terminal_asks_nothing() {
    let home = folder();
    let (code, _, message) = run(home.path(), &["init"]);
    assert_eq!(code, 2);
    assert!(message.contains("--target: is missing"), "{message}");
    assert_eq!(
        run(
            home.path(),
            &["init", "--target", "docker", "--name", "search"]
        )
        .0,
        0
    );
    assert!(home.path().join("search/docker-compose.yaml").exists());
}
