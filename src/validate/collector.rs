//! The collector's configuration: its keys, and the components that its pipelines name.

use serde_yaml::Value;

use super::names::{missing, unknown_keys};
use super::yaml::{entries, keys, texts};
use crate::problem::Problem;

const SECTIONS: &[&str] = &[
    "receivers",
    "processors",
    "exporters",
    "connectors",
    "extensions",
    "service",
];
const SERVICE: &[&str] = &["extensions", "pipelines", "telemetry"];
const PARTS: &[&str] = &["receivers", "processors", "exporters"];

/// Returns the problems of the configuration.
pub(super) fn check(tree: &Value) -> Vec<Problem> {
    let service = |key: &str| tree.get("service").and_then(|service| service.get(key));
    let mut problems = unknown_keys("", Some(tree), SECTIONS);
    problems.extend(unknown_keys("service.", tree.get("service"), SERVICE));
    let extensions = texts(service("extensions"));
    let undefined = extensions.filter_map(|name| undefined(tree, "service", "extensions", name));
    problems.extend(undefined);
    let mut pipelines = entries(service("pipelines")).peekable();
    if pipelines.peek().is_none() {
        let problem = Problem::new("service.pipelines", "missing: the collector does not start");
        problems.push(problem.hint("name the receivers and exporters of at least one pipeline"));
    }
    problems.extend(pipelines.flat_map(|(name, parts)| pipeline(tree, name, parts)));
    problems
}

fn pipeline(tree: &Value, name: &str, parts: &Value) -> Vec<Problem> {
    let at = format!("service.pipelines.{name}");
    let mut problems = unknown_keys(&format!("{at}."), Some(parts), PARTS);
    for section in PARTS {
        let used = || texts(parts.get(*section));
        problems.extend(used().filter_map(|name| undefined(tree, &at, section, name)));
        if *section != "processors" && used().next().is_none() {
            let problem = Problem::new(format!("{at}.{section}"), "empty");
            problems.push(problem.hint(format!("name at least one of `{section}`")));
        }
    }
    problems
}

/// Returns a problem for a component that no section defines. A component that an environment
/// variable names is unknown and accepted.
fn undefined(tree: &Value, at: &str, section: &str, name: &str) -> Option<Problem> {
    let connects = ["receivers", "exporters"].contains(&section);
    let connectors = tree.get("connectors").filter(|_| connects);
    let known = keys(tree.get(section)).chain(keys(connectors));
    let what = section.trim_end_matches('s');
    let problem = missing(format!("{at}.{section}"), what, name, known);
    problem.filter(|_| !name.starts_with("${"))
}

#[cfg(test)]
mod tests {
    const SOUND: &str = "\
receivers: {otlp: {protocols: {grpc: {}}}}
processors: {batch: {}}
connectors: {count: {}}
exporters: {debug: {}}
extensions: {health_check: {}}
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [debug, count]}
    metrics: {receivers: [count], exporters: ['${env:EXPORTER}']}
";

    /// Returns the problems of the configuration with one text replaced.
    fn found(old: &str, new: &str) -> Vec<String> {
        assert!(SOUND.contains(old), "{old}");
        let tree = serde_yaml::from_str(&SOUND.replacen(old, new, 1)).expect("YAML");
        super::check(&tree)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn accepts_connectors_and_exporters_from_the_environment() {
        assert_eq!(found("", ""), Vec::<String>::new());
    }

    #[test]
    fn reports_unknown_keys_and_undefined_components() {
        for (old, new, expected) in [
            (
                "processors: {batch",
                "procesors: {batch",
                "procesors: unknown key",
            ),
            (
                "  extensions:",
                "  extension:",
                "service.extension: unknown key",
            ),
            (
                "processors: [batch]",
                "filters: [batch]",
                "service.pipelines.traces.filters: unknown key",
            ),
            (
                "[otlp]",
                "[otpl]",
                "service.pipelines.traces.receivers: receiver `otpl` not found",
            ),
            (
                "[batch]",
                "[count]",
                "service.pipelines.traces.processors: processor `count` not found",
            ),
            (
                "[debug, count]",
                "[debag]",
                "service.pipelines.traces.exporters: exporter `debag` not found",
            ),
            (
                "[debug, count]",
                "[]",
                "service.pipelines.traces.exporters: empty",
            ),
            (
                "[health_check]",
                "[zpages]",
                "service.extensions: extension `zpages` not found",
            ),
            (
                "pipelines:",
                "telemetry:",
                "service.pipelines: missing: the collector does not start",
            ),
        ] {
            assert_eq!(
                found(old, new).first().map(String::as_str),
                Some(expected),
                "{old} to {new}"
            );
        }
    }
}
