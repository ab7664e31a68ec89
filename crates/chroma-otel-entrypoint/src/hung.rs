//! Ends a server that no longer answers, where nothing else does: Docker restarts a container that ends,
//! but not one that is unhealthy.
//!
//! Invariant: a server that has not been healthy since its start is never ended: it may be migrating its
//! data. The state is in two files in the temporary directory, because each check is a separate process.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::message;

fn healthy() -> PathBuf {
    std::env::temp_dir().join("chroma-otel-healthy")
}

/// Its time of modification is that of the first failure in a row.
fn unhealthy() -> PathBuf {
    std::env::temp_dir().join("chroma-otel-unhealthy")
}

/// Forgets the server that ran before.
pub(crate) fn forget() {
    for file in [healthy(), unhealthy()] {
        let _ = fs::remove_file(file); // usually there is none
    }
}

/// Notes a healthy answer.
pub(crate) fn note_healthy() {
    let _ = fs::remove_file(unhealthy());
    if let Err(error) = File::create(healthy()) {
        message::warning(format_args!(
            "a server that stops answering is not restarted: `{}` cannot be written: {error}",
            healthy().display()
        ));
    }
}

/// Notes a failed check. After `limit` without a healthy answer, asks process 1 to end.
pub(crate) fn note_unhealthy(limit: Duration) {
    if !healthy().exists() {
        return;
    }
    let since = fs::metadata(unhealthy()).and_then(|file| file.modified());
    let Ok(since) = since else {
        let _ = File::create(unhealthy()); // the next failure tries again
        return;
    };
    if since.elapsed().is_ok_and(|elapsed| elapsed >= limit) {
        forget();
        let ended = kill_process(Pid::INIT, Signal::TERM);
        let seconds = limit.as_secs();
        match ended {
            Ok(()) => message::error(format_args!(
                "no healthy answer within {seconds} s: the server is ended"
            )),
            Err(error) => message::error(format_args!(
                "no healthy answer within {seconds} s, and process 1 cannot be ended: {error}"
            )),
        }
    }
}
