//! What a pod is given by others: configuration, keys, volumes, an account.
//!
//! Invariant: a key that may be missing may still not be misspelt.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, KeyToPath, PodSpec, Volume};
use serde_yaml::Value;

use super::super::workload::Workload;
use super::super::{Folder, Tell};
use crate::validate::entries;

/// The Secrets that there will be, each with its keys; of one that a store fills whole, none are known.
pub(super) type Secrets = BTreeMap<String, Option<BTreeSet<String>>>;

/// What is named, where, of which kind, which key of it, and whether it may be missing.
struct Named<'a> {
    at: String,
    kind: Kind,
    name: &'a str,
    key: Option<&'a str>,
    optional: Option<bool>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Files.
    ConfigMap,
    /// Variables, of which none is ever empty.
    Variables,
    Secret,
}

/// Everything that a pod names outside of itself.
pub(super) fn check(folder: &Folder, workload: &Workload, secrets: &Secrets, tell: Tell) {
    let Some(spec) = &workload.template.spec else {
        return;
    };
    let account = spec.service_account_name.as_deref();
    let account =
        account.filter(|name| *name != "default" && folder.named("ServiceAccount", name).is_none());
    if let Some(name) = account {
        tell(
            workload.at("serviceAccountName"),
            format!("there is no ServiceAccount `{name}`"),
        );
    }
    for (path, _, one) in workload.containers() {
        for named in of_environment(one) {
            let wrong = missing(folder, secrets, &named);
            wrong
                .into_iter()
                .for_each(|message| tell(workload.at(&format!("{path}.{}", named.at)), message));
        }
        mounts(folder, workload, spec, (&path, one), tell);
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let at = workload.at(&format!("volumes[{index}]"));
        for named in of_volume(volume) {
            let wrong = missing(folder, secrets, &named);
            wrong
                .into_iter()
                .for_each(|message| tell(format!("{at}{}", named.at), message));
        }
        let claim = volume
            .persistent_volume_claim
            .as_ref()
            .map(|claim| claim.claim_name.as_str());
        if let Some(name) = claim.filter(|name| !is_claim(folder, name)) {
            tell(at, format!("there is no PersistentVolumeClaim `{name}`"));
        }
    }
}

fn of_environment(one: &Container) -> Vec<Named<'_>> {
    let mut all = Vec::new();
    for (index, source) in one.env_from.iter().flatten().enumerate() {
        let mut add = |kind, name, optional| {
            all.push(Named {
                at: format!("envFrom[{index}]"),
                kind,
                name,
                key: None,
                optional,
            });
        };
        if let Some(map) = &source.config_map_ref {
            add(Kind::Variables, map.name.as_str(), map.optional);
        }
        if let Some(secret) = &source.secret_ref {
            add(Kind::Secret, secret.name.as_str(), secret.optional);
        }
    }
    for (index, variable) in one.env.iter().flatten().enumerate() {
        let mut add = |kind, name, key, optional| {
            all.push(Named {
                at: format!("env[{index}]"),
                kind,
                name,
                key: Some(key),
                optional,
            });
        };
        let source = variable.value_from.as_ref();
        if let Some(one) = source.and_then(|source| source.config_map_key_ref.as_ref()) {
            add(Kind::Variables, &*one.name, &*one.key, one.optional);
        }
        if let Some(one) = source.and_then(|source| source.secret_key_ref.as_ref()) {
            add(Kind::Secret, &*one.name, &*one.key, one.optional);
        }
    }
    all
}

fn of_volume(volume: &Volume) -> Vec<Named<'_>> {
    let mut all = Vec::new();
    let mut add = |at: &str, kind, name, items, optional| {
        all.extend(keys_of(items).map(|key| Named {
            at: at.to_owned(),
            kind,
            name,
            key,
            optional,
        }));
    };
    if let Some(one) = &volume.config_map {
        add("", Kind::ConfigMap, &*one.name, &one.items, one.optional);
    }
    if let Some(one) = &volume.secret {
        let name = one.secret_name.as_deref().unwrap_or_default();
        add("", Kind::Secret, name, &one.items, one.optional);
    }
    let projected = volume.projected.as_ref();
    let sources = projected.and_then(|projected| projected.sources.as_ref());
    for (index, source) in sources.into_iter().flatten().enumerate() {
        let at = format!(".projected.sources[{index}]");
        if let Some(one) = &source.config_map {
            add(&at, Kind::ConfigMap, &*one.name, &one.items, one.optional);
        }
        if let Some(one) = &source.secret {
            add(&at, Kind::Secret, &*one.name, &one.items, one.optional);
        }
    }
    all
}

