//! Number of replicas for a rate of spans.
//!
//! Invariant: the numbers are measured (`bench/collector`); the rest is division.

use serde::Serialize;

use crate::spec::Collector;
use crate::spec::kubernetes::CollectorMode;

/// Spans per second that one core of a sending replica processes, for requests to Chroma 1.5.9 with
/// the rendered configuration. Measured with the collector 0.158.0 on one of two cores of a virtual
/// machine.
const SENDER: u32 = 12_000;

/// Spans per second that one core of a router processes.
const ROUTER: u32 = 30_000;

/// Thousandths of a core that one replica requests: enough for two thousand spans per second.
pub(super) const CPU: u32 = 200;

/// Thousandths of a core at which the autoscaler adds a replica, long before memory fills.
pub(super) const CPU_USED: u32 = 350;

/// The README's section on the collector's capacity.
#[derive(Serialize)]
pub(in crate::targets::kubernetes) struct Capacity {
    /// Spans per second that one core of a sending replica processes.
    core: String,
    /// Spans per second that one core of a router processes.
    router_core: String,
    rows: [CapacityRow; 4],
    replicas: u16,
    max_replicas: u16,
    /// True if replicas are added under load.
    scales: bool,
    tiered: bool,
}

/// Resources for a rate of spans.
#[derive(Serialize)]
struct CapacityRow {
    /// Spans per second.
    rate: String,
    /// Replicas that send to the backend.
    replicas: u32,
    routers: u32,
    /// Cores that the replicas use.
    cores: u32,
}

impl CapacityRow {
    fn new(rate: u32) -> Self {
        let replicas = |core: u32| (rate * 10).div_ceil(core * CPU_USED / 100).max(2);
        Self {
            rate: grouped(rate),
            replicas: replicas(SENDER),
            routers: replicas(ROUTER),
            cores: rate.div_ceil(SENDER),
        }
    }
}

impl Capacity {
    /// Computes the section for the spec's collector.
    pub(in crate::targets::kubernetes) fn new(collector: &Collector) -> Self {
        Self {
            core: grouped(SENDER),
            router_core: grouped(ROUTER),
            rows: [1_000, 10_000, 100_000, 1_000_000].map(CapacityRow::new),
            replicas: collector.replicas,
            max_replicas: collector.max_replicas,
            scales: collector.max_replicas > collector.replicas,
            tiered: collector.mode == CollectorMode::Tiered,
        }
    }
}

/// Formats a number with groups of three digits.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let first = (digits.len() - 1) % 3 + 1;
    let mut text = digits[..first].to_owned();
    for at in (first..digits.len()).step_by(3) {
        text.push(',');
        text.push_str(&digits[at..at + 3]);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn groups_digits_by_three() {
        let all = [7, 70, 700, 7_000, 70_000, 7_000_000].map(super::grouped);
        assert_eq!(all, ["7", "70", "700", "7,000", "70,000", "7,000,000"]);
    }
}
