//! The checks of clusters themselves: each finds its defect.

use chroma_otel_deploy::spec::Format;
use chroma_otel_deploy::spec::target::Target;

use crate::cluster::{excessive_permissions, low_requests, open, without_checksum};
use crate::containers::{not_restarted, probes};
use crate::data::{lost_with_the_kustomization, misplaced};
use crate::deployment::{Deployment, deployment};
use crate::pods::missing_properties;
use crate::selectors::{dangling, unguarded, unknown_hosts, unknown_objects, unknown_peers};

/// A check, a text of valid manifests, and a replacement that the check rejects.
type Break = (fn(&Deployment) -> Vec<String>, &'static str, &'static str);

const BREAKS: &[Break] = &[
    (
        open,
        "targetPort: http}\n",
        "targetPort: http}\n  type: NodePort\n",
    ),
    (
        open,
        "targetPort: http}\n",
        "targetPort: http}\n  type: LoadBalancer\n",
    ),
    (open, "kind: PodDisruptionBudget", "kind: Ingress"),
    (open, "kind: NetworkPolicy", "kind: Policy"),
    (open, "- podSelector: {}", "- namespaceSelector: {}"),
    (open, "- podSelector: {}", "- ipBlock: {cidr: 0.0.0.0/0}"),
    (low_requests, "limits:", "claims:"),
    (excessive_permissions, "verbs: [get,", "verbs: [create,"),
    (
        excessive_permissions,
        "resources: [pods]",
        "resources: [secrets]",
    ),
    (without_checksum, "checksum/config: ", "checksum/other: "),
    (not_restarted, "livenessProbe: ", "otherProbe: "),
    (probes, "/api/v2/healthcheck", "/api/v1/heartbeat"),
    (misplaced, "mountPath: /data}", "mountPath: /chroma}"),
    (
        missing_properties,
        "enableServiceLinks: false",
        "enableServiceLinks: true",
    ),
    (
        missing_properties,
        "readOnlyRootFilesystem: true",
        "privileged: true",
    ),
    (missing_properties, "requests: {cpu: ", "requests: {gpu: "),
    (missing_properties, "readinessProbe:", "otherProbe:"),
    (missing_properties, "port: http}", "port: htp}"),
    (dangling, "targetPort: http}", "targetPort: https}"),
    (dangling, "kind: StatefulSet", "kind: Other"),
    (
        unguarded,
        "policyTypes: [Ingress, Egress]",
        "policyTypes: [Ingress]",
    ),
    (
        unknown_peers,
        "- podSelector:\n            matchLabels:\n",
        "- podSelector:\n            matchLabels:\n              other: label\n",
    ),
    (unknown_objects, "roleRef: {", "roleRef: {}\nother: {"),
    (unknown_objects, "name: chroma-api", "name: chroma"),
    (unknown_hosts, ":4317", ":4319"),
];

#[test]
fn every_defect_is_found() {
    let sound = || {
        let format = Format::Manifests;
        deployment(Target::Kubernetes(None), format, "wrapped", "1.5.9", "otlp")
    };
    let missed = BREAKS.iter().filter(|(check, from, to)| {
        assert_eq!(check(&sound()), Vec::<String>::new(), "{from}");
        check(&sound().with(from, to)).is_empty()
    });
    let missed: Vec<_> = missed.map(|(_, _, to)| *to).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    for (from, to) in [
        ("whenDeleted: Retain", "whenDeleted: Delete"),
        ("- chroma.yaml", "- keep.yaml"),
        ("kind: PodDisruptionBudget", "kind: PersistentVolumeClaim"),
    ] {
        let broken = sound().with(from, to);
        assert_ne!(
            lost_with_the_kustomization(&broken),
            Vec::<String>::new(),
            "{to}"
        );
    }
}
