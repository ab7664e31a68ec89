//! Trace and span ids without a system call.
//!
//! The SDK's own generator asks the kernel for entropy. In a static binary without `/dev/urandom`
//! that panics on the program's own thread. Ids need to be unique, not secret.
//!
//! Invariant: no id is zero, which W3C Trace Context reserves for "no id".

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

/// Ids from a generator per thread that is seeded by the standard library's hasher.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(fastrand::u128(..).max(1))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(fastrand::u64(..).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, thread};

    #[test]
    fn ids_differ_across_threads() {
        let ids = || -> Vec<_> { (0..10_000).map(|_| Ids.new_span_id().to_bytes()).collect() };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(ids)).collect();
        let all: BTreeSet<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("nothing panics"))
            .collect();
        assert_eq!(all.len(), 40_000);
    }
}
