//! The images with the entrypoint: a Dockerfile, and the sources it builds the entrypoint from.
//!
//! Invariant: what is written builds with `--locked`, without this repository.

use anyhow::{Context as _, Result};
use include_dir::{Dir, include_dir};

use minijinja::Value;

use super::context as shared;
use crate::plan::Plan;
use crate::render::{TEMPLATES, render};
use crate::spec::{Image, Spec};
use crate::tree::hash;

static INIT_SOURCES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/crates/chroma-otel-init/src");
static ENTRYPOINT_SOURCES: Dir<'_> =
    include_dir!("$CARGO_MANIFEST_DIR/crates/chroma-otel-entrypoint/src");
const INIT_MANIFEST: &str = include_str!("../../crates/chroma-otel-init/Cargo.toml");
const ENTRYPOINT_MANIFEST: &str = include_str!("../../crates/chroma-otel-entrypoint/Cargo.toml");

/// A plan with what the images are built from, and a word that names all of it: a tag that is pushed
/// never changes its meaning.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn built(spec: &Spec) -> Result<(Plan, String)> {
    let mut plan = Plan::default();
    if spec.chroma.image == Image::Wrapped {
        add(&mut plan, &shared::of(spec))?;
    }
    let sources: String = plan
        .files
        .iter()
        .map(|(path, text)| format!("{path}\n{text}\n"))
        .collect();
    Ok((plan, hash(sources.as_bytes())[..8].to_owned()))
}

/// Adds all that the images are built from.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, context: &Value) -> Result<()> {
    for file in ["Dockerfile", ".dockerignore"] {
        let text = render(&format!("image/{file}.j2"), context)?;
        plan.files.insert(file.to_owned(), text);
    }
    add_sources(plan)
}

/// The sources of the entrypoint, without what only their own tests need.
fn add_sources(plan: &mut Plan) -> Result<()> {
    let crates = [
        ("chroma-otel-init", INIT_MANIFEST, &INIT_SOURCES),
        (
            "chroma-otel-entrypoint",
            ENTRYPOINT_MANIFEST,
            &ENTRYPOINT_SOURCES,
        ),
    ];
    for (name, manifest, sources) in crates {
        let mut manifest: toml_edit::DocumentMut = manifest.parse().context(name)?;
        for section in ["dev-dependencies", "bench", "example", "test"] {
            manifest.remove(section);
        }
        plan.files.insert(
            format!("entrypoint/{name}/Cargo.toml"),
            manifest.to_string(),
        );
        add_folder(plan, &format!("entrypoint/{name}/src"), sources)?;
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        let text = TEMPLATES
            .get_file(format!("entrypoint/{file}"))
            .and_then(|file| file.contents_utf8())
            .with_context(|| format!("no `entrypoint/{file}`"))?;
        plan.files
            .insert(format!("entrypoint/{file}"), text.to_owned());
    }
    Ok(())
}

fn add_folder(plan: &mut Plan, at: &str, folder: &Dir<'_>) -> Result<()> {
    for file in folder.files() {
        let path = format!("{at}/{}", file.path().display());
        let text = file.contents_utf8().with_context(|| path.clone())?;
        plan.files.insert(path, text.to_owned());
    }
    folder
        .dirs()
        .try_for_each(|folder| add_folder(plan, at, folder))
}
