//! Diffs a plan against a directory and applies it. The only module that writes.
//!
//! Invariants: only the folder and its shared folder are changed, and links are not followed. A
//! file is replaced by rename, so it is old or new and never partial. The user's files are not
//! overwritten.
//!
//! [`STATE`] records the files that `gen` wrote, in the format of `sha256sum --check`. A file with
//! the recorded hash is ours; any other belongs to the user.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use crate::digest::hash;
use crate::plan::{Change, Kind, Plan, SecretFile, SharedFolder};
use crate::problem::Problem;
use anyhow::{Context, Result};

/// Record of the files that `gen` wrote: one `HASH  PATH` per line.
pub const STATE: &str = ".chroma-otel-deploy.sha256";

/// Compares the plan with the folder. Writes nothing; the folder need not exist.
///
/// # Errors
/// The folder or a file in it cannot be read, or is a link.
pub fn compare(plan: &Plan, folder: &Path) -> Result<Vec<Change>> {
    let mut changes = compare_files(&plan.files, folder)?;
    if let Some(shared) = &plan.shared {
        for mut change in compare_files(&shared.files, &place(folder, shared))? {
            change.path = shared.path_of(&change.path);
            changes.push(change);
        }
    }
    Ok(changes)
}

/// Returns the path of a shared folder. `..` removes the last name of a path even if its folder
/// does not exist; links are not resolved.
fn place(folder: &Path, shared: &SharedFolder) -> PathBuf {
    let mut place = folder.to_path_buf();
    for part in Path::new(&shared.path).components() {
        let named = matches!(place.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::ParentDir if named => drop(place.pop()),
            _ if place == Path::new(".") => place = PathBuf::from(part.as_os_str()),
            _ => place.push(part),
        }
    }
    place
}

fn compare_files(files: &BTreeMap<String, String>, folder: &Path) -> Result<Vec<Change>> {
    check_folder(folder)?;
    let state = State::read(folder)?.files;
    let ours = |path: &str, bytes: &[u8]| {
        state
            .get(path)
            .is_some_and(|known| known.contains(&hash(bytes)))
    };
    let mut changes = Vec::new();
    for (path, after) in files {
        let Some(bytes) = read(folder, path)? else {
            changes.push(change(path, Kind::Create, None, Some(after)));
            continue;
        };
        if bytes == after.as_bytes() {
            continue;
        }
        let kind = if ours(path, &bytes) {
            Kind::Update
        } else {
            Kind::Overwrite
        };
        changes.push(change(path, kind, Some(bytes), Some(after)));
    }
    for path in state.keys().filter(|path| !files.contains_key(*path)) {
        if let Some(bytes) = read(folder, path)? {
            let kind = if ours(path, &bytes) {
                Kind::Remove
            } else {
                Kind::RemoveEdited
            };
            changes.push(change(path, kind, Some(bytes), None));
        }
    }
    Ok(changes)
}

fn change(path: &str, kind: Kind, before: Option<Vec<u8>>, after: Option<&String>) -> Change {
    Change {
        path: path.to_owned(),
        kind,
        before: before.and_then(|bytes| String::from_utf8(bytes).ok()),
        after: after.cloned(),
    }
}

/// Applies the changes to the folder. The caller has selected the allowed changes. Returns true if
/// the secret file was created (an existing one is left unchanged).
///
/// # Errors
/// The folder cannot be written. Files that were written before are complete and recorded as ours.
pub fn apply(plan: &Plan, changes: &[Change], folder: &Path, owner: Option<&str>) -> Result<bool> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for change in changes {
        let shared = plan.shared.as_ref();
        let inside = shared.and_then(|shared| change.path.strip_prefix(&shared.path_of("")));
        match inside {
            Some(path) => others.push((path, change)),
            None => own.push((change.path.as_str(), change)),
        }
    }
    if let Some(shared) = &plan.shared {
        apply_files(&shared.files, &others, &place(folder, shared), None)?;
    }
    apply_files(&plan.files, &own, folder, owner)?;
    match &plan.secrets {
        Some(file) => create_secret(folder, file),
        None => Ok(false),
    }
}

fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder {}", folder.display()))
}

/// Locks the folder until the result is dropped: two simultaneous runs would rename each other's partial
/// files.
fn locked(folder: &Path) -> Result<File> {
    let lock = File::open(folder)?;
    lock.lock()
        .with_context(|| format!("cannot lock the folder {}", folder.display()))?;
    Ok(lock)
}

