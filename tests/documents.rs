//! The documents: their words, their links, their commands, and their tables, which must match the
//! code. Also the words of comments.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Expressions that STYLE.md rules out, and their replacements.
const WORDS: &[(&str, &str)] = &[
    ("nobody", "name the actor"),
    ("is told", "is reported, is logged"),
    ("told of", "reported"),
    ("says nothing", "has no effect"),
    ("stands in", "is in, contains"),
    ("stand in", "are in, contain"),
    ("of its own", "its own"),
    ("of their own", "their own"),
    ("of your own", "your own"),
    ("in silence", "without a warning"),
    ("likewise", "also, the same way"),
    ("is no", "is not a, invalid"),
    (", too.", "also"),
    (", too,", "also"),
    (", too:", "also"),
];

/// Contexts in which an expression is standard English.
const ALLOWED: &[&str] = &["is no longer", "there is no"];

/// Locations of the checked documents: a folder and a suffix of file names.
const CHECKED: &[(&str, &str)] = &[
    (".", ".md"),
    ("docs", ".md"),
    ("crates", "README.md"),
    ("templates", ".md.j2"),
];

/// Locations of the checked comments. An empty suffix matches every file.
const COMMENTED: &[(&str, &str)] = &[
    ("src", ".rs"),
    ("crates", ".rs"),
    ("tests", ".rs"),
    ("tests", ".py"),
    ("templates", ""),
];

/// Words that must not begin a comment: it would be a clause in the place of a noun.
const CLAUSES: &[&str] = &["What", "Whether", "Where", "Who", "How"];

/// STYLE.md quotes the expressions.
const QUOTES: &str = "./STYLE.md";

/// The documents whose `sh` blocks run, each in an empty folder.
const RUN: &[&str] = &[
    "README.md",
    "docs/backends.md",
    "docs/kubernetes.md",
    "docs/operations.md",
    "docs/security.md",
    "docs/spec.md",
];

/// Environment of a document's commands: the built `chroma-otel-deploy`, and programs that do
/// nothing.
const PROGRAMS: &str = r#"set -euo pipefail
chroma-otel-deploy() { "$BUILT" "$@"; }
cargo() { [ "$1" != run ] || { shift 3; chroma-otel-deploy "$@"; }; }
docker() { [ "$1" = compose ] && [ -e docker-compose.yaml ]; }
curl() { :; }
"#;

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the files below a folder whose names have this suffix; of the root, only those directly
/// in it.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(open) = folders.pop() {
        for entry in fs::read_dir(&open).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if folder != "." {
                    folders.push(path);
                }
            } else if path.to_str().unwrap().ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the text without code and comments, in lower case, with single spaces.
fn prose(text: &str) -> String {
    let parts = text.split("```").step_by(2).collect::<String>();
    let parts = parts.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let words = parts.split_whitespace().map(str::to_lowercase);
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the occurrences of an expression in a text, as complete words, with some context.
fn places(text: &str, expression: &str) -> Vec<String> {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let found = text.match_indices(expression).filter(|(at, _)| {
        let (before, after) = (&text[..*at], &text[at + expression.len()..]);
        let allowed = ALLOWED.iter().any(|allowed| {
            let start = allowed.find(expression).filter(|start| start <= at);
            start.is_some_and(|start| text[at - start..].starts_with(allowed))
        });
        !is_letter(before.chars().next_back()) && !is_letter(after.chars().next()) && !allowed
    });
    let shown = found.map(|(at, _)| {
        let before = text[..at].chars().rev().take(30).collect::<Vec<_>>();
        let after = text[at..].chars().take(40);
        before.into_iter().rev().chain(after).collect()
    });
    shown.collect()
}

/// Returns the expressions in a text that STYLE.md rules out, each with its replacement. `at` names
/// the text.
fn expressions(at: &str, text: &str) -> Vec<String> {
    let words = WORDS.iter();
    let found = words.flat_map(|(expression, instead)| {
        let places = places(text, expression).into_iter();
        places.map(move |place| format!("{at}: …{place}…: write `{instead}`"))
    });
    found.collect()
}

#[test]
fn documents_use_the_words_of_the_style_guide() {
    let mut found = Vec::new();
    let mut checked = 0;
    for (folder, end) in CHECKED {
        for path in files(folder, end) {
            if path == Path::new(QUOTES) {
                continue;
            }
            checked += 1;
            let at = path.display().to_string();
            found.extend(expressions(&at, &prose(&read(&path))));
        }
    }
    assert!(checked > 40, "{checked} documents");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn finds_expressions_across_lines_and_not_in_code_or_longer_words() {
    let text =
        prose("It stands\nin `nobody`. Understands in:\n```sh\nlikewise\n```\nIs no longer.");
    let found: Vec<&str> = WORDS
        .iter()
        .map(|(expression, _)| *expression)
        .filter(|expression| !places(&text, expression).is_empty())
        .collect();
    assert_eq!(found, ["stands in"]);
}

/// Returns the text of a comment line, without its marker. Headings of Markdown are not comments.
fn comment<'a>(path: &Path, line: &'a str) -> Option<&'a str> {
    let line = line.trim_start();
    let is_rust = path.extension().is_some_and(|end| end == "rs");
    let is_document = path.to_str().unwrap().contains(".md");
    let markers: &[&str] = match (is_rust, is_document) {
        (true, _) => &["///", "//!", "//"],
        (false, false) => &["//", "#"],
        (false, true) => &["//"],
    };
    let marker = markers.iter().find(|marker| line.starts_with(**marker))?;
    Some(line[marker.len()..].trim_start_matches('#').trim())
}

