//! `kubernetes`: the cluster and its resources that the deployment uses.
//!
//! Invariant: a value that the API server rejects is rejected here, by the spec's key; a network file
//! system never holds the data.

mod exposure;
mod scheduling;

use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;

use crate::input::resolve::reading::{Reading, given, sound};
use crate::spec::kubernetes::{Kubernetes, SecretStore};
use crate::values::{DnsLabel, DnsName};

/// Parts of the usual names of storage classes with network file systems: NFS, AWS EFS and FSx, Azure
/// Files, Google Filestore (`…-rwx`), Ceph's file system, SMB, GlusterFS.
const NETWORK_FILE_SYSTEMS: [&str; 11] = [
    "nfs",
    "efs",
    "fsx",
    "azurefile",
    "azure-file",
    "filestore",
    "rwx",
    "cephfs",
    "smb",
    "cifs",
    "gluster",
];

impl Reading {
    pub(super) fn kubernetes(&mut self, name: &DnsLabel) -> Kubernetes {
        let file = std::mem::take(&mut self.input.spec.kubernetes);
        let named = |suffix: &str| sound::<DnsName>(&format!("{name}-{suffix}"));
        let namespace = self.optional("kubernetes.namespace", &file.namespace);
        let secret = self.optional("kubernetes.secret", &file.secret);
        let region = self.optional("kubernetes.region", &file.region);
        Kubernetes {
            namespace: namespace.unwrap_or_else(|| name.clone()),
            create_namespace: file.create_namespace.unwrap_or(true),
            storage_class: self.storage_class(&file.storage_class),
            image_registry: self.optional("kubernetes.image_registry", &file.image_registry),
            secret: secret.unwrap_or_else(|| named("keys")),
            secret_store: self.secret_store(&file.secret_store),
            allow_namespaces: self.names("kubernetes.allow_namespaces", file.allow_namespaces),
            labels: self.labels("kubernetes.labels", file.labels),
            annotations: self.annotations("kubernetes.annotations", file.annotations),
            node_selector: self.labels("kubernetes.node_selector", file.node_selector),
            tolerations: self.tolerations(file.tolerations),
            priority_class: self.optional("kubernetes.priority_class", &file.priority_class),
            image_pull_secrets: self
                .names("kubernetes.image_pull_secrets", file.image_pull_secrets),
            exposure: file
                .expose
                .and_then(|expose| self.exposure(expose, named("tls"))),
            internal_load_balancer: file.internal_load_balancer.unwrap_or(false),
            region,
            cluster: self.optional("kubernetes.cluster", &file.cluster),
            identity: self.optional("kubernetes.identity", &file.identity),
            tenant: self.optional("kubernetes.tenant", &file.tenant),
            ipv6: file.ipv6.unwrap_or(false),
            dns_address: self.dns_address(&file.dns_address),
            openshift: file.openshift.unwrap_or(false),
            auto_mode: file.auto_mode.unwrap_or(false),
        }
    }

    fn storage_class(&mut self, text: &Option<String>) -> Option<DnsName> {
        let class: DnsName = self.optional("kubernetes.storage_class", text)?;
        let name = class.to_string();
        if NETWORK_FILE_SYSTEMS.iter().any(|part| name.contains(part)) {
            self.wrong(
                "kubernetes.storage_class",
                format!(
                    "`{name}` is a network file system by its name, on which SQLite loses data"
                ),
                "a class of block storage, such as `gp3`, `premium-rwo` or `managed-csi`",
            );
        }
        Some(class)
    }

    fn dns_address(&mut self, text: &Option<String>) -> Option<IpAddr> {
        let text = given(text)?;
        let address = text.parse().ok();
        if address.is_none() {
            self.wrong(
                "kubernetes.dns_address",
                format!("`{}` is not an IP address", text.escape_debug()),
                "see `kubectl get service kube-dns --namespace kube-system`",
            );
        }
        address
    }

    fn secret_store(&mut self, text: &Option<String>) -> Option<SecretStore> {
        let text = given(text)?;
        let (kind, name) = text.split_once('/').unwrap_or(("ClusterSecretStore", text));
        let of_cluster = kind == "ClusterSecretStore";
        match name.parse() {
            Ok(name) if of_cluster || kind == "SecretStore" => {
                Some(SecretStore { of_cluster, name })
            }
            _ => {
                self.wrong(
                    "kubernetes.secret_store",
                    format!("`{}` is not a secret store", text.escape_debug()),
                    "the name of a ClusterSecretStore, or `SecretStore/NAME`",
                );
                None
            }
        }
    }

    /// Returns a list of names without blanks and duplicates.
    pub(super) fn names<T>(&mut self, key: &str, texts: Option<Vec<String>>) -> Vec<T>
    where
        T: FromStr + PartialEq,
        T::Err: Display,
    {
        let mut names = Vec::new();
        for (index, text) in texts.unwrap_or_default().into_iter().enumerate() {
            let name = self.optional(&format!("{key}.{index}"), &Some(text));
            names.extend(name.filter(|name| !names.contains(name)));
        }
        names
    }
}
