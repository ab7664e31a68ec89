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
fn another_backend_drops_the_settings_of_the_previous_one() {
    let home = folder();
    let gen_ = |arguments: &str| gen_in_out(home.path(), arguments);
    let grafana = "--backend grafana-cloud --region prod-eu-west-2 --setting instance_id=123456";
    assert_eq!(gen_(&format!("--target docker {grafana}")).0, 0);
    let spec = || fs::read_to_string(home.path().join("out/chroma-otel.yaml")).unwrap();
    let (code, _, message) = gen_("--backend honeycomb --region eu1");
    let note = "note: `tracing.settings` of backend `grafana-cloud` is no longer used: `instance_id`, `region`\n";
    assert!(code == 0 && message.contains(note), "{message}");
    assert!(
        !spec().contains("instance_id") && spec().contains("region: eu1"),
        "{}",
        spec()
    );
    let (code, _, message) = gen_("--backend jaeger");
    assert_eq!(code, 0, "{message}");
    assert!(!spec().contains("settings"), "{}", spec());
    assert_eq!(gen_("--port 8001").0, 0);
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
fn an_endpoint_in_env_does_not_get_the_key_of_another_backend() {
    let home = folder();
    let otlp = [
        "gen",
        "--out",
        "d",
        "--target",
        "docker",
        "--backend",
        "otlp",
    ];
    assert_eq!(run(home.path(), &otlp).0, 0);
    let env = home.path().join("d/.env");
    fs::write(&env, "CHROMA_OTEL_COLLECTION_ENDPOINT='http://old:4317'\n").unwrap();
    assert_eq!(
        run(home.path(), &["gen", "--out", "d", "--port", "8001"]).0,
        0
    );
    let honeycomb = ["gen", "--out", "d", "--backend", "honeycomb"];
    let (code, _, message) = run(home.path(), &honeycomb);
    assert_eq!(code, 1, "{message}");
    assert!(
        message.contains(
            "error: d/.env: sets CHROMA_OTEL_COLLECTION_ENDPOINT, which overrides the new endpoint"
        ),
        "{message}"
    );
    fs::write(&env, "CHROMA_OTEL_COLLECTION_ENDPOINT=\n").unwrap();
    assert_eq!(run(home.path(), &honeycomb).0, 0);
}

#[test]
fn another_format_or_platform_than_the_default_is_another_deployment() {
    for flags in [["--format", "terraform"], ["--platform", "kubernetes"]] {
        let home = folder();
        let first = [
            "gen",
            "--out",
            "d",
            "--target",
            "aws",
            "--backend",
            "jaeger",
        ];
        assert_eq!(run(home.path(), &first).0, 0);
        let (code, _, message) = run(home.path(), &[&["gen", "--out", "d"], &flags[..]].concat());
        assert_eq!(code, 1, "{message}");
        assert!(message.contains("d: holds a deployment with "), "{message}");
        let same = [
            "gen",
            "--out",
            "d",
            "--format",
            "cloudformation",
            "--platform",
            "vm",
        ];
        assert_eq!(run(home.path(), &same).0, 0);
    }
}

#[test]
fn access_is_checked_for_strangers_ports_and_certificates() {
    for (spec, expected) in [
        (
            "chroma: {bind: 203.0.113.7}",
            "error: chroma-otel.yaml: chroma.bind: `203.0.113.7` is a public address",
        ),
        (
            "chroma: {bind: 203.0.113.7, access: {token: true}}",
            "error: chroma-otel.yaml: chroma.bind: ",
        ),
        (
            "chroma: {bind: 203.0.113.7, access: {host: a.example.com, token: false}}",
            "error: chroma-otel.yaml: chroma.access.token: is `false`",
        ),
        (
            "chroma: {bind: 203.0.113.7, access: {host: 'https://a.example.com'}}",
            "error: chroma-otel.yaml: chroma.access.host: ",
        ),
        (
            "chroma: {bind: 203.0.113.7, access: {host: a.example.com}}\nclients: python",
            "error: chroma-otel.yaml: clients: would open",
        ),
        (
            "chroma: {port: 9000, access: {host: a.example.com}}",
            "error: chroma-otel.yaml: chroma.port: has no effect",
        ),
        (
            "chroma: {access: {host: a.example.com}}",
            "note: Let's Encrypt issues the certificate only if ports 80 and 443 of a.example.com lead from the internet to 127.0.0.1",
        ),
        (
            "chroma: {access: {certificate: tls}}",
            "error: chroma-otel.yaml: chroma.access.host: is missing",
        ),
        (
            "chroma: {bind: 203.0.113.7, open_to_world: true, access: {token: true}}",
            "note: the token is sent without TLS",
        ),
        (
            "chroma: {bind: 100.64.0.3}",
            "CHROMA_TOKEN: the token that clients send",
        ),
        (
            "chroma: {bind: 10.0.0.5, access: {token: false}}",
            "note: Chroma is published on 10.0.0.5 without authentication",
        ),
    ] {
        let home = folder();
        fs::write(
            home.path().join("chroma-otel.yaml"),
            format!("target: docker\n{spec}\n"),
        )
        .unwrap();
        let (code, _, message) = run(home.path(), &["gen"]);
        assert!(message.contains(expected), "{spec}: {message}");
        let errors = message.matches("error: chroma-otel.yaml").count();
        assert_eq!(
            (code != 0, errors),
            (expected.starts_with("error"), usize::from(code != 0)),
            "{message}"
        );
    }
}

#[test]
fn certificate_is_checked_for_the_load_balancer_of_the_cloud() {
    let (host, arn) = (
        "host: a.example.com",
        "certificate: 'arn:aws:acm:eu-central-1:123456789012:certificate/8a6c'",
    );
    for (target, access, expected) in [
        ("aws", host, "chroma.access.certificate: is missing"),
        ("aws", arn, "chroma.access.host: is missing"),
        (
            "aws",
            "host: a.example.com, certificate: tls",
            "chroma.access.certificate: `tls` is not the ARN of a certificate",
        ),
        (
            "aws\nmachine: {zone: us-east-1a}",
            &format!("{host}, {arn}"),
            "chroma.access.certificate: `eu-central-1` is not the region of `machine.zone`, `us-east-1a`",
        ),
        (
            "gcp",
            host,
            "chroma.access: has no TLS on a machine of this cloud",
        ),
        (
            "azure",
            arn,
            "chroma.access: has no TLS on a machine of this cloud",
        ),
    ] {
        let home = folder();
        let spec = format!("target: {target}\nchroma: {{access: {{{access}}}}}\n");
        fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
        let (code, _, message) = run(home.path(), &["gen"]);
        assert!(
            code != 0 && message.contains(expected),
            "{access}: {message}"
        );
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "{target}");
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
        "    extra_hosts: [\"host.docker.internal:host-gateway\"] # this machine, as an endpoint\n",
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

#[test]
fn a_version_by_mistake_can_be_corrected() {
    let home = folder();
    let gen_ = |arguments: &str| gen_in_out(home.path(), arguments);
    let (code, _, message) = gen_("--target docker --chroma-version 15.9.0");
    assert!(
        code == 0 && message.contains("check that its image exists"),
        "{message}"
    );
    let (code, _, message) = gen_("--chroma-version 1.5.9");
    let hint = "hint: if Chroma 15.9.0 never started here, use `gen --allow-downgrade`; otherwise ";
    assert!(code == 1 && message.contains(hint), "{message}");
    let (code, _, message) = gen_("--chroma-version 1.5.9 --allow-downgrade");
    assert_eq!(code, 0, "{message}");
    let steps = "
next:
  cd out
  # if Chroma 15.9.0 has started here: restore a backup of 1.5.9, see README.md
  # otherwise: start with the commands that `chroma-otel-deploy gen` prints now
";
    assert!(message.ends_with(steps), "{message}");
    let (_, _, message) = gen_("--port 8000");
    assert!(
        message.contains("\n  docker compose up --detach --wait\n"),
        "{message}"
    );
}

#[test]
fn the_spec_that_a_folder_belongs_to_can_have_any_name() {
    let home = folder();
    let own = home.path().join("two");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("dev.yaml"), "target: docker\nname: dev\n").unwrap();
    fs::write(own.join("prod.yaml"), "target: kubernetes\n").unwrap();
    assert_eq!(run(home.path(), &["gen", "--spec", "two/dev.yaml"]).0, 0);
    for (place, arguments) in [
        (&own, &["gen"][..]),
        (&own, &["check"]),
        (&own, &["validate"]),
        (&own, &["gen", "--port", "8001"]),
        (&own, &["check"]),
        (&home.path().to_path_buf(), &["check", "--out", "two"]),
    ] {
        let (code, _, message) = run(place, arguments);
        assert_eq!(code, 0, "{arguments:?}: {message}");
    }
    let spec = fs::read_to_string(own.join("dev.yaml")).unwrap();
    assert!(spec.contains("port: 8001"), "{spec}");
    assert!(!own.join("chroma-otel.yaml").exists());
}

#[test]
fn init_describes_a_deployment_that_exists() {
    let home = folder();
    let (code, _, message) = run(home.path(), &["init", "--spec", "no.yaml"]);
    assert!(code == 2 && !message.contains("already"), "{message}");
    run(home.path(), &["gen", "--target", "docker"]);
    for (place, another) in [
        (home.path().join("chroma"), "run `init` in another folder"),
        (home.path().to_path_buf(), "use another `--name` or `--out`"),
    ] {
        let (code, _, message) = run(&place, &["init"]);
        let note = "already describes `chroma` on target `docker`, so nothing is asked: ";
        assert!(
            code == 0 && message.contains(note) && message.contains(another),
            "{message}"
        );
    }
}
