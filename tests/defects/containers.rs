//! What runs: started again, pinned, checked, a collector of today.

use chroma_otel_init::Server;
use serde_yaml::Value;

use crate::deployment::{lines_with, none};

#[test]
fn whatever_ends_is_started_again() {
    none(|one| match one.on_machine() {
        true => {
            let units = one
                .read()
                .filter(|(path, text)| path.ends_with(".service") && text.contains("docker run"));
            let units: Vec<_> = units.collect();
            assert!(units.len() >= 2);
            let ends = units
                .iter()
                .filter(|(_, text)| !text.contains("\nRestart=always\n"));
            ends.map(|(path, _)| format!("{path} stays dead")).collect()
        }
        false => {
            let compose = one.yaml("docker-compose.yaml");
            let services = compose["services"].as_mapping().unwrap().iter();
            // One that only prepares a volume ends by itself.
            let ends = services.filter(|(_, service)| {
                service.get("mem_limit").is_some()
                    && service["restart"].as_str() != Some("unless-stopped")
            });
            ends.map(|(name, _)| format!("{name:?} stays dead"))
                .collect()
        }
    });
}

/// There is neither in the image of 1.x.
#[test]
fn no_health_check_calls_curl_inside_the_image() {
    none(|one| {
        let mut wrong = lines_with(one, |line| {
            (line.contains("docker exec")
                || line.contains("--health-cmd")
                || line.starts_with("HEALTHCHECK"))
                && (line.contains("curl") || line.contains("wget"))
        });
        if !one.on_machine() {
            let compose = one.yaml("docker-compose.yaml");
            for name in ["chroma", "otel-collector"] {
                let check = compose["services"][name]
                    .get("healthcheck")
                    .unwrap_or(&Value::Null);
                let check = serde_yaml::to_string(check).unwrap();
                let has_curl =
                    name == "chroma" && one.spec.chroma.version.server() == Server::Python;
                if !has_curl && (check.contains("curl") || check.contains("wget")) {
                    wrong.push(format!("{name}: {check}"));
                }
            }
        }
        wrong
    });
}

#[test]
fn images_are_pinned_and_the_machines_is_todays() {
    none(|one| {
        lines_with(one, |line| {
            let mut words = line.split(|c: char| c.is_whitespace() || "\"'=,".contains(c));
            let id = |word: &str| {
                word.strip_prefix("ami-")
                    .is_some_and(|id| id.len() >= 8 && id.bytes().all(|c| c.is_ascii_hexdigit()))
            };
            words.any(|word| word.ends_with(":latest") || id(word)) || line.contains("amzn2")
        })
    });
}

#[test]
fn the_collector_is_one_of_today() {
    none(|one| {
        let collector = one.yaml("otel-collector.yaml");
        let mut wrong = Vec::new();
        let exporters = collector["exporters"].as_mapping().unwrap();
        for removed in ["logging", "jaeger", "jaeger_thrift", "loki", "opencensus"] {
            if exporters
                .keys()
                .any(|name| name.as_str().unwrap().split('/').next() == Some(removed))
            {
                wrong.push(format!("the exporter `{removed}` was removed"));
            }
        }
        for protocol in ["grpc", "http"] {
            let endpoint = collector["receivers"]["otlp"]["protocols"][protocol]["endpoint"]
                .as_str()
                .unwrap_or("");
            if endpoint.is_empty()
                || endpoint.starts_with("localhost")
                || endpoint.starts_with("127.")
            {
                wrong.push(format!(
                    "Chroma cannot reach the receiver for {protocol} at `{endpoint}`"
                ));
            }
        }
        let pipelines = collector["service"]["pipelines"].as_mapping().unwrap();
        for signal in ["traces", "metrics"] {
            if !pipelines.keys().any(|name| name == signal) {
                wrong.push(format!("no pipeline for {signal}"));
            }
        }
        for (name, pipeline) in pipelines {
            let receives = pipeline["receivers"]
                .as_sequence()
                .unwrap()
                .iter()
                .any(|one| one == "otlp");
            if receives && pipeline["processors"][0] != "memory_limiter" {
                wrong.push(format!("{name:?} has no memory limit"));
            }
        }
        // What sends to the backend waits for it, on the disk; `debug` and Prometheus send nothing.
        let sending = exporters
            .iter()
            .filter(|(name, _)| !["debug", "prometheus"].contains(&name.as_str().unwrap()));
        for (name, exporter) in sending {
            let queue = &exporter["sending_queue"];
            if queue["storage"].as_str().is_none() {
                wrong.push(format!("{name:?} has no queue on the disk"));
            }
        }
        wrong
    });
}
