//! What any document must keep: its name's form, its labels', the words and amounts in its fields.
//!
//! Invariant: a rule here knows a field by its name alone; what needs a document's kind is beside.

mod words;

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::{Document, Folder, Tell, forms};
use crate::validate::{Finding, entries};
use crate::values::{DnsLabel, DnsName, LabelKey, is_label_value};
use words::WORDS;

/// Kinds that are in no namespace.
const OF_CLUSTER: [&str; 7] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ClusterSecretStore",
    "IngressClass",
    "Namespace",
    "PriorityClass",
    "StorageClass",
];

/// The same rule for every document.
pub(super) fn check(folder: &Folder, tell: Tell) {
    let mut seen = BTreeSet::new();
    for document in &folder.documents {
        let mut findings = names(document);
        if !seen.insert((&document.kind, &document.name)) {
            findings.push((String::new(), "is there twice".to_owned()));
        }
        // What others' controllers call `labels` is not always Kubernetes'.
        match document.api_version.contains('.') && !document.api_version.contains(".k8s.io/") {
            true => entries(document.get(&["metadata"]))
                .for_each(|(key, value)| walk(value, &["metadata", key], &mut findings)),
            false => walk(&document.tree, &[], &mut findings),
        }
        for (path, message) in findings {
            tell(document.at(&path), message);
        }
    }
    namespaces(folder, tell);
}

/// The form of a document's name, by its kind.
fn names(document: &Document) -> Vec<Finding> {
    let (kind, name) = (document.kind.as_str(), document.name.as_str());
    let is_label = name.parse::<DnsLabel>().is_ok();
    let (sound, rule) = match kind {
        "Service" => (
            is_label && name.starts_with(|c: char| c.is_ascii_lowercase()),
            "is no DNS label that begins with a letter",
        ),
        // What is appended to it must fit the label of a pod: a hash, the time.
        "StatefulSet" | "CronJob" => (
            is_label && name.len() <= 52,
            "is no DNS label of at most 52 characters",
        ),
        "Namespace" | "Deployment" | "DaemonSet" | "Job" => (is_label, "is no DNS label"),
        kind if kind.ends_with("Role") || kind.ends_with("RoleBinding") => {
            (!name.contains(['/', '%']), "has a `/` or a `%`")
        }
        _ => (name.parse::<DnsName>().is_ok(), "is no DNS name"),
    };
    let mut findings = Vec::new();
    if !sound {
        findings.push(("metadata.name".to_owned(), rule.to_owned()));
    }
    if kind == "Service" && name == "chroma" {
        let message = "Kubernetes would set CHROMA_PORT in pods beside it, which Chroma 1.x dies of: call it another";
        findings.push(("metadata.name".to_owned(), message.to_owned()));
    }
    findings
}

/// All that is in a namespace is in one.
fn namespaces(folder: &Folder, tell: Tell) {
    let kustomized = folder.kustomization.namespace.as_deref();
    let mut first = kustomized;
    for document in &folder.documents {
        let at = document.at("metadata.namespace");
        let of_cluster = OF_CLUSTER.contains(&document.kind.as_str());
        match (document.namespace(), first) {
            (Some(_), _) if of_cluster => tell(at, format!("a {} is in none", document.kind)),
            _ if of_cluster => {}
            (None, _) if kustomized.is_none() => {
                tell(at, "is missing: it would go to any".to_owned())
            }
            (Some(name), None) => first = Some(name),
            (Some(name), Some(other)) if name != other => {
                tell(at, format!("is `{name}`, others are in `{other}`"))
            }
            _ => {}
        }
    }
    let mut made = folder.of_kind("Namespace").peekable();
    if let (Some(name), Some(other)) = (first, made.peek())
        && folder.named("Namespace", name).is_none()
    {
        tell(
            other.at("metadata.name"),
            format!("everything else is in `{name}`"),
        );
    }
}

