//! The file and the flags together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::sections::SpecFile;
use crate::problem::Problem;

/// Name in place of a spec file's, if there are only flags.
pub(super) const NO_FILE: &str = "flags";

/// The merged input and the problems of its form.
pub struct Input {
    /// File and flags together, without the invalid parts.
    pub spec: SpecFile,
    /// Problems of the form: unknown keys, values of another type.
    pub problems: Vec<Problem>,
    /// Flags by the keys that they set, to locate an invalid value.
    pub flags: BTreeMap<&'static str, &'static str>,
    /// Name of the spec file in messages.
    pub file: String,
    /// Keys with a value, such as `chroma.bind`; for a list or a mapping, the key itself.
    pub given: Vec<String>,
    /// Files of `tracing.backend_file`: path, and text or the reason why it cannot be read.
    pub backends: Vec<(PathBuf, Result<String, Problem>)>,
    /// The file of `tracing.ca_file`: its text, or the reason why it cannot be read.
    pub ca: Option<Result<String, Problem>>,
}

impl Input {
    /// Returns true if there is a spec file.
    pub fn has_file(&self) -> bool {
        self.file != NO_FILE
    }

    /// Returns the name of a key in messages: its flag, the flag of a part of it, or the key in the file.
    pub fn at(&self, key: &str) -> String {
        match flag_of(&self.flags, key) {
            Some(flag) => flag.to_owned(),
            None if self.file == NO_FILE => key.to_owned(),
            None => format!("{}: {key}", self.file),
        }
    }
}

/// Returns the flag that set a key or a part of it.
pub fn flag_of(flags: &BTreeMap<&'static str, &'static str>, key: &str) -> Option<&'static str> {
    let below = format!("{key}.");
    let part = || {
        let mut parts = flags.range(below.as_str()..);
        parts.next().filter(|(part, _)| part.starts_with(&below))
    };
    flags.get(key).or_else(|| Some(part()?.1)).copied()
}
