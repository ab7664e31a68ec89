//! The release that last opened the data: recorded before the start, and older ones are refused.

#![allow(clippy::disallowed_methods, reason = "a test writes its own files")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::run::{code, entrypoint, finish, stderr, stdout};

/// An empty data directory; removed when dropped.
struct Data(PathBuf);

impl Data {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chroma-otel-data-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }

    /// A directory whose file has this content.
    fn of(content: &[u8]) -> Self {
        let data = Self::new();
        fs::write(data.file(), content).expect("a file");
        data
    }

    fn file(&self) -> PathBuf {
        self.0.join("chroma-version")
    }

    /// Starts a Chroma of this version that prints the file.
    fn open(&self, version: &str) -> Output {
        let file = self.file();
        let mut command = entrypoint(&["--", "cat", file.to_str().expect("text")]);
        finish(self.name_in(&mut command, version))
    }

    fn name_in<'a>(&self, command: &'a mut Command, version: &str) -> &'a mut Command {
        let variable = if version.starts_with("0.") {
            "PERSIST_DIRECTORY"
        } else {
            "CHROMA_PERSIST_PATH"
        };
        command
            .env("CHROMA_VERSION", version)
            .env(variable, &self.0)
    }

    /// Returns names, contents and times of all files.
    fn state(&self) -> BTreeMap<PathBuf, (Vec<u8>, u64, i64)> {
        let files = fs::read_dir(&self.0).expect("a folder").flatten();
        let state = files.map(|file| {
            let meta = file.metadata().expect("it exists");
            let content = fs::read(file.path()).unwrap_or_default();
            (file.path(), (content, meta.ino(), meta.mtime_nsec()))
        });
        state.collect()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns the messages about the file.
fn messages(output: &Output) -> Vec<String> {
    let said = stderr(output);
    let lines = said.lines().filter(|line| line.contains("chroma-version"));
    lines.map(str::to_owned).collect()
}

#[test]
fn release_is_recorded_before_the_command_starts_and_only_when_it_changes() {
    let data = Data::new();
    for version in ["0.6.3", "1.0.20", "1.5.9"] {
        let output = data.open(version);
        assert_eq!(stdout(&output), format!("{version}\n"));
        assert_eq!(messages(&output), Vec::<String>::new());
        let before = data.state();
        assert_eq!(code(&data.open(version)), 0);
        assert_eq!(data.state(), before, "and nothing else is in the directory");
    }
}

#[test]
fn older_chroma_is_refused_before_anything_changes() {
    for (opened, older) in [
        ("1.5.9", "1.0.20"),
        ("1.5.10\n", "1.5.9"),
        ("1.0.0", "0.6.3"),
    ] {
        let data = Data::of(opened.as_bytes());
        let before = data.state();
        let output = data.open(older);
        assert_eq!(code(&output), 65);
        assert_eq!(stdout(&output), "", "the command was not started");
        assert_eq!(data.state(), before);
        let said = messages(&output);
        let [error] = &said[..] else {
            panic!("one line: {said:?}")
        };
        let file = data.file().display().to_string();
        for part in [
            "error: ",
            opened.trim(),
            older,
            &file,
            "restore a backup",
            "delete the file",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

#[test]
fn message_fits_into_the_report_of_a_machine() {
    let data = Data::of(b"1.5.10");
    let said = stderr(&data.open("1.0.20"));
    let inside = said.replace(&data.0.display().to_string(), "/chroma/chroma");
    // `answers` in templates/machine/boot.sh.j2 cuts longer lines.
    assert!(inside.trim_end().len() <= 250, "{}", inside.len());
}

#[test]
fn deleted_file_allows_the_older_chroma() {
    let data = Data::of(b"1.5.9");
    fs::remove_file(data.file()).expect("it exists");
    assert_eq!(stdout(&data.open("1.0.20")), "1.0.20\n");
}

#[test]
fn file_of_another_origin_is_a_warning_and_is_kept() {
    for content in [
        &b"mine"[..],
        b"1.6",
        b"1.6.0-rc1",
        b"\xff\xfe",
        b"9.9.9 or so",
    ] {
        let data = Data::of(content);
        let before = data.state();
        let output = data.open("1.0.20");
        assert_eq!(code(&output), 0);
        assert_eq!(data.state(), before);
        let said = messages(&output);
        let [warning] = &said[..] else {
            panic!("one line: {said:?}")
        };
        assert!(warning.contains("warning: "), "{warning}");
        assert!(warning.contains("hint: delete it"), "{warning}");
        assert!(!warning.contains("mine"), "{warning}");
    }
}

#[test]
fn blank_file_is_replaced() {
    for content in ["", "\n", " \"\" "] {
        let output = Data::of(content.as_bytes()).open("1.0.20");
        assert_eq!(stdout(&output), "1.0.20\n");
        assert_eq!(messages(&output), Vec::<String>::new());
    }
}

#[test]
fn pipe_or_directory_in_its_place_does_not_prevent_the_start() {
    for program in ["mkfifo", "mkdir"] {
        let data = Data::new();
        let made = Command::new(program).arg(data.file()).status();
        assert!(made.expect("it exists").success());
        let output = finish(data.name_in(&mut entrypoint(&["--", "echo", "ready"]), "1.0.20"));
        assert_eq!(stdout(&output), "ready\n", "{program}");
        let said = messages(&output);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("it is not a regular file"), "{said:?}");
    }
}

#[test]
fn directory_that_cannot_be_written_is_a_warning() {
    let mut command = entrypoint(&["--", "echo", "ready"]);
    command.env("CHROMA_VERSION", "1.5.9");
    let output = finish(command.env("CHROMA_PERSIST_PATH", "/proc"));
    assert_eq!(stdout(&output), "ready\n");
    let said = messages(&output);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`/proc/chroma-version` cannot be written"));
}

#[test]
fn missing_directory_is_left_to_chroma() {
    let data = Data::new();
    let missing = data.0.join("none");
    let mut command = entrypoint(&["--", "echo", "ready"]);
    let command = data.name_in(&mut command, "1.5.9");
    let output = finish(command.env("CHROMA_PERSIST_PATH", &missing));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        ("ready\n".into(), String::new())
    );
    assert!(!missing.exists());
}

#[test]
fn unknown_release_is_neither_refused_nor_recorded() {
    for version in ["", "latest", "1.0.20.dev1"] {
        let data = Data::of(b"1.5.9");
        let output = data.open(version);
        assert_eq!(stdout(&output), "1.5.9", "{version}");
        assert_eq!(messages(&output), Vec::<String>::new());
    }
}

#[test]
fn start_that_strict_prevents_is_not_recorded() {
    let data = Data::new();
    let mut command = entrypoint(&["--strict", "--", "true"]);
    command.env("CHROMA_OTEL_COLLECTION_ENDPOINT", "ftp://x");
    assert_eq!(code(&finish(data.name_in(&mut command, "1.5.9"))), 64);
    assert!(data.state().is_empty());
}

/// Returns the exit code of Chroma 1.0.20 with these arguments, started in this directory.
fn refused(directory: &Path, arguments: &[&str]) -> i32 {
    let mut command = entrypoint(&["--", "echo"]);
    command.args(arguments).current_dir(directory);
    code(&finish(command.env("CHROMA_VERSION", "1.0.20")))
}

#[test]
fn directory_comes_from_option_or_configuration_or_is_the_default() {
    let data = Data::of(b"1.5.9");
    let path = data.0.to_str().expect("text");
    let place = Data::new();
    assert_eq!(refused(&place.0, &["run", "--path", path]), 65);
    let configuration = place.0.join("config.yaml");
    fs::write(&configuration, format!("persist_path: {path} # the data\n")).expect("a file");
    let configuration = configuration.to_str().expect("text");
    assert_eq!(refused(&place.0, &["run", configuration]), 65);
    assert_eq!(refused(&place.0, &["run"]), 0);
    std::os::unix::fs::symlink(&data.0, place.0.join("chroma")).expect("a link");
    assert_eq!(refused(&place.0, &["run"]), 65);
}
