//! A spec that moves to another target: the same Chroma, the same traces.

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::deployment::{DEPLOYMENTS, Deployment, Starter};

/// Returns the deployments of one spec, on every machine of every cloud.
fn moved() -> BTreeMap<String, Vec<&'static Deployment>> {
    let mut specs: BTreeMap<String, Vec<&Deployment>> = BTreeMap::new();
    for one in DEPLOYMENTS.iter().filter(|one| one.on_machine()) {
        let words: Vec<&str> = one.name.split(' ').skip(2).collect();
        specs.entry(words.join(" ")).or_default().push(one);
    }
    // Each cloud's own backend is only on that cloud.
    specs.retain(|_, deployments| deployments.len() == 4);
    assert_eq!(specs.len(), 16);
    specs
}

/// Returns the lines of a file that are not specific to the cloud.
fn shared_lines(one: &Deployment, file: &str, own: &[&str]) -> Vec<String> {
    let lines = one.file(file).lines();
    lines
        .filter(|line| !own.iter().any(|word| line.contains(word)))
        .map(str::to_owned)
        .collect()
}

#[test]
fn machines_run_the_same_in_every_cloud() {
    // Lines about the destination of logs, the machine's identity, and booting.
    let logs = &["--log-", "logs.env", "choose_logs"];
    let files: [(&str, &[&str]); 4] = [
        ("otel-collector.yaml", &["detectors:"]),
        ("otel-collector.service", logs),
        ("chroma.service", logs),
        ("chroma-otel.service", &[]),
    ];
    for (spec, deployments) in moved() {
        let (first, others) = deployments.split_first().unwrap();
        for (file, own) in files {
            let expected = shared_lines(first, file, own);
            assert!(expected.len() > 5, "{spec}: {file}");
            for other in others {
                assert_eq!(
                    shared_lines(other, file, own),
                    expected,
                    "{}: {file}",
                    other.name
                );
            }
        }
    }
}

/// The variables of a container in the modules; an expression of Terraform is represented by its
/// name.
#[test]
fn containers_receive_the_same_variables_in_every_module() {
    let lines = |one: &Deployment, name: &str| -> Vec<String> {
        let lines = one.file("machine.tf").lines();
        let start = format!("  {name} = compact([");
        let of = lines.skip_while(|line| *line != start).skip(1);
        of.take_while(|line| *line != "  ])")
            .map(str::to_owned)
            .collect()
    };
    for (spec, deployments) in moved() {
        let modules: Vec<_> = deployments
            .into_iter()
            .filter(|one| one.files.contains_key("chroma/machine.tf"))
            .collect();
        assert_eq!(modules.len(), 3);
        for file in ["chroma_env", "collector_env"] {
            // The machine's identity.
            let given = |one: &Deployment| -> Vec<String> {
                let own = ["\"AWS_REGION=", "\"GOOGLE_CLOUD_PROJECT=", "\"AZURE_"];
                let mut lines = lines(one, file);
                lines.retain(|line| !own.iter().any(|name| line.contains(name)));
                lines
            };
            assert!(given(modules[0]).len() > 1, "{spec}: {file}");
            for module in &modules[1..] {
                assert_eq!(given(module), given(modules[0]), "{}: {file}", module.name);
            }
        }
    }
}

/// Returns the deployments of one spec: on docker, and in clusters.
fn moved_to_clusters() -> Vec<(&'static Deployment, Vec<&'static Deployment>)> {
    let words = |one: &Deployment| one.name.split(' ').skip(2).collect::<Vec<_>>().join(" ");
    let at = |starter| {
        DEPLOYMENTS
            .iter()
            .filter(move |one| one.starter() == starter)
    };
    let pairs = at(Starter::Compose).map(|docker| {
        let clusters = at(Starter::Kubernetes).filter(|one| words(one) == words(docker));
        (docker, clusters.collect::<Vec<_>>())
    });
    let mut pairs: Vec<_> = pairs.collect();
    // No cluster runs the published 0.x, and `debug` is only in one of the four.
    pairs.retain(|(_, clusters)| !clusters.is_empty());
    assert_eq!(pairs.len(), 15);
    pairs
}

/// Returns a value of Compose without `.env` and variables of the shell; names as in a cluster.
fn of_docker(value: &Value) -> String {
    let text = value.as_str().unwrap();
    let default = text
        .rsplit_once(":-")
        .map(|(_, default)| default.trim_end_matches('}'));
    let text = default.unwrap_or(text);
    let mut text = text.to_owned();
    for service in ["otel-collector", "jaeger", "zipkin"] {
        text = text.replace(&format!("//{service}:"), &format!("//chroma-{service}:"));
    }
    text
}

#[test]
fn containers_receive_the_same_variables_in_a_cluster_as_on_docker() {
    for (docker, clusters) in moved_to_clusters() {
        let compose = docker.yaml("docker-compose.yaml");
        let environment = |service: &str, names: &[&str]| -> BTreeMap<String, String> {
            let all = compose["services"][service]["environment"]
                .as_mapping()
                .unwrap();
            let mine = all.iter().filter(|(name, value)| {
                let name = name.as_str().unwrap();
                !value.is_null() && (names.is_empty() || names.contains(&name))
            });
            mine.map(|(name, value)| (name.as_str().unwrap().to_owned(), of_docker(value)))
                .collect()
        };
        let endpoint = &["CHROMA_OTEL_COLLECTION_ENDPOINT"];
        let of_chroma = environment("chroma", &[]);
        let of_collector = environment("otel-collector", endpoint);
        for cluster in clusters {
            let map = |name: &str| -> BTreeMap<String, String> {
                let mut maps = cluster.of_kind("ConfigMap");
                let found = maps.find(|one| one.tree["metadata"]["name"] == name);
                let data = found.map(|one| one.tree["data"].clone());
                serde_yaml::from_value(data.unwrap_or_default()).unwrap_or_default()
            };
            let name = &cluster.name;
            assert_eq!(map("chroma-environment"), of_chroma, "{name}");
            let mut given = map("chroma-otel-collector");
            given.retain(|variable, _| endpoint.contains(&variable.as_str()));
            assert_eq!(given, of_collector, "{name}");
        }
    }
}

#[test]
fn the_collector_does_the_same_in_a_cluster_as_on_docker() {
    for (docker, clusters) in moved_to_clusters() {
        let parts = |one: &Deployment| -> BTreeMap<String, String> {
            let config = one.yaml("otel-collector.yaml");
            let mut parts = BTreeMap::new();
            for section in ["processors", "connectors", "exporters"] {
                for (name, part) in config[section].as_mapping().unwrap() {
                    let mut text = serde_yaml::to_string(part).unwrap();
                    for service in ["jaeger", "zipkin"] {
                        text = text.replace(&format!("chroma-{service}:"), &format!("{service}:"));
                    }
                    parts.insert(format!("{section} {}", name.as_str().unwrap()), text);
                }
            }
            // The sender's identity, and Prometheus's address.
            for own in [
                "k8s_attributes",
                "resource",
                "resource_detection",
                "transform/chroma",
            ] {
                parts.remove(&format!("processors {own}"));
            }
            parts.remove("exporters prometheus");
            parts
        };
        let expected = parts(docker);
        assert!(expected.len() > 6, "{}", docker.name);
        for cluster in clusters {
            assert_eq!(parts(cluster), expected, "{}", cluster.name);
            let of_chroma = |one: &Deployment| one.files.get("/config.yaml").cloned();
            let on_docker = docker.files.get("config.yaml").cloned();
            assert_eq!(of_chroma(cluster), on_docker, "{}", cluster.name);
        }
    }
}