/// Returns the mistakes in the comments of a file, each with its line.
fn mistakes(path: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = String::new();
    for (line, number) in text.lines().chain([""]).zip(1..) {
        let comment = comment(path, line);
        if let Some(text) = comment {
            let first = text.split(|c: char| !c.is_alphabetic()).next().unwrap();
            if CLAUSES.contains(&first) && !text.ends_with('?') {
                found.push(format!("{}:{number}: `{text}` is a clause", path.display()));
            }
            block += &format!("{text}\n");
            continue;
        }
        let at = format!("{}: before line {number}", path.display());
        found.extend(expressions(&at, &prose(&std::mem::take(&mut block))));
    }
    found
}

#[test]
fn comments_use_the_words_of_the_style_guide() {
    let mut found = Vec::new();
    let mut checked = 0;
    for (folder, end) in COMMENTED {
        for path in files(folder, end) {
            checked += 1;
            found.extend(mistakes(&path, &read(&path)));
        }
    }
    assert!(checked > 300, "{checked} files");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn finds_clauses_and_expressions_in_comments() {
    let rust = [
        "/// What it does.",
        "//! Whether",
        "let what = 1; // Where",
        "// Somewhat",
        "// How many?",
        "",
        "// It stands",
        "// in a row, `nobody`.",
        "\"Who\"",
    ];
    let rust = rust.join("\n");
    let found = mistakes(Path::new("a.rs"), &rust);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with("a.rs:1: `What it does.`"), "{found:?}");
    assert!(found[1].starts_with("a.rs:2: `Whether`"), "{found:?}");
    assert!(found[2].contains("stands in"), "{found:?}");
    let script = "#!/bin/sh\n# Who calls.\necho nobody\n# Likewise.\n";
    assert_eq!(mistakes(Path::new("a.sh.j2"), script).len(), 2);
    assert!(mistakes(Path::new("a.md.j2"), "## What is not sent\n").is_empty());
}

#[test]
fn the_readme_is_short() {
    let words = read("README.md").split_whitespace().count();
    assert!(words <= 900, "{words} words");
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let documents = [
        files(".", ".md"),
        files("docs", ".md"),
        files("crates", "README.md"),
    ];
    let mut links = 0;
    for path in documents.concat() {
        let text = read(&path);
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link}", path.display());
            let found = heading.is_empty() || headings(&read(&target)).any(|one| one == heading);
            assert!(found, "{}: {link}", path.display());
        }
    }
    assert!(links > 30, "{links} links");
}

/// Returns the anchors that GitHub assigns to the headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || "- ".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    })
}

fn shell_blocks(text: &str) -> Vec<&str> {
    let blocks = text.split("```sh\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

#[test]
fn commands_run_in_order_in_an_empty_folder() {
    for document in RUN {
        let folder = tempfile::tempdir().unwrap();
        let script = shell_blocks(&read(document)).concat();
        let output = Command::new("bash")
            .args(["-c", &format!("{PROGRAMS}{script}")])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("BUILT", env!("CARGO_BIN_EXE_chroma-otel-deploy"))
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(output.status.success(), "{document}: {text}");
        let written = fs::read_dir(folder.path()).unwrap().count();
        assert!(written > 0, "{document} writes nothing");
    }
}

#[test]
fn every_document_with_commands_for_the_program_is_run() {
    for path in files("docs", ".md") {
        let path = path.to_str().unwrap();
        let blocks = shell_blocks(&read(path)).len();
        assert_eq!(blocks > 0, RUN.contains(&path), "{path}");
    }
}

#[test]
fn the_backends_page_lists_every_backend() {
    let page = read("docs/backends.md");
    let mut listed = 0;
    for path in files("templates/backends", ".yaml") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name}");
        listed += 1;
    }
    assert!(listed > 20, "{listed} backends");
}
