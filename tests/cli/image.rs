//! The build context of images, and published images.

use std::fs;
use std::path::Path;

use crate::command::{folder, refused, relative, run, snapshot};

/// Writes a deployment below `home` that builds from `../image`.
fn shared(home: &Path, name: &str, version: &str) -> (i32, String) {
    let place = home.join(name);
    fs::create_dir_all(&place).unwrap();
    let spec = format!(
        "target: docker\nname: {name}\nchroma: {{version: {version}, image_context: ../image}}\n"
    );
    fs::write(place.join("chroma-otel.yaml"), spec).unwrap();
    let spec = format!("{name}/chroma-otel.yaml");
    let (code, _, message) = run(home, &["gen", "--spec", &spec]);
    (code, message)
}

fn check(home: &Path, name: &str) -> i32 {
    run(
        home,
        &["check", "--spec", &format!("{name}/chroma-otel.yaml")],
    )
    .0
}

#[test]
fn image_writes_the_context_and_prints_the_commands_to_push() {
    let home = folder();
    let arguments = ["image", "--registry", "registry.example.com/search"];
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 0, "{message}");
    assert!(
        message.ends_with(
            "  cd image\n  docker buildx bake --builder chroma-otel --push\n  # in each spec: `chroma.image: published`, `chroma.registry` with that registry\n"
        ),
        "{message}"
    );
    let before = snapshot(home.path());
    let (code, _, message) = run(home.path(), &arguments);
    assert!(code == 0 && message.contains("up to date"), "{message}");
    assert_eq!(snapshot(home.path()), before);
    fs::write(home.path().join("image/Dockerfile"), "FROM mine:1\n").unwrap();
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 1, "an edited file is kept: {message}");
}

#[test]
fn image_keeps_the_registry_of_an_earlier_run() {
    let home = folder();
    let bake = || fs::read_to_string(home.path().join("image/docker-bake.hcl")).unwrap();
    run(
        home.path(),
        &["image", "--registry", "registry.example.com/search"],
    );
    let (code, _, message) = run(home.path(), &["image", "--chroma-version", "1.0.20"]);
    assert_eq!(code, 0, "{message}");
    assert!(
        bake().contains("default = \"registry.example.com/search\""),
        "{}",
        bake()
    );
    assert!(bake().contains("/chroma:1.0.20-"));
    run(home.path(), &["image", "--registry", "other.example.com"]);
    assert!(
        bake().contains("default = \"other.example.com\""),
        "{}",
        bake()
    );
}

#[test]
fn image_has_only_the_flags_that_its_output_depends_on() {
    let home = folder();
    let (_, help, _) = run(home.path(), &["image", "--help"]);
    let flags = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    let flags: Vec<&str> = flags.collect();
    assert_eq!(
        flags,
        [
            "--out",
            "--force",
            "--spec",
            "--json",
            "--help",
            "--registry",
            "--chroma-version",
            // In the example.
            "--registry"
        ],
        "{help}"
    );
    assert_eq!(run(home.path(), &["image", "--backend", "jaeger"]).0, 2);
}

#[test]
fn a_deployments_context_equals_the_output_of_image() {
    let home = folder();
    let version = ["--chroma-version", "1.0.20"];
    for command in [
        &["gen", "--target", "aws", "--name", "other", "--out", "a"][..],
        &["image", "--out", "b"],
    ] {
        assert_eq!(run(home.path(), &[command, &version].concat()).0, 0);
    }
    let mut own = relative(&home.path().join("a/image"));
    let mut alone = relative(&home.path().join("b"));
    alone.remove(".chroma-otel-deploy.sha256").unwrap();
    // A folder inside the deployment's is part of the deployment's record.
    assert_eq!(own.remove(".chroma-otel-deploy.sha256"), None);
    assert!(own == alone);
}