/// Applies changes to one folder, each with its path in this folder.
fn apply_files(
    files: &BTreeMap<String, String>,
    changes: &[(&str, &Change)],
    folder: &Path,
    owner: Option<&str>,
) -> Result<()> {
    create_folder(folder)?;
    let _lock = locked(folder)?;
    let before = State::read(folder)?;
    let owner = owner.map(str::to_owned);
    let mut state = State {
        owner: owner.clone(),
        ..before.clone()
    };
    // If this run is interrupted between two files, the next run must know both old and new hashes.
    for (path, change) in changes {
        if let Some(after) = &change.after {
            let known = state.files.entry((*path).to_owned()).or_default();
            known.insert(hash(after.as_bytes()));
        }
    }
    if state != before {
        state.write(folder)?;
    }
    for (path, change) in changes {
        let target = folder.join(path);
        match &change.after {
            Some(text) => replace(folder, &target, text.as_bytes()),
            None => remove(folder, &target),
        }
        .with_context(|| format!("cannot write {}", target.display()))?;
    }
    let kept = state
        .files
        .clone()
        .into_iter()
        .filter(|(path, _)| !files.contains_key(path) && folder.join(path).exists());
    let written: BTreeSet<&str> = changes.iter().map(|(path, _)| *path).collect();
    let settled = files.iter().filter_map(|(path, text)| {
        let settled =
            written.contains(path.as_str()) || read(folder, path).ok()?? == text.as_bytes();
        settled.then(|| (path.clone(), BTreeSet::from([hash(text.as_bytes())])))
    });
    let settled = State {
        owner,
        files: kept.chain(settled).collect(),
    };
    if settled != state {
        settled.write(folder)?;
    }
    Ok(())
}

/// Rejects a folder that is a file or a link: files would be written to another place.
fn check_folder(folder: &Path) -> Result<()> {
    match fs::symlink_metadata(folder) {
        Ok(meta) if meta.is_symlink() => {
            let real = fs::canonicalize(folder).unwrap_or_default();
            Err(anyhow::Error::from(Refused(
                Problem::new(
                    format!("--out {}", folder.display()),
                    "is a link to another place",
                )
                .hint(format!(
                    "name the folder itself: `--out {}`",
                    real.display()
                )),
            )))
        }
        Ok(meta) if !meta.is_dir() => Err(anyhow::Error::from(Refused(
            Problem::new(format!("--out {}", folder.display()), "is a file")
                .hint("name a folder; it is created if it does not exist"),
        ))),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot inspect {}", folder.display())),
    }
}

/// A problem that the user can correct, passed through `anyhow`.
#[derive(Debug)]
pub struct Refused(pub Problem);

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl std::error::Error for Refused {}

/// Returns the bytes of a file in the folder, `None` if it does not exist.
fn read(folder: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    let mut place = folder.to_path_buf();
    let relative = Path::new(path);
    anyhow::ensure!(
        relative
            .components()
            .all(|part| matches!(part, Component::Normal(_))),
        "`{path}` in {STATE} leaves the folder"
    );
    for part in relative.components() {
        place.push(part);
        match fs::symlink_metadata(&place) {
            Ok(meta) if meta.is_symlink() => {
                let problem = Problem::new(
                    place.display().to_string(),
                    "is a link: `gen` would write to another place",
                )
                .hint("remove the link, or write to another folder with `--out`");
                return Err(Refused(problem).into());
            }
            Ok(meta) if place == folder.join(path) && meta.is_dir() => {
                let problem =
                    Problem::new(place.display().to_string(), "is a folder instead of a file")
                        .hint("move it away");
                return Err(Refused(problem).into());
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot inspect {}", place.display()));
            }
        }
    }
    fs::read(&place)
        .map(Some)
        .with_context(|| format!("cannot read {}", place.display()))
}

/// Prefix of the line in [`STATE`] that names the spec.
const OWNER: &str = "# spec: ";

/// Returns the spec from which the folder's deployment was generated, if it is recorded.
///
/// # Errors
/// The folder cannot be read.
pub fn owner(folder: &Path) -> Result<Option<String>> {
    check_folder(folder)?;
    Ok(State::read(folder)?.owner)
}

/// Writes a spec. An existing file keeps its permissions.
///
/// # Errors
/// The file is a link, or cannot be written.
pub fn write_spec(folder: &Path, path: &Path, text: &str) -> Result<()> {
    check_folder(folder)?;
    create_folder(folder)?;
    let _lock = locked(folder)?;
    let permissions = fs::symlink_metadata(path).map(|meta| meta.permissions());
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let written = replace(folder, &real, text.as_bytes());
    let kept = written.and_then(|()| match permissions {
        Ok(permissions) if !permissions.readonly() => fs::set_permissions(&real, permissions),
        _ => Ok(()),
    });
    kept.with_context(|| format!("cannot write {}", path.display()))
}

