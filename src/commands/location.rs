//! The files of a deployment: its spec, and its folder.

use std::path::{Path, PathBuf};

use crate::cli::{FolderArgs, SpecArgs};
use crate::folder;
use crate::spec::default;

/// Names of a spec in the folder of its deployment; the first one is written.
const SPECS: [&str; 2] = ["chroma-otel.yaml", "chroma-otel.yml"];

/// Location that a deployment is read from and written to.
pub(super) struct Location {
    /// The spec, if there is one.
    pub(super) spec: Option<PathBuf>,
    /// The folder of the deployment.
    pub(super) folder: PathBuf,
}

impl Location {
    /// Returns the location of `--spec` and `--out`, or of the spec in the folder, in the current folder, or
    /// in the default folder of `gen`.
    pub(super) fn new(spec: &SpecArgs, folder: &FolderArgs) -> Self {
        let out = folder.out.as_deref();
        let location = |spec: Option<PathBuf>, folder: &Path| Self {
            spec,
            folder: plain(folder),
        };
        if let Some(file) = &spec.spec {
            let own = file.parent().unwrap_or(Path::new(""));
            return location(Some(file.clone()), out.unwrap_or(own));
        }
        let here = spec_in(Path::new(""));
        match (out, here) {
            (Some(out), here) => location(spec_in(out).or(here), out),
            (None, Some(here)) => location(Some(here), Path::new("")),
            (None, None) => match owner_here() {
                Some(owner) => location(Some(owner), Path::new("")),
                None => {
                    let name = Path::new(spec.text("name").unwrap_or(default::NAME));
                    location(spec_in(name), name)
                }
            },
        }
    }

    /// Returns the path of the spec relative to the folder, for messages; without a spec, that of a new one.
    pub(super) fn spec_name(&self) -> String {
        let Some(spec) = &self.spec else {
            return SPECS[0].to_owned();
        };
        match (self.is_in_folder(), spec.file_name()) {
            (true, Some(name)) => name.to_string_lossy().into_owned(),
            _ => {
                let absolute = spec.canonicalize().unwrap_or_else(|_| spec.clone());
                absolute.display().to_string()
            }
        }
    }

    /// Returns true if the spec is in the folder, or would be.
    pub(super) fn is_in_folder(&self) -> bool {
        let Some(spec) = &self.spec else {
            return true;
        };
        let parent = spec.parent().unwrap_or(Path::new(""));
        plain(parent) == self.folder
    }
}

/// Returns the spec outside of the current folder that the folder's deployment belongs to.
fn owner_here() -> Option<PathBuf> {
    let owner = folder::owner(Path::new("")).ok()??;
    let owner = PathBuf::from(owner);
    (owner.is_absolute() && owner.exists()).then_some(owner)
}

/// Returns the spec in a folder: one with a usual name, or the one that its deployment belongs to.
pub(super) fn spec_in(folder: &Path) -> Option<PathBuf> {
    let usual = SPECS.iter().map(|name| folder.join(name));
    let owner = folder::owner(folder).ok().flatten();
    let owner = owner.filter(|owner| !Path::new(owner).is_absolute());
    let mut specs = usual.chain(owner.map(|owner| folder.join(owner)));
    specs.find(|path| path.exists())
}

/// Removes a trailing `/` or `/.`, which would hide that the folder is a link.
pub(super) fn plain(folder: &Path) -> PathBuf {
    let folder: PathBuf = folder.components().collect();
    // An empty path is the current folder.
    if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder
    }
}
