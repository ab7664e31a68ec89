//! Pods: properties beyond the checks of an API server.

use serde_yaml::Value;

use crate::deployment::{Deployment, none};
use crate::manifests::Pod;

/// Returns the properties that a pod lacks.
pub(crate) fn missing_properties(one: &Deployment) -> Vec<String> {
    let pods = one.pods();
    let wrong = pods.iter().flat_map(|pod| {
        let containers = pod.containers().flat_map(container);
        let wrong = containers.chain(main_containers(pod)).chain(volumes(pod));
        let wrong = wrong.chain(unlimited(pod));
        let links =
            (pod.spec["enableServiceLinks"] != false).then(|| "has service links".to_owned());
        wrong
            .chain(links)
            .map(|what| format!("{}: {what}", pod.of))
            .collect::<Vec<_>>()
    });
    wrong.collect()
}

fn container(container: &Value) -> Vec<String> {
    let image = container["image"].as_str().unwrap_or_default();
    let resources = &container["resources"];
    // Chroma 0.x writes files next to its program.
    let writes = image.contains("chroma:0.");
    let promises = [
        (
            "readOnlyRootFilesystem",
            writes || container["securityContext"]["readOnlyRootFilesystem"] == true,
        ),
        ("requests.cpu", !resources["requests"]["cpu"].is_null()),
        (
            "requests.memory",
            !resources["requests"]["memory"].is_null(),
        ),
        ("limits.memory", !resources["limits"]["memory"].is_null()),
        (
            "requests.ephemeral-storage",
            !resources["requests"]["ephemeral-storage"].is_null(),
        ),
        (
            "limits.ephemeral-storage",
            !resources["limits"]["ephemeral-storage"].is_null(),
        ),
        (
            "a patch release in its image's tag",
            is_patch_release(image),
        ),
        (
            "names for its ports",
            list(&container["ports"]).all(|port| port["name"].is_string()),
        ),
    ];
    let name = container["name"].as_str().unwrap_or_default();
    let missing_properties = promises.into_iter().filter(|(_, kept)| !kept);
    missing_properties
        .map(|(what, _)| format!("{name} has no {what}"))
        .collect()
}

/// Returns true for `1.2.3` or a digest: `1.2` changes with every patch release.
fn is_patch_release(image: &str) -> bool {
    let tag = image
        .rsplit('/')
        .next()
        .and_then(|name| name.split_once(':'));
    let version = tag.map_or("", |(_, tag)| tag.split('-').next().unwrap_or_default());
    image.contains("@sha256:") || version.matches('.').count() >= 2
}

/// Checks probes: there is a readiness probe, and each uses a port of its container.
fn main_containers(pod: &Pod) -> Vec<String> {
    let mut wrong = Vec::new();
    for container in list(&pod.spec["containers"]) {
        if pod.stays && !container["readinessProbe"].is_mapping() {
            wrong.push("has no readiness probe".to_owned());
        }
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let ways = ["httpGet", "tcpSocket", "grpc"].into_iter();
            for port in ways
                .map(|way| &container[probe][way]["port"])
                .filter(|port| !port.is_null())
            {
                let mut ports = list(&container["ports"]);
                if !ports.any(|own| own["name"] == *port || own["containerPort"] == *port) {
                    wrong.push(format!("{probe} asks port {port:?}"));
                }
            }
        }
    }
    wrong
}

/// Returns volumes that no container mounts.
fn volumes(pod: &Pod) -> Vec<String> {
    let mounted = |volume: &Value| {
        let mut mounts = pod.containers().flat_map(|one| list(&one["volumeMounts"]));
        mounts.any(|mount| mount["name"] == volume["name"])
    };
    let unused = list(&pod.spec["volumes"]).filter(|volume| !mounted(volume));
    unused
        .map(|volume| format!("never mounts {:?}", volume["name"]))
        .collect()
}

/// Returns emptyDir volumes that can fill the node, or exceed the limits of the containers.
fn unlimited(pod: &Pod) -> Vec<String> {
    let mebibytes = |quantity: &Value| {
        let text = quantity.as_str()?;
        let gibibytes = text.strip_suffix("Gi").and_then(|text| text.parse().ok());
        let gibibytes = gibibytes.map(|amount: u64| amount * 1024);
        gibibytes.or_else(|| text.strip_suffix("Mi")?.parse().ok())
    };
    let limits = pod
        .containers()
        .map(|one| &one["resources"]["limits"]["ephemeral-storage"]);
    let limits: u64 = limits.filter_map(mebibytes).sum();
    let volumes = list(&pod.spec["volumes"]).filter(|volume| !volume["emptyDir"].is_null());
    let sizes: Vec<Option<u64>> = volumes
        .map(|volume| mebibytes(&volume["emptyDir"]["sizeLimit"]))
        .collect();
    let mut wrong = Vec::new();
    if sizes.contains(&None) {
        wrong.push("has an emptyDir without a size".to_owned());
    }
    if sizes.iter().flatten().sum::<u64>() >= limits {
        wrong.push("has emptyDir volumes that exceed its limit of ephemeral storage".to_owned());
    }
    wrong
}

/// Returns the elements of a list; none for any other value.
pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_sequence().into_iter().flatten()
}

#[test]
fn every_pod_has_the_required_properties() {
    none(missing_properties);
}
