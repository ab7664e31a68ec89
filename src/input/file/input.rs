//! The file and the flags together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::sections::SpecFile;
use crate::problem::Problem;

/// Name in place of a spec file's, if there are only flags.
pub(super) const NO_FILE: &str = "flags";

/// The merged input and what is wrong with its form.
pub struct Input {
    /// File and flags together, without the parts that are wrong.
    pub spec: SpecFile,
    /// What is wrong with the form: unknown keys, values of another kind.
    pub problems: Vec<Problem>,
    /// Key of the spec to the flag that gave it, to say where a wrong value stands.
    pub flags: BTreeMap<&'static str, &'static str>,
    /// The spec file's name for messages.
    pub file: String,
    /// Keys that were given a value, such as `chroma.bind`; of a list or a mapping the key itself.
    pub given: Vec<String>,
    /// The files of `tracing.backend_file`: path, and text or why there is none.
    pub backends: Vec<(PathBuf, Result<String, Problem>)>,
}

impl Input {
    /// How a message names a key: its flag, that of a part of it, or the key in the file.
    pub fn at(&self, key: &str) -> String {
        match flag_of(&self.flags, key) {
            Some(flag) => flag.to_owned(),
            None if self.file == NO_FILE => key.to_owned(),
            None => format!("{}: {key}", self.file),
        }
    }
}

/// Returns the flag that gave a key or a part of it.
pub fn flag_of(flags: &BTreeMap<&'static str, &'static str>, key: &str) -> Option<&'static str> {
    let below = format!("{key}.");
    let part = || {
        let mut parts = flags.range(below.as_str()..);
        parts.next().filter(|(part, _)| part.starts_with(&below))
    };
    flags.get(key).or_else(|| Some(part()?.1)).copied()
}
