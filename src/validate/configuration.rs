//! Chroma's configuration, and the configurations in a manifest.

use serde_yaml::Value;

use super::names::unknown_keys;
use super::{collector, yaml};
use crate::problem::Problem;

/// The keys of Chroma 1.x (`rust/frontend/src/config.rs`), which ignores others without a warning.
const CHROMA: &[&str] = &[
    "allow_reset",
    "circuit_breaker",
    "collections_with_segments_provider",
    "cors_allow_origins",
    "default_knn_index",
    "enable_schema",
    "enable_span_indexing",
    "executor",
    "listen_address",
    "log",
    "max_payload_size_bytes",
    "min_records_for_invocation",
    "open_telemetry",
    "persist_path",
    "port",
    "scorecard",
    "scorecard_enabled",
    "segment_manager",
    "sqlite_filename",
    "sqlitedb",
    "sysdb",
    "tenants_to_migrate_immediately",
    "tenants_to_migrate_immediately_threshold",
];

/// Returns the problems of a text that is delivered as a file of this name.
pub(super) fn check(file: &str, text: &str) -> Vec<Problem> {
    if file.ends_with(".json") {
        return json(text).err().into_iter().collect();
    }
    let trees = if file.ends_with(".yaml") {
        yaml::documents(text)
    } else {
        return Vec::new();
    };
    match trees.as_deref() {
        Err(problem) => vec![problem.clone()],
        Ok([tree]) if tree.get("receivers").is_some() => collector::check(tree),
        Ok([tree]) if file == "config.yaml" => chroma(tree),
        Ok(_) => Vec::new(),
    }
}

/// Parses a text as JSON.
pub(super) fn json(text: &str) -> Result<serde_json::Value, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let problem = Problem::new("", format!("cannot parse as JSON: {error}"));
        problem.hint("look for a missing quote or comma")
    })
}

/// Returns the problems of Chroma's configuration.
pub(super) fn chroma(tree: &Value) -> Vec<Problem> {
    let mut problems = unknown_keys("", Some(tree), CHROMA);
    if yaml::text(tree.get("persist_path")).is_empty() {
        let problem = Problem::new(
            "persist_path",
            "missing: the data is lost with the container",
        );
        problems.push(problem.hint("name the folder of the volume, such as `/data`"));
    }
    problems
}
