//! `kubernetes.expose`: access from outside the cluster.
//!
//! Invariant: access requires TLS, and a token unless the spec explicitly disables it.

use std::net::IpAddr;

use crate::input::file::ExposeSection;
use crate::input::resolve::reading::{Reading, given};
use crate::spec::kubernetes::{Exposure, Issuer, IssuerKind, Route};
use crate::values::DnsName;

impl Reading {
    pub(super) fn exposure(
        &mut self,
        file: ExposeSection,
        tls_secret: DnsName,
    ) -> Option<Exposure> {
        let host = self.host(&file.host);
        let route = match given(&file.gateway) {
            Some(gateway) => self.gateway(gateway, &file),
            None => Some(self.ingress(&file, tls_secret)),
        };
        let annotations = self.annotations("kubernetes.expose.annotations", file.annotations);
        let token = self.input.spec.chroma.open_to_world != Some(true);
        let (host, route) = (host?, route?);
        if !token {
            self.notes.push(format!(
                "Chroma is exposed at {host} without authentication: every client that reaches it can read and delete all data"
            ));
        }
        Some(Exposure {
            host,
            route,
            annotations,
            token,
        })
    }

    fn host(&mut self, text: &Option<String>) -> Option<DnsName> {
        let key = "kubernetes.expose.host";
        let hint = "the name that clients call, such as `chroma.example.com`";
        let Some(given) = given(text) else {
            if !self.is_wrong(key) {
                self.wrong(key, "is missing", hint);
            }
            return None;
        };
        if given.parse::<IpAddr>().is_ok() {
            let message = format!("`{given}` is an IP address, not a host name");
            self.wrong(key, message, hint);
            return None;
        }
        self.optional(key, text)
    }

    fn ingress(&mut self, file: &ExposeSection, tls_secret: DnsName) -> Route {
        let given = self.optional("kubernetes.expose.tls_secret", &file.tls_secret);
        Route::Ingress {
            class: self.optional("kubernetes.expose.ingress_class", &file.ingress_class),
            tls_secret: given.unwrap_or(tls_secret),
            issuer: self.issuer(&file.issuer),
        }
    }

    /// Returns cert-manager's issuer: `KIND/NAME`, or the name of a ClusterIssuer.
    fn issuer(&mut self, text: &Option<String>) -> Option<Issuer> {
        let text = given(text)?;
        let [default, ..] = IssuerKind::ALL;
        let (kind, name) = text.split_once('/').unwrap_or((default.name(), text));
        let kind = IssuerKind::ALL.into_iter().find(|one| one.name() == kind);
        if let (Some(kind), Ok(name)) = (kind, name.parse()) {
            return Some(Issuer { kind, name });
        }
        self.wrong(
            "kubernetes.expose.issuer",
            format!("`{}` names no issuer of cert-manager", text.escape_debug()),
            "`ClusterIssuer/NAME`, `Issuer/NAME` in the namespace of the deployment, or the name of a ClusterIssuer",
        );
        None
    }

    fn gateway(&mut self, text: &str, file: &ExposeSection) -> Option<Route> {
        for (key, of_ingress) in [
            ("ingress_class", &file.ingress_class),
            ("tls_secret", &file.tls_secret),
            ("issuer", &file.issuer),
        ] {
            if given(of_ingress).is_some() {
                self.wrong(
                    &format!("kubernetes.expose.{key}"),
                    "applies to an Ingress only, and `kubernetes.expose.gateway` selects an HTTPRoute",
                    "remove one of them: the Gateway's listener has the certificate",
                );
            }
        }
        let parts: Vec<&str> = text.split('/').collect();
        if let [namespace, name, listener] = parts[..]
            && let (Ok(namespace), Ok(name), Ok(listener)) =
                (namespace.parse(), name.parse(), listener.parse())
        {
            return Some(Route::Gateway {
                namespace,
                name,
                listener,
            });
        }
        self.wrong(
            "kubernetes.expose.gateway",
            format!("`{}` names no listener of a Gateway", text.escape_debug()),
            "`NAMESPACE/GATEWAY/LISTENER`, of a listener that terminates TLS: the token must not be sent unencrypted",
        );
        None
    }
}