#[test]
fn deployments_that_share_a_context_agree_on_it() {
    let home = folder();
    for name in ["one", "two"] {
        let (code, message) = shared(home.path(), name, "1.5.9");
        assert_eq!(code, 0, "{message}");
    }
    assert!(!home.path().join("one/image").exists());
    let context = snapshot(&home.path().join("image"));
    assert_eq!(
        (check(home.path(), "one"), check(home.path(), "two")),
        (0, 0)
    );

    fs::write(home.path().join("image/Dockerfile"), "FROM mine:1\n").unwrap();
    assert_eq!(
        (check(home.path(), "one"), check(home.path(), "two")),
        (1, 1)
    );
    let (code, message) = shared(home.path(), "one", "1.5.9");
    assert!(
        code == 1 && message.contains("../image/Dockerfile"),
        "{message}"
    );

    fs::remove_file(home.path().join("image/Dockerfile")).unwrap();
    assert_eq!(shared(home.path(), "one", "1.5.9").0, 0);
    assert_eq!(snapshot(&home.path().join("image")), context);
}

#[test]
fn another_release_in_a_shared_context_is_reported_by_both_sides() {
    let home = folder();
    shared(home.path(), "one", "1.5.9");
    let (code, message) = shared(home.path(), "two", "1.0.20");
    assert_eq!(code, 0, "{message}");
    assert!(
        message.contains("`../image/` changed: run `gen` for the other deployments that share it"),
        "{message}"
    );
    assert_eq!(
        (check(home.path(), "one"), check(home.path(), "two")),
        (1, 0)
    );
}

#[test]
fn a_deployment_that_stops_using_a_shared_context_keeps_it() {
    let home = folder();
    shared(home.path(), "one", "1.5.9");
    let context = snapshot(&home.path().join("image"));
    let arguments = [
        "gen",
        "--spec",
        "one/chroma-otel.yaml",
        "--image",
        "stock",
        "--prune",
    ];
    assert_eq!(run(home.path(), &arguments).0, 0);
    assert_eq!(snapshot(&home.path().join("image")), context);
}

#[test]
fn rejects_other_places_for_the_context() {
    for path in [
        "/image", "../", "a/../b", "./image", "", "a b", "~/image", "$HOME",
    ] {
        let message = refused(&format!(
            "target: docker\nchroma: {{image_context: \"{path}\"}}\n"
        ));
        assert!(
            message.contains("chroma.image_context"),
            "{path}: {message}"
        );
    }
}

#[test]
fn published_images_need_a_registry_and_are_not_built() {
    let message = refused("target: docker\nchroma: {image: published}\n");
    assert!(
        message.contains("chroma.registry: is required with `image: published`"),
        "{message}"
    );
    for target in ["docker", "aws", "gcp", "azure", "kubernetes"] {
        let home = folder();
        let arguments = [
            "gen",
            "--target",
            target,
            "--image",
            "published",
            "--registry",
            "r.example.com/a",
        ];
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 0, "{message}");
        let files = relative(&home.path().join("deploy").join(target));
        assert_eq!(files.keys().find(|path| path.starts_with("image/")), None);
    }
}

#[test]
fn the_old_name_of_the_registry_still_works_on_kubernetes() {
    let home = folder();
    let spec = home.path().join("chroma-otel.yaml");
    fs::write(
        &spec,
        "target: kubernetes\nchroma: {version: 1.0.20}\nkubernetes: {registry: r.example.com/a}\n",
    )
    .unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    assert!(
        message.contains("`kubernetes.registry` is deprecated: use `chroma.registry`"),
        "{message}"
    );
    let chroma = fs::read_to_string(home.path().join("chroma.yaml")).unwrap();
    assert!(
        chroma.contains("image: r.example.com/a/chroma:1.0.20-"),
        "{chroma}"
    );
    let message = refused(
        "target: kubernetes\nchroma: {registry: a.example.com/b}\nkubernetes: {registry: r.example.com/a}\n",
    );
    assert!(
        message.contains("kubernetes.registry: `r.example.com/a` conflicts with `chroma.registry`"),
        "{message}"
    );
}
