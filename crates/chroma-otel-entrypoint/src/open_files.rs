//! The limit of open files: Chroma keeps four open per collection, and engines allow 1024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::message;

/// Raises this process's soft limit to the hard limit; child processes inherit it.
pub(crate) fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        message::warning(format_args!(
            "the soft limit of open files remains {}: {error}",
            limit
                .current
                .map_or("unlimited".to_owned(), |soft| soft.to_string())
        ));
    }
}
