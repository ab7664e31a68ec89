//! The commands as a person runs them: messages, exit codes, and what is on disk afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may stop where it stands, and writes what it needs"
)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Runs the binary in `folder` with a clean environment.
fn run_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Exit code, first stream, second stream.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    texts(&run_with(folder, arguments, &[]))
}

fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Every file below a folder with its bytes.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(place) = open.pop().filter(|place| place.exists()) {
        for entry in fs::read_dir(place).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn gen_writes_and_says_what_comes_next() {
    let home = folder();
    let (code, answer, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--backend", "honeycomb"],
    );
    assert_eq!((code, answer.as_str()), (0, ""));
    let count = |line: &str| {
        line.contains("entrypoint/ (")
            .then_some("  + entrypoint/ (… files: the entrypoint's sources)")
    };
    let message: Vec<&str> = message
        .lines()
        .map(|line| count(line).unwrap_or(line))
        .skip(1)
        .collect();
    insta::assert_snapshot!(message.join("\n"), @r##"
      + .dockerignore
      + .env.example
      + .gitignore
      + Dockerfile
      + README.md
      + config.yaml
      + docker-compose.yaml
      + otel-collector.yaml
      + entrypoint/ (… files: the entrypoint's sources)
    you still have to set, in deploy/docker/.env:
      HONEYCOMB_API_KEY: an ingest key (Honeycomb: Environment settings, API keys) of the environment the traces go to
    next:
      cd deploy/docker
      cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env
      docker compose up --build --detach --wait --remove-orphans
      see the traces: https://ui.honeycomb.io
    "##);
    let out = home.path().join("deploy/docker");
    assert!(out.join("docker-compose.yaml").exists());
    assert!(!out.join(".env").exists(), "there was no secret to write");
}

#[test]
fn gen_twice_changes_nothing_and_check_agrees() {
    let home = folder();
    assert_eq!(run(home.path(), &["gen", "--target", "docker"]).0, 0);
    let before = snapshot(home.path());
    let (code, _, message) = run(home.path(), &["gen", "--target", "docker"]);
    assert_eq!(code, 0);
    assert!(message.contains("all as they should be"), "{message}");
    assert_eq!(snapshot(home.path()), before);
    assert_eq!(run(home.path(), &["check", "--target", "docker"]).0, 0);
    assert_eq!(run(home.path(), &["validate", "--target", "docker"]).0, 0);
}

#[test]
fn check_shows_the_difference_and_the_command_without_the_key() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker"]);
    let arguments = [
        "check",
        "--target",
        "docker",
        "--chroma-version",
        "1.0.20",
        "--headers",
        "x-api-key=abcdefgh123",
    ];
    let (code, answer, message) = run(home.path(), &arguments);
    assert_eq!(code, 1);
    assert!(
        answer.contains("-ENV CHROMA_VERSION=1.5.9\n+ENV CHROMA_VERSION=1.0.20"),
        "{answer}"
    );
    assert!(
        message.contains(
            "run `chroma-otel-deploy gen --target docker --chroma-version 1.0.20 --headers …`"
        ),
        "{message}"
    );
    assert!(!answer.contains("abcdefgh123") && !message.contains("abcdefgh123"));
}

#[test]
fn an_edited_file_stays_until_force() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker"]);
    let compose = home.path().join("deploy/docker/docker-compose.yaml");
    let mine = fs::read_to_string(&compose).unwrap() + "# mine\n";
    fs::write(&compose, &mine).unwrap();
    let before = snapshot(home.path());
    let (code, answer, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--chroma-version", "1.0.20"],
    );
    assert_eq!(code, 1);
    assert!(answer.contains("-# mine"), "{answer}");
    assert!(
        message.contains("docker-compose.yaml: was not written by `gen`, or was edited since"),
        "{message}"
    );
    assert_eq!(snapshot(home.path()), before, "nothing at all is written");
    let (code, _, _) = run(home.path(), &["gen", "--target", "docker", "--force"]);
    assert_eq!(code, 0);
    assert!(!fs::read_to_string(&compose).unwrap().contains("# mine"));
}

#[test]
fn a_foreign_file_stays() {
    let home = folder();
    let out = home.path().join("deploy/docker");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("README.md"), "my notes\n").unwrap();
    let (code, _, message) = run(home.path(), &["gen", "--target", "docker"]);
    assert_eq!(code, 1);
    assert!(message.contains("README.md"), "{message}");
    assert_eq!(snapshot(&out).len(), 1);
}

