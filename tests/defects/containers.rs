//! Containers: restarted, pinned, with health checks, and a current collector.

use chroma_otel_init::Server;
use serde_yaml::Value;

use chroma_otel_deploy::spec::kubernetes::CollectorMode;

use crate::deployment::{Deployment, Starter, lines_with, none};

#[test]
fn every_container_is_restarted() {
    none(not_restarted);
}

/// Returns containers that are not restarted.
pub(crate) fn not_restarted(one: &Deployment) -> Vec<String> {
    match one.starter() {
        Starter::Systemd => {
            let units = one
                .read()
                .filter(|(path, text)| path.ends_with(".service") && text.contains("docker run"));
            let units: Vec<_> = units.collect();
            assert!(units.len() >= 2);
            let ends = units
                .iter()
                .filter(|(_, text)| !text.contains("\nRestart=always\n"));
            ends.map(|(path, _)| format!("{path} stays not_restarted"))
                .collect()
        }
        Starter::Kubernetes => {
            let mut wrong = Vec::new();
            for pod in one.pods().iter().filter(|pod| pod.stays) {
                let policy = pod.spec["restartPolicy"].as_str().unwrap_or("Always");
                let watched = pod
                    .containers()
                    .all(|one| one["livenessProbe"].is_mapping());
                if policy != "Always" || !watched {
                    wrong.push(format!("{} stays not_restarted", pod.of));
                }
            }
            wrong
        }
        Starter::Compose => {
            let compose = one.yaml("docker-compose.yaml");
            let services = compose["services"].as_mapping().unwrap().iter();
            // A container that only prepares a volume ends by itself.
            let ends = services.filter(|(_, service)| {
                service.get("mem_limit").is_some()
                    && service["restart"].as_str() != Some("unless-stopped")
            });
            ends.map(|(name, _)| format!("{name:?} stays not_restarted"))
                .collect()
        }
    }
}

#[test]
fn every_permanent_compose_service_has_a_memory_limit() {
    none(|one| {
        if one.starter() != Starter::Compose {
            return Vec::new();
        }
        let compose = one.yaml("docker-compose.yaml");
        let services = compose["services"].as_mapping().unwrap().iter();
        let stays = services.filter(|(_, service)| service.get("restart").is_some());
        let open = stays.filter(|(_, service)| service.get("mem_limit").is_none());
        open.map(|(name, _)| format!("{name:?} has no mem_limit"))
            .collect()
    });
}

/// The image of 1.x contains neither curl nor wget.
#[test]
fn no_health_check_calls_curl_inside_the_image() {
    none(|one| {
        let mut wrong = lines_with(one, |line| {
            (line.contains("docker exec")
                || line.contains("--health-cmd")
                || line.starts_with("HEALTHCHECK"))
                && (line.contains("curl") || line.contains("wget"))
        });
        wrong.extend(probes(one));
        if one.starter() == Starter::Compose {
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

/// Returns problems of the probes of a cluster: the kubelet uses HTTP, on Chroma's own health page.
pub(crate) fn probes(one: &Deployment) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut of_chroma = 0;
    for pod in one.pods() {
        for container in pod.containers() {
            for name in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let probe = &container[name];
                if !probe["exec"].is_null() {
                    wrong.push(format!("{}: {name} runs {probe:?}", pod.of));
                }
            }
            if container["name"] == "chroma" && pod.stays {
                of_chroma += 1;
                let ready = &container["readinessProbe"]["httpGet"]["path"];
                let path = one.spec.chroma.version.health_path();
                if ready.as_str() != Some(path) || !container["startupProbe"].is_mapping() {
                    wrong.push(format!("Chroma is asked at {ready:?}"));
                }
            }
        }
    }
    assert_eq!(
        of_chroma,
        usize::from(one.starter() == Starter::Kubernetes),
        "{}",
        one.name
    );
    wrong
}

#[test]
fn images_are_pinned_and_the_machines_image_is_current() {
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
fn the_collector_is_current() {
    none(|one| {
        if one.spec.collector.mode == CollectorMode::None {
            assert!(!one.files.contains_key("/otel-collector.yaml"));
            return Vec::new();
        }
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
        // Exporters that send to the backend have a queue on disk; `debug` and Prometheus send
        // nothing.
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
