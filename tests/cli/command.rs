//! Runs the binary as a person does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the binary in `folder` with a clean environment.
pub(crate) fn run_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Returns exit code, standard output, standard error.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    texts(&run_with(folder, arguments, &[]))
}

pub(crate) fn texts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

pub(crate) fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Returns every file below a folder with its bytes.
pub(crate) fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
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

/// Returns every file below a folder by its relative path.
pub(crate) fn relative(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let start = format!("{}/", folder.display());
    let files = snapshot(folder).into_iter();
    files
        .map(|(path, bytes)| (path.replacen(&start, "", 1), bytes))
        .collect()
}

/// Returns the message of `gen` for a spec that it rejects; asserts that nothing is written.
pub(crate) fn refused(spec: &str) -> String {
    let home = folder();
    fs::write(home.path().join("chroma-otel.yaml"), spec).unwrap();
    let before = snapshot(home.path());
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 2, "{message}");
    assert!(snapshot(home.path()) == before, "something was written");
    message
}
