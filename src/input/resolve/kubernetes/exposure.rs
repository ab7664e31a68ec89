//! `kubernetes.expose`: an address outside of the cluster.
//!
//! Invariant: TLS on the way in, and a token unless the spec does without in words.

use std::net::IpAddr;

use crate::input::file::ExposeSection;
use crate::input::resolve::reading::{Reading, given};
use crate::spec::kubernetes::{Exposure, Route};
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
                "Chroma is exposed at {host} without authentication: whoever reaches it can read and delete everything"
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
            let message = format!("`{given}` is an address, for which nobody has a certificate");
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
            issuer: self.optional("kubernetes.expose.issuer", &file.issuer),
        }
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
                    "is an Ingress's, and `kubernetes.expose.gateway` asks for an HTTPRoute",
                    "leave out one of the two: the Gateway's listener has the certificate",
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
            "`NAMESPACE/GATEWAY/LISTENER`, of a listener that ends TLS: the token must not travel in clear",
        );
        None
    }
}
