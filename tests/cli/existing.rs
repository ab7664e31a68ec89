//! `gen` in the folder of an existing deployment: notes and commands for what already runs, and the schema.

use std::fs;
use std::path::Path;

use crate::command::{folder, run};

fn message_of(home: &Path, arguments: &[&str]) -> String {
    let (code, _, message) = run(home, arguments);
    assert_eq!(code, 0, "{arguments:?}: {message}");
    message
}

#[test]
fn a_new_name_is_noted_on_every_target() {
    for flags in [
        &["docker"][..],
        &["kubernetes"],
        &["aws"],
        &["aws", "--format", "terraform"],
        &["gcp"],
        &["azure"],
    ] {
        let home = folder();
        let first = [&["gen", "--out", "d", "--target"], flags].concat();
        assert!(!message_of(home.path(), &first).contains("is now named"));
        let message = message_of(home.path(), &["gen", "--out", "d", "--name", "second"]);
        assert!(
            message.contains("note: `chroma` is now named `second`"),
            "{flags:?}: {message}"
        );
        let again = message_of(home.path(), &["gen", "--out", "d"]);
        assert!(!again.contains("is now named"), "{again}");
    }
}

#[test]
fn resources_that_the_new_manifests_lack_are_deleted_by_a_printed_command() {
    let home = folder();
    let delete = |flags: &[&str]| -> Vec<String> {
        let message = message_of(home.path(), &[&["gen", "--out", "k"], flags].concat());
        let lines: Vec<&str> = message.lines().map(str::trim).collect();
        let start = "kubectl delete --ignore-not-found --namespace chroma ";
        let Some(place) = lines.iter().position(|line| line.starts_with(start)) else {
            return Vec::new();
        };
        assert_eq!(lines[place - 1], "kubectl apply --kustomize .");
        let gone = lines[place].replace(start, "");
        gone.split(' ').map(str::to_owned).collect()
    };
    let registry = ["--registry", "registry.example.com"];
    assert_eq!(
        delete(&[&["--target", "kubernetes"], &registry[..]].concat()),
        [""; 0]
    );
    let tiered = delete(&["--collector-mode", "tiered"]);
    assert!(
        tiered.contains(&"deployment/chroma-otel-collector".to_owned()),
        "{tiered:?}"
    );
    assert!(
        !tiered.iter().any(|one| one.contains("service/")),
        "{tiered:?}"
    );
    // Also without `--prune`, which leaves the file of the routers.
    for _ in 0..2 {
        let gateway = delete(&["--collector-mode", "gateway"]);
        assert!(
            gateway.contains(&"deployment/chroma-otel-router".to_owned()),
            "{gateway:?}"
        );
    }
    delete(&["--prune"]);
    assert_eq!(delete(&[]), [""; 0]);
    assert_eq!(delete(&["--port", "8001"]), [""; 0], "nothing is gone");
    assert_eq!(
        delete(&["--name", "second"]),
        [""; 0],
        "the first deployment stays"
    );
}

