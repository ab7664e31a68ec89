//! An address outside of the cluster: a route that ends TLS, and before Chroma a proxy that asks for a
//! token, as Chroma 1.x asks nobody who they are.
//!
//! Invariant: without the proxy there is a route only where the spec says so in words.

use std::collections::BTreeMap;

use anyhow::Result;
use minijinja::{Value, context};

use super::component::{PROXY, api, checksum, texts};
use super::secret_keys;
use super::templates;
use crate::deployment::Deployment;
use crate::deployment::secrets::{Container, TOKEN};
use crate::plan::Plan;
use crate::render::render;
use crate::spec::kubernetes::{Exposure, Route};

/// The proxy's version: what `caddy version` says of the Go module, and the image's tag.
const CADDY_VERSION: &str = env!("CADDY_VERSION");

/// Annotations of an Ingress by the controller that reads them. nginx refuses bodies of more than 1 MiB
/// and answers of more than a minute; Traefik would take the token without TLS as well.
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

/// Adds `expose.yaml`, where an address is asked for.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &Value) -> Result<()> {
    let Some(exposure) = &deployment.spec.kubernetes.exposure else {
        return Ok(());
    };
    let caddyfile = render("kubernetes/Caddyfile.j2", base)?;
    let service = if exposure.token {
        (PROXY.name(deployment), 8080)
    } else {
        (api(deployment), deployment.spec.chroma.port)
    };
    let (ingress, gateway) = match &exposure.route {
        Route::Ingress {
            class, tls_secret, ..
        } => {
            let class = class.as_ref().map(ToString::to_string);
            (
                Some(context! { class, tls_secret => tls_secret.to_string() }),
                None,
            )
        }
        Route::Gateway {
            namespace,
            name,
            listener,
        } => {
            let (namespace, name, listener) = (
                namespace.to_string(),
                name.to_string(),
                listener.to_string(),
            );
            (None, Some(context! { namespace, name, listener }))
        }
    };
    let context = context! {
        host => exposure.host.to_string(),
        token => exposure.token,
        proxy => PROXY.context(deployment, CADDY_VERSION),
        caddy_image => format!("caddy:{CADDY_VERSION}"),
        checksum => checksum(&caddyfile),
        caddyfile => caddyfile.trim_end(),
        proxy_keys => secret_keys::of(deployment, Container::Proxy),
        service => context! { name => service.0, port => service.1 },
        route_annotations => annotations(deployment, exposure),
        ingress,
        gateway,
        ..base.clone()
    };
    templates::add(plan, &context, &["expose.yaml"])
}

/// The route's annotations: every object's, what its controller must know, and the spec's own, which win.
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
            (
                "cert-manager.io/cluster-issuer".to_owned(),
                issuer.to_string(),
            )
        });
        annotations.extend(issuer);
    }
    annotations.extend(texts(&exposure.annotations));
    annotations
}

/// What the recipe says of the address, where there is one.
pub(super) fn recipe(deployment: &Deployment) -> Option<Value> {
    let exposure = deployment.spec.kubernetes.exposure.as_ref()?;
    Some(context! {
        host => exposure.host.to_string(),
        token => exposure.token,
        variable => TOKEN,
        proxy => PROXY.name(deployment),
        tls_secret => match &exposure.route {
            Route::Ingress { tls_secret, issuer: None, .. } => Some(tls_secret.to_string()),
            Route::Ingress { .. } | Route::Gateway { .. } => None,
        },
        issuer => match &exposure.route {
            Route::Ingress { issuer, .. } => issuer.as_ref().map(ToString::to_string),
            Route::Gateway { .. } => None,
        },
        gateway => match &exposure.route {
            Route::Gateway { namespace, name, listener } => Some(format!("{namespace}/{name}/{listener}")),
            Route::Ingress { .. } => None,
        },
    })
}
