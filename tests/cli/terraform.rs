//! Terraform folders from before the module.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::command::{folder, run};

const STATE: &str = ".chroma-otel-deploy.sha256";

/// A folder in which `gen` once wrote these files of the module to the root.
fn before_the_module(names: &[&str]) -> TempDir {
    let home = folder();
    let (code, _, message) = run(home.path(), &["gen", "--target", "gcp", "--out", "."]);
    assert_eq!(code, 0, "{message}");
    let mut state = read(home.path(), STATE);
    for name in names {
        fs::copy(
            home.path().join("chroma").join(name),
            home.path().join(name),
        )
        .unwrap();
        let recorded = |path: &str| {
            let line = state
                .lines()
                .find(|line| line.ends_with(&format!("  {path}")));
            line.map(str::to_owned)
        };
        let line = recorded(&format!("chroma/{name}"))
            .unwrap()
            .replace("chroma/", "");
        state = match recorded(name) {
            Some(before) => state.replace(&before, &line),
            None => format!("{state}{line}\n"),
        };
    }
    fs::write(home.path().join(STATE), state).unwrap();
    home
}

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn refuses_to_leave_files_that_terraform_would_read() {
    let home = before_the_module(&["main.tf", "machine.tf", "storage.tf"]);
    let before = read(home.path(), "main.tf");
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 1, "{message}");
    insta::assert_snapshot!(message, @r"
    error: machine.tf, storage.tf: no longer part of the deployment, but Terraform reads all `.tf` files
      hint: remove with `gen --prune`
    nothing was written
    ");
    assert_eq!(read(home.path(), "main.tf"), before);
    let (code, _, message) = run(home.path(), &["check"]);
    assert_eq!(code, 1);
    assert!(message.contains("gen --prune"), "{message}");
}

#[test]
fn removes_the_files_of_the_root_and_says_how_to_move_the_state() {
    let home = before_the_module(&["main.tf", "machine.tf", "storage.tf"]);
    let (code, _, message) = run(home.path(), &["gen", "--prune"]);
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("wrote 1 of"), "{message}");
    assert!(!home.path().join("machine.tf").exists());
    let command = "terraform state mv \"$it\" \"module.chroma.$it\"";
    assert!(message.contains(command), "{message}");
    let (code, _, message) = run(home.path(), &["gen", "--prune"]);
    assert!(code == 0 && !message.contains("state mv"), "{message}");
}

#[test]
fn an_edited_file_of_the_root_is_not_removed() {
    let home = before_the_module(&["machine.tf"]);
    fs::write(home.path().join("machine.tf"), "# mine\n").unwrap();
    let (code, _, message) = run(home.path(), &["gen", "--prune"]);
    assert_eq!(code, 1, "{message}");
    assert_eq!(read(home.path(), "machine.tf"), "# mine\n");
}

#[test]
fn files_that_terraform_does_not_read_may_stay() {
    let home = before_the_module(&["startup-script.sh.tftpl"]);
    let (code, _, message) = run(home.path(), &["gen"]);
    assert_eq!(code, 0, "{message}");
    assert!(message.contains("- startup-script.sh.tftpl"), "{message}");
}

#[test]
fn an_older_chroma_than_that_of_the_previous_files_is_refused() {
    let home = before_the_module(&["main.tf"]);
    let (code, _, message) = run(
        home.path(),
        &["gen", "--chroma-version", "1.0.20", "--prune"],
    );
    assert!(
        code == 1 && message.contains("--allow-downgrade"),
        "{message}"
    );
}