#[test]
fn resources_that_own_others_are_deleted_before_the_new_files_are_applied() {
    let home = folder();
    let spec = home.path().join("s.yaml");
    let commands = |text: &str| -> Vec<String> {
        let head = "target: kubernetes\nchroma: {image: stock}\n";
        fs::write(&spec, format!("{head}{text}")).unwrap();
        let arguments = ["gen", "--spec", "s.yaml", "--out", "k", "--prune"];
        let message = message_of(home.path(), &arguments);
        let lines = message.lines().map(str::trim);
        let lines = lines.filter(|line| line.starts_with("kubectl "));
        lines.map(str::to_owned).collect()
    };
    let delete = |how: &str, what: &str| {
        format!("kubectl delete --ignore-not-found{how} --namespace chroma {what}")
    };
    let apply = "kubectl apply --kustomize .";
    let first = commands("collector: {operator: true}\n");
    assert_eq!(first.last().unwrap(), apply);
    let back = commands("");
    let owner = delete(
        " --cascade=foreground",
        "opentelemetrycollector/chroma-otel",
    );
    assert_eq!(back.first().unwrap(), &owner);
    assert_eq!(back.last().unwrap(), apply);
    let again = commands("collector: {operator: true}\n");
    assert!(
        again[0].contains(" deployment/chroma-otel-collector "),
        "{again:?}"
    );

    let stored = "tracing: {backend: honeycomb}
machine: {secrets: {HONEYCOMB_API_KEY: team/honeycomb}}
kubernetes: {secret_store: vault, allow_namespaces: [shop]}
";
    commands(stored);
    let by_hand = commands("tracing: {backend: honeycomb}\n");
    let external = delete(" --cascade=foreground", "externalsecret/chroma-keys");
    assert_eq!(by_hand[0], external, "{by_hand:?}");
    assert!(by_hand[2].starts_with("kubectl create secret "));
    let wide =
        "clusterrole/chroma-chroma-otel-collector clusterrolebinding/chroma-chroma-otel-collector";
    assert_eq!(by_hand.last().unwrap(), &delete("", wide));
}

#[test]
fn writes_the_schema_that_the_first_line_of_the_spec_names() {
    let home = folder();
    message_of(home.path(), &["gen", "--target", "docker", "--out", "d"]);
    let spec = fs::read_to_string(home.path().join("d/chroma-otel.yaml")).unwrap();
    let line = spec.lines().next().unwrap();
    let name = line
        .strip_prefix("# yaml-language-server: $schema=")
        .unwrap();
    let schema = home.path().join("d").join(name);
    let (_, printed, _) = run(home.path(), &["schema"]);
    assert_eq!(fs::read_to_string(&schema).unwrap(), printed);
    // A newer version updates it.
    fs::write(&schema, "{}").unwrap();
    message_of(home.path(), &["gen", "--out", "d"]);
    assert_eq!(fs::read_to_string(&schema).unwrap(), printed);
    // Another first line is the user's choice.
    fs::remove_file(&schema).unwrap();
    fs::write(home.path().join("d/chroma-otel.yaml"), "target: docker\n").unwrap();
    message_of(home.path(), &["gen", "--out", "d"]);
    assert!(!schema.exists());
    assert_eq!(run(home.path(), &["validate", "--out", "d"]).0, 0);
}

