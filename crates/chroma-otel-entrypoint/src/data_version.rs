//! The release that last opened Chroma's data, in a file beside the data: Chroma migrates its data
//! irreversibly, and an older release could damage the result.
//!
//! Invariant: only a file that names a newer release prevents the start, and nothing has changed by
//! then. Otherwise the file names the release before it opens the data, or a warning says why
//! not. A file of another origin is not replaced.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chroma_otel_init::{ChromaVersion, Server, variable};

use crate::command::option;
use crate::variables::{Variables, chroma_version, text};

/// The directory of both servers in their working directory, if nothing names another one.
const DEFAULT_DIRECTORY: &str = "chroma";

/// Longer than any version, and than any configuration file of Chroma.
const LONGEST_FILE: u64 = 64 * 1024;

/// Records the release that the command starts. Returns a warning if that is impossible. A
/// directory that Chroma creates itself is recorded by the next start.
///
/// # Errors
/// A newer release has opened the data: returns the message.
pub(crate) fn record(
    variables: &Variables,
    command: &[OsString],
) -> Result<Option<String>, String> {
    let Some(starting) = chroma_version(variables) else {
        return Ok(None); // the translation of the variables warns of it
    };
    let directory = directory(variables, command, starting.server());
    if !directory.is_dir() {
        return Ok(None);
    }
    let file = directory.join(ChromaVersion::FILE);
    let shown = file.display();
    match read(&file).map(|text| variable::given(&text).map(str::parse::<ChromaVersion>)) {
        Ok(Some(Ok(opened))) if opened > starting => Err(format!(
            "`{shown}`: Chroma {opened} has opened this data, and {starting} could damage it; hint: \
             start {opened} again, or restore a backup of {starting} as in README.md, or delete \
             the file to start unprotected"
        )),
        Ok(Some(Ok(opened))) if opened == starting => Ok(None),
        Ok(None | Some(Ok(_))) => Ok(write(&file, starting).err().map(|error| {
            format!("`{shown}` cannot be written, so an older Chroma is not refused later: {error}")
        })),
        Ok(Some(Err(_))) => Ok(Some(unreadable(&file, "it does not contain a version"))),
        Err(error) => Ok(Some(unreadable(&file, error))),
    }
}

fn unreadable(file: &Path, why: impl std::fmt::Display) -> String {
    format!(
        "`{}` cannot be read, so an older Chroma is not refused: {why}; hint: delete it, and the \
         next start writes it",
        file.display()
    )
}

/// Returns the data directory as the server determines it.
pub(crate) fn directory(variables: &Variables, command: &[OsString], server: Server) -> PathBuf {
    let name = if server == Server::Python {
        "PERSIST_DIRECTORY"
    } else {
        "CHROMA_PERSIST_PATH"
    };
    let set = || Some(variable::given(&text(variables, name)?)?.to_owned());
    let named = option(command, "--path").or_else(set);
    let named = named.or_else(|| persist_path(&configuration(command)?));
    named.map_or_else(|| DEFAULT_DIRECTORY.into(), PathBuf::from)
}

/// Returns the text of the command's first argument that is a file.
fn configuration(command: &[OsString]) -> Option<String> {
    let mut arguments = command.iter().skip(1).map(Path::new);
    read(arguments.find(|argument| argument.is_file())?).ok()
}

/// Returns the value of `persist_path` in a configuration of Chroma 1.x.
fn persist_path(yaml: &str) -> Option<String> {
    let mut lines = yaml.lines();
    let value = lines.find_map(|line| line.strip_prefix("persist_path:"))?;
    let value = value.split(" #").next().unwrap_or_default();
    variable::given(value).map(str::to_owned)
}

/// Returns the text of a regular file; empty if there is none. Opening a pipe would block.
fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    match fs::metadata(file) {
        Ok(found) if found.is_file() => {
            File::open(file)?
                .take(LONGEST_FILE)
                .read_to_string(&mut text)?;
            Ok(text)
        }
        Ok(_) => Err(io::Error::other("it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(text),
        Err(error) => Err(error),
    }
}

/// Replaces the file, so that it is complete after a power failure.
fn write(file: &Path, version: ChromaVersion) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut out = File::create(&new)?;
    writeln!(out, "{version}")?;
    out.sync_all()?;
    fs::rename(&new, file)?;
    File::open(file.with_file_name(""))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_persist_path_of_a_configuration() {
        for (yaml, path) in [
            ("persist_path: /data", Some("/data")),
            (
                "port: 8000\npersist_path: \"/my data\" # the volume\n",
                Some("/my data"),
            ),
            ("persist_path:/data#1", Some("/data#1")),
            ("persist_path:\n", None),
            ("# persist_path: /data\n  persist_path: /data\n", None),
            ("", None),
        ] {
            assert_eq!(persist_path(yaml).as_deref(), path, "{yaml}");
        }
    }

    #[test]
    fn finds_the_directory_where_the_server_does() {
        for (set, command, server, found) in [
            ("", "chroma run", Server::Rust, "chroma"),
            ("", "chroma run --path /a", Server::Rust, "/a"),
            ("", "chroma run --path=/a", Server::Rust, "/a"),
            (
                "CHROMA_PERSIST_PATH=\"/b\"",
                "chroma run c.yaml",
                Server::Rust,
                "/b",
            ),
            ("PERSIST_DIRECTORY=/c", "chroma run", Server::Rust, "chroma"),
            ("PERSIST_DIRECTORY=/c", "uvicorn", Server::Python, "/c"),
            (
                "CHROMA_PERSIST_PATH=/b",
                "uvicorn",
                Server::Python,
                "chroma",
            ),
        ] {
            let variables = set.split_once('=').into_iter();
            let variables = variables.map(|(name, value)| (name.into(), value.into()));
            let command: Vec<OsString> = command.split_whitespace().map(OsString::from).collect();
            let directory = directory(&variables.collect(), &command, server);
            assert_eq!(directory, Path::new(found), "{set} {command:?}");
        }
    }
}
