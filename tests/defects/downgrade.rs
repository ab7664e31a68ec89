//! An older Chroma does not start on data that a newer one has opened: in the image with the
//! entrypoint by the entrypoint, with the published image on a machine by the boot script.

#![allow(clippy::disallowed_methods, reason = "a test writes its own files")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use chroma_otel_deploy::spec::Format;
use chroma_otel_deploy::spec::target::Target;
use chroma_otel_init::ChromaVersion;
use tempfile::TempDir;

use crate::deployment::{Deployment, deployment, places};

fn on_machine(image: &str) -> impl Iterator<Item = Deployment> {
    let machines = places().filter(|(target, _)| target.is_machine());
    machines.map(move |(target, format)| deployment(target, format, image, "1.5.9", "otlp"))
}

/// The entrypoint's exit code for newer data must end the restarts, and the boot.
#[test]
fn machine_does_not_restart_a_refused_chroma() {
    for one in on_machine("wrapped") {
        let unit = one.file("chroma.service");
        assert!(
            unit.contains("\nRestartPreventExitStatus=65\n"),
            "{}",
            one.name
        );
        assert!(one.file("boot").contains("|| exit 65\n"), "{}", one.name);
    }
    for one in on_machine("stock") {
        assert!(
            one.file("boot").contains(" images version start "),
            "{}",
            one.name
        );
    }
}

#[test]
fn scripts_name_the_file_of_the_entrypoint() {
    let script = fs::read_to_string("templates/backup/archive.py").unwrap();
    let line = format!("\nOPENED = \"{}\" ", ChromaVersion::FILE);
    assert!(script.contains(&line));
}

/// A machine with the published image, and a data directory.
struct Machine {
    boot: String,
    folder: TempDir,
}

impl Machine {
    fn new() -> Self {
        let format = Format::CloudFormation;
        let one = deployment(Target::Aws, format, "stock", "1.5.9", "otlp");
        let folder = TempDir::new().unwrap();
        let root = folder.path().display().to_string();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("cloud"), "").unwrap();
        let boot = one.file("boot");
        let boot = boot.replace("volume=/var/lib/chroma-otel", &format!("volume={root}"));
        let boot = boot.replace(
            "configuration=/etc/chroma-otel",
            &format!("configuration={root}"),
        );
        Self { boot, folder }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("data").join(ChromaVersion::FILE)
    }

    /// Runs the step with an image of this tag.
    fn start(&self, tag: &str) -> Output {
        let mut command = Command::new("bash");
        command.args(["-c", &self.boot, "boot", "version"]);
        let image = format!("registry.example.com:5000/chromadb/chroma:{tag}");
        command.env("CHROMA_IMAGE", image).output().unwrap()
    }

    /// Runs it on a file with this content; returns exit code, the new content and the messages.
    fn start_on(&self, content: &str, tag: &str) -> (Option<i32>, String, String) {
        fs::write(self.file(), content).unwrap();
        let done = self.start(tag);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), read(&self.file()), said)
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

#[test]
fn boot_of_a_published_image_records_the_release() {
    let machine = Machine::new();
    for tag in ["0.6.3", "1.0.20", "1.5.9", "1.5.10"] {
        let done = machine.start(tag);
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        assert_eq!(read(&machine.file()), format!("{tag}\n"));
    }
    let data = fs::read_dir(machine.folder.path().join("data")).unwrap();
    assert_eq!(data.count(), 1, "nothing else is in the directory");
}

#[test]
fn boot_of_a_published_image_refuses_an_older_release() {
    let machine = Machine::new();
    for (opened, tag) in [
        ("1.5.9\n", "1.0.20"),
        ("1.5.10", "1.5.9"),
        ("1.0.0\n", "0.6.3"),
    ] {
        let (code, after, said) = machine.start_on(opened, tag);
        assert_eq!((code, after.as_str()), (Some(65), opened));
        assert_eq!(said.lines().count(), 1, "{said}");
        let file = machine.file().display().to_string();
        for part in [
            opened.trim(),
            tag,
            &file,
            "restore a backup",
            "delete the file",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn boot_of_a_published_image_ignores_what_is_not_a_release() {
    let machine = Machine::new();
    for (content, tag, after) in [
        ("", "1.5.9", "1.5.9\n"),
        ("mine", "1.5.9", "mine"),
        ("9.9.9 or so\n", "1.5.9", "9.9.9 or so\n"),
        ("9.9.9\n", "latest", "9.9.9\n"),
        ("9.9.9\n", "1.5.9-arm64", "9.9.9\n"),
    ] {
        let done = machine.start_on(content, tag);
        assert_eq!(done, (Some(0), after.to_owned(), String::new()));
    }
    fs::remove_file(machine.file()).unwrap();
    fs::create_dir(machine.file()).unwrap();
    assert_eq!(machine.start("1.5.9").status.code(), Some(0));
}
