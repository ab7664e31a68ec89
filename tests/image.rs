//! The build context of the images: it compiles as rendered, and its tags are reproducible.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and writes its own files"
)]

#[path = "../build/entrypoint_sources.rs"]
mod entrypoint_sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Returns the folder that `image` writes.
fn image() -> TempDir {
    let home = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_chroma-otel-deploy"))
        .args([
            "image",
            "--registry",
            "registry.example.com/search",
            "--out",
        ])
        .arg(home.path())
        .env_clear()
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    home
}

/// Only with the crates of this platform, which every test run has.
#[test]
fn the_sources_build_with_their_lock_file_without_warnings() {
    let image = image();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--manifest-path"])
        .arg(image.path().join("entrypoint/Cargo.toml"))
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("entrypoint"),
        )
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "run `tests/update-entrypoint-lock`\n{message}"
    );
    assert!(!message.contains("warning"), "{message}");
}

/// Returns name, version and checksum of every package in a lock file that comes from a registry.
fn locked(text: &str) -> BTreeMap<(String, String), String> {
    let lock: toml_edit::DocumentMut = text.parse().unwrap();
    let packages = lock["package"].as_array_of_tables().unwrap().iter();
    let packages = packages.filter_map(|package| {
        let text = |key: &str| Some(package.get(key)?.as_str()?.to_owned());
        Some(((text("name")?, text("version")?), text("checksum")?))
    });
    packages.collect()
}

#[test]
fn the_lock_file_has_the_versions_of_this_workspace() {
    let own = locked(&fs::read_to_string("templates/entrypoint/Cargo.lock").unwrap());
    let workspace = locked(&fs::read_to_string("Cargo.lock").unwrap());
    assert!(!own.is_empty());
    let mut strange = own
        .iter()
        .filter(|(name, sum)| workspace.get(name) != Some(sum));
    assert_eq!(strange.next(), None, "run `tests/update-entrypoint-lock`");
}

#[test]
fn anyone_can_compute_the_hash_in_the_tags() {
    let image = image();
    let bake = fs::read_to_string(image.path().join("docker-bake.hcl")).unwrap();
    let command = bake
        .lines()
        .find(|line| line.contains("sha256sum"))
        .unwrap();
    let output = Command::new("sh")
        .args(["-euc", command.trim_start_matches('#')])
        .current_dir(image.path())
        .output()
        .unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    let end = format!("-{}\"]", hash.trim());
    assert_eq!(hash.trim().len(), 12, "{hash}");
    let tags = bake.lines().filter(|line| line.contains(" tags "));
    assert_eq!(
        tags.filter(|line| line.ends_with(&end)).count(),
        2,
        "{end} in {bake}"
    );
}

/// Returns the files that are collected from crates with these files.
fn collected(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let crates = TempDir::new().unwrap();
    for (path, text) in files {
        let place = crates.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }
    entrypoint_sources::collect(crates.path())
        .into_iter()
        .collect()
}

#[test]
fn collects_only_what_the_entrypoint_compiles() {
    let library = r#"
[package]
name = "chroma-otel-init"

[features]
light = ["dep:small", "smaller"]
smaller = []
full = ["light", "dep:large"]

[dependencies]
always = "1"
small = { version = "1", optional = true }
large = { version = "1", optional = true }

[dev-dependencies]
tests = "1"
"#;
    let root = r#"//! Docs.

mod plain;
#[cfg(test)]
mod fuzz;
/// Heavy.
#[cfg(feature = "full")]
mod heavy;
#[cfg(feature = "full")]
pub use heavy::{
    Heavy, Weight,
};
/// Either.
#[cfg(any(feature = "full", feature = "smaller"))]
pub(crate) mod either;
#[cfg(all(feature = "light", not(feature = "full")))]
mod nested;
#[cfg(unix)]
mod platform;
"#;
    let plain = r#"//! Plain.

struct Options {
    #[cfg(feature = "full")]
    heavy: u8,
    light: u8,
}

impl Options {
    #[cfg(feature = "full")]
    fn heavy() {
        if true {
        }
    }

    fn light() {}
}

#[cfg(test)]
mod tests {
    fn b() {}
}
"#;
    let files = collected(&[
        (
            "chroma-otel-entrypoint/Cargo.toml",
            "[dependencies]\nchroma-otel-init = { path = \"..\", features = [\"light\"] }\n",
        ),
        ("chroma-otel-entrypoint/src/main.rs", "fn main() {}\n"),
        ("chroma-otel-init/Cargo.toml", library),
        ("chroma-otel-init/src/lib.rs", root),
        ("chroma-otel-init/src/plain.rs", plain),
        ("chroma-otel-init/src/either.rs", "fn either() {}\n"),
        ("chroma-otel-init/src/nested/mod.rs", "mod inner;\n"),
        ("chroma-otel-init/src/nested/inner.rs", "fn inner() {}\n"),
        ("chroma-otel-init/src/platform.rs", "fn platform() {}\n"),
    ]);
    assert_eq!(files.len(), 4);
    insta::assert_snapshot!(files["chroma-otel-init/src/lib.rs"], @r#"
    //! Docs.

    mod plain {
    //! Plain.

    struct Options {
        light: u8,
    }

    impl Options {
        fn light() {}
    }
    }
    /// Either.
    pub(crate) mod either {
    fn either() {}
    }
    mod nested {
    mod inner {
    fn inner() {}
    }
    }
    #[cfg(unix)]
    mod platform {
    fn platform() {}
    }
    "#);
    let manifest = &files["chroma-otel-init/Cargo.toml"];
    for (word, is_kept) in [
        ("small =", true),
        ("smaller =", true),
        ("always", true),
        ("large", false),
        ("full", false),
        ("tests", false),
    ] {
        assert_eq!(manifest.contains(word), is_kept, "{word} in {manifest}");
    }
}
