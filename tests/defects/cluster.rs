//! Clusters: access to pods, their permissions, and their resources. tests/render.rs runs
//! `validate` on everything that is rendered.

use chroma_otel_deploy::spec::kubernetes::Route;
use serde_yaml::Value;

use crate::deployment::{DEPLOYMENTS, Deployment, Starter, none};

/// Returns objects that allow access which the spec does not request.
pub(crate) fn open(one: &Deployment) -> Vec<String> {
    let mut wrong = entrances(one);
    wrong.extend(unnamed_peers(one));
    wrong
}

/// Returns Services, Ingresses and routes that lead from outside to a pod.
fn entrances(one: &Deployment) -> Vec<String> {
    let cluster = &one.spec.kubernetes;
    let mut wrong = Vec::new();
    for service in one.of_kind("Service") {
        let spec = &service.tree["spec"];
        let inside = ["ClusterIP", "None"].contains(&spec["type"].as_str().unwrap_or("ClusterIP"));
        let ranges = spec["loadBalancerSourceRanges"].as_sequence();
        let asked = cluster.internal_load_balancer && ranges.is_some_and(|some| !some.is_empty());
        if !(inside || asked && spec["type"] == "LoadBalancer") {
            wrong.push(format!("{} is {:?}", service.title(), spec["type"]));
        }
    }
    let routes: Vec<_> = ["Ingress", "HTTPRoute", "GRPCRoute", "Gateway", "Route"]
        .iter()
        .flat_map(|kind| one.of_kind(kind))
        .collect();
    let Some(exposure) = &cluster.exposure else {
        wrong.extend(routes.iter().map(|route| route.title()));
        return wrong;
    };
    let [route] = routes[..] else {
        panic!("{}: {} ways in", one.name, routes.len());
    };
    let text = serde_yaml::to_string(&route.tree["spec"]).unwrap();
    let ends_tls = match &exposure.route {
        Route::Ingress { tls_secret, .. } => {
            route.tree["spec"]["tls"][0]["secretName"] == tls_secret.to_string().as_str()
        }
        Route::Gateway { listener, .. } => {
            route.tree["spec"]["parentRefs"][0]["sectionName"] == listener.to_string().as_str()
        }
    };
    let service = if exposure.token { "proxy" } else { "api" };
    let behind = format!("name: {}-{service}\n", one.spec.name);
    if !ends_tls || !text.contains(&behind) {
        wrong.push(format!("{} leads to {text}", route.title()));
    }
    wrong
}

/// Returns policies of Chroma that allow peers which the spec does not name.
fn unnamed_peers(one: &Deployment) -> Vec<String> {
    let name = one.spec.name.to_string();
    let policies = one.of_kind("NetworkPolicy");
    let of_chroma = policies.filter(|policy| policy.tree["metadata"]["name"] == name.as_str());
    let rules: Vec<Value> = of_chroma
        .flat_map(|policy| {
            policy.tree["spec"]["ingress"]
                .as_sequence()
                .unwrap()
                .clone()
        })
        .collect();
    if rules.is_empty() {
        return vec!["no client may connect to Chroma".to_owned()];
    }
    let everybody = |rule: &Value| {
        let from = rule["from"].as_sequence();
        let text = serde_yaml::to_string(rule).unwrap();
        from.is_none_or(Vec::is_empty)
            || text.contains("namespaceSelector: {}")
            || text.contains("0.0.0.0/0")
            || text.contains("::/0")
    };
    let exposed = &one.spec.kubernetes.exposure;
    let asked = exposed.as_ref().is_some_and(|exposure| !exposure.token);
    let open = rules.iter().filter(|rule| everybody(rule) && !asked);
    open.map(|rule| format!("Chroma lets in {rule:?}"))
        .collect()
}

/// Returns memory requests of Chroma that are below its limit.
pub(crate) fn low_requests(one: &Deployment) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in one.pods().into_iter().filter(|pod| pod.stays) {
        for container in pod.containers().filter(|one| one["name"] == "chroma") {
            let resources = &container["resources"];
            let promised = &resources["requests"]["memory"];
            if promised.is_null() || *promised != resources["limits"]["memory"] {
                wrong.push(format!("{}: {resources:?}", pod.of));
            }
        }
    }
    wrong
}

/// Otherwise it is the first pod to be evicted on a full node.
#[test]
fn chromas_memory_request_equals_its_limit() {
    none(low_requests);
    let pods: usize = DEPLOYMENTS.iter().map(|one| one.pods().len()).sum();
    assert!(pods > 100, "{pods} pods");
}