/// The content of [`STATE`].
#[derive(Clone, Default, PartialEq, Eq)]
struct State {
    /// The spec from which the deployment was generated.
    owner: Option<String>,
    /// Hashes of our files by path: one each, or two during a run.
    files: BTreeMap<String, BTreeSet<String>>,
}

impl State {
    fn read(folder: &Path) -> Result<Self> {
        let mut state = Self::default();
        let bytes = read(folder, STATE)?.unwrap_or_default();
        for line in String::from_utf8_lossy(&bytes).lines() {
            if line.starts_with('#') {
                let owner = line.strip_prefix(OWNER).map(str::to_owned);
                state.owner = state.owner.or(owner);
            } else if let Some((hash, path)) = line.split_once("  ") {
                let known = state.files.entry(path.to_owned()).or_default();
                known.insert(hash.to_owned());
            }
        }
        Ok(state)
    }

    fn write(&self, folder: &Path) -> Result<()> {
        // `sha256sum --check` skips comments.
        let owner = self.owner.as_ref();
        let mut text = owner.map_or(String::new(), |owner| format!("{OWNER}{owner}\n"));
        for (path, hashes) in &self.files {
            for hash in hashes {
                text.push_str(&format!("{hash}  {path}\n"));
            }
        }
        replace(folder, &folder.join(STATE), text.as_bytes())
            .with_context(|| format!("cannot write {STATE}"))
    }
}

/// Writes next to the target and renames over it: the target is old or new, never partial. Not
/// synced: the next run writes files again that a power failure lost, and 50 syncs take longer than
/// all other steps.
fn replace(folder: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(target.parent().unwrap_or(folder))?;
    let beside = temporary(target);
    let written = write_new(&beside, bytes, 0o644).and_then(|_| fs::rename(&beside, target));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Writes a new file: not through a link that another user created.
fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<File> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    // Regardless of the umask: containers read these files as other users.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    Ok(file)
}

/// One fixed name per target: a killed run leaves at most this file, and the next replaces it.
fn temporary(target: &Path) -> PathBuf {
    let name = target
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    target.with_file_name(format!(".{name}.chroma-otel-deploy.tmp"))
}

/// Removes a file, and the folders that are then empty.
fn remove(folder: &Path, target: &Path) -> io::Result<()> {
    fs::remove_file(target)?;
    for parent in target
        .ancestors()
        .skip(1)
        .take_while(|parent| *parent != folder)
    {
        if fs::remove_dir(parent).is_err() {
            break;
        }
    }
    Ok(())
}

/// Returns the file's variables that are missing in the file on disk, and those with another value
/// there.
///
/// # Errors
/// The file is a link or a folder, or cannot be read.
pub fn differing_secrets(folder: &Path, file: &SecretFile) -> Result<(Vec<String>, Vec<String>)> {
    let bytes = read(folder, &file.path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let set = set_variables(folder, &file.path)?;
    let differs = |(line, _): &(&str, &String)| !text.lines().any(|other| other.trim() == *line);
    let pairs = file.contents.lines().zip(&file.variables);
    let differing = pairs.filter(differs).map(|(_, name)| name.clone());
    Ok(differing.partition(|name| !set.contains_key(name)))
}

/// Returns the variables that a file of `NAME=value` lines sets, with the number of characters of each
/// value; none if the file does not exist.
///
/// # Errors
/// The file is a link or a folder, or cannot be read.
pub fn set_variables(folder: &Path, path: &str) -> Result<BTreeMap<String, usize>> {
    let bytes = read(folder, path)?.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.lines().filter_map(|line| line.trim().split_once('='));
    let values = pairs.map(|(name, value)| (name, value.trim().trim_matches(['"', '\''])));
    let set = values.filter(|(_, value)| !value.trim().is_empty());
    Ok(set
        .map(|(name, value)| (name.trim().to_owned(), value.chars().count()))
        .collect())
}

/// Creates the secret file, with mode 0600 from its first byte. An existing file is unchanged.
fn create_secret(folder: &Path, file: &SecretFile) -> Result<bool> {
    let target = folder.join(&file.path);
    if read(folder, &file.path)?.is_some() {
        return Ok(false);
    }
    let beside = temporary(&target);
    let made = write_new(&beside, file.contents.as_bytes(), 0o600)
        .and_then(|file| file.sync_all())
        // A link fails if the target exists: no existing `.env` is replaced, not even in a race.
        .and_then(|()| fs::hard_link(&beside, &target));
    let _ = fs::remove_file(&beside);
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", target.display())),
    }
}
