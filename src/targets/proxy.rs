//! The proxy in front of Chroma: Caddy, which requires a token and terminates TLS.
//!
//! Invariant: a request without a valid token reaches Chroma only at the path of a health check.

use anyhow::Result;
use serde::Serialize;

use crate::render::{render, values_of};
use crate::spec::Tls;

/// The release: the tag of the image, and the output of `caddy version`.
pub(super) const VERSION: &str = env!("CADDY_VERSION");

/// The published image.
pub(super) const IMAGE: &str = concat!("caddy:", env!("CADDY_VERSION"));

/// Port of the proxy in its container, without TLS.
pub(super) const PORT: u16 = 8080;

/// Input of `templates/proxy`.
#[derive(Serialize)]
pub(super) struct Caddyfile<'a> {
    /// The address of the site.
    site: String,
    /// The host of the certificate; without it, the proxy has no TLS.
    host: Option<String>,
    /// True if the certificate is a file; otherwise it is one of Let's Encrypt.
    own_certificate: bool,
    /// Chroma's address.
    upstream: String,
    /// True if requests need a token.
    token: bool,
    cors_allow_origins: &'a [String],
    /// Path that is forwarded without a token.
    open_path: Option<&'a str>,
}

impl<'a> Caddyfile<'a> {
    /// Requires a token, without TLS.
    pub(super) fn with_token(upstream: String, cors_allow_origins: &'a [String]) -> Self {
        Self {
            site: format!("http://:{PORT}"),
            host: None,
            own_certificate: false,
            upstream,
            token: true,
            cors_allow_origins,
            open_path: None,
        }
    }

    /// Terminates TLS, if the proxy has a certificate.
    pub(super) fn with_tls(self, tls: &Tls) -> Self {
        let host = tls.proxy_host().map(ToString::to_string);
        Self {
            own_certificate: matches!(tls, Tls::Folder(..)),
            site: host
                .as_ref()
                .map_or(self.site, |host| format!("https://{host}")),
            host,
            ..self
        }
    }

    /// Requires a token only if this is true.
    pub(super) fn if_token(self, token: bool) -> Self {
        Self { token, ..self }
    }

    /// Forwards this path without a token.
    pub(super) fn open(self, path: Option<&'a str>) -> Self {
        Self {
            open_path: path,
            ..self
        }
    }

    /// Returns the configuration.
    ///
    /// # Errors
    /// Fails if a template is wrong, which is a bug.
    pub(super) fn text(&self) -> Result<String> {
        render("proxy/Caddyfile.j2", &values_of(self))
    }
}
