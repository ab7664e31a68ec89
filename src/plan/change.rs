//! The difference between a plan and the folder on disk, file by file.

/// A file that differs from the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative path.
    pub path: String,
    /// Kind of the change.
    pub kind: Kind,
    /// Text on disk, `None` if the file does not exist or is not text.
    pub before: Option<String>,
    /// Text of the plan, `None` if the file is removed.
    pub after: Option<String>,
}

impl Change {
    /// Returns the rest of the first line that begins with `start`, before and after, if they
    /// differ.
    pub fn behind(&self, start: &str) -> Option<(String, String)> {
        let behind = |text: &Option<String>| {
            let mut lines = text.as_deref()?.lines().map(str::trim);
            Some(lines.find_map(|line| line.strip_prefix(start))?.to_owned())
        };
        let (before, after) = (behind(&self.before)?, behind(&self.after)?);
        (before != after).then_some((before, after))
    }
}

/// Kind of a change, and its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file does not exist yet.
    Create,
    /// The file is as `gen` last wrote it, and the plan differs.
    Update,
    /// The file was not written by `gen`, or was edited since: only `--force` replaces it.
    Overwrite,
    /// No longer part of the plan, and as `gen` last wrote it: only `--prune` removes it.
    Remove,
    /// No longer part of the plan, and edited since: only `--prune --force` removes it.
    RemoveEdited,
}
