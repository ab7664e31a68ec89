//! Declarations of a folder, by kind: the names that its manifests can refer to.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Document;
use super::kustomization::Kustomization;
use crate::validate::env_file;
use crate::validate::yaml::{items, keys, text};

/// The keys of a ConfigMap or Secret; `None` if they are unknown.
type Keys = Option<BTreeSet<String>>;

/// The names of a folder.
#[derive(Default)]
pub(super) struct Declared {
    names: BTreeMap<&'static str, BTreeMap<String, Keys>>,
    /// Prefixes of the claims that StatefulSets create: `VOLUME-SET-`.
    claims: Vec<String>,
}

impl Declared {
    /// Adds the declarations of a document.
    pub(super) fn document(&mut self, document: &Document) {
        let name = document.name.as_str();
        match document.kind.as_str() {
            "ConfigMap" => self.add("ConfigMap", name, keys_of(document)),
            "Secret" => self.add("Secret", name, keys_of(document)),
            "ExternalSecret" => self.external(document),
            "SealedSecret" => self.add("Secret", name, None),
            "Certificate" => self.add("Secret", document.text(&["spec", "secretName"]), None),
            "Service" => self.add("Service", name, None),
            "ServiceAccount" => self.add("ServiceAccount", name, None),
            "PersistentVolumeClaim" => self.add("PersistentVolumeClaim", name, None),
            "StatefulSet" => {
                let claims = items(document.get(&["spec", "volumeClaimTemplates"]));
                let claims =
                    claims.filter_map(|claim| claim.get("metadata")?.get("name")?.as_str());
                self.claims
                    .extend(claims.map(|claim| format!("{claim}-{name}-")));
            }
            _ => {}
        }
    }

    /// Adds the Secret that a third-party store fills.
    fn external(&mut self, document: &Document) {
        let data = items(document.get(&["spec", "data"])).map(|one| text(one.get("secretKey")));
        let keys = data.map(str::to_owned).collect();
        let is_whole = document.get(&["spec", "dataFrom"]).is_some();
        let target = document.text(&["spec", "target", "name"]);
        let mut names = [target, &document.name].into_iter();
        let name = names.find(|name| !name.is_empty());
        self.add(
            "Secret",
            name.unwrap_or_default(),
            (!is_whole).then_some(keys),
        );
    }

    /// Adds the resources that a kustomization generates.
    pub(super) fn kustomization(&mut self, kustomization: &Kustomization) {
        let maps = kustomization.listed("configMapGenerator", "name");
        maps.for_each(|name| self.add("ConfigMap", name, None));
        let secrets = kustomization.listed("secretGenerator", "name");
        secrets.for_each(|name| self.add("Secret", name, None));
    }

    /// Adds the Secret for which `.env.example` contains a command: its keys are the file's
    /// variables.
    pub(super) fn env_example(&mut self, text: &str) {
        let command = text.split_once("create secret generic ");
        if let Some(name) = command.and_then(|(_, rest)| rest.split_whitespace().next()) {
            let variables = env_file::variables(text).map(str::to_owned).collect();
            self.add("Secret", name, Some(variables));
        }
    }

    fn add(&mut self, kind: &'static str, name: &str, keys: Keys) {
        self.names
            .entry(kind)
            .or_default()
            .insert(name.to_owned(), keys);
    }

    /// Returns the names of a kind.
    pub(super) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &str> {
        self.names
            .get(kind)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    /// Returns true if Kubernetes creates it.
    pub(super) fn is_built_in(&self, kind: &str, name: &str) -> bool {
        let is_claim = |claim: &String| {
            let number = name.strip_prefix(claim.as_str());
            number.is_some_and(|number| number.parse::<u32>().is_ok())
        };
        match kind {
            "ConfigMap" => name == "kube-root-ca.crt",
            "ServiceAccount" => name == "default",
            "PersistentVolumeClaim" => self.claims.iter().any(is_claim),
            _ => false,
        }
    }

    /// Returns its keys; `None` if they are unknown.
    pub(super) fn keys(&self, kind: &str, name: &str) -> Option<&BTreeSet<String>> {
        self.names.get(kind)?.get(name)?.as_ref()
    }
}

fn keys_of(document: &Document) -> Keys {
    let data = ["data", "binaryData", "stringData"].into_iter();
    let keys = data.flat_map(|field| keys(document.get(&[field])));
    Some(keys.map(str::to_owned).collect())
}
