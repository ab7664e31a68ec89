//! `collector`: replicas, memory and mode of the collector.
//!
//! Invariant: the maximum number of replicas is at least the minimum.

use crate::input::resolve::reading::Reading;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::target::Target;
use crate::spec::{Collector, Image, default};
use crate::values::{Memory, Release};

/// Minimum memory for the collector's memory limiter.
const LEAST_MEMORY: Memory = Memory::mebibytes(128);

impl Reading {
    /// Reads the section; `image` is the image of Chroma.
    pub(super) fn collector(&mut self, target: Option<Target>, image: Image) -> Collector {
        let mode = self.parse(
            "collector.mode",
            |file| &file.collector.mode,
            default::COLLECTOR_MODE,
        );
        let networks = self.input.spec.collector.networks.take();
        let networks = networks.map(|given| given.texts()).unwrap_or_default();
        let networks = self.every("collector.networks", networks);
        let version = self.collector_version();
        let file = &self.input.spec.collector;
        let in_cluster = target.is_some_and(Target::is_kubernetes);
        let operator = in_cluster && file.operator.unwrap_or(false);
        let replicas = file.replicas.unwrap_or(default::COLLECTOR_REPLICAS);
        let most = file
            .max_replicas
            .unwrap_or(default::COLLECTOR_MAX_REPLICAS.max(replicas));
        if most < replicas {
            self.wrong(
                "collector.max_replicas",
                format!("is `{most}`, less than `collector.replicas`, which is `{replicas}`"),
                "set both the minimum and the maximum",
            );
        }
        let repository = self.mirrored(target, default::COLLECTOR_REPOSITORY);
        Collector {
            image: if operator { Image::Stock } else { image },
            repository: self.parse(
                "collector.repository",
                |file| &file.collector.repository,
                &repository,
            ),
            memory: self.memory(
                "collector.memory",
                |file| &file.collector.memory,
                default::COLLECTOR_MEMORY,
                LEAST_MEMORY,
            ),
            version,
            networks,
            // On other targets, the keys are reported as unused.
            mode: if in_cluster {
                mode
            } else {
                CollectorMode::Gateway
            },
            replicas,
            max_replicas: most,
            operator,
        }
    }

    /// Adds a note for a release that is not tested.
    fn collector_version(&mut self) -> Release {
        let tested = default::COLLECTOR_VERSION;
        let version: Release =
            self.parse("collector.version", |file| &file.collector.version, tested);
        if version.as_str() != tested {
            self.notes.push(format!(
                "the collector's configuration is written for {tested} and not tested with {version}"
            ));
        }
        version
    }
}
