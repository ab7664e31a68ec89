//! How much memory and disk a number of vectors wants, fitted to what `bench/size` measured.
//!
//! Invariant: never less than what Chroma needs without any.

use crate::values::Memory;

/// What Chroma wants.
pub(super) struct Size {
    /// Memory limit, a whole number of GiB.
    pub(super) memory: Memory,
    /// Disk, a whole number of GiB.
    pub(super) disk: Memory,
}

/// Memory that does not grow with the vectors: the server (109 MiB idle), requests being read (each up
/// to 40 MiB, several times that as JSON), SQLite's caches, and room for what was not measured.
const BASE: u64 = 1 << 30;

impl Size {
    /// For `vectors` of `dimensions` numbers of 4 bytes each.
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

/// The index: Chroma keeps all vectors in memory, with their graph and the names of both.
fn in_memory(vectors: u64, dimensions: u64) -> u64 {
    vectors.saturating_mul(dimensions.saturating_mul(6).saturating_add(1000))
}

/// Index, records and full-text index, twice: a restore lies beside what it replaces.
fn on_disk(vectors: u64, dimensions: u64) -> u64 {
    vectors.saturating_mul(dimensions.saturating_mul(9).saturating_add(4000))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `bench/size` said of Chroma 1.5.9: vectors, dimensions, the most memory that the server had
    /// and what its folder took, in MiB.
    const MEASURED: [(u64, u64, u64, u64); 5] = [
        (20_000, 384, 188, 66),
        (50_000, 384, 250, 162),
        (200_000, 384, 535, 639),
        (20_000, 1536, 308, 159),
        (100_000, 128, 233, 222),
    ];

    /// Memory of the server that is at work and has few vectors, in MiB: where the line through the
    /// first two points of 384 dimensions begins.
    const AT_WORK: u64 = 150;

    #[test]
    fn what_is_worked_out_is_never_less_than_what_was_measured_nor_more_than_three_times_that() {
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
    fn a_size_has_a_least_and_a_most() {
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
