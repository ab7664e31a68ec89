//! Rebuilds when a template or a source that the generator carries changes: `include_dir!` alone
//! does not notice a file that was added.

fn main() {
    for folder in [
        "templates",
        "crates/chroma-otel-init/src",
        "crates/chroma-otel-entrypoint/src",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
