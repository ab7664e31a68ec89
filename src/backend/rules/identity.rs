//! Rules of a backend's identity: the terms and the place of the backend's cloud.
//!
//! Invariant: no permission that a backend grants to a machine is wider than one action or role.

use super::texts_of;
use crate::backend::Backend;
use crate::values::{CONNECTION_STRING, Cloud};

/// Checks that terms and places belong to the cloud of the identity.
pub(super) fn identity(backend: &Backend) -> Vec<String> {
    let mut broken: Vec<String> = Cloud::ALL
        .into_iter()
        .filter(|cloud| backend.cloud() != Some(*cloud))
        .filter_map(|cloud| Some((cloud, cloud.place()?.placeholder)))
        .filter(|(_, placeholder)| {
            !backend
                .settings
                .contains_key(placeholder.trim_matches(['{', '}']))
        })
        .filter(|(_, placeholder)| {
            let commands = backend.prepare.iter().map(|todo| todo.commands.as_str());
            texts_of(backend)
                .chain(commands)
                .any(|text| text.contains(placeholder))
        })
        .map(|(cloud, placeholder)| {
            format!(
                "`{placeholder}` is for a backend with an `identity` in {}",
                cloud.name()
            )
        })
        .collect();
    if let Some(identity) = &backend.identity {
        let permitted = |word: &String| is_permission(identity.cloud, word);
        if identity.permissions.is_empty() || !identity.permissions.iter().all(permitted) {
            broken.push("`permissions` must be names of the cloud's own permissions".to_owned());
        }
        if identity.replaces_keys && !names_application_insights(backend) {
            broken.push(format!(
                "`replaces_keys` is for the key `{CONNECTION_STRING}` with a `setting`, because deployments in Azure \
                 create its resource"
            ));
        }
        let services = &identity.services;
        if !services.is_empty() && identity.cloud != Cloud::Gcp {
            broken.push("`services` are only for GCP".to_owned());
        }
        if !services.iter().all(|name| is_service(name)) {
            broken.push(
                "`services` must be Google's, such as `cloudtrace.googleapis.com`".to_owned(),
            );
        }
    }
    if !backend.accepts_keys_elsewhere() && backend.keys.iter().any(|key| key.setting.is_some()) {
        broken.push("`setting` is for a key that an identity replaces".to_owned());
    }
    broken
}

fn names_application_insights(backend: &Backend) -> bool {
    let mut keys = backend.keys.iter();
    backend.cloud() == Some(Cloud::Azure)
        && backend.keys.len() == 1
        && keys.all(|key| key.variable == CONNECTION_STRING && key.setting.is_some())
}

/// Returns true for one permission without a wildcard, and not a role for everything.
pub(super) fn is_permission(cloud: Cloud, word: &str) -> bool {
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric());
    match cloud {
        // `service:Action`.
        Cloud::Aws => word
            .split_once(':')
            .is_some_and(|(service, action)| letters(service) && letters(action)),
        // `roles/service.role`: owner, editor and viewer have no service.
        Cloud::Gcp => word
            .strip_prefix("roles/")
            .and_then(|role| role.split_once('.'))
            .is_some_and(|(service, role)| letters(service) && letters(role)),
        // `Monitoring Metrics Publisher`: Owner, Contributor and Reader are one word, and a role
        // that assigns roles includes them all.
        Cloud::Azure => {
            word.contains(' ') && word.split(' ').all(letters) && !word.ends_with("Administrator")
        }
    }
}

fn is_service(name: &str) -> bool {
    name.strip_suffix(".googleapis.com").is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}
