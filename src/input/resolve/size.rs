//! Estimates the memory and disk for a number of vectors, fitted to measurements of `bench/size`.
//!
//! Invariant: the estimate is never below the minimum of an empty Chroma.

use crate::values::Memory;

/// Memory and disk for Chroma.
pub(super) struct Size {
    /// Memory limit, a whole number of GiB.
    pub(super) memory: Memory,
    /// Disk, a whole number of GiB.
    pub(super) disk: Memory,
}

/// Memory that does not grow with the vectors: the server (109 MiB idle), requests being read (each up
/// to 40 MiB, several times that as JSON), SQLite's caches, and a reserve for costs that were not measured.
const BASE: u64 = 1 << 30;

impl Size {
    /// Returns the size for `vectors` of `dimensions` numbers of 4 bytes each.
    pub(super) fn of(vectors: u64, dimensions: u64) -> Self {
        let gibibytes = |bytes: u64, least: u64| {
            let whole = bytes.div_ceil(1 << 30).clamp(least, 16 << 10);
            Memory::mebibytes(whole << 10)
        };
        Self {
            memory: gibibytes(BASE.saturating_add(in_memory(vectors, dimensions)), 2),
            disk: gibibytes(on_disk(vectors, dimensions), 20),
        }
    }
}

/// Returns the memory of the index: Chroma keeps all vectors in memory, with their graph and ids.
fn in_memory(vectors: u64, dimensions: u64) -> u64 {
    vectors.saturating_mul(dimensions.saturating_mul(6).saturating_add(1000))
}

/// Returns the disk of index, records and full-text index, twice: a restore needs both copies.
fn on_disk(vectors: u64, dimensions: u64) -> u64 {
    vectors.saturating_mul(dimensions.saturating_mul(9).saturating_add(4000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measurements of `bench/size` with Chroma 1.5.9: vectors, dimensions, peak memory of the server
    /// and size of its folder, in MiB.
    const MEASURED: [(u64, u64, u64, u64); 5] = [
        (20_000, 384, 188, 66),
        (50_000, 384, 250, 162),
        (200_000, 384, 535, 639),
        (20_000, 1536, 308, 159),
        (100_000, 128, 233, 222),
    ];

    /// Memory of a busy server with few vectors, in MiB: the intercept of the line through the
    /// first two points of 384 dimensions.
    const AT_WORK: u64 = 150;

    #[test]
    fn estimates_are_between_one_and_three_times_the_measurement() {
        for (vectors, dimensions, memory, disk) in MEASURED {
            let size = format!("{vectors} of {dimensions}");
            let (worked_out, measured) = (in_memory(vectors, dimensions) >> 20, memory - AT_WORK);
            assert!(
                (measured..=3 * measured).contains(&worked_out),
                "{size}: {worked_out} MiB of memory"
            );
            let worked_out = on_disk(vectors, dimensions) >> 20;
            assert!(
                (disk..=3 * disk).contains(&worked_out),
                "{size}: {worked_out} MiB on disk"
            );
            let limit = Size::of(vectors, dimensions).memory.as_mebibytes();
            assert!(limit > memory, "{size}: {limit} MiB");
        }
    }

    #[test]
    fn sizes_have_a_minimum_and_a_maximum() {
        let none = Size::of(0, 384);
        assert_eq!(
            (none.memory.as_mebibytes(), none.disk.as_mebibytes()),
            (2 << 10, 20 << 10)
        );
        let million = Size::of(1_000_000, 768);
        assert_eq!(
            (million.memory.as_mebibytes(), million.disk.as_mebibytes()),
            (7 << 10, 20 << 10)
        );
        let all = Size::of(u64::MAX, u64::MAX);
        assert_eq!(all.memory.as_mebibytes(), 16 << 20);
    }
}
