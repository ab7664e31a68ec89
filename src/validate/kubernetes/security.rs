//! The Pod Security Standard `restricted`, and what the deployment promises beside it.
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
//!
//! Invariant: what a namespace with `pod-security.kubernetes.io/enforce: restricted` refuses is found.

use k8s_openapi::api::core::v1::{Container, PodSpec, SeccompProfile};

use super::workload::Workload;
use super::{Folder, Tell};
use crate::validate::keys;

/// Sources of volumes that the standard allows.
const VOLUMES: [&str; 9] = [
    "name",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Every pod template.
pub(super) fn check(folder: &Folder, tell: Tell) {
    for workload in &folder.workloads {
        let Some(spec) = &workload.template.spec else {
            continue;
        };
        for (path, message) in pod(spec, workload) {
            tell(workload.at(&path), message);
        }
        for (path, _, one) in workload.containers() {
            for (field, message) in container(one, spec) {
                tell(workload.at(&format!("{path}.{field}")), message.to_owned());
            }
        }
    }
}

fn pod(spec: &PodSpec, workload: &Workload) -> Vec<(String, String)> {
    let mut findings = Vec::new();
    let mut wrong =
        |path: &str, message: &str| findings.push((path.to_owned(), message.to_owned()));
    let namespaces = [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
    ];
    for (field, shared) in namespaces {
        if shared == Some(true) {
            wrong(field, "shares the node's");
        }
    }
    let context = spec.security_context.as_ref();
    if context.and_then(|context| context.run_as_user) == Some(0) {
        wrong("securityContext", "runs as root");
    }
    if context.is_some_and(|context| context.sysctls.iter().flatten().next().is_some()) {
        wrong("securityContext", "sets sysctls");
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let tree = serde_yaml::to_value(volume).unwrap_or_default();
        for source in keys(&tree).filter(|source| !VOLUMES.contains(source)) {
            wrong(
                &format!("volumes[{index}]"),
                &format!("is of `{source}`, which `restricted` refuses"),
            );
        }
    }
    // The operator has no such field; its pods read none of those variables.
    if spec.enable_service_links != Some(false) && !workload.operated {
        wrong(
            "enableServiceLinks",
            "is not `false`: a Service beside it would set variables that its program reads as its own",
        );
    }
    let account = spec.service_account_name.as_ref();
    if spec.automount_service_account_token != Some(false) && account.is_none() {
        wrong(
            "automountServiceAccountToken",
            "is not `false`, and it has no account of its own that needs a token",
        );
    }
    findings
}

fn container(one: &Container, pod: &PodSpec) -> Vec<(&'static str, &'static str)> {
    let mut findings = Vec::new();
    let mut wrong = |field, message| findings.push((field, message));
    let own = one.security_context.clone().unwrap_or_default();
    let of_pod = pod.security_context.clone().unwrap_or_default();
    if own.allow_privilege_escalation != Some(false) {
        wrong("securityContext.allowPrivilegeEscalation", "is not `false`");
    }
    if own.privileged == Some(true) {
        wrong("securityContext.privileged", "is `true`");
    }
    let capabilities = own.capabilities.unwrap_or_default();
    if !capabilities.drop.iter().flatten().any(|name| name == "ALL") {
        wrong("securityContext.capabilities.drop", "does not name `ALL`");
    }
    if capabilities
        .add
        .iter()
        .flatten()
        .any(|name| name != "NET_BIND_SERVICE")
    {
        wrong(
            "securityContext.capabilities.add",
            "names more than `NET_BIND_SERVICE`",
        );
    }
    if own.run_as_non_root.or(of_pod.run_as_non_root) != Some(true) {
        wrong(
            "securityContext.runAsNonRoot",
            "is not `true`, here or of the pod",
        );
    }
    if own.run_as_user == Some(0) {
        wrong("securityContext.runAsUser", "is root");
    }
    if !is_sound(
        own.seccomp_profile
            .as_ref()
            .or(of_pod.seccomp_profile.as_ref()),
    ) {
        wrong(
            "securityContext.seccompProfile",
            "is not `RuntimeDefault` or `Localhost`, here or of the pod",
        );
    }
    if own.proc_mount.is_some_and(|mount| mount != "Default") {
        wrong("securityContext.procMount", "is not `Default`");
    }
    // Chroma 0.x writes beside its program.
    let old = one
        .image
        .as_deref()
        .is_some_and(|image| image.contains("chroma:0."));
    if own.read_only_root_filesystem != Some(true) && !old {
        wrong("securityContext.readOnlyRootFilesystem", "is not `true`");
    }
    if one
        .ports
        .iter()
        .flatten()
        .any(|port| port.host_port.is_some_and(|port| port != 0))
    {
        wrong("ports", "take a port of the node");
    }
    findings
}

fn is_sound(profile: Option<&SeccompProfile>) -> bool {
    profile.is_some_and(|profile| ["RuntimeDefault", "Localhost"].contains(&profile.type_.as_str()))
}
