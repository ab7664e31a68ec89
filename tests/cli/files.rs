//! Files on disk after each command.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::command::{folder, relative, run, run_with, snapshot, texts};

#[test]
fn gen_writes_files_and_prints_the_next_steps() {
    let home = folder();
    let (code, answer, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--backend", "honeycomb"],
    );
    assert_eq!((code, answer.as_str()), (0, ""));
    let count = |line: &str| {
        line.contains("entrypoint/ (")
            .then_some("  + image/entrypoint/ (… files: the entrypoint's sources)")
    };
    let message: Vec<&str> = message
        .lines()
        .map(|line| count(line).unwrap_or(line))
        .skip(1)
        .collect();
    insta::assert_snapshot!(message.join("\n"), @r##"
      + .env.example
      + .gitignore
      + README.md
      + config.yaml
      + docker-compose.yaml
      + image/.dockerignore
      + image/Dockerfile
      + image/docker-bake.hcl
      + otel-collector.yaml
      + image/entrypoint/ (… files: the entrypoint's sources)
      spec: saved in chroma/chroma-otel.yaml
    note: a second deployment on this machine needs another `--name` than `chroma`, with which it would replace this one, and other ports: `--port`, and in .env the ports that .env.example lists
    you still have to set, in chroma/.env:
      HONEYCOMB_API_KEY: an ingest key of the environment for the traces (Honeycomb: Environment settings, API keys)
    next:
      cd chroma
      cp -n .env.example .env && chmod 600 .env && ${EDITOR:-vi} .env
      docker compose up --detach --wait
      # view the traces: https://ui.honeycomb.io
    "##);
    let out = home.path().join("chroma");
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
    assert!(message.contains("up to date"), "{message}");
    assert_eq!(snapshot(home.path()), before);
    assert_eq!(run(home.path(), &["check", "--target", "docker"]).0, 0);
    assert_eq!(run(home.path(), &["validate", "--target", "docker"]).0, 0);
}

#[test]
fn check_shows_the_difference_and_the_command_without_the_key() {
    let home = folder();
    let before = ["gen", "--target", "docker", "--chroma-version", "1.0.15"];
    run(home.path(), &before);
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
        answer.contains("-ENV CHROMA_VERSION=1.0.15\n+ENV CHROMA_VERSION=1.0.20"),
        "{answer}"
    );
    assert!(
        message.contains(
            "next:\n  # with your headers: chroma-otel-deploy gen --target docker --chroma-version 1.0.20 --headers …\n"
        ),
        "{message}"
    );
    assert!(!answer.contains("abcdefgh123") && !message.contains("abcdefgh123"));
}

#[test]
fn the_printed_command_enters_a_folder_whose_name_begins_with_a_hyphen() {
    let home = folder();
    let (code, _, message) = run(home.path(), &["gen", "--target", "docker", "--out=-"]);
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("\n  cd ./-\n"), "{message}");
}

