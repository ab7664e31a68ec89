//! Reasons for findings of kube-score and checkov that are intended, as annotations in the form of each.
//!
//! Invariant: a workload has the reasons for its findings and no others
//! (`tests/e2e/test_scanners_kubernetes.py`).

use serde_yaml::Value;

use super::annotations::{annotated, has};
use crate::plan::Plan;

/// The kinds with a pod.
const KINDS: [&str; 4] = ["CronJob", "Deployment", "Job", "StatefulSet"];

/// A check of checkov, the text of a manifest that it finds, and the reason.
const CHECKOV: [(&str, &str, &str); 6] = [
    (
        "CKV_K8S_11",
        " limits: {",
        "a CPU limit would throttle even on an idle node",
    ),
    ("CKV_K8S_15", " image: ", "a tag never changes its content"),
    (
        "CKV_K8S_25",
        "add: [NET_BIND_SERVICE]",
        "the file capability of the image requires it",
    ),
    (
        "CKV_K8S_35",
        "secretKeyRef: {",
        "the program reads its keys from variables",
    ),
    (
        "CKV_K8S_38",
        "automountServiceAccountToken: true",
        "the program calls the Kubernetes API",
    ),
    (
        "CKV_K8S_43",
        " image: ",
        "a digest differs between registries, set it in an overlay or a value",
    ),
];

/// Adds the reasons to every workload of a plan's manifests.
pub(super) fn add(plan: &mut Plan) {
    let files = plan.files.iter_mut();
    let manifests = files.filter(|(path, _)| path.ends_with(".yaml") && !path.contains('/'));
    for (_, text) in manifests {
        let documents = text.split("\n---\n").map(with_reasons);
        *text = documents.collect::<Vec<_>>().join("\n---\n");
    }
}

fn with_reasons(document: &str) -> String {
    let tree: Value = serde_yaml::from_str(document).unwrap_or_default();
    let kind = tree.get("kind").and_then(Value::as_str).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return document.to_owned();
    }
    let found = CHECKOV
        .iter()
        .filter(|(_, text, _)| document.contains(text));
    let mut lines = Vec::new();
    for (index, (check, _, reason)) in found.enumerate() {
        let key = format!("checkov.io/skip{}", index + 1);
        if !has(&tree, &key) {
            lines.push(format!("{key}: {check}={reason}"));
        }
    }
    if !has(&tree, KUBE_SCORE) {
        let found = kube_score(kind, &tree);
        let ids: Vec<&str> = found.iter().map(|(check, _)| *check).collect();
        lines.extend(
            found
                .iter()
                .map(|(check, reason)| format!("# {check}: {reason}")),
        );
        lines.push(format!("{KUBE_SCORE}: {}", ids.join(",")));
    }
    annotated(document, &lines)
}

/// The annotation that kube-score reads.
const KUBE_SCORE: &str = "kube-score/ignore";

/// Returns the findings of kube-score in a workload, with their reasons.
fn kube_score(kind: &str, tree: &Value) -> Vec<(&'static str, &'static str)> {
    let mut found = vec![
        (
            "container-image-pull-policy",
            "a tag never changes its content",
        ),
        (
            "container-resources",
            "a CPU limit would throttle even on an idle node",
        ),
    ];
    let spec = &tree["spec"];
    if has_one_endpoint(&spec["template"]["spec"]["containers"]) {
        found.push((
            "pod-probes-identical",
            "the program has one endpoint for both probes",
        ));
    }
    let single = spec["replicas"] == 1;
    let spread = "topology spread constraints separate the replicas";
    match kind {
        "Deployment" if single => found.extend([
            (
                "deployment-replicas",
                "each replica would have a part of the data",
            ),
            (
                "deployment-strategy",
                "each replica would have a part of the data",
            ),
        ]),
        "Deployment" => found.push(("deployment-has-host-podantiaffinity", spread)),
        "StatefulSet" if !single => found.push(("statefulset-has-host-podantiaffinity", spread)),
        _ => {}
    }
    found
}

/// Returns true if a container has the same path for both probes.
fn has_one_endpoint(containers: &Value) -> bool {
    let path = |container: &Value, probe: &str| container[probe]["httpGet"]["path"].clone();
    let same = |container: &Value| {
        let (live, ready) = (
            path(container, "livenessProbe"),
            path(container, "readinessProbe"),
        );
        !live.is_null() && live == ready
    };
    containers
        .as_sequence()
        .is_some_and(|all| all.iter().any(same))
}
