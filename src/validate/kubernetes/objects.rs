//! What one document says, by its kind: of a database that is one, a budget, a schedule, a
//! configuration that is carried in it.
//!
//! Invariant: a rule here reads one document; what two say of each other is in `references.rs`.

mod configurations;
mod database;

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::workload::matches;
use super::{Document, Folder, Tell};
use crate::validate::{Finding, entries};
use crate::values::{DnsLabel, Schedule};
use database::CHROMA;

/// Every document.
pub(super) fn check(folder: &Folder, tell: Tell) {
    for document in &folder.documents {
        let findings = match document.kind.as_str() {
            "ConfigMap" => configurations::of_map(document),
            "CronJob" => schedule(document),
            "HorizontalPodAutoscaler" => scale(document),
            "OpenTelemetryCollector" => configurations::of_collector(document),
            "PodDisruptionBudget" => budget(document),
            "Role" | "ClusterRole" => rights(document),
            "Secret" => secret(document),
            "Service" => service(document),
            "StatefulSet" => claims(document),
            _ => Vec::new(),
        };
        for (path, message) in findings {
            tell(document.at(&path), message);
        }
    }
    for workload in &folder.workloads {
        if let Some(selector) = &workload.selector
            && !matches(selector, &workload.labels())
        {
            tell(
                workload.of_document("spec.selector"),
                "asks for labels that its own pods have not".to_owned(),
            );
        }
        database::check(workload, tell);
    }
}

fn claims(document: &Document) -> Vec<Finding> {
    let Some(spec) = document.typed::<StatefulSet>().and_then(|set| set.spec) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let containers = spec.template.spec.as_ref().map(|pod| &pod.containers);
    let holds_data = containers
        .into_iter()
        .flatten()
        .any(|one| one.name == CHROMA);
    let retention = spec
        .persistent_volume_claim_retention_policy
        .unwrap_or_default();
    for (field, policy) in [
        ("whenDeleted", retention.when_deleted),
        ("whenScaled", retention.when_scaled),
    ] {
        // A queue may go with its pod when there are fewer; Chroma's data never.
        if policy.as_deref() == Some("Delete") && holds_data {
            findings.push((
                format!("spec.persistentVolumeClaimRetentionPolicy.{field}"),
                "deletes the data".to_owned(),
            ));
        }
    }
    for (index, claim) in spec.volume_claim_templates.iter().flatten().enumerate() {
        let at = format!("spec.volumeClaimTemplates[{index}]");
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        if name.parse::<DnsLabel>().is_err() {
            findings.push((
                format!("{at}.metadata.name"),
                format!("`{name}` is no DNS label"),
            ));
        }
        let asked = claim.spec.clone().unwrap_or_default();
        if asked.access_modes.iter().flatten().next().is_none() {
            findings.push((format!("{at}.spec.accessModes"), "is missing".to_owned()));
        }
        let requests = asked
            .resources
            .and_then(|resources| resources.requests)
            .unwrap_or_default();
        if !requests.contains_key("storage") {
            findings.push((
                format!("{at}.spec.resources.requests"),
                "has no storage".to_owned(),
            ));
        }
    }
    findings
}

fn service(document: &Document) -> Vec<Finding> {
    let Some(spec) = document.typed::<Service>().and_then(|service| service.spec) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let ports = spec.ports.unwrap_or_default();
    if ports.is_empty() && spec.type_.as_deref() != Some("ExternalName") {
        findings.push(("spec.ports".to_owned(), "is empty".to_owned()));
    }
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let mut wrong =
            |message: &str| findings.push((format!("spec.ports[{index}]"), message.to_owned()));
        match port.name.as_deref() {
            None if ports.len() > 1 => wrong("has no name, and is not the only one"),
            Some(name) if name.parse::<DnsLabel>().is_err() => {
                wrong("has a name that is no DNS label")
            }
            name if !names.insert(name) => wrong("has the name of another"),
            _ => {}
        }
    }
    let public = ["LoadBalancer", "NodePort"].contains(&spec.type_.as_deref().unwrap_or_default());
    if public
        && spec
            .load_balancer_source_ranges
            .iter()
            .flatten()
            .next()
            .is_none()
    {
        findings.push((
            "spec.type".to_owned(),
            "opens a port to the world: give `loadBalancerSourceRanges`".to_owned(),
        ));
    }
    findings
}

fn budget(document: &Document) -> Vec<Finding> {
    let budget = document.typed::<PodDisruptionBudget>();
    let spec = budget.and_then(|budget| budget.spec).unwrap_or_default();
    let one = spec.min_available.is_some() != spec.max_unavailable.is_some();
    let message = "has not exactly one of minAvailable and maxUnavailable";
    (!one)
        .then(|| ("spec".to_owned(), message.to_owned()))
        .into_iter()
        .collect()
}

fn scale(document: &Document) -> Vec<Finding> {
    let scale = document.typed::<HorizontalPodAutoscaler>();
    let Some(spec) = scale.and_then(|scale| scale.spec) else {
        return Vec::new();
    };
    let least = spec.min_replicas.unwrap_or(1);
    let message = format!("is {}, less than minReplicas, {least}", spec.max_replicas);
    (spec.max_replicas < least || least < 1)
        .then(|| ("spec.maxReplicas".to_owned(), message))
        .into_iter()
        .collect()
}

fn schedule(document: &Document) -> Vec<Finding> {
    let Some(spec) = document.typed::<CronJob>().and_then(|job| job.spec) else {
        return Vec::new();
    };
    let text = spec.schedule.trim();
    let by_name = ["@yearly", "@monthly", "@weekly", "@daily", "@hourly"].contains(&text);
    match text.parse::<Schedule>() {
        Err(rule) if !by_name => vec![(
            "spec.schedule".to_owned(),
            format!("`{text}` is not {rule}"),
        )],
        _ => Vec::new(),
    }
}

/// An account that may do everything is no longer the least that is needed.
fn rights(document: &Document) -> Vec<Finding> {
    let rules = document.items(&["rules"]);
    let mut findings = Vec::new();
    for (index, rule) in rules.enumerate() {
        for field in ["apiGroups", "resources", "verbs"] {
            if crate::validate::texts(rule.get(field)).any(|text| text == "*") {
                findings.push((
                    format!("rules[{index}].{field}"),
                    "names everything".to_owned(),
                ));
            }
        }
    }
    findings
}

fn secret(document: &Document) -> Vec<Finding> {
    let fields = ["data", "stringData"].into_iter();
    let given = fields.filter(|field| entries(document.get(&[field])).next().is_some());
    given
        .map(|field| {
            (
                field.to_owned(),
                "holds a secret's value, which no file may: make it by command".to_owned(),
            )
        })
        .collect()
}
