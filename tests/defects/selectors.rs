//! Labels, ports and names that connect the objects of a cluster. An API server accepts any.

use serde_yaml::{Mapping, Value};

use crate::deployment::{Deployment, none};
use crate::manifests::Object;
use crate::pods::list;

/// Pods that a selector can match, by their labels.
struct Labelled<'a> {
    of: String,
    labels: Mapping,
    /// The containers' ports; `None` if the OpenTelemetry Operator creates them.
    ports: Option<Vec<&'a Value>>,
}

fn labelled(one: &Deployment) -> Vec<Labelled<'_>> {
    let pods = one.objects.iter().filter_map(|object| {
        let spec = &object.tree["spec"];
        let template = match object.kind() {
            "StatefulSet" | "Deployment" | "DaemonSet" | "Job" => &spec["template"],
            "CronJob" => &spec["jobTemplate"]["spec"]["template"],
            "OpenTelemetryCollector" => return Some(operated(object)),
            _ => return None,
        };
        let labels = template["metadata"]["labels"].as_mapping()?.clone();
        let containers = list(&template["spec"]["containers"]);
        let ports = Some(containers.flat_map(|one| list(&one["ports"])).collect());
        Some(Labelled {
            of: object.title(),
            labels,
            ports,
        })
    });
    pods.collect()
}

/// The operator's labels (opentelemetry-operator 0.140, `internal/manifests/manifestutils/labels.go`).
fn operated(object: &Object) -> Labelled<'_> {
    let metadata = &object.tree["metadata"];
    let text = |key: &str| metadata[key].as_str().unwrap();
    let mut labels = metadata["labels"].as_mapping().unwrap().clone();
    let instance = format!("{}.{}", text("namespace"), text("name"));
    let own = [
        ("component", "opentelemetry-collector"),
        ("instance", &instance[..instance.len().min(63)]),
        ("managed-by", "opentelemetry-operator"),
        ("part-of", "opentelemetry"),
    ];
    labels.extend(
        own.map(|(name, value)| (format!("app.kubernetes.io/{name}").into(), value.into())),
    );
    Labelled {
        of: object.title(),
        labels,
        ports: None,
    }
}

impl Labelled<'_> {
    fn is_taken(&self, selector: &Value) -> bool {
        takes(selector, &self.labels)
    }

    /// Returns true if it has the port, by number or by name.
    fn has(&self, port: &Value) -> bool {
        let ports = self.ports.as_ref();
        ports.is_none_or(|ports| {
            ports
                .iter()
                .any(|own| own["name"] == *port || own["containerPort"] == *port)
        })
    }
}

fn takes(selector: &Value, labels: &Mapping) -> bool {
    let wanted = selector["matchLabels"].as_mapping().into_iter().flatten();
    let mut expressions = list(&selector["matchExpressions"]);
    wanted
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && expressions.all(|one| {
            let value = labels.get(&one["key"]);
            match one["operator"].as_str().unwrap() {
                "In" => list(&one["values"]).any(|other| Some(other) == value),
                "NotIn" => list(&one["values"]).all(|other| Some(other) != value),
                "Exists" => value.is_some(),
                _ => value.is_none(),
            }
        })
}

/// Returns selectors that match no pod, and ports that the pods do not have.
pub(crate) fn dangling(one: &Deployment) -> Vec<String> {
    let pods = labelled(one);
    let mut wrong = Vec::new();
    for object in &one.objects {
        let spec = &object.tree["spec"];
        let (selector, ports): (Value, Vec<&Value>) = match object.kind() {
            "Service" if !spec["selector"].is_null() => {
                let selector =
                    Mapping::from_iter([("matchLabels".into(), spec["selector"].clone())]);
                let target = |port: &'_ Value| {
                    if port["targetPort"].is_null() {
                        "port"
                    } else {
                        "targetPort"
                    }
                };
                (
                    selector.into(),
                    list(&spec["ports"])
                        .map(|port| &port[target(port)])
                        .collect(),
                )
            }
            "PodDisruptionBudget" => (spec["selector"].clone(), Vec::new()),
            "PodMonitor" => (
                spec["selector"].clone(),
                list(&spec["podMetricsEndpoints"])
                    .map(|one| &one["port"])
                    .collect(),
            ),
            "NetworkPolicy" => {
                let rules = list(&spec["ingress"]).flat_map(|rule| list(&rule["ports"]));
                (
                    spec["podSelector"].clone(),
                    rules.map(|port| &port["port"]).collect(),
                )
            }
            _ => continue,
        };
        let taken: Vec<_> = pods.iter().filter(|pod| pod.is_taken(&selector)).collect();
        if taken.is_empty() {
            wrong.push(format!("{} takes no pod", object.title()));
        }
        if object.kind() == "Service" && taken.len() > 1 {
            wrong.push(format!("{} takes pods of several", object.title()));
        }
        let missing = ports
            .iter()
            .filter(|port| !taken.iter().any(|pod| pod.has(port)));
        wrong.extend(missing.map(|port| format!("{}: no pod has port {port:?}", object.title())));
    }
    wrong
}

#[test]
fn selectors_match_pods_with_the_ports() {
    none(dangling);
}