/// The whole, and each key that is asked for.
fn keys_of(items: &Option<Vec<KeyToPath>>) -> impl Iterator<Item = Option<&str>> {
    let keys = items.iter().flatten().map(|item| Some(item.key.as_str()));
    keys.chain([None])
}

/// What is missing of what is named.
fn missing(folder: &Folder, secrets: &Secrets, named: &Named) -> Option<String> {
    let Named {
        kind, name, key, ..
    } = named;
    let optional = named.optional == Some(true);
    match (kind, secrets.get(*name)) {
        (Kind::Secret, None) if optional => None,
        (Kind::Secret, None) => Some(format!(
            "nothing says how Secret `{name}` is made: no ExternalSecret, and not `.env.example`"
        )),
        (Kind::Secret, Some(Some(keys))) => {
            let key = key.filter(|key| !keys.contains(*key));
            key.map(|key| format!("Secret `{name}` gets no key `{key}`"))
        }
        (Kind::Secret, Some(None)) => None,
        (Kind::ConfigMap | Kind::Variables, _) => config_map(folder, name, *key, *kind),
    }
}

fn config_map(folder: &Folder, name: &str, key: Option<&str>, kind: Kind) -> Option<String> {
    let Some(map) = folder.named("ConfigMap", name) else {
        let generated = &folder.kustomization.config_maps;
        return (!generated.contains(name)).then(|| format!("there is no ConfigMap `{name}`"));
    };
    let mut data = entries(map.get(&["data"]));
    if let Some(key) = key {
        return (!data.any(|(name, _)| name == key))
            .then(|| format!("ConfigMap `{name}` has no key `{key}`"));
    }
    let is_empty = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
    let empty = data.find(|(_, value)| kind == Kind::Variables && is_empty(value));
    empty.map(|(key, _)| format!("{key} in ConfigMap `{name}` is empty: leave it out"))
}

/// A claim of the folder, or of a StatefulSet in it: VOLUME-SET-NUMBER.
fn is_claim(folder: &Folder, name: &str) -> bool {
    let of_set = |workload: &Workload| {
        let claims = workload
            .claims
            .iter()
            .filter_map(|claim| claim.metadata.name.as_deref());
        let mut prefixes = claims.map(|claim| format!("{claim}-{}-", workload.name));
        prefixes.any(|prefix| {
            name.strip_prefix(&prefix)
                .is_some_and(|number| number.parse::<u16>().is_ok())
        })
    };
    folder.named("PersistentVolumeClaim", name).is_some() || folder.workloads.iter().any(of_set)
}

/// One file of a ConfigMap is mounted by its name in the volume.
fn mounts(
    folder: &Folder,
    workload: &Workload,
    spec: &PodSpec,
    (path, one): (&str, &Container),
    tell: Tell,
) {
    for (index, mount) in one.volume_mounts.iter().flatten().enumerate() {
        let mut volumes = spec.volumes.iter().flatten();
        let source = volumes
            .find(|volume| volume.name == mount.name)
            .and_then(|volume| volume.config_map.as_ref());
        let (Some(source), Some(file)) = (source, &mount.sub_path) else {
            continue;
        };
        let known = match &source.items {
            Some(items) => items.iter().any(|item| item.path == *file),
            None => folder
                .named("ConfigMap", &source.name)
                .is_none_or(|map| entries(map.get(&["data"])).any(|(name, _)| name == file)),
        };
        if !known {
            let at = workload.at(&format!("{path}.volumeMounts[{index}].subPath"));
            tell(
                at,
                format!("ConfigMap `{}` has no key `{file}`", source.name),
            );
        }
    }
}
