//! Fields that take one of some words, which their types know as any text.
//!
//! Invariant: a field is known by the end of its path, and that end has one meaning in every kind.

/// Fields that take one of some words, by the end of their path. (Kubernetes 1.33, API reference.)
pub(super) const WORDS: [(&str, &[&str]); 25] = [
    (
        "accessModes",
        &[
            "ReadWriteOnce",
            "ReadWriteOncePod",
            "ReadOnlyMany",
            "ReadWriteMany",
        ],
    ),
    ("appArmorProfile.type", &["RuntimeDefault", "Localhost"]),
    ("concurrencyPolicy", &["Allow", "Forbid", "Replace"]),
    (
        "dnsPolicy",
        &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
    ),
    ("effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
    ("externalTrafficPolicy", &["Cluster", "Local"]),
    ("fsGroupChangePolicy", &["OnRootMismatch", "Always"]),
    ("imagePullPolicy", &["Always", "IfNotPresent", "Never"]),
    ("internalTrafficPolicy", &["Cluster", "Local"]),
    (
        "labelSelector.matchExpressions.operator",
        &["In", "NotIn", "Exists", "DoesNotExist"],
    ),
    (
        "metrics.type",
        &[
            "Resource",
            "ContainerResource",
            "Pods",
            "Object",
            "External",
        ],
    ),
    ("nodeAffinityPolicy", &["Honor", "Ignore"]),
    ("nodeTaintsPolicy", &["Honor", "Ignore"]),
    ("pathType", &["Exact", "Prefix", "ImplementationSpecific"]),
    ("podManagementPolicy", &["OrderedReady", "Parallel"]),
    ("policyTypes", &["Ingress", "Egress"]),
    ("protocol", &["TCP", "UDP", "SCTP"]),
    ("reclaimPolicy", &["Retain", "Delete"]),
    ("restartPolicy", &["Always", "OnFailure", "Never"]),
    (
        "seccompProfile.type",
        &["RuntimeDefault", "Localhost", "Unconfined"],
    ),
    ("target.type", &["Utilization", "AverageValue", "Value"]),
    (
        "unhealthyPodEvictionPolicy",
        &["IfHealthyBudget", "AlwaysAllow"],
    ),
    ("volumeBindingMode", &["Immediate", "WaitForFirstConsumer"]),
    ("whenDeleted", &["Retain", "Delete"]),
    ("whenUnsatisfiable", &["DoNotSchedule", "ScheduleAnyway"]),
];