/// Returns peers of policies that are not pods.
pub(crate) fn unknown_peers(one: &Deployment) -> Vec<String> {
    let pods = labelled(one);
    let mut wrong = Vec::new();
    for policy in one.of_kind("NetworkPolicy") {
        let spec = &policy.tree["spec"];
        let peers = [("ingress", "from"), ("egress", "to")].into_iter();
        let peers = peers.flat_map(|(direction, key)| {
            list(&spec[direction]).flat_map(move |rule| list(&rule[key]))
        });
        let own = peers
            .filter(|peer| peer["namespaceSelector"].is_null() && !peer["podSelector"].is_null());
        let strange = own.filter(|peer| !pods.iter().any(|pod| pod.is_taken(&peer["podSelector"])));
        wrong.extend(strange.map(|peer| format!("{}: no pod is {peer:?}", policy.title())));
    }
    wrong
}

/// Returns pods that no policy matches, which are open to the whole cluster.
pub(crate) fn unguarded(one: &Deployment) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in labelled(one) {
        for direction in ["Ingress", "Egress"] {
            let guards = |policy: &&Object| {
                let spec = &policy.tree["spec"];
                list(&spec["policyTypes"]).any(|kind| kind == direction)
                    && pod.is_taken(&spec["podSelector"])
            };
            if one.of_kind("NetworkPolicy").find(guards).is_none() {
                wrong.push(format!("{}: no policy for {direction}", pod.of));
            }
        }
    }
    wrong
}

#[test]
fn every_pod_is_closed_in_both_directions() {
    none(unguarded);
    none(unknown_peers);
}

/// Returns references by kind and name to missing objects.
pub(crate) fn unknown_objects(one: &Deployment) -> Vec<String> {
    let has = |kind: &Value, name: &Value| {
        let mut objects = one.objects.iter();
        objects.any(|object| *kind == object.kind() && object.tree["metadata"]["name"] == *name)
    };
    let mut wrong = Vec::new();
    for object in &one.objects {
        let spec = &object.tree["spec"];
        let mut named: Vec<&Value> = Vec::new();
        match object.kind() {
            "RoleBinding" | "ClusterRoleBinding" => {
                named.push(&object.tree["roleRef"]);
                named.extend(list(&object.tree["subjects"]));
            }
            "HorizontalPodAutoscaler" => named.push(&spec["scaleTargetRef"]),
            "ExternalSecret"
                if spec["secretStoreRef"]["kind"] == "SecretStore"
                    && one.of_kind("SecretStore").next().is_some() =>
            {
                named.push(&spec["secretStoreRef"]);
            }
            _ => {}
        }
        let missing = named
            .into_iter()
            .filter(|one| !has(&one["kind"], &one["name"]));
        wrong.extend(missing.map(|one| format!("{} names {:?}", object.title(), one["name"])));
        // Otherwise every `kubectl apply` would undo the scaling.
        let target = &spec["scaleTargetRef"]["name"];
        let scaled = one.objects.iter().filter(|other| {
            other.kind() == "Deployment" && other.tree["metadata"]["name"] == *target
        });
        wrong.extend(
            scaled
                .filter(|other| !other.tree["spec"]["replicas"].is_null())
                .map(Object::title),
        );
    }
    // Kubernetes would set CHROMA_PORT in pods of the namespace, which stops Chroma 1.x.
    let services = one
        .of_kind("Service")
        .filter(|one| one.tree["metadata"]["name"] == "chroma");
    wrong.extend(services.map(|one| format!("{} sets CHROMA_PORT", one.title())));
    wrong
}

#[test]
fn named_objects_exist() {
    none(unknown_objects);
}

/// Returns hosts of the deployment in its configurations that are not a Service with the port.
pub(crate) fn unknown_hosts(one: &Deployment) -> Vec<String> {
    let name = format!("{}-", one.spec.name);
    let mut wrong = Vec::new();
    for object in &one.objects {
        let text = match object.kind() {
            "ConfigMap" => serde_yaml::to_string(&object.tree["data"]).unwrap(),
            "OpenTelemetryCollector" => {
                serde_yaml::to_string(&object.tree["spec"]["config"]).unwrap()
            }
            _ => continue,
        };
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-.:".contains(c)));
        let hosts = words
            .filter_map(|word| word.split_once(':'))
            .filter(|(host, _)| host.starts_with(&name));
        for (host, port) in hosts {
            let port = port.split(|c: char| !c.is_ascii_digit()).next().unwrap();
            let service = host.split('.').next().unwrap();
            let operated = one.of_kind("OpenTelemetryCollector").any(|one| {
                one.tree["metadata"]["name"]
                    .as_str()
                    .is_some_and(|name| format!("{name}-collector") == service)
            });
            let known = one.of_kind("Service").any(|one| {
                let mut ports = list(&one.tree["spec"]["ports"]);
                one.tree["metadata"]["name"] == service
                    && ports.any(|own| {
                        own["port"]
                            .as_u64()
                            .is_some_and(|own| own.to_string() == port)
                    })
            });
            if !port.is_empty() && !known && !operated {
                wrong.push(format!("{} names {host}:{port}", object.title()));
            }
        }
    }
    wrong
}

#[test]
fn hosts_in_configurations_are_services_with_the_port() {
    none(unknown_hosts);
}
