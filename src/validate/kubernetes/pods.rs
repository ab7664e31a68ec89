//! What is in a pod: its containers, their variables, ports, probes, amounts and volumes.
//!
//! Invariant: everything that is named within a pod is in that pod.

mod probes;
mod variables;
mod volumes;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::workload::Workload;
use super::{Folder, Tell, forms};
use crate::validate::{Finding, unpinned};
use crate::values::DnsLabel;

/// Every pod template.
pub(super) fn check(folder: &Folder, tell: Tell) {
    for workload in &folder.workloads {
        let Some(spec) = &workload.template.spec else {
            continue;
        };
        let mut findings = volumes::check(spec, workload);
        let mut names = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for (path, role, one) in workload.containers() {
            let mut found = container(one, workload);
            found.extend(ports(one, &mut seen));
            found.extend(probes::check(one, role, workload));
            if one.name.parse::<DnsLabel>().is_err() {
                found.push(("name".to_owned(), "is no DNS label".to_owned()));
            }
            if !names.insert(&one.name) {
                found.push(("name".to_owned(), format!("`{}` is there twice", one.name)));
            }
            findings.extend(
                found
                    .into_iter()
                    .map(|(field, message)| (format!("{path}.{field}"), message)),
            );
        }
        let restart = spec.restart_policy.as_deref().unwrap_or("Always");
        if workload.kind != "Pod" && workload.ends() == (restart == "Always") {
            findings.push((
                "restartPolicy".to_owned(),
                format!("is `{restart}`, which a {} cannot have", workload.kind),
            ));
        }
        for (path, message) in findings {
            tell(workload.at(&path), message);
        }
    }
}

fn container(one: &Container, workload: &Workload) -> Vec<Finding> {
    let mut findings = variables::check(one);
    let mut wrong = |field: &str, message: String| findings.push((field.to_owned(), message));
    match one.image.as_deref() {
        Some(image) => moves(image)
            .into_iter()
            .for_each(|message| wrong("image", message)),
        // The operator has its own.
        None if workload.operated => wrong(
            "image",
            "is missing: the operator's own changes with the operator".to_owned(),
        ),
        None => wrong("image", "is missing".to_owned()),
    }
    let resources = one.resources.clone().unwrap_or_default();
    let (requests, limits) = (
        resources.requests.unwrap_or_default(),
        resources.limits.unwrap_or_default(),
    );
    for (field, amounts, name) in [
        ("resources.requests", &requests, "cpu"),
        ("resources.requests", &requests, "memory"),
        ("resources.limits", &limits, "memory"),
    ] {
        if !amounts.contains_key(name) {
            wrong(field, format!("has no {name}"));
        }
    }
    for (name, limit) in &limits {
        let amount = |quantity: &Quantity| forms::quantity(&quantity.0);
        if let (Some(least), Some(most)) = (requests.get(name).and_then(amount), amount(limit))
            && most < least
        {
            wrong(
                &format!("resources.limits.{name}"),
                format!("`{}` is less than is requested", limit.0),
            );
        }
    }
    findings
}

/// Why a node would run another program than the one that was tried: it pulls whenever it is new.
fn moves(image: &str) -> Option<String> {
    let tag = image
        .rsplit('/')
        .next()
        .and_then(|name| name.split_once(':'));
    let version = tag
        .and_then(|(_, tag)| tag.split('-').next())
        .unwrap_or_default();
    let is_number = version
        .trim_start_matches('v')
        .starts_with(|c: char| c.is_ascii_digit());
    let short = is_number && version.matches('.').count() < 2 && !image.contains("@sha256:");
    unpinned(image)
        .or_else(|| short.then(|| format!("`{image}` changes with every patch release: name that")))
}

fn ports<'a>(one: &'a Container, seen: &mut BTreeSet<&'a str>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, port) in one.ports.iter().flatten().enumerate() {
        let mut wrong = |message: String| findings.push((format!("ports[{index}]"), message));
        let Some(name) = port.name.as_deref() else {
            wrong("has no name: what names it would be a number".to_owned());
            continue;
        };
        if !forms::is_port_name(name) {
            wrong(format!(
                "`{name}` is no name of a port: small letters, digits and `-`, at most 15"
            ));
        }
        if !seen.insert(name) {
            wrong(format!("`{name}` is there twice"));
        }
    }
    findings
}
