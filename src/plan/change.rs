//! The difference between a plan and the folder on disk, file by file.

/// One file that is not as the plan has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Relative path.
    pub path: String,
    /// What is to be done.
    pub kind: Kind,
    /// Text on disk, `None` where there is no file or it is no text.
    pub before: Option<String>,
    /// Text of the plan, `None` where the file goes.
    pub after: Option<String>,
}

impl Change {
    /// What the first line that begins with `start` says behind it, before and after, where that is not the same.
    pub fn behind(&self, start: &str) -> Option<(String, String)> {
        let behind = |text: &Option<String>| {
            let mut lines = text.as_deref()?.lines().map(str::trim);
            Some(lines.find_map(|line| line.strip_prefix(start))?.to_owned())
        };
        let (before, after) = (behind(&self.before)?, behind(&self.after)?);
        (before != after).then_some((before, after))
    }
}

/// What a change does, and whether it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// There is no such file yet.
    Create,
    /// The file is as `gen` last wrote it, the plan is another.
    Update,
    /// The file was not written by `gen`, or was edited since: only `--force` replaces it.
    Overwrite,
    /// No longer part of the plan, and as `gen` last wrote it: only `--prune` removes it.
    Remove,
    /// No longer part of the plan, and edited since: stays, unless `--prune --force`.
    RemoveEdited,
}