#[test]
fn what_is_no_longer_planned_is_named_and_pruned_on_request() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker"]);
    let out = home.path().join("deploy/docker");
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--image", "stock"],
    );
    assert_eq!(code, 0);
    assert!(
        message.contains("removed by `--prune`:\n  - .dockerignore\n  - Dockerfile\n"),
        "{message}"
    );
    assert!(out.join("Dockerfile").exists());
    fs::write(out.join("entrypoint/Cargo.toml"), "mine").unwrap();
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--image", "stock", "--prune"],
    );
    assert_eq!(code, 1, "an edited file is not removed: {message}");
    assert!(out.join("Dockerfile").exists());
    let (code, _, _) = run(
        home.path(),
        &[
            "gen", "--target", "docker", "--image", "stock", "--prune", "--force",
        ],
    );
    assert_eq!(code, 0);
    assert!(!out.join("Dockerfile").exists() && !out.join("entrypoint").exists());
    assert_eq!(
        run(
            home.path(),
            &["check", "--target", "docker", "--image", "stock"]
        )
        .0,
        0
    );
}

#[test]
fn a_run_that_was_cut_off_leaves_files_that_the_next_takes_for_its_own() {
    let home = folder();
    let out = home.path().join("deploy/docker");
    run(
        home.path(),
        &["gen", "--target", "docker", "--chroma-version", "1.0.20"],
    );
    let old = fs::read(out.join("docker-compose.yaml")).unwrap();
    let state = out.join(".chroma-otel-deploy.sha256");
    let before = fs::read_to_string(&state).unwrap();
    run(home.path(), &["gen", "--target", "docker"]);
    // As after a kill between two files: both hashes known, one file still old.
    let after = fs::read_to_string(&state).unwrap();
    fs::write(&state, before + &after).unwrap();
    fs::write(out.join("docker-compose.yaml"), old).unwrap();
    assert_eq!(
        run(
            home.path(),
            &["gen", "--target", "docker", "--port", "8001"]
        )
        .0,
        0
    );
    assert_eq!(
        run(
            home.path(),
            &["check", "--target", "docker", "--port", "8001"]
        )
        .0,
        0
    );
}

#[test]
fn killed_at_any_moment_every_file_is_old_or_new() {
    let home = folder();
    let versions = ["1.0.20", "1.5.9"];
    let wanted: Vec<_> = versions
        .map(|version| {
            let place = home.path().join(version);
            let place = place.to_str().unwrap();
            let arguments = [
                "gen",
                "--target",
                "docker",
                "--chroma-version",
                version,
                "--out",
                place,
            ];
            assert_eq!(run(home.path(), &arguments).0, 0);
            relative(Path::new(place))
        })
        .into();
    let out = home.path().join("out");
    let mut cut_off = 0;
    for round in 0..60 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
            .args([
                "gen",
                "--target",
                "docker",
                "--chroma-version",
                versions[round % 2],
                "--out",
                "out",
            ])
            .current_dir(home.path())
            .env_clear()
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round as u64));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_ne!(
            status.code(),
            Some(1),
            "a file of our own was taken for the user's"
        );
        cut_off += usize::from(status.code().is_none());
        for (path, bytes) in relative(&out) {
            let known = path.ends_with(".tmp")
                || path == ".chroma-otel-deploy.sha256"
                || wanted.iter().any(|files| files.get(&path) == Some(&bytes));
            assert!(known, "round {round}: {path} is half written");
        }
    }
    assert!(cut_off > 0, "no run was cut off");
    assert_eq!(
        run(home.path(), &["gen", "--target", "docker", "--out", "out"]).0,
        0
    );
    assert_eq!(relative(&out), wanted[1]);
}

/// Every file below a folder by its path in it.
fn relative(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let start = format!("{}/", folder.display());
    let files = snapshot(folder).into_iter();
    files
        .map(|(path, bytes)| (path.replacen(&start, "", 1), bytes))
        .collect()
}

