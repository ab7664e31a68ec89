//! Collects the sources of the entrypoint for the rendered images, passes on the versions in
//! `versions.env`, and rebuilds if a template changes: `include_dir!` alone does not detect an
//! added file.

#[path = "src/digest.rs"]
#[expect(unreachable_pub, reason = "it is the library's module")]
mod digest;
#[path = "build/entrypoint_sources.rs"]
mod entrypoint_sources;

use std::path::Path;
use std::{env, fs};

#[expect(
    clippy::disallowed_methods,
    reason = "OUT_DIR is cargo's, not the operator's"
)]
fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=versions.env");
    for line in fs::read_to_string("versions.env")
        .expect("it can be read")
        .lines()
    {
        if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            println!("cargo::rustc-env={name}={}", value.trim_matches('"'));
        }
    }
    for krate in ["chroma-otel-init", "chroma-otel-entrypoint"] {
        println!("cargo::rerun-if-changed=crates/{krate}/Cargo.toml");
        println!("cargo::rerun-if-changed=crates/{krate}/src");
    }
    let files = entrypoint_sources::collect(Path::new("crates"));
    // The digests are computed once at build time, not by each `gen`.
    let entries = files.iter().map(|(path, text)| {
        let hash = digest::hash(text.as_bytes());
        format!("    ({path:?}, {text:?}, {hash:?}),\n")
    });
    let table = format!("&[\n{}]\n", entries.collect::<String>());
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("entrypoint_sources.rs"), table).expect("OUT_DIR is writable");
}
