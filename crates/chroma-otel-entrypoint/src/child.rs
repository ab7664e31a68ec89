//! Starts the child with the signal mask that the entrypoint inherited.
//!
//! `posix_spawn` sets the mask in the child. The standard library would pass on the mask of the
//! parent, in which every signal is blocked.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd;
use rustix::process::Pid;

use crate::variables::Variables;

/// Runs scripts without `#!`, as `execvp` does.
const SHELL: &str = "/bin/sh";

/// Process group of the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// A new group.
    Own,
    /// The entrypoint's group.
    Shared,
}

/// Starts the command.
///
/// # Errors
/// The program cannot be found or executed.
pub(crate) fn spawn(
    command: &[OsString],
    variables: &Variables,
    mask: &SigSet,
    group: Group,
) -> io::Result<Pid> {
    let environment: Vec<OsString> = variables.iter().map(assignment).collect();
    let environment = c_strings(&environment)?;
    let attributes = attributes(mask, group)?;
    let started = match start(command, &environment, &attributes) {
        Err(Errno::ENOEXEC) => start(&by_shell(command, variables), &environment, &attributes),
        other => other,
    };
    Pid::from_raw(started?.as_raw()).ok_or_else(|| io::Error::other("the child has no process id"))
}

fn attributes(mask: &SigSet, group: Group) -> io::Result<PosixSpawnAttr> {
    let mut attributes = PosixSpawnAttr::init()?;
    let mut flags =
        PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF;
    attributes.set_sigmask(mask)?;
    // Rust programs ignore this signal, and the child would inherit that.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    if group == Group::Own {
        flags |= PosixSpawnFlags::POSIX_SPAWN_SETPGROUP;
        attributes.set_pgroup(unistd::Pid::from_raw(0))?;
    }
    attributes.set_flags(flags)?;
    Ok(attributes)
}

fn start(
    command: &[OsString],
    environment: &[CString],
    attributes: &PosixSpawnAttr,
) -> Result<unistd::Pid, Errno> {
    let words = c_strings(command)?;
    let program = words.first().ok_or(Errno::ENOENT)?;
    let actions = PosixSpawnFileActions::init()?;
    posix_spawnp(program, &actions, attributes, &words, environment)
}

/// Returns the command that runs the script by the shell. The path is complete, because the shell
/// does not search `PATH` for a script.
fn by_shell(command: &[OsString], variables: &Variables) -> Vec<OsString> {
    let (script, arguments) = (&command[0], &command[1..]);
    let path = variables
        .get(OsStr::new("PATH"))
        .cloned()
        .unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(script))
        .find(|file| !script.as_bytes().contains(&b'/') && file.is_file());
    let script = found.unwrap_or_else(|| PathBuf::from(script));
    let mut words = vec![OsString::from(SHELL), script.into_os_string()];
    words.extend_from_slice(arguments);
    words
}

fn assignment((name, value): (&OsString, &OsString)) -> OsString {
    let mut line = name.clone();
    line.push("=");
    line.push(value);
    line
}

fn c_strings(words: &[OsString]) -> Result<Vec<CString>, Errno> {
    let words = words.iter().map(|word| CString::new(word.as_bytes()));
    // Arguments and variables of a process cannot contain a zero byte.
    words.collect::<Result<_, _>>().map_err(|_| Errno::EINVAL)
}
