//! An address outside the cluster: a route that terminates TLS, and in front of Chroma a proxy that
//! requires a token, because Chroma 1.x has no authentication.
//!
//! Invariant: a route without the proxy exists only if the spec explicitly allows it.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::component::{ComponentTemplate, PROXY, api, checksum, image, texts};
use super::ephemeral_storage::EphemeralStorage;
use super::secret_keys::{self, SecretKey};
use super::template::ClusterTemplate;
use super::templates;
use crate::deployment::Deployment;
use crate::deployment::secrets::{Container, TOKEN};
use crate::plan::Plan;
use crate::render::values_of;
use crate::spec::kubernetes::{Exposure, Issuer, Route};
use crate::targets::proxy::{self, Caddyfile};
use crate::values::Memory;

/// MiB of the proxy's `/tmp`, in which it keeps its state.
const TMP: u64 = 64;

/// Annotations of an Ingress by the controller that reads them. nginx rejects bodies of more than 1
/// MiB and responses that take more than a minute; Traefik would also accept the token without TLS.
const OF_CONTROLLERS: [(&str, &str, &str); 3] = [
    (
        "nginx",
        "nginx.ingress.kubernetes.io/proxy-body-size",
        "64m",
    ),
    (
        "nginx",
        "nginx.ingress.kubernetes.io/proxy-read-timeout",
        "300",
    ),
    (
        "traefik",
        "traefik.ingress.kubernetes.io/router.entrypoints",
        "websecure",
    ),
];

/// Adds `expose.yaml` if the spec enables it.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let Some(exposure) = &deployment.spec.kubernetes.exposure else {
        return Ok(());
    };
    let chroma = &deployment.spec.chroma;
    let upstream = format!("{}:{}", api(deployment), chroma.port);
    let caddyfile = Caddyfile::with_token(upstream, &chroma.cors_allow_origins).text()?;
    let template = ExposeTemplate {
        base,
        host: exposure.host.to_string(),
        token: exposure.token,
        proxy: PROXY.template(deployment, proxy::VERSION),
        caddy_image: image(deployment, proxy::IMAGE),
        checksum: checksum(&caddyfile),
        caddyfile: caddyfile.trim_end(),
        ephemeral: EphemeralStorage::new(deployment, 32, TMP),
        tmp: Memory::mebibytes(TMP).quantity(),
        proxy_keys: secret_keys::of(deployment, Container::Proxy),
        service: RoutedService::new(deployment, exposure),
        route_annotations: annotations(deployment, exposure),
        ingress: Ingress::of(&exposure.route),
        gateway: Gateway::of(&exposure.route),
    };
    templates::add(plan, &values_of(template), &["expose.yaml"])
}

/// Input of `expose.yaml`.
#[derive(Serialize)]
struct ExposeTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    /// The host of the address.
    host: String,
    /// True if a proxy requires a token.
    token: bool,
    proxy: ComponentTemplate,
    caddy_image: String,
    /// Checksum of the proxy's configuration, whose change replaces the pods.
    checksum: String,
    caddyfile: &'a str,
    ephemeral: EphemeralStorage,
    /// The size of `/tmp`.
    tmp: String,
    /// The keys that the proxy reads.
    proxy_keys: Vec<SecretKey>,
    service: RoutedService,
    route_annotations: BTreeMap<String, String>,
    ingress: Option<Ingress>,
    gateway: Option<Gateway>,
}

/// The Service behind the route: the proxy's, or Chroma's.
#[derive(Serialize)]
struct RoutedService {
    name: String,
    port: u16,
}

impl RoutedService {
    fn new(deployment: &Deployment, exposure: &Exposure) -> Self {
        if exposure.token {
            Self {
                name: PROXY.name(deployment),
                port: proxy::PORT,
            }
        } else {
            Self {
                name: api(deployment),
                port: deployment.spec.chroma.port,
            }
        }
    }
}

/// An Ingress.
#[derive(Serialize)]
struct Ingress {
    class: Option<String>,
    tls_secret: String,
}

impl Ingress {
    fn of(route: &Route) -> Option<Self> {
        match route {
            Route::Ingress {
                class, tls_secret, ..
            } => Some(Self {
                class: class.as_ref().map(ToString::to_string),
                tls_secret: tls_secret.to_string(),
            }),
            Route::Gateway { .. } => None,
        }
    }
}

/// A listener of a Gateway.
#[derive(Serialize)]
struct Gateway {
    namespace: String,
    name: String,
    listener: String,
}

impl Gateway {
    fn of(route: &Route) -> Option<Self> {
        match route {
            Route::Gateway {
                namespace,
                name,
                listener,
            } => Some(Self {
                namespace: namespace.to_string(),
                name: name.to_string(),
                listener: listener.to_string(),
            }),
            Route::Ingress { .. } => None,
        }
    }
}

/// Returns the route's annotations: those of every object, those for its controller, and the spec's
/// own, which override the others.
fn annotations(deployment: &Deployment, exposure: &Exposure) -> BTreeMap<String, String> {
    let mut annotations = texts(&deployment.spec.kubernetes.annotations);
    if let Route::Ingress { class, issuer, .. } = &exposure.route {
        let class = class.as_ref().map(ToString::to_string);
        let read = OF_CONTROLLERS.into_iter();
        let read = read.filter(|(controller, ..)| {
            class
                .as_ref()
                .is_none_or(|class| class.contains(controller))
        });
        annotations.extend(read.map(|(_, name, value)| (name.to_owned(), value.to_owned())));
        let issuer = issuer.iter().map(|issuer| {
            let (key, name) = (issuer.kind.annotation(), &issuer.name);
            (key.to_owned(), name.to_string())
        });
        annotations.extend(issuer);
    }
    annotations.extend(texts(&exposure.annotations));
    annotations
}

/// The README's section on the address.
#[derive(Serialize)]
pub(super) struct ExposeSection {
    host: String,
    token: bool,
    /// The variable of the token.
    variable: &'static str,
    /// The name of the proxy.
    proxy: String,
    /// The Secret with the certificate if the operator creates it.
    tls_secret: Option<String>,
    /// The kind and the name of cert-manager's issuer.
    issuer: Option<String>,
    /// `NAMESPACE/NAME/LISTENER`.
    gateway: Option<String>,
}

impl ExposeSection {
    /// Computes the section. `None` without an address.
    pub(super) fn new(deployment: &Deployment) -> Option<Self> {
        let exposure = deployment.spec.kubernetes.exposure.as_ref()?;
        let (tls_secret, issuer) = match &exposure.route {
            Route::Ingress {
                tls_secret, issuer, ..
            } => match issuer {
                None => (Some(tls_secret.to_string()), None),
                Some(Issuer { kind, name }) => (None, Some(format!("{} `{name}`", kind.name()))),
            },
            Route::Gateway { .. } => (None, None),
        };
        let gateway = Gateway::of(&exposure.route);
        Some(Self {
            host: exposure.host.to_string(),
            token: exposure.token,
            variable: TOKEN,
            proxy: PROXY.name(deployment),
            tls_secret,
            issuer,
            gateway: gateway.map(|to| format!("{}/{}/{}", to.namespace, to.name, to.listener)),
        })
    }
}