/// Returns accounts with more permissions than needed.
pub(crate) fn excessive_permissions(one: &Deployment) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in one.pods() {
        let collector = pod.labels["app.kubernetes.io/name"] == "opentelemetry-collector";
        let snapshots = pod.labels["app.kubernetes.io/component"] == "backup" && has_snapshots(one);
        if pod.spec["automountServiceAccountToken"] != false && !collector && !snapshots {
            wrong.push(format!("{} has a token", pod.of));
        }
    }
    let roles = one.of_kind("Role").chain(one.of_kind("ClusterRole"));
    for rule in roles.flat_map(|role| role.tree["rules"].as_sequence().unwrap()) {
        let list = |key: &str| -> Vec<&str> {
            let items = rule[key].as_sequence().unwrap().iter();
            items.map(|item| item.as_str().unwrap()).collect()
        };
        let reads = list("verbs")
            .iter()
            .all(|verb| ["get", "list", "watch"].contains(verb));
        let known = ["pods", "namespaces", "replicasets"];
        let reads = reads && list("resources").iter().all(|one| known.contains(one));
        let snapshots = has_snapshots(one)
            && list("resources") == ["volumesnapshots"]
            && list("verbs") == ["create", "get", "list", "delete"];
        if !reads && !snapshots {
            wrong.push(format!("may do {rule:?}"));
        }
    }
    wrong
}

fn has_snapshots(one: &Deployment) -> bool {
    let backup = one.spec.backup.as_ref();
    backup.is_some_and(|backup| backup.place.snapshot_class().is_some())
}

/// Only pods that look up pods' names or create snapshots have an account's token, and it can only read
/// pods or manage snapshots.
#[test]
fn accounts_have_only_the_permissions_they_need() {
    none(excessive_permissions);
}

/// Operators' text is never in a place in which Kubernetes replaces `$(NAME)`.
#[test]
fn operators_text_is_not_in_arguments_or_values_of_containers() {
    let hostile = DEPLOYMENTS
        .iter()
        .find(|one| one.name == "kubernetes-honeycomb.yaml");
    let hostile = hostile.expect("the spec with a value that looks like a reference");
    assert!(hostile.file("chroma.yaml").contains("$(HOSTNAME)"));
    none(|one| {
        let mut wrong = Vec::new();
        for pod in one.pods() {
            for container in pod.containers() {
                for part in ["command", "args", "env"] {
                    let text = serde_yaml::to_string(&container[part]).unwrap();
                    if text.contains("$(") {
                        wrong.push(format!("{}: {part}: {text}", pod.of));
                    }
                }
            }
        }
        wrong
    });
}

/// Returns workloads whose pods would keep an old configuration.
pub(crate) fn without_checksum(one: &Deployment) -> Vec<String> {
    let roots = one
        .objects
        .iter()
        .filter(|one| one.pod().is_some_and(|pod| pod.stays));
    let without_checksum = roots.filter(|object| {
        let template = &object.tree["spec"]["template"];
        let mounts = serde_yaml::to_string(template)
            .unwrap()
            .contains("configMap");
        let sum = &template["metadata"]["annotations"]["checksum/config"];
        mounts && sum.as_str().is_none_or(|sum| sum.len() < 16)
    });
    without_checksum.map(|one| one.title()).collect()
}

/// A change of the configuration replaces the pods; the same configuration does not.
#[test]
fn pods_are_replaced_with_their_configuration() {
    none(without_checksum);
}

#[test]
fn everything_is_labelled_and_in_its_namespace() {
    none(|one| {
        let mut wrong = Vec::new();
        let wide = [
            "Namespace",
            "StorageClass",
            "ClusterRole",
            "ClusterRoleBinding",
            "Kustomization",
        ];
        let namespace = one.spec.kubernetes.namespace.to_string();
        for object in &one.objects {
            let metadata = &object.tree["metadata"];
            let inside = metadata["namespace"] == namespace.as_str();
            if inside == wide.contains(&object.kind()) {
                wrong.push(format!(
                    "{} is in {:?}",
                    object.title(),
                    metadata["namespace"]
                ));
            }
            let marked = metadata["labels"]["app.kubernetes.io/part-of"] == "chroma";
            if !marked && object.kind() != "Kustomization" {
                wrong.push(format!("{} has no labels", object.title()));
            }
            for (key, value) in &one.spec.kubernetes.labels {
                if marked && metadata["labels"][key.as_str()] != value.as_str() {
                    wrong.push(format!("{} has no {}", object.title(), key.as_str()));
                }
            }
        }
        wrong
    });
    let clusters = DEPLOYMENTS
        .iter()
        .filter(|one| one.starter() == Starter::Kubernetes);
    assert!(clusters.count() > 60);
}
