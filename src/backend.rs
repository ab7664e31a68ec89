//! Backends, which receive the traces. A backend is one file in `templates/backends`, and nothing
//! else.
//!
//! Invariant: every file there can be loaded and follows the rules (a test reads them all), so a
//! name that is found is valid.

mod definition;
mod form;
mod preset;
mod rules;
mod settings;

use anyhow::ensure;

use crate::render::TEMPLATES;

pub use definition::{
    Address, Backend, Component, ComponentSettings, Exporter, Extension, Identity, Key,
    MetricsIntake, Prepare, Probe, Service, Setting,
};
pub use form::own;
pub use settings::Missing;

/// Returns the names of all backends, in order.
pub fn names() -> Vec<String> {
    let files = TEMPLATES.get_dir("backends").into_iter();
    let mut names: Vec<String> = files
        .flat_map(|folder| folder.files())
        .filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort(); // files sort differently because of their extension
    names
}

/// Returns all backends, in order, each loaded when it is reached. Errors are those of [`load`].
pub fn all() -> impl Iterator<Item = anyhow::Result<Backend>> {
    let names = names().into_iter();
    names.filter_map(|name| load(&name).transpose())
}

/// Returns the backend of that name, if there is one.
///
/// # Errors
/// Its file cannot be parsed or breaks a rule: a bug, which the tests of this crate find.
pub fn load(name: &str) -> anyhow::Result<Option<Backend>> {
    let Some(file) = TEMPLATES.get_file(format!("backends/{name}.yaml")) else {
        return Ok(None);
    };
    read(name, file.contents()).map(Some)
}

fn read(name: &str, contents: &[u8]) -> anyhow::Result<Backend> {
    let mut backend: Backend = serde_yaml::from_slice(contents)?;
    name.clone_into(&mut backend.name);
    let broken = rules::broken(&backend);
    ensure!(broken.is_empty(), "{}", broken.join("; "));
    Ok(backend)
}
