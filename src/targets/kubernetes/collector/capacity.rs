//! How many replicas a rate of spans takes.
//!
//! Invariant: the numbers are measured (`bench/collector`), the rest is division.

use serde::Serialize;

use crate::spec::Collector;
use crate::spec::kubernetes::CollectorMode;

/// Spans a second that one core takes, of requests to Chroma 1.5.9 with the configuration that is rendered:
/// what sends to the backend. Measured with the collector 0.158.0, one of two cores of a virtual machine.
const SENDER: u32 = 12_000;

/// The same of a router.
const ROUTER: u32 = 30_000;

/// Thousandths of a core that one replica asks for, and is sure of: enough for two thousand spans a second.
pub(super) const CPU: u32 = 200;

/// Thousandths that it uses when the autoscaler adds another: far from where its memory would fill.
pub(super) const CPU_USED: u32 = 350;

/// What the README says of the collector's capacity.
#[derive(Serialize)]
pub(in crate::targets::kubernetes) struct Capacity {
    /// Spans a second that a core of what sends to the backend takes.
    core: String,
    /// Those that a core of a router takes.
    router_core: String,
    rows: [CapacityRow; 4],
    replicas: u16,
    max_replicas: u16,
    /// Whether replicas are added under load.
    scales: bool,
    tiered: bool,
}

/// What a rate of spans takes.
#[derive(Serialize)]
struct CapacityRow {
    /// Spans a second.
    rate: String,
    /// Replicas of what sends to the backend.
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
    /// Of the spec's collector.
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

/// Digits in groups of three.
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
    fn digits_are_grouped() {
        let all = [7, 70, 700, 7_000, 70_000, 7_000_000].map(super::grouped);
        assert_eq!(all, ["7", "70", "700", "7,000", "70,000", "7,000,000"]);
    }
}
