//! Hosts in the texts that ConfigMaps carry: variables, and the configurations of a collector or proxy.
//!
//! Invariant: a host whose name begins with that of the database is a Service of this folder, and it
//! has the port; others are the operator's.

use super::super::{Document, Folder, Tell};
use crate::validate::entries;

/// Every ConfigMap, and the configurations that the OpenTelemetry Operator is given.
pub(super) fn check(folder: &Folder, tell: Tell) {
    let databases = folder
        .of_kind("StatefulSet")
        .map(|set| format!("{}-", set.name));
    let prefixes: Vec<String> = databases.collect();
    for document in &folder.documents {
        let texts: Vec<(String, String)> = match document.kind.as_str() {
            "ConfigMap" => {
                let data = entries(document.get(&["data"]));
                let texts = data.map(|(file, text)| {
                    (
                        format!("data[{file}]"),
                        text.as_str().unwrap_or_default().to_owned(),
                    )
                });
                texts.collect()
            }
            "OpenTelemetryCollector" => {
                let config = document
                    .get(&["spec", "config"])
                    .cloned()
                    .unwrap_or_default();
                vec![(
                    "spec.config".to_owned(),
                    serde_yaml::to_string(&config).unwrap_or_default(),
                )]
            }
            _ => continue,
        };
        for (path, text) in &texts {
            for (host, port) in hosts(text, &prefixes) {
                let wrong = missing(folder, host, port);
                wrong
                    .into_iter()
                    .for_each(|message| tell(document.at(path), message));
            }
        }
    }
}

/// `HOST:PORT` in a text, of hosts that begin with one of the prefixes.
fn hosts<'a>(text: &'a str, prefixes: &[String]) -> impl Iterator<Item = (&'a str, &'a str)> {
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-.:".contains(c);
    let words = text.split(move |c| !is_host(c));
    words.filter_map(|word| {
        let (host, port) = word.split_once(':')?;
        let digits = port
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(port.len());
        let named = prefixes
            .iter()
            .any(|prefix| host.starts_with(prefix.as_str()));
        (named && digits > 0).then_some((host, &port[..digits]))
    })
}

fn missing(folder: &Folder, host: &str, port: &str) -> Option<String> {
    let name = host.split('.').next().unwrap_or(host);
    // The operator makes a Service for each of its resources, with the ports of its configuration.
    let operated = folder
        .of_kind("OpenTelemetryCollector")
        .any(|one| format!("{}-collector", one.name) == name);
    let Some(service) = folder.named("Service", name) else {
        return (!operated).then(|| format!("names `{host}`, and there is no Service `{name}`"));
    };
    let has = |document: &Document| {
        let ports = document.items(&["spec", "ports"]);
        let mut numbers = ports.filter_map(|one| one.get("port")?.as_u64());
        numbers.any(|number| number.to_string() == port)
    };
    (!has(service)).then(|| format!("names `{host}:{port}`, and Service `{name}` has no such port"))
}
