//! Clusters: who reaches a pod, what it may do, and what it is promised. tests/render.rs runs `validate`
//! on everything that is rendered.

use chroma_otel_deploy::spec::kubernetes::Route;
use serde_yaml::Value;

use crate::deployment::{DEPLOYMENTS, Deployment, Starter, none};

/// What lets somebody in whom the spec does not ask for.
pub(crate) fn open(one: &Deployment) -> Vec<String> {
    let mut wrong = ways_in(one);
    wrong.extend(strangers(one));
    wrong
}

/// Services, Ingresses and routes that lead from outside to a pod.
fn ways_in(one: &Deployment) -> Vec<String> {
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

/// Policies of Chroma that let in whom nobody names.
fn strangers(one: &Deployment) -> Vec<String> {
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
        return vec!["nobody may connect to Chroma".to_owned()];
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

/// Promises to Chroma of less than it may take.
pub(crate) fn promised_less(one: &Deployment) -> Vec<String> {
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

/// Else it is the first that ends on a full node.
#[test]
fn chroma_is_promised_all_that_it_may_take() {
    none(promised_less);
    let pods: usize = DEPLOYMENTS.iter().map(|one| one.pods().len()).sum();
    assert!(pods > 100, "{pods} pods");
}

/// Accounts that may more.
pub(crate) fn may_too_much(one: &Deployment) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in one.pods() {
        let collector = pod.labels["app.kubernetes.io/name"] == "opentelemetry-collector";
        if pod.spec["automountServiceAccountToken"] != false && !collector {
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
        if !reads || !list("resources").iter().all(|one| known.contains(one)) {
            wrong.push(format!("may do {rule:?}"));
        }
    }
    wrong
}

/// Only who asks for pods' names has an account's token, and it may read pods and nothing else.
#[test]
fn no_account_may_do_more_than_it_needs() {
    none(may_too_much);
}

/// What Kubernetes replaces, `$(NAME)`, stands nowhere that a person's text gets to.
#[test]
fn no_text_of_a_person_is_an_argument_or_a_value_of_a_container() {
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

/// Workloads whose pods would keep an old configuration.
pub(crate) fn unmarked(one: &Deployment) -> Vec<String> {
    let roots = one
        .objects
        .iter()
        .filter(|one| one.pod().is_some_and(|pod| pod.stays));
    let unmarked = roots.filter(|object| {
        let template = &object.tree["spec"]["template"];
        let mounts = serde_yaml::to_string(template)
            .unwrap()
            .contains("configMap");
        let sum = &template["metadata"]["annotations"]["checksum/config"];
        mounts && sum.as_str().is_none_or(|sum| sum.len() < 16)
    });
    unmarked.map(|one| one.title()).collect()
}

/// A change of the configuration makes new pods; the same configuration makes none.
#[test]
fn pods_are_made_anew_with_their_configuration() {
    none(unmarked);
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
