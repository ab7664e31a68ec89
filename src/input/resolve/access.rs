//! `chroma.access`: a token and TLS in front of Chroma.
//!
//! Invariant: Chroma is published without a token on a loopback address only, unless the spec says
//! otherwise; a token is sent over the internet in TLS only.

use std::net::IpAddr;

use crate::input::resolve::reading::{Reading, sound};
use crate::spec::{Access, Target, Tls, default};
use crate::values::{CloudName, DnsName, ImageRepository, is_private};

impl Reading {
    /// Reads the section; Chroma is published on `bind`.
    pub(super) fn access(&mut self, target: Option<Target>, bind: IpAddr) -> Access {
        let file = self.input.spec.chroma.access.take().unwrap_or_default();
        let host = self.optional("chroma.access.host", &file.host);
        let is_open = self.input.spec.chroma.open_to_world == Some(true);
        let is_exposed = host.is_some() || !bind.is_loopback();
        let token = file.token.unwrap_or(is_exposed && !is_open);
        let is_public = !is_private(bind);
        if is_public && !is_open && host.is_some() && !token {
            self.wrong(
                "chroma.access.token",
                "is `false`, and Chroma has no built-in authentication",
                "remove it, or, with an authenticating proxy or a firewall of the network in front, set `chroma.open_to_world: true`",
            );
        } else if is_public && !is_open && host.is_none() && !self.is_wrong("chroma.access.host") {
            self.wrong(
                "chroma.bind",
                format!("`{bind}` is a public address: Chroma has no built-in authentication, and ports that Docker publishes bypass the host's firewall"),
                "bind a private address; or set `chroma.access.host` (`--access-host`), for TLS and a token; or, with an authenticating proxy or a firewall of the network in front, set `chroma.open_to_world: true`",
            );
        }
        let sends = self.input.spec.clients.as_ref();
        if is_public && !is_open && sends.is_some_and(|clients| !clients.texts().is_empty()) {
            self.wrong(
                "clients",
                format!("would open the collector's ports 4317 and 4318 on `{bind}` to everyone"),
                "bind a private address, or remove it",
            );
        }
        if !bind.is_loopback() && token && host.is_none() {
            self.notes.push("the token is sent without TLS, and can be read on the way: set `chroma.access.host`".to_owned());
        }
        let certificate = self.optional("chroma.access.certificate", &file.certificate);
        let tls = self.tls(target, host, certificate);
        if let Some(host) = tls.proxy_host() {
            self.check_ports(matches!(tls, Tls::LetsEncrypt(_)).then_some(host), bind);
        }
        if is_exposed && !token {
            self.notes.push(format!("Chroma is published on {bind} without authentication: every client that reaches it can read and delete all data"));
        }
        let repository: Option<ImageRepository> =
            self.optional("chroma.access.repository", &file.repository);
        Access {
            token,
            tls,
            repository: repository.unwrap_or_else(|| sound(default::PROXY_REPOSITORY)),
        }
    }

    /// Returns the TLS of the target.
    fn tls(
        &mut self,
        target: Option<Target>,
        host: Option<DnsName>,
        certificate: Option<CloudName>,
    ) -> Tls {
        match (target, host, certificate) {
            (_, None, None) => return Tls::Off,
            (Some(Target::Docker) | None, Some(host), None) => return Tls::LetsEncrypt(host),
            (Some(Target::Docker) | None, Some(host), Some(folder)) => {
                return Tls::Folder(host, folder);
            }
            (Some(Target::Aws), Some(host), Some(arn)) => return Tls::LoadBalancer(host, arn),
            (Some(Target::Aws | Target::Docker) | None, None, Some(_)) => self.wrong(
                "chroma.access.host",
                "is missing, and `chroma.access.certificate` is for a host",
                "set it to the certificate's host name",
            ),
            (Some(Target::Aws), Some(_), None) => self.wrong(
                "chroma.access.certificate",
                "is missing: on aws, the load balancer needs it for `chroma.access.host`",
                "set it to the ARN of a certificate in Certificate Manager",
            ),
            (Some(Target::Gcp | Target::Azure), ..) => self.wrong(
                "chroma.access",
                "has no TLS on a machine of this cloud, whose internal load balancers do not end it",
                "remove `host` and `certificate`; for TLS, put a proxy with your certificate in front",
            ),
            (Some(Target::Kubernetes(_)), ..) => {} // has no effect there
        }
        Tls::Off
    }

    /// Rejects a port that HTTPS excludes. Notes the ports that Let's Encrypt needs for this host.
    fn check_ports(&mut self, host: Option<&DnsName>, bind: IpAddr) {
        if self.input.spec.chroma.port.is_some() {
            self.wrong(
                "chroma.port",
                "has no effect with `chroma.access.host`, whose ports are 80 and 443",
                "remove it",
            );
        }
        if let Some(host) = host.filter(|_| is_private(bind)) {
            self.notes.push(format!("Let's Encrypt issues the certificate only if ports 80 and 443 of {host} lead from the internet to {bind}"));
        }
    }
}
