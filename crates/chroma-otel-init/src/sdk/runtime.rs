//! A separate thread for the network, so that the program needs no async runtime, and a
//! single-threaded runtime does not wait for itself.
//!
//! Invariant: the tokio runtime is created, used and dropped only on that thread: dropping it on a
//! thread of the program could block or panic there.

use std::{convert::Infallible, io, sync::mpsc, thread};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// The thread; dropping this ends it, without waiting for it.
#[derive(Debug)]
pub(super) struct Runtime {
    /// Spawns onto the thread; tasks spawned after its end are cancelled.
    pub(super) handle: Handle,
    _stop: oneshot::Sender<Infallible>,
}

/// Starts the thread.
pub(super) fn start() -> io::Result<Runtime> {
    let (stop, stopped) = oneshot::channel();
    let (started, starting) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("chroma-otel".to_owned())
        .spawn(
            move || match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    let _ = started.send(Ok(runtime.handle().clone()));
                    let _ = runtime.block_on(stopped);
                    // A name resolution in progress cannot be cancelled.
                    runtime.shutdown_background();
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            },
        )?;
    let handle = starting.recv().map_err(io::Error::other)??;
    Ok(Runtime {
        handle,
        _stop: stop,
    })
}