#[test]
fn an_edited_file_is_kept_without_force() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker"]);
    let compose = home.path().join("chroma/docker-compose.yaml");
    let mine = fs::read_to_string(&compose).unwrap() + "# mine\n";
    fs::write(&compose, &mine).unwrap();
    let before = snapshot(home.path());
    let (code, answer, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--port", "8001"],
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
fn a_foreign_file_is_kept() {
    let home = folder();
    let out = home.path().join("chroma");
    fs::create_dir_all(&out).unwrap();
    fs::write(out.join("README.md"), "my notes\n").unwrap();
    let (code, _, message) = run(home.path(), &["gen", "--target", "docker"]);
    assert_eq!(code, 1);
    assert!(message.contains("README.md"), "{message}");
    assert_eq!(snapshot(&out).len(), 1);
}

#[test]
fn files_outside_the_plan_are_listed_and_pruned_on_request() {
    let home = folder();
    run(home.path(), &["gen", "--target", "docker"]);
    let out = home.path().join("chroma");
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--image", "stock"],
    );
    assert_eq!(code, 0);
    assert!(
        message.contains(
            "`gen --prune` removes them:\n  - image/.dockerignore\n  - image/Dockerfile\n"
        ),
        "{message}"
    );
    assert!(out.join("image/Dockerfile").exists());
    fs::write(out.join("image/entrypoint/Cargo.toml"), "mine").unwrap();
    let (code, _, message) = run(
        home.path(),
        &["gen", "--target", "docker", "--image", "stock", "--prune"],
    );
    assert_eq!(code, 1, "an edited file is not removed: {message}");
    assert!(out.join("image/Dockerfile").exists());
    let (code, _, message) = run(
        home.path(),
        &[
            "gen", "--target", "docker", "--image", "stock", "--prune", "--force",
        ],
    );
    assert_eq!(code, 0);
    assert!(
        message.contains("chroma: wrote 0 of 6 files, removed 9\n"),
        "{message}"
    );
    assert!(!out.join("image/Dockerfile").exists() && !out.join("image").exists());
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
fn the_next_run_owns_the_files_of_an_interrupted_run() {
    let home = folder();
    let out = home.path().join("chroma");
    run(
        home.path(),
        &["gen", "--target", "docker", "--chroma-version", "1.0.20"],
    );
    let old = fs::read(out.join("docker-compose.yaml")).unwrap();
    let state = out.join(".chroma-otel-deploy.sha256");
    let before = fs::read_to_string(&state).unwrap();
    run(home.path(), &["gen", "--target", "docker"]);
    // As after a kill between two files: both hashes are recorded, one file is still old.
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
                "--allow-downgrade",
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
        run(
            home.path(),
            &[
                "gen",
                "--target",
                "docker",
                "--chroma-version",
                versions[1],
                "--allow-downgrade",
                "--out",
                "out",
            ],
        )
        .0,
        0
    );
    assert_eq!(relative(&out), wanted[1]);
}

#[test]
fn secrets_are_written_only_to_env() {
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
        fs::write(home.path().join("spec.yaml"), "target: docker\ntracing: {headers: {x-api-key: s3cr3t-value}}\nchroma: {environment: {MY_TOKEN: s3cr3t-value, HTTPS_PROXY: 'http://me:s3cr3t-value@proxy:3128/', OTHER: 'http://me@proxy'}}\n").unwrap();
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
            home.path().join("chroma")
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
            message.contains("exists and was not changed: "),
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
fn an_output_folder_that_cannot_be_written() {
    let home = folder();
    let at = |name: &str| home.path().join(name);
    fs::write(at("file"), "").unwrap();
    fs::create_dir(at("elsewhere")).unwrap();
    symlink(at("elsewhere"), at("link")).unwrap();
    fs::create_dir(at("inside")).unwrap();
    symlink(at("elsewhere"), at("inside/image")).unwrap();
    fs::create_dir_all(at("folder/README.md")).unwrap();
    let mut messages = String::new();
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
        messages += &message.replace(&home.path().display().to_string(), "HOME");
    }
    assert_eq!(
        fs::read_dir(at("elsewhere")).unwrap().count(),
        0,
        "a link was followed"
    );
    assert_eq!(fs::read_dir(at("inside")).unwrap().count(), 1);
    insta::assert_snapshot!(messages, @r##"
    error: --out file: is a file
      hint: name a folder; it is created if it does not exist
    error: cannot inspect file/below: Not a directory (os error 20)
    error: --out link: is a link to another place
      hint: name the folder itself: `--out HOME/elsewhere`
    error: inside/image: is a link: `gen` would write to another place
      hint: remove the link, or write to another folder with `--out`
    error: folder/README.md: is a folder instead of a file
      hint: move it away
    error: cannot create the folder /proc/nothing: No such file or directory (os error 2)
    "##);
}

/// Containers read the files as a user other than the one who renders them.
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
fn simultaneous_runs_do_not_break_each_other() {
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
            let said = texts(&run);
            assert_ne!(said.0, 2, "{said:?}");
        }
    }
}
