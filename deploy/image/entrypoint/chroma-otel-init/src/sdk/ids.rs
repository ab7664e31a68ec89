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
