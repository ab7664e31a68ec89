//! Trace and span ids.
//!
//! The SDK draws them from a cryptographic generator, which panics in the program's own thread in a
//! static binary where there is no `/dev/urandom` (measured). Ids need to be unique, not secret;
//! these are also quicker by more than the counting of spans costs.
//!
//! Invariant: no id is zero, and every thread has a state of 256 bits of its own.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;
use std::{
    cell::Cell,
    hash::{BuildHasher, RandomState},
};

/// Ids from a generator in each thread, seeded with what the system gave the standard library.
#[derive(Debug)]
pub(super) struct Ids;

thread_local! {
    static STATE: Cell<[u64; 4]> = Cell::new(std::array::from_fn(|_| RandomState::new().hash_one(0)));
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from(u128::from(draw()) << 64 | u128::from(draw()))
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(draw())
    }
}

/// xoshiro256++ by Blackman and Vigna, <https://prng.di.unimi.it/xoshiro256plusplus.c>.
fn step([a, b, c, d]: [u64; 4]) -> (u64, [u64; 4]) {
    let drawn = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
    let (c, d) = (c ^ a, d ^ b);
    (drawn, [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)])
}

/// Never zero, which stands for "no id" (W3C Trace Context).
fn draw() -> u64 {
    STATE.with(|state| {
        let (drawn, next) = step(state.get());
        state.set(next);
        drawn.max(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeSet, thread};

    /// The reference implementation's first numbers for the state 1, 2, 3, 4.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut state = [1, 2, 3, 4];
        let drawn: Vec<u64> = std::iter::repeat_with(|| {
            let (drawn, next) = step(state);
            state = next;
            drawn
        })
        .take(4)
        .collect();
        assert_eq!(
            drawn,
            [41943041, 58720359, 3588806011781223, 3591011842654386]
        );
    }

    #[test]
    fn ids_of_all_threads_differ() {
        let ids = || -> Vec<_> { (0..10_000).map(|_| Ids.new_span_id().to_bytes()).collect() };
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(ids)).collect();
        let all: BTreeSet<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("nothing panics"))
            .collect();
        assert_eq!(all.len(), 40_000);
    }
}
