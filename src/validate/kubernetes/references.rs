//! Every name that one document says of another is there, or is the operator's.
//!
//! Invariant: a folder says what is the operator's in no other place than it says it to the operator.
//! A Secret is made by an ExternalSecret of the folder, or by the command that `.env.example` says
//! (`kubectl create secret generic NAME …`), whose keys are the variables in that file. Outside by
//! nature are the certificates of an Ingress, secrets that images are pulled with, classes, Gateways,
//! issuers and stores of the whole cluster.

mod hosts;
mod pods;
mod routes;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::rbac::v1::{RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::workload::Workload;
use super::{Document, Folder, Tell};
use pods::Secrets;

/// Every reference.
pub(super) fn check(folder: &Folder, tell: Tell) {
    let secrets = secrets(folder);
    for workload in &folder.workloads {
        pods::check(folder, workload, &secrets, tell);
    }
    hosts::check(folder, tell);
    for document in &folder.documents {
        match document.kind.as_str() {
            "Service" => service(folder, document, tell),
            "StatefulSet" => exists(folder, document, "Service", &["spec", "serviceName"], tell),
            "RoleBinding" | "ClusterRoleBinding" => binding(folder, document, tell),
            "HorizontalPodAutoscaler" => scaled(folder, document, tell),
            "PodDisruptionBudget" => drop(selected(folder, document, tell)),
            "Ingress" | "HTTPRoute" => routes::backends(folder, document, &document.tree, "", tell),
            "ExternalSecret" => store(folder, document, tell),
            "PodMonitor" => routes::pods_monitored(folder, document, tell),
            "ServiceMonitor" => routes::services_monitored(folder, document, tell),
            _ => {}
        }
    }
}

/// The Secrets that there will be.
fn secrets(folder: &Folder) -> Secrets {
    let mut made = BTreeMap::new();
    for document in folder.of_kind("ExternalSecret") {
        let target = document.text(&["spec", "target", "name"]);
        let keys = document
            .items(&["spec", "data"])
            .filter_map(|one| one.get("secretKey")?.as_str())
            .map(str::to_owned)
            .collect();
        let whole = document.get(&["spec", "dataFrom"]).is_some();
        made.insert(
            target.unwrap_or(&document.name).to_owned(),
            (!whole).then_some(keys),
        );
    }
    if let Some(text) = folder.files.get(".env.example") {
        let name = text
            .split_once("create secret generic ")
            .and_then(|(_, rest)| rest.split_whitespace().next());
        let variables = text
            .lines()
            .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='));
        let variables = variables.map(|(name, _)| name.trim().to_owned()).collect();
        made.extend(name.map(|name| (name.to_owned(), Some(variables))));
    }
    let generated = folder.kustomization.secrets.iter();
    made.extend(generated.map(|name| (name.clone(), None)));
    made
}

fn exists(folder: &Folder, document: &Document, kind: &str, path: &[&str], tell: Tell) {
    if let Some(name) = document
        .text(path)
        .filter(|name| folder.named(kind, name).is_none())
    {
        tell(
            document.at(&path.join(".")),
            format!("there is no {kind} `{name}`"),
        );
    }
}

/// What a Service stands for, and the ports it passes on to.
fn service(folder: &Folder, document: &Document, tell: Tell) {
    let Some(spec) = document.typed::<Service>().and_then(|service| service.spec) else {
        return;
    };
    let Some(labels) = spec.selector else {
        return;
    };
    let selector = LabelSelector {
        match_labels: Some(labels),
        match_expressions: None,
    };
    let pods = folder.taken(&selector);
    if pods.is_empty() {
        tell(
            document.at("spec.selector"),
            "takes no pod of this folder".to_owned(),
        );
    }
    if pods.len() > 1 {
        let names = pods
            .iter()
            .map(|one| format!("`{}`", one.name))
            .collect::<Vec<_>>()
            .join(" and ");
        tell(
            document.at("spec.selector"),
            format!("takes the pods of {names}"),
        );
    }
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        let target = match &port.target_port {
            Some(IntOrString::String(name)) => name.clone(),
            Some(IntOrString::Int(number)) => number.to_string(),
            None => port.port.to_string(),
        };
        for pod in pods.iter().filter(|pod| pod.port(&target).is_none()) {
            let message = format!("no container of `{}` has the port `{target}`", pod.name);
            tell(document.at(&format!("spec.ports[{index}]")), message);
        }
    }
}

fn binding(folder: &Folder, document: &Document, tell: Tell) {
    // What does not read has been told.
    let (role, subjects) = (
        document.field::<RoleRef>("roleRef"),
        document.field::<Vec<Subject>>("subjects"),
    );
    if let Some(role) = role.filter(|role| folder.named(&role.kind, &role.name).is_none()) {
        tell(
            document.at("roleRef"),
            format!("there is no {} `{}`", role.kind, role.name),
        );
    }
    for (index, subject) in subjects.iter().flatten().enumerate() {
        let account = folder.named("ServiceAccount", &subject.name);
        let at = document.at(&format!("subjects[{index}]"));
        match account {
            _ if subject.kind != "ServiceAccount" => {}
            None => tell(at, format!("there is no ServiceAccount `{}`", subject.name)),
            Some(account) if subject.namespace.as_deref() != account.namespace() => {
                tell(
                    at,
                    format!("ServiceAccount `{}` is in another namespace", subject.name),
                );
            }
            Some(_) => {}
        }
    }
}

fn scaled(folder: &Folder, document: &Document, tell: Tell) {
    let text = |key| {
        let path = ["spec", "scaleTargetRef", key];
        document.text(&path).unwrap_or_default()
    };
    let (version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
    match folder.named(kind, name) {
        Some(target) if target.api_version == version => {
            if folder
                .workloads
                .iter()
                .any(|one| one.name == name && one.kind == kind && one.replicas.is_some())
            {
                let message = format!(
                    "{kind} `{name}` says `replicas` as well: every `kubectl apply` would undo the scaling"
                );
                tell(document.at("spec.scaleTargetRef"), message);
            }
        }
        Some(target) => tell(
            document.at("spec.scaleTargetRef"),
            format!("{kind} is in `{}`", target.api_version),
        ),
        None => tell(
            document.at("spec.scaleTargetRef"),
            format!("there is no {kind} `{name}`"),
        ),
    }
}

/// The pods that a document is about: there are some.
fn selected<'a>(folder: &'a Folder, document: &Document, tell: Tell) -> Vec<&'a Workload> {
    let pods = folder.taken(&document.selector());
    if pods.is_empty() {
        let message = "takes no pod of this folder".to_owned();
        tell(document.at("spec.selector"), message);
    }
    pods
}

fn store(folder: &Folder, document: &Document, tell: Tell) {
    let text = |key| {
        let path = ["spec", "secretStoreRef", key];
        document.text(&path).unwrap_or_default()
    };
    // A store of the whole cluster is its owner's. Of the namespace, one that is not here may be as well,
    // but where the folder has one, that is the one that is meant.
    let any = folder.of_kind("SecretStore").next().is_some();
    if text("kind") != "ClusterSecretStore"
        && any
        && folder.named("SecretStore", text("name")).is_none()
    {
        tell(
            document.at("spec.secretStoreRef"),
            format!("there is no SecretStore `{}`", text("name")),
        );
    }
}
