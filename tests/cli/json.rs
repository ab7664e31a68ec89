//! `--json`: one document on standard output, for every command and every error.

use std::fs;
use std::path::Path;

use chroma_otel_deploy::cli;
use serde_json::{Value, json};

use crate::command::{folder, run, run_with, texts};

const SECRET: &str = "hcaik-5ecret-0123456789";

/// Runs the binary with `--json`; everything that it prints is one document with its exit code.
fn document(folder: &Path, arguments: &[&str]) -> Value {
    let (code, answer, message) = run(folder, &[arguments, &["--json"]].concat());
    let document: Value = serde_json::from_str(&answer)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {answer}"));
    assert_eq!(message, "", "{arguments:?}");
    assert_eq!(document["version"], 1, "{arguments:?}");
    assert_eq!(document["exit_code"], code, "{arguments:?}");
    assert!(!answer.contains('\u{1b}') && !answer.contains("\\u001b"));
    document
}

/// A document of a command that succeeds.
fn answer(arguments: &[&str]) -> Value {
    let document = document(folder().path(), arguments);
    assert_eq!(document["exit_code"], 0, "{document:#}");
    assert_eq!(document["command"], arguments[0]);
    document
}

fn length(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

#[test]
fn every_command_prints_one_document() {
    let home = folder();
    for command in cli::command().get_subcommands() {
        let name = command.get_name();
        let arguments: &[&str] = match name {
            "gen" | "check" | "validate" => &[name, "--target", "docker"],
            "list" => &["list", "targets"],
            "completions" => &["completions", "zsh"],
            _ => &[name],
        };
        let document = document(home.path(), arguments);
        assert_eq!(document["command"], name);
        assert_eq!(document["exit_code"], 0, "{document:#}");
        for list in ["messages", "notes", "problems", "files", "needs", "next"] {
            assert!(document[list].is_array(), "{name}: {list}");
        }
    }
}

#[test]
fn gen_lists_files_needs_and_next_steps() {
    let home = folder();
    let arguments = [
        "gen",
        "--target",
        "docker",
        "--backend",
        "honeycomb",
        "--out",
        "my out",
    ];
    let written = document(home.path(), &arguments);
    let files = written["files"].as_array().unwrap();
    assert!(files.contains(&json!({"path": "docker-compose.yaml", "change": "create"})));
    let need = &written["needs"][0];
    assert_eq!(need["variable"], "HONEYCOMB_API_KEY");
    assert_eq!(need["place"], "env_file");
    assert_eq!(written["next"][0], "cd 'my out'");
    let summary = format!("my out: wrote {0} of {0} files", files.len());
    let spec = "spec: saved in my out/chroma-otel.yaml";
    assert_eq!(written["messages"], json!([summary, spec]));

    let stock = [&arguments[..], &["--image", "stock"]].concat();
    let check = [&["check"], &stock[1..]].concat();
    let differing = document(home.path(), &check);
    assert_eq!(differing["exit_code"], 1);
    let next = "chroma-otel-deploy gen --target docker --backend honeycomb --out 'my out' --image stock --prune";
    assert_eq!(differing["next"], json!([next]));
    let files = differing["files"].as_array().unwrap();
    assert!(files.contains(&json!({"path": "image/Dockerfile", "change": "remove"})));

    let stale = document(home.path(), &stock);
    let files = stale["files"].as_array().unwrap();
    assert!(files.contains(&json!({"path": "docker-compose.yaml", "change": "update"})));
    assert!(files.contains(&json!({"path": "image/Dockerfile", "change": "stale"})));
}

#[test]
fn image_lists_files_and_next_steps() {
    let image = answer(&["image"]);
    let files = image["files"].as_array().unwrap();
    assert!(files.contains(&json!({"path": "Dockerfile", "change": "create"})));
    assert_eq!(image["next"][1], "cd image");
}

#[test]
fn gen_to_standard_output_contains_the_files() {
    let document = answer(&["gen", "--target", "docker", "--stdout"]);
    let files = document["files"].as_array().unwrap();
    let compose = files
        .iter()
        .find(|file| file["path"] == "docker-compose.yaml");
    assert!(
        compose.unwrap()["text"]
            .as_str()
            .unwrap()
            .contains("services:")
    );
}

#[test]
fn a_refused_file_is_a_problem() {
    let home = folder();
    fs::write(home.path().join("README.md"), "my notes\n").unwrap();
    let refused = document(home.path(), &["gen", "--target", "docker", "--out", "."]);
    assert_eq!(refused["exit_code"], 1);
    assert_eq!(refused["problems"][0]["at"], "README.md");
    assert_eq!(length(&refused["files"]), 0);
}

#[test]
fn lists_schema_and_texts_have_their_keys() {
    for what in ["targets", "backends", "versions", "clients", "variables"] {
        let rows = &answer(&["list", what])["rows"];
        assert!(length(rows) > 2, "{what}");
        assert!(
            rows[0]["name"].is_string() && rows[0]["summary"].is_string(),
            "{what}"
        );
    }
    let backend = &answer(&["list", "backends", "honeycomb"])["backend"];
    assert_eq!(backend["name"], "honeycomb");
    assert_eq!(backend["keys"][0]["variable"], "HONEYCOMB_API_KEY");
    assert!(answer(&["schema"])["schema"]["properties"]["target"].is_object());
    for arguments in [
        &["completions", "bash"][..],
        &["man", "gen"],
        &["help"],
        &["help", "environment"],
        &["gen", "--help"],
    ] {
        let text = &answer(arguments)["text"];
        assert!(text.as_str().unwrap().len() > 50, "{arguments:?}");
    }
}

#[test]
fn validate_lists_what_was_checked() {
    let home = folder();
    let out = ["--target", "docker", "--out", "out"];
    document(home.path(), &[&["gen"], &out[..]].concat());
    let sound = document(home.path(), &[&["validate"], &out[..]].concat());
    assert_eq!(sound["exit_code"], 0);
    let checked = sound["coverage"]["checked"].as_array().unwrap();
    assert!(checked.contains(&json!("docker-compose.yaml")));
    assert!(length(&sound["coverage"]["not_checked"]) > 0);
    fs::write(home.path().join("out/docker-compose.yaml"), "services: [").unwrap();
    let broken = document(home.path(), &[&["validate"], &out[..]].concat());
    assert_eq!(broken["exit_code"], 1);
    assert_eq!(broken["problems"][0]["at"], "docker-compose.yaml");
}

#[test]
fn errors_are_in_the_document() {
    let home = folder();
    fs::write(home.path().join("file"), "").unwrap();
    for (arguments, command, at) in [
        (
            &["gen", "--target", "dcoker"][..],
            json!("gen"),
            json!("--target"),
        ),
        (
            &["gen", "--tarket", "docker"],
            json!("gen"),
            json!("--tarket"),
        ),
        (
            &["gen", "--target", "docker", "--setting", "x"],
            json!("gen"),
            json!("--setting"),
        ),
        (&["gen", "--target"], json!("gen"), json!("--target")),
        (
            &["gen", "--spec", "none.yaml"],
            json!("gen"),
            json!("none.yaml"),
        ),
        (
            &["gen", "--target", "docker", "--out", "file"],
            json!("gen"),
            json!("--out file"),
        ),
        (
            &["validate", "--out", "none"],
            json!("validate"),
            Value::Null,
        ),
        (
            &["list", "backends", "honycomb"],
            json!("list"),
            json!("list backends"),
        ),
        (
            &["completions", "tcsh"],
            json!("completions"),
            json!("<SHELL>"),
        ),
        (&["help", "chek"], json!("help"), json!("help")),
        (&["list"], json!("list"), Value::Null),
        (&["gne"], Value::Null, Value::Null),
        (&[], Value::Null, Value::Null),
    ] {
        let document = document(home.path(), arguments);
        assert_eq!(document["exit_code"], 2, "{document:#}");
        assert_eq!(document["command"], command, "{document:#}");
        assert_eq!(length(&document["problems"]), 1, "{document:#}");
        assert_eq!(document["problems"][0]["at"], at, "{document:#}");
    }
    let unknown_shell = document(home.path(), &["completions", "tcsh"]);
    assert_eq!(
        unknown_shell["problems"][0],
        json!({
            "at": "<SHELL>",
            "message": "invalid value",
            "hint": "possible values: bash, elvish, fish, powershell, zsh",
        })
    );
    let misspelled = document(home.path(), &["gen", "--tarket", "docker"]);
    let hint = misspelled["problems"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("--target"), "{hint}");
}

#[test]
fn no_secret_is_in_the_document() {
    let home = folder();
    let headers = format!("x-api-key={SECRET}");
    let environment = [
        ("HONEYCOMB_API_KEY", SECRET),
        ("CHROMA_OTEL_COLLECTION_HEADERS", headers.as_str()),
    ];
    let spec = [
        "--target",
        "docker",
        "--backend",
        "honeycomb",
        "--out",
        "out",
    ];
    let keys = ["--headers", headers.as_str()];
    let other = ["--chroma-version", "1.0.20"];
    let commands: &[(&[&[&str]], i32)] = &[
        (&[&["gen", "--stdout"], &spec, &keys], 0),
        (&[&["gen", "--dry-run"], &spec, &keys], 0),
        (&[&["gen"], &spec, &keys], 0),
        (&[&["gen"], &spec, &keys], 0),
        (&[&["check"], &spec, &keys, &other], 1),
        (&[&["validate"], &spec, &keys], 0),
        (&[&["gen"], &spec, &["--headers", "x-api-key", SECRET]], 2),
        (&[&["gen"], &spec, &["--headers", SECRET]], 2),
        (&[&["gen"], &spec, &["--setting", SECRET]], 2),
    ];
    for (arguments, expected) in commands {
        let arguments = [&arguments.concat()[..], &["--json"]].concat();
        let (code, answer, message) = texts(&run_with(home.path(), &arguments, &environment));
        assert_eq!(code, *expected, "{arguments:?}: {answer}");
        assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
        assert!(!answer.contains(SECRET), "{arguments:?}: {answer}");
        assert_eq!(message, "");
    }
    let written = fs::read_to_string(home.path().join("out/.env")).unwrap();
    assert!(written.contains(SECRET), "the run has a secret to omit");

    let edited = home.path().join("out/docker-compose.yaml");
    fs::write(edited, format!("# {SECRET}\n")).unwrap();
    let refused = document(home.path(), &[&["gen"], &spec[..]].concat());
    assert_eq!(refused["exit_code"], 1);
    assert!(!refused.to_string().contains(SECRET));
}