fn walk(value: &Value, path: &[&str], findings: &mut Vec<Finding>) {
    let name = path.last().copied().unwrap_or_default();
    let at = || path.join(".").replace(".[", "[");
    match value {
        Value::Mapping(_)
            if ["labels", "matchLabels", "nodeSelector", "annotations"].contains(&name) =>
        {
            labels(value, name == "annotations", &at(), findings);
        }
        Value::Mapping(map) if name == "selector" && map.values().all(Value::is_string) => {
            labels(value, false, &at(), findings);
        }
        Value::Mapping(_) if ["requests", "limits", "hard"].contains(&name) => {
            for (key, amount) in entries(Some(value)) {
                let text = amount
                    .as_str()
                    .map_or_else(|| number(amount), str::to_owned);
                if forms::quantity(&text).is_none() {
                    findings.push((
                        format!("{}.{key}", at()),
                        format!("`{text}` is no quantity"),
                    ));
                }
            }
        }
        // A file's text, and a dictionary's keys, are no fields.
        Value::Mapping(_) if ["data", "binaryData", "stringData", "parameters"].contains(&name) => {
        }
        Value::Mapping(_) => {
            for (key, value) in entries(Some(value)) {
                walk(value, &[path, &[key]].concat(), findings);
            }
        }
        Value::Sequence(list) => {
            for (index, one) in list.iter().enumerate() {
                walk(one, &[path, &[&format!("[{index}]")]].concat(), findings);
            }
        }
        Value::String(text) => word(text, path, &at(), findings),
        Value::Number(amount) => port(amount, path, &at(), findings),
        _ => {}
    }
}

fn labels(value: &Value, free: bool, at: &str, findings: &mut Vec<Finding>) {
    for (key, value) in entries(Some(value)) {
        if key.parse::<LabelKey>().is_err() {
            findings.push((format!("{at}[{key}]"), "is no key of a label".to_owned()));
        }
        let text = value.as_str();
        if !free && text.is_some_and(|text| !is_label_value(text)) {
            let message = format!(
                "`{}` is no value of a label",
                text.unwrap_or_default().escape_debug()
            );
            findings.push((format!("{at}[{key}]"), message));
        }
    }
}

/// The words of a field, and the amounts that are texts.
fn word(text: &str, path: &[&str], at: &str, findings: &mut Vec<Finding>) {
    let names: Vec<&str> = path
        .iter()
        .copied()
        .filter(|part| !part.starts_with('['))
        .collect();
    let names = names.join(".");
    let is_field = |field: &str| names == field || names.ends_with(&format!(".{field}"));
    for (field, words) in WORDS {
        if is_field(field) && !words.contains(&text) {
            let words = words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>();
            findings.push((
                at.to_owned(),
                format!(
                    "`{}` is not one of {}",
                    text.escape_debug(),
                    words.join(", ")
                ),
            ));
        }
    }
    if ["sizeLimit", "averageValue"]
        .iter()
        .any(|field| is_field(field))
        && forms::quantity(text).is_none()
    {
        findings.push((at.to_owned(), format!("`{text}` is no quantity")));
    }
    let ranges = ["ipBlock.cidr", "ipBlock.except", "loadBalancerSourceRanges"];
    if ranges.iter().any(|field| is_field(field)) && !forms::is_range(text) {
        findings.push((at.to_owned(), format!("`{text}` is no range of addresses")));
    }
    let is_port = ["targetPort", "httpGet.port", "tcpSocket.port", "ports.port"]
        .iter()
        .any(|field| is_field(field));
    if is_port && !forms::is_port_name(text) {
        findings.push((
            at.to_owned(),
            format!("`{text}` is no name of a port: small letters, digits and `-`, at most 15"),
        ));
    }
}

fn port(amount: &serde_yaml::Number, path: &[&str], at: &str, findings: &mut Vec<Finding>) {
    const PORTS: [&str; 7] = [
        "port",
        "targetPort",
        "containerPort",
        "hostPort",
        "nodePort",
        "endPort",
        "number",
    ];
    let name = path.last().copied().unwrap_or_default();
    let sound = amount
        .as_u64()
        .is_some_and(|port| (1..=65_535).contains(&port));
    if PORTS.contains(&name) && !sound {
        findings.push((at.to_owned(), format!("`{amount}` is no port: 1 to 65535")));
    }
}

fn number(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(String::new, |number| number.to_string())
}