#[test]
fn secrets_go_to_env_and_nowhere_else() {
    for arguments in [
        &[
            "gen",
            "--target",
            "docker",
            "--headers",
            "x-api-key=s3cr3t-value",
        ][..],
        &["gen", "--spec", "spec.yaml"][..],
        &["gen", "--target", "docker", "--backend", "honeycomb"][..],
    ] {
        let home = folder();
        fs::write(home.path().join("spec.yaml"), "target: docker\ntracing: {headers: {x-api-key: s3cr3t-value}}\nchroma: {environment: {MY_TOKEN: s3cr3t-value}}\n").unwrap();
        let environment = [("HONEYCOMB_API_KEY", "s3cr3t-value")];
        let (code, answer, message) = texts(&run_with(home.path(), arguments, &environment));
        assert_eq!(code, 0, "{message}");
        assert!(
            !answer.contains("s3cr3t") && !message.contains("s3cr3t"),
            "{message}"
        );
        let out = if arguments.contains(&"--spec") {
            home.path().to_owned()
        } else {
            home.path().join("deploy/docker")
        };
        let env = out.join(".env");
        assert_eq!(
            fs::metadata(&env).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for (path, bytes) in snapshot(&out) {
            let secret = String::from_utf8_lossy(&bytes).contains("s3cr3t-value");
            let meant = path.ends_with("/.env") || path.ends_with("/spec.yaml");
            assert_eq!(secret, meant, "{path}");
        }
        // Never overwritten, not even with --force.
        fs::write(&env, "MINE=1\n").unwrap();
        let (code, _, message) = texts(&run_with(
            home.path(),
            &[arguments, &["--force"]].concat(),
            &environment,
        ));
        assert_eq!(
            (code, fs::read_to_string(&env).unwrap().as_str()),
            (0, "MINE=1\n")
        );
        assert!(
            message.contains("exists and was left as it is: "),
            "{message}"
        );
        // Nor shown by --stdout.
        let (code, answer, _) = texts(&run_with(
            home.path(),
            &[arguments, &["--stdout"]].concat(),
            &environment,
        ));
        assert!(
            code == 0
                && answer.contains("==> docker-compose.yaml <==")
                && !answer.contains("s3cr3t")
        );
    }
}

#[test]
fn dry_run_and_stdout_write_nothing() {
    let home = folder();
    for flag in ["--dry-run", "--stdout"] {
        let (code, _, _) = run(home.path(), &["gen", "--target", "docker", flag]);
        assert_eq!(code, 0);
        assert_eq!(snapshot(home.path()), []);
    }
}

#[test]
fn all_problems_are_told_at_once_and_nothing_is_written() {
    let home = folder();
    fs::write(
        home.path().join("chroma-otel.yaml"),
        "\
target: dockr
nmae: x
name: Upper
chroma:
  version: 1.5.3
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
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: chroma.environment.TOKEN: is not of the right kind
      hint: put it in quotes
    error: chroma-otel.yaml: chroma.port: 70000 is greater than the maximum of 65535
    error: chroma-otel.yaml: tracing.environment: 3 is not of types `null`, `string`
      hint: put it in quotes
    error: chroma-otel.yaml: tracing.headers: not in a form that headers have
      hint: a mapping of names to quoted text, a JSON object as text, `k=v,k2=v2`, or a list of names
    error: chroma-otel.yaml: colector: no such key
      hint: did you mean `collector`?
    error: chroma-otel.yaml: nmae: no such key
      hint: did you mean `name`?
    error: chroma-otel.yaml: target: `dockr` is not one of `docker`, `aws`, `gcp`, `azure`
      hint: did you mean `docker`?
    error: chroma-otel.yaml: name: `Upper` cannot be used
      hint: write lower-case letters, digits and `-`, at most 63, no `-` at either end
    error: chroma-otel.yaml: chroma.version: Chroma never had a release `1.5.3`
      hint: the nearest is `1.5.4`
    error: chroma-otel.yaml: chroma.bind: `0.0.0.0` lets strangers in: Chroma has no authentication of its own, and Docker's published ports pass by the host's firewall
      hint: bind a private address, or, with an authenticating proxy or a firewall of the network in front, set `chroma.open_to_world: true`
    error: chroma-otel.yaml: chroma.image: `stok` cannot be used
      hint: write `wrapped` (with the entrypoint) or `stock` (the published image)
    error: chroma-otel.yaml: chroma.repository: `chromadb/chroma:latest` cannot be used
      hint: write an image's repository in lower case without tag, such as `registry.example:5000/chroma`; the version is the tag
    error: chroma-otel.yaml: chroma.memory: `1g` is too little
      hint: give it `2g` or more
    error: chroma-otel.yaml: chroma.cors_allow_origins: `example.com` is not an origin
      hint: scheme, host and port without a path, such as `https://app.example.com`
    error: chroma-otel.yaml: chroma.environment.A-B: `A-B` is no name of a variable
      hint: write letters, digits and `_`, no digit first
    error: chroma-otel.yaml: chroma.environment.CHROMA_PERSIST_PATH: is set by the deployment itself
      hint: leave it out: elsewhere than on the volume, the data is lost with the container
    error: chroma-otel.yaml: chroma.environment.MULTI: has more than one line
      hint: a variable of a container is one line
    error: chroma-otel.yaml: tracing.service_name: `a\u{7}b` cannot be used
      hint: write one line of printable text, at most 255 characters
    error: chroma-otel.yaml: tracing.granularity: is `verbose`, which is no granularity
      hint: use `none`, `operation`, `operation_and_segment` or `all`
    error: chroma-otel.yaml: tracing.endpoint: is `http://`, which has no host
      hint: use `http://collector:4317` for OTLP over gRPC, `https://…` for TLS, `https://…/v1/traces` for OTLP over HTTP
    error: chroma-otel.yaml: tracing.backend: `honycomb` is not one of `aws-xray`, `aws-xray-classic`, `azure-monitor`, `debug`, `google-cloud-trace`, `honeycomb`, `jaeger`, `otlp`, `zipkin`
      hint: did you mean `honeycomb`?
    error: chroma-otel.yaml: collector.memory: `lots` cannot be used
      hint: write a whole number with `MiB` or `GiB`, such as `2GiB`
    error: 22 problems; nothing was written
    "##);
}

#[test]
fn a_spec_that_cannot_be_read() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    fs::create_dir(at("folder.yaml")).unwrap();
    fs::write(at("not.yaml"), "tracing: {headers: 's3cr3t, key: [\n").unwrap();
    fs::write(at("twice.yaml"), "name: a\nname: b\n").unwrap();
    fs::write(at("list.yaml"), "- docker\n").unwrap();
    fs::write(at("bytes.yaml"), b"name: \xff\n").unwrap();
    fs::write(at("huge.yaml"), "a".repeat(100 << 20)).unwrap();
    let bomb: String = (1..30)
        .map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}]\n", n - 1))
        .collect();
    fs::write(at("bomb.yaml"), format!("a0: &a0 x\n{bomb}")).unwrap();
    let mut told = String::new();
    for name in [
        "missing.yaml",
        "folder.yaml",
        "not.yaml",
        "twice.yaml",
        "list.yaml",
        "bytes.yaml",
        "huge.yaml",
        "bomb.yaml",
    ] {
        let (code, answer, message) = run(home.path(), &["gen", "--spec", name, "--out", "out"]);
        assert_eq!((code, answer.as_str()), (2, ""), "{name}");
        assert!(!message.contains("s3cr3t"));
        told += &message;
    }
    assert!(!at("out").exists());
    insta::assert_snapshot!(told, @r##"
    error: missing.yaml: cannot be read: No such file or directory (os error 2)
    error: one problem; nothing was written
    error: folder.yaml: is a folder
      hint: name the file in it
    error: one problem; nothing was written
    error: not.yaml: not YAML that can be read at line 2, column 1
      hint: look for a missing quote, a tab, or a key that stands twice
    error: one problem; nothing was written
    error: twice.yaml: not YAML that can be read at line 1, column 1
      hint: look for a missing quote, a tab, or a key that stands twice
    error: one problem; nothing was written
    error: list.yaml: not a mapping of keys to values
      hint: start with `target: docker`
    error: one problem; nothing was written
    error: bytes.yaml: not UTF-8 text
    error: one problem; nothing was written
    error: huge.yaml: larger than 1024 KiB
      hint: is it the right file?
    error: one problem; nothing was written
    error: bomb.yaml: not YAML that can be read
      hint: look for a missing quote, a tab, or a key that stands twice
    error: one problem; nothing was written
    "##);
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    symlink(at("elsewhere"), at("link")).unwrap();
    fs::create_dir(at("inside")).unwrap();
    symlink(at("elsewhere"), at("inside/entrypoint")).unwrap();
    fs::create_dir_all(at("folder/README.md")).unwrap();
    let mut told = String::new();
    for name in [
        "file",
        "file/below",
        "link",
        "inside",
        "folder",
        "/proc/nothing",
    ] {
        let (code, _, message) = run(home.path(), &["gen", "--target", "docker", "--out", name]);
        assert_eq!(code, 2, "{name}: {message}");
        told += &message.replace(&home.path().display().to_string(), "HOME");
    }
    assert_eq!(
        fs::read_dir(at("elsewhere")).unwrap().count(),
        0,
        "a link was followed"
    );
    assert_eq!(fs::read_dir(at("inside")).unwrap().count(), 1);
    insta::assert_snapshot!(told, @r##"
    error: --out file: is a file
      hint: name a folder; it is made if it is not there
    error: cannot look at file/below: Not a directory (os error 20)
    error: --out link: is a link to another place
      hint: name the folder itself: `--out HOME/elsewhere`
    error: inside/entrypoint: is a link: writing through it would land elsewhere
      hint: remove the link, or write to another folder with `--out`
    error: folder/README.md: is a folder where a file belongs
      hint: move it away
    error: cannot make the folder /proc/nothing: No such file or directory (os error 2)
    "##);
}

#[test]
fn a_backend_of_a_cloud_is_refused_elsewhere() {
    let home = folder();
    let arguments = ["gen", "--target", "docker", "--backend", "aws-xray"];
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 2);
    assert!(!home.path().join("deploy").exists());
    insta::assert_snapshot!(message, @r"
    error: tracing.backend: is `aws-xray`, which knows a sender by the identity of its machine in AWS
      hint: use `--target aws`, or another backend
    error: one problem; nothing was written
    ");
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
fn list_schema_and_completions_answer() {
    let home = folder();
    let (code, answer, _) = run(home.path(), &["list", "backends"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(answer);
    let (code, answer, _) = run(home.path(), &["schema"]);
    assert_eq!(code, 0);
    insta::assert_snapshot!(answer);
    for shell in ["bash", "zsh", "fish"] {
        let (code, answer, _) = run(home.path(), &["completions", shell]);
        assert!(code == 0 && answer.contains("chroma-otel-deploy"));
    }
}

#[test]
fn what_would_have_no_effect_is_refused() {
    let home = folder();
    fs::write(
        home.path().join("debug.yaml"),
        "target: docker\ntracing: {backend: debug, endpoint: a.example, headers: {x-a: b}}\nchroma: {environment: {CHROMA_SERVER_AUTHN_PROVIDER: token, PERSIST_DIRECTORY: /x}}\n",
    )
    .unwrap();
    fs::write(
        home.path().join("zipkin.yaml"),
        "target: docker\ntracing: {backend: zipkin, endpoint: 'zipkin.example:4317'}\n",
    )
    .unwrap();
    let mut told = String::new();
    fs::write(
        home.path().join("stock.yaml"),
        "target: docker\nchroma: {image: stock}\ntracing: {headers: {x-a: 'a${b}'}}\n",
    )
    .unwrap();
    for name in ["debug.yaml", "zipkin.yaml", "stock.yaml"] {
        let (code, _, message) = run(home.path(), &["gen", "--spec", name, "--out", "out"]);
        assert_eq!(code, 2, "{message}");
        told += &message;
    }
    assert!(!home.path().join("out").exists());
    insta::assert_snapshot!(told, @r##"
    error: debug.yaml: chroma.environment.CHROMA_SERVER_AUTHN_PROVIDER: does not work on Chroma 1.5.9
      hint: Chroma 1.x has no authentication, so everyone who reaches the port has all the data: put a proxy that checks the credentials in front of it.
    error: debug.yaml: chroma.environment.PERSIST_DIRECTORY: is set by the deployment itself
      hint: leave it out: elsewhere than on the volume, the data is lost with the container
    error: debug.yaml: tracing.endpoint: has no effect with backend `debug`, which has no use for it
      hint: leave it out, or choose another backend
    error: debug.yaml: tracing.headers: has no effect with backend `debug`, which has no use for it
      hint: leave it out, or choose another backend
    error: 4 problems; nothing was written
    error: zipkin.yaml: tracing.endpoint: is not an address of Zipkin's, which backend `zipkin` needs
      hint: use `http://host:9411`, or a URL that ends in `/api/v2/spans`
    error: one problem; nothing was written
    error: CHROMA_OTEL_HEADER_X_A: has `${` or `$$` in it, which the collector would expand
      hint: use `image: wrapped`, which passes any value on unchanged
    error: one problem; nothing was written
    "##);
}

/// A key that stands where it does not belong, or was typed into a file, is not shown again.
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
    let example = home.path().join("deploy/docker/.env.example");
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
fn a_changed_name_or_version_says_what_becomes_of_the_data() {
    let home = folder();
    run(
        home.path(),
        &["gen", "--target", "docker", "--chroma-version", "1.0.20"],
    );
    let (_, _, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--name", "other"],
    );
    assert!(
        message.contains("`chroma` is called `other` now and starts with empty volumes"),
        "{message}"
    );
    assert!(
        message.contains("Chroma goes from 1.0.20 to 1.5.9"),
        "{message}"
    );
}

#[test]
fn chromas_own_words_for_the_data_directory_are_refused_in_any_case() {
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

/// The containers read the files as other users than the one who renders them.
#[test]
fn rendered_files_are_readable_whatever_the_umask() {
    let home = folder();
    let script = format!(
        "umask 077; exec {} gen --target docker --out out",
        env!("CARGO_BIN_EXE_chroma-otel-deploy")
    );
    let ran = Command::new("sh")
        .args(["-c", &script])
        .current_dir(home.path())
        .output()
        .unwrap();
    assert!(ran.status.success());
    for name in ["config.yaml", "otel-collector.yaml"] {
        let mode = fs::metadata(home.path().join("out").join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o644, "{name}");
    }
}

#[test]
fn runs_at_once_do_not_break_each_other() {
    let home = folder();
    for _ in 0..10 {
        let start = |version| {
            Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
                .args([
                    "gen",
                    "--target",
                    "docker",
                    "--out",
                    "out",
                    "--chroma-version",
                    version,
                ])
                .current_dir(home.path())
                .env_clear()
                .output()
        };
        let (one, other) = std::thread::scope(|scope| {
            let one = scope.spawn(|| start("1.0.20"));
            (start("1.5.9").unwrap(), one.join().unwrap().unwrap())
        });
        for run in [one, other] {
            let told = texts(&run);
            assert_ne!(told.0, 2, "{told:?}");
        }
    }
}

#[test]
fn the_environment_gives_values_and_never_names() {
    let home = folder();
    let key = [("CHROMA_OTEL_COLLECTION_HEADERS", "x-api-key=s3cr3t-value")];
    let arguments = ["gen", "--target", "docker"];
    assert_eq!(texts(&run_with(home.path(), &arguments, &key)).0, 0);
    assert!(!home.path().join("deploy/docker/.env").exists());
    assert_eq!(run(home.path(), &["check", "--target", "docker"]).0, 0);
    fs::write(
        home.path().join("chroma-otel.yaml"),
        "target: docker\ntracing: {headers: [x-api-key]}\n",
    )
    .unwrap();
    assert_eq!(
        texts(&run_with(home.path(), &["gen", "--out", "named"], &key)).0,
        0
    );
    let env = fs::read_to_string(home.path().join("named/.env")).unwrap();
    assert!(env.contains("s3cr3t-value"));
}

#[test]
fn validate_looks_at_what_is_on_disk() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker", "--out", "out"]);
    fs::remove_file(home.path().join("out/.gitignore")).unwrap();
    fs::write(home.path().join("out/docker-compose.yaml"), "services: [\n").unwrap();
    let (code, _, message) = run(
        home.path(),
        &["validate", "--target", "docker", "--out", "out"],
    );
    assert_eq!(code, 1);
    assert!(
        message.contains("docker-compose.yaml: not YAML"),
        "{message}"
    );
    assert!(message.contains("out/.gitignore: is missing"), "{message}");
}

#[test]
fn a_cloud_is_told_where_and_asked_for_nothing_secret() {
    let home = folder();
    let arguments = [
        "gen",
        "--target",
        "aws",
        "--backend",
        "honeycomb",
        "--headers",
        "x-a=do-not-render-me",
        "--bind",
        "0.0.0.0",
        "--out",
        "out",
    ];
    let (code, told, message) = run(home.path(), &arguments);
    assert_eq!(code, 0, "{message}");
    insta::assert_snapshot!(told, @"");
    insta::assert_snapshot!(message, @r##"
    out: wrote 46 of 46 files
      + .dockerignore
      + Dockerfile
      + README.md
      + parameters.json
      + template.yaml
      + entrypoint/ (41 files: the entrypoint's sources)
    note: `chroma.bind` says nothing on target `aws`
    you still have to set, in the spec, or when you deploy:
      machine.network (VpcId): the VPC's id
      machine.subnet (SubnetId): the id of a private subnet
      machine.zone (AvailabilityZone): the subnet's availability zone
      machine.allow_from (AllowedCidr): who may connect: a range such as `10.0.0.0/16`, or a security group
      machine.secrets.HONEYCOMB_API_KEY: the ARN of a secret in Secrets Manager with an ingest key (Honeycomb: Environment settings, API keys) of the environment the traces go to
      machine.secrets.CHROMA_OTEL_COLLECTION_HEADERS: the ARN of a secret in Secrets Manager with the headers x-a, as a JSON object or as k=v,k2=v2; the value given here went nowhere
    next:
      cd out
      build and push the images: README.md, "Build"
      deploy: README.md, "Deploy"
      see the traces: the output `Traces` of the stack
    "##);
    for file in ["template.yaml", "parameters.json", "README.md"] {
        let text = std::fs::read_to_string(home.path().join("out").join(file)).unwrap();
        assert!(!text.contains("do-not-render-me"), "{file}");
    }
    assert!(!home.path().join("out/.env").exists());
}

#[test]
fn what_no_cloud_can_have_is_refused_all_at_once() {
    let home = folder();
    std::fs::write(
        home.path().join("chroma-otel.yaml"),
        "target: aws
name: 2nd
platform: kubernetes
format: pulumi
chroma: {version: 0.4.14, image: stock, environment: {A: '{{resolve:ssm:x}}', B: 'ü', VPC_ID: }}
tracing: {backend: otlp, endpoint: https://otlp.example.com, service_name: 'a\"b'}
machine:
  type: large
  disk: 1500MiB
  network: net-1
  subnet: vpc-1
  allow_from: 0.0.0.0/0
  log_days: 31
  alarms: pager
  restore_from: backup-1
  secrets: {NO_SUCH_KEY: 'arn:aws:x', X: 'the key: itself'}
",
    )
    .unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: format: `pulumi` is not one of `cloudformation`, `terraform`
    error: chroma-otel.yaml: platform: `kubernetes` is not one of `vm`
    error: chroma-otel.yaml: machine.disk: is no whole number of GiB
      hint: take `2GiB`
    error: chroma-otel.yaml: machine.allow_from: `0.0.0.0/0` cannot be used
      hint: write a range of /8 or narrower: Chroma has no authentication of its own, and anyone who connects can read and delete everything
    error: chroma-otel.yaml: machine.secrets.X: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: 5 problems; nothing was written
    "##);
    // What reads, but is nothing that AWS has.
    let spec = std::fs::read_to_string(home.path().join("chroma-otel.yaml")).unwrap();
    let readable = spec
        .replace("platform: kubernetes\nformat: pulumi\n", "")
        .replace("disk: 1500MiB", "disk: 2GiB")
        .replace("0.0.0.0/0", "10.0.0.0/8")
        .replace(", X: 'the key: itself'", "");
    std::fs::write(home.path().join("chroma-otel.yaml"), readable).unwrap();
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(message, @r##"
    error: name: `2nd` begins with a digit, which no CloudFormation stack may
      hint: begin with a letter
    error: machine.type: `large` is no instance type
      hint: write one such as `t4g.medium` (Arm) or `t3.medium`
    error: machine.network: `net-1` is not a VPC's id
      hint: it begins with `vpc-`
    error: machine.subnet: `vpc-1` is not a subnet's id
      hint: it begins with `subnet-`
    error: machine.restore_from: `backup-1` is not a snapshot's id
      hint: it begins with `snap-`
    error: machine.alarms: `pager` is not an SNS topic's ARN
      hint: it begins with `arn:`
    error: machine.log_days: `31` is no retention of CloudWatch Logs
      hint: the next one is `60`
    error: chroma.version: `0.4.14` cannot be traced
      hint: take 0.4.15 or newer
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `VPC_ID`
    error: tracing.service_name: has a `"` or a `\` in it, which nobody escapes for Chroma
      hint: leave it out, or use `image: wrapped`
    error: chroma.environment.A: has `{{resolve:` in it, which CloudFormation would resolve
      hint: for a secret, leave the value out and name the secret in `machine.secrets`
    error: chroma.environment.B: has a character beyond ASCII, which CloudFormation may give back as `?`
      hint: leave it out, or use `--format terraform`
    error: chroma.environment.VPC_ID: would be the parameter `VpcId`, which is no name or taken
      hint: give it a value, or another name
    error: 13 problems; nothing was written
    "##);
}

#[test]
fn keys_for_a_cloud_say_nothing_on_docker_and_that_is_told() {
    let home = folder();
    let arguments = [
        "gen",
        "--target",
        "docker",
        "--disk",
        "50GiB",
        "--platform",
        "vm",
        "--out",
        "out",
    ];
    let (code, _, message) = run(home.path(), &arguments);
    assert_eq!(code, 0, "{message}");
    assert!(
        message.contains("`machine.disk`, `platform` says nothing on target `docker`"),
        "{message}"
    );
}

#[test]
fn a_new_zone_or_snapshot_says_what_becomes_of_the_data() {
    let home = folder();
    let written = |more: &[&str]| {
        let arguments = [&["gen", "--target", "aws", "--out", "out"], more].concat();
        let (code, _, message) = run(home.path(), &arguments);
        assert_eq!(code, 0, "{message}");
        message
    };
    assert!(!written(&["--zone", "eu-central-1a"]).contains("data volume"));
    assert!(!written(&["--zone", "eu-central-1a", "--disk", "40GiB"]).contains("data volume"));
    let moved = written(&["--zone", "eu-central-1b"]);
    let told = "note: `AvailabilityZone` is another: a stack that exists gets a new data volume, an empty one; the old one becomes a snapshot";
    assert!(moved.contains(told), "{moved}");
}

#[test]
fn what_google_cannot_have_is_refused_all_at_once() {
    let message = refused(
        "target: gcp
name: chroma-of-the-whole-company
chroma: {version: 0.4.14, environment: {VERSION: , PROJECT_ID: }}
tracing: {backend: aws-xray}
machine:
  type: t4g.medium
  disk: 5GiB
  project: '123456'
  network: projects/p/global/networks/default
  subnet: subnet_1
  zone: europe-west3
  allow_from: sg-0123456789abcdef0
  log_days: 3651
  alarms: pager@example.com
  restore_from: snapshots/1
  secrets: {NO_SUCH_KEY: headers, VERSION: headers}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma.version: `0.4.14` cannot be traced
      hint: take 0.4.15 or newer
    error: tracing.backend: is `aws-xray`, which knows a sender by the identity of its machine in AWS
      hint: use `--target aws`, or another backend
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `CHROMA_OTEL_COLLECTION_HEADERS`, `PROJECT_ID`, `VERSION`
    error: machine.secrets.VERSION: is not the name of a secret, `projects/PROJECT/secrets/NAME`, without a version
      hint: `gcloud secrets describe NAME --format='value(name)'` shows it; never the value itself
    error: chroma.environment.PROJECT_ID: is a secret, and the module has another variable `project_id`
      hint: give its value here if it is none, or leave it out
    error: chroma.environment.VERSION: is a secret, and Terraform allows no variable `version` for it
      hint: give its value here if it is none, or leave it out
    error: name: `chroma-of-the-whole-company` is too long, or begins with a digit: a service account `NAME-machine` is made of it
      hint: take at most 22 signs, a letter first
    error: machine.type: `t4g.medium` is no machine type
      hint: write one such as `e2-medium`, `n4-standard-2` or `c4a-standard-2` (Arm)
    error: machine.project: `123456` is no project's id
      hint: `gcloud projects list` shows it: not its name, not its number
    error: machine.zone: `europe-west3` is no zone
      hint: write one such as `europe-west3-a`: `gcloud compute zones list` shows them
    error: machine.network: `projects/p/global/networks/default` is no network's name
      hint: `gcloud compute networks list` shows it: the name, not the address
    error: machine.subnet: `subnet_1` is no subnet's name
      hint: `gcloud compute networks subnets list` shows it: the name, not the address
    error: machine.restore_from: `snapshots/1` is no snapshot's name
      hint: `gcloud compute snapshots list` shows it: the name, not the address
    error: machine.alarms: `pager@example.com` is no notification channel
      hint: it is `projects/PROJECT/notificationChannels/NUMBER`: `gcloud beta monitoring channels list`
    error: machine.allow_from: `sg-0123456789abcdef0` is a security group of AWS
      hint: write a range of addresses such as `10.0.0.0/16`: that of the clients' subnet
    error: machine.disk: `5GiB` is less than the smallest disk
      hint: take `10GiB` or more
    error: machine.log_days: `3651` is longer than Cloud Logging keeps logs
      hint: take `3650` or less
    error: 17 problems; nothing was written
    "##);
}

#[test]
fn what_azure_cannot_have_is_refused_all_at_once() {
    let message = refused(
        "target: azure
format: cloudformation
machine: {ssh_from: 0.0.0.0/0, ssh_key: ssh-dss AAAA, secrets: {KEY: 'the key: itself'}}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma-otel.yaml: format: `cloudformation` is not one of `terraform`
    error: chroma-otel.yaml: machine.ssh_from: `0.0.0.0/0` cannot be used
      hint: write a range of /8 or narrower: Chroma has no authentication of its own, and anyone who connects can read and delete everything
    error: chroma-otel.yaml: machine.ssh_key: `ssh-dss AAAA` cannot be used
      hint: write the one line of a `.pub` file: `ssh-rsa AAAA…` or `ssh-ed25519 AAAA…`
    error: chroma-otel.yaml: machine.secrets.KEY: is not the name of a secret in the cloud's store
      hint: its name there (on aws the ARN, on azure the address), never its value
    error: 4 problems; nothing was written
    "##);
    // What reads, but is nothing that Azure has.
    let message = refused(
        "target: azure
name: chroma--1
chroma: {version: 0.4.14, environment: {LOCATION: }}
tracing: {backend: google-cloud-trace}
machine:
  type: t4g.medium
  subscription: my-subscription
  resource_group: ends.with.
  subnet: default
  zone: westeurope-9
  allow_from: sg-0123456789abcdef0
  log_days: 7
  snapshots: 1000
  alarms: pager
  restore_from: snapshot-1
  secrets: {NO_SUCH_KEY: headers, LOCATION: headers}
",
    );
    insta::assert_snapshot!(message, @r##"
    error: chroma.version: `0.4.14` cannot be traced
      hint: take 0.4.15 or newer
    error: tracing.backend: is `google-cloud-trace`, which knows a sender by the identity of its machine in GCP
      hint: use `--target gcp`, or another backend
    error: machine.secrets.LOCATION: is not the id of a secret without a version, `https://VAULT.vault.azure.net/secrets/NAME`
      hint: `az keyvault secret list --vault-name VAULT --query '[].id'` shows it; never the value itself
    error: machine.secrets.NO_SUCH_KEY: `NO_SUCH_KEY` is not one of `CHROMA_OTEL_COLLECTION_HEADERS`, `LOCATION`
    error: chroma.environment.LOCATION: is a secret, and the module has another variable `location`
      hint: give its value here if it is none, or leave it out
    error: name: `chroma--1` is no name for what belongs to it: a key vault's begins with it
      hint: take at most 40 signs, a letter first, no two dashes in a row, none at the end
    error: machine.type: `t4g.medium` is no size of a machine that takes premium disks
      hint: write one such as `Standard_B2s_v2` or `Standard_B2pls_v2` (Arm)
    error: machine.subscription: `my-subscription` is no subscription's id
      hint: `az account show --query id` shows it: not its name
    error: machine.resource_group: `ends.with.` is no resource group's name
      hint: `az group list --query '[].name'` shows it: not its id
    error: machine.zone: `westeurope-9` is no zone
      hint: write the region and the zone's number, `westeurope-1`, or the region alone where there are no zones
    error: machine.subnet: `default` is no subnet's id
      hint: `az network vnet subnet list … --query '[].id'` shows it: `/subscriptions/…/subnets/…`
    error: machine.restore_from: `snapshot-1` is no snapshot's id
      hint: `az snapshot list --query '[].id'` shows it: `/subscriptions/…/snapshots/…`
    error: machine.alarms: `pager` is no action group's id
      hint: `az monitor action-group list --query '[].id'` shows it: `/subscriptions/…/actionGroups/…`
    error: machine.allow_from: `sg-0123456789abcdef0` is a security group of AWS
      hint: write a range such as `10.0.0.0/16`
    error: machine.log_days: `7` is no retention of a Log Analytics workspace
      hint: it keeps logs for 30 to 730 days: the nearest is `30`
    error: machine.snapshots: `1000` are more than Azure keeps of a disk
      hint: take 365 or fewer; 0 makes none
    error: 16 problems; nothing was written
    "##);
}

/// What `gen` says to a spec that it refuses; nothing is written.
fn refused(spec: &str) -> String {
    let home = folder();
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let before = snapshot(home.path());
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!((code, snapshot(home.path())), (2, before));
    message
}
