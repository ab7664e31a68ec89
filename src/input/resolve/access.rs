//! `chroma.access`: a token and TLS in front of Chroma on docker.
//!
//! Invariant: Chroma is published without a token on a loopback address only, unless the spec says
//! otherwise; a token is sent over the internet in TLS only.

use std::net::IpAddr;

use crate::input::resolve::reading::Reading;
use crate::spec::Access;
use crate::values::is_private;

impl Reading {
    /// Reads the section; Chroma is published on `bind`.
    pub(super) fn access(&mut self, bind: IpAddr) -> Access {
        let file = self.input.spec.chroma.access.take().unwrap_or_default();
        let host = self.optional("chroma.access.host", &file.host);
        let is_open = self.input.spec.chroma.open_to_world == Some(true);
        let is_exposed = host.is_some() || !bind.is_loopback();
        let token = file.token.unwrap_or(is_exposed && !is_open);
        let is_guarded = token && host.is_some();
        if !(is_private(bind) || is_open || is_guarded) {
            self.wrong(
                "chroma.bind",
                format!("`{bind}` is a public address: Chroma has no built-in authentication, and ports that Docker publishes bypass the host's firewall"),
                "bind a private address; or set `chroma.access.host`, for TLS and a token; or, with an authenticating proxy or a firewall of the network in front, set `chroma.open_to_world: true`",
            );
        }
        if is_exposed && !token {
            self.notes.push(format!("Chroma is published on {bind} without authentication: every client that reaches it can read and delete all data"));
        }
        Access { token, host }
    }
}