#[test]
fn a_second_deployment_on_docker_can_choose_every_port() {
    let home = folder();
    let arguments = [
        "gen",
        "--target",
        "docker",
        "--backend",
        "jaeger",
        "--backend",
        "zipkin",
        "--out",
        "d",
    ];
    message_of(home.path(), &arguments);
    let read = |file: &str| fs::read_to_string(home.path().join("d").join(file)).unwrap();
    let (compose, example, readme) = (
        read("docker-compose.yaml"),
        read(".env.example"),
        read("README.md"),
    );
    let published = compose.lines().filter(|line| line.contains("127.0.0.1:$"));
    let published: Vec<&str> = published.collect();
    assert_eq!(published.len(), 4, "{compose}");
    for line in published {
        let (_, rest) = line.split_once("${").unwrap();
        let (name, rest) = rest.split_once(":-").unwrap();
        let (default, rest) = rest.split_once("}:").unwrap();
        assert!(rest.starts_with(default), "{line}");
        assert!(
            example.contains(&format!("\n#{name}={default}\n")),
            "{name}: {example}"
        );
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn a_change_of_the_place_is_noted() {
    for (first, second, expected) in [
        (
            &["--target", "gcp", "--zone", "europe-west3-a"][..],
            &["--zone", "europe-west3-b"][..],
            "note: `zone` changes from `europe-west3-a` to `europe-west3-b`, but the data disk cannot move",
        ),
        (
            &["--target", "kubernetes"],
            &["--storage-class", "fast"],
            "note: the storage class changes from the default to `fast`, which Kubernetes rejects",
        ),
        (
            &["--target", "kubernetes"],
            &["--namespace", "other"],
            "note: the namespace changes from `chroma` to `other`, where Chroma starts with an empty volume",
        ),
        (
            &["--target", "aws", "--network", "vpc-01234567"],
            &["--network", "vpc-89abcdef"],
            "note: `machine.network` changes from `vpc-01234567` to `vpc-89abcdef`, but the VPC of an existing stack cannot change",
        ),
        (
            &["--target", "aws", "--subnet", "subnet-01234567"],
            &["--subnet", "subnet-89abcdef"],
            "note: `machine.subnet` changes from `subnet-01234567` to `subnet-89abcdef`: an existing stack replaces",
        ),
        (
            &["--target", "gcp", "--subnet", "a"],
            &["--subnet", "b"],
            "note: `subnet` changes from `a` to `b`: Chroma gets another address",
        ),
    ] {
        let home = folder();
        message_of(home.path(), &[&["gen", "--out", "d"], first].concat());
        let message = message_of(home.path(), &[&["gen", "--out", "d"], second].concat());
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_pinned_image_is_for_the_old_architecture() {
    for format in ["cloudformation", "terraform"] {
        let home = folder();
        let spec = |kind: &str| {
            format!(
                "target: aws\nformat: {format}\nmachine: {{image: ami-01234567, type: {kind}}}\n"
            )
        };
        let path = home.path().join("chroma-otel.yaml");
        fs::write(&path, spec("t4g.medium")).unwrap();
        let first = message_of(home.path(), &["gen"]);
        assert!(!first.contains("machine.image"), "{first}");
        fs::write(&path, spec("t3.medium")).unwrap();
        let second = message_of(home.path(), &["gen"]);
        let note = "note: `machine.image` must be an image for x86_64 now";
        assert!(second.contains(note), "{second}");
    }
}

#[test]
fn a_renamed_deployment_is_stopped_before_the_new_one_starts() {
    let home = folder();
    message_of(home.path(), &["gen", "--out", "d", "--target", "docker"]);
    let message = message_of(home.path(), &["gen", "--out", "d", "--name", "second"]);
    let steps =
        "\n  docker compose --project-name chroma down --remove-orphans\n  docker compose up ";
    assert!(message.contains(steps), "{message}");
}

#[test]
fn an_existing_env_file_is_opened_and_not_copied() {
    let home = folder();
    let arguments = [
        "gen",
        "--target",
        "docker",
        "--backend",
        "honeycomb",
        "--out",
        "d",
    ];
    let first = message_of(home.path(), &arguments);
    assert!(
        first.contains("\n  cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env\n"),
        "{first}"
    );
    fs::write(home.path().join("d/.env"), "").unwrap();
    let second = message_of(home.path(), &arguments);
    assert!(
        second.contains("\n  ${EDITOR:-vi} .env\n") && !second.contains("cp -n"),
        "{second}"
    );
}

#[test]
fn a_refused_file_that_is_completely_different_is_not_printed() {
    let home = folder();
    fs::create_dir(home.path().join("d")).unwrap();
    fs::write(home.path().join("d/README.md"), "mine\n").unwrap();
    let (code, answer, message) = run(home.path(), &["gen", "--target", "docker", "--out", "d"]);
    assert_eq!(code, 1, "{message}");
    assert!(
        answer.starts_with("README.md: too many differences to show; "),
        "{answer}"
    );
    assert_eq!(answer.lines().count(), 1);
}

#[test]
fn containers_of_pruned_files_are_removed() {
    let home = folder();
    let spec = home.path().join("chroma-otel.yaml");
    let with = "target: docker\nchroma: {access: {token: true}}\nbackup: {}\n";
    fs::write(&spec, with).unwrap();
    message_of(home.path(), &["gen"]);
    fs::write(&spec, "target: docker\n").unwrap();
    let up = "docker compose up --detach --wait --remove-orphans";
    assert!(message_of(home.path(), &["gen"]).contains(up));
    assert!(message_of(home.path(), &["gen", "--prune"]).contains(up));
    assert!(!message_of(home.path(), &["gen"]).contains("--remove-orphans"));
}

#[test]
fn a_short_token_is_noted_and_not_shown() {
    let home = folder();
    let spec = "target: docker\nchroma: {access: {token: true}}\n";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    for (token, is_noted) in [("", false), ("'sh0rt'", true), ("8d2f9a40c1e65b7d", false)] {
        fs::write(home.path().join(".env"), format!("CHROMA_TOKEN={token}\n")).unwrap();
        let message = message_of(home.path(), &["gen"]);
        let note = "CHROMA_TOKEN in ./.env has fewer than 16 characters";
        assert_eq!(message.contains(note), is_noted, "{message}");
        assert!(!message.contains("sh0rt"), "{message}");
    }
}

#[test]
fn a_variable_in_env_that_the_deployment_does_not_read_is_noted() {
    let home = folder();
    let spec = "target: docker\nchroma: {access: {token: true}}\n";
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let read = "CHROMA_OPEN_TELEMETRY__ENDPOINT=a\nOTEL_EXPORTER_OTLP_HEADERS=b=c\nCHROMA_READ_TOKEN=8d2f9a40c1e65b7d\n";
    for (more, noted) in [
        ("", None),
        ("UI_PORT=1\nCHROMA_OTEL_ENDPOINT=\n", None),
        (
            "CHROMA_OTEL_ENDPOINT=s3cret\nOTEL_TRACES_EXPORTER=none\n",
            Some("CHROMA_OTEL_ENDPOINT, OTEL_TRACES_EXPORTER"),
        ),
    ] {
        fs::write(home.path().join(".env"), format!("{read}{more}")).unwrap();
        for command in ["gen", "check"] {
            let message = message_of(home.path(), &[command]);
            let note = "which this deployment does not read: see .env.example";
            match noted {
                Some(names) => assert!(
                    message.contains(&format!("note: ./.env sets {names}, {note}")),
                    "{message}"
                ),
                None => assert!(!message.contains(note), "{message}"),
            }
            assert!(!message.contains("s3cret"), "{message}");
        }
    }
    let own = "services: {chroma: {environment: [CHROMA_OTEL_ENDPOINT, OTEL_TRACES_EXPORTER]}}\n";
    fs::write(home.path().join("docker-compose.override.yaml"), own).unwrap();
    let message = message_of(home.path(), &["check"]);
    assert!(!message.contains("does not read"), "{message}");
}

#[test]
fn an_upgrade_begins_with_a_backup() {
    let home = folder();
    let first = [
        "gen",
        "--target",
        "docker",
        "--out",
        "d",
        "--chroma-version",
        "1.0.20",
    ];
    assert!(!message_of(home.path(), &first).contains("# back up first"));
    let message = message_of(
        home.path(),
        &["gen", "--out", "d", "--chroma-version", "1.5.9"],
    );
    let steps = "\n  cd d\n  # back up first: README.md\n  docker compose up ";
    assert!(message.contains(steps), "{message}");
}

#[test]
fn a_first_terraform_module_and_its_first_place_have_no_notes() {
    for target in ["gcp", "azure"] {
        let home = folder();
        let first = message_of(home.path(), &["gen", "--target", target, "--out", "d"]);
        assert!(!first.contains("terraform state"), "{first}");
        let spec = home.path().join("d/chroma-otel.yaml");
        let text = fs::read_to_string(&spec).unwrap();
        let place = "machine: {zone: europe-west3-a, network: default, subnet: default}\n";
        let place = if target == "gcp" {
            place
        } else {
            "machine: {zone: '1'}\n"
        };
        fs::write(&spec, format!("{text}{place}")).unwrap();
        let second = message_of(home.path(), &["gen", "--out", "d"]);
        assert!(
            !second.contains("cannot move") && !second.contains("changes from"),
            "{second}"
        );
    }
}
