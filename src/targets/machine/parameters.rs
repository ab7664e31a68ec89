//! What a deployment on a machine is given when it is made: what each parameter takes, and how it is
//! described, the same for every cloud and every format.
//!
//! Invariant: texts are plain here; each format writes them in its own form.

use chroma_otel_init::{Endpoint, Protocol, Server};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::spec::Image;
use crate::values::has_place;

/// The releases that the same files can run.
pub(in crate::targets) fn version_pattern(deployment: &Deployment) -> String {
    let version = deployment.spec.chroma.version;
    if version.server() == Server::Python {
        format!(r"^0\.{}\.\d+$", version.minor)
    } else {
        r"^1\.\d+\.\d+$".to_owned()
    }
}

pub(in crate::targets) fn version_description(deployment: &Deployment) -> &'static str {
    match deployment.spec.chroma.image {
        Image::Wrapped | Image::Published => {
            "Release of Chroma. An image of it with the entrypoint must be in the registry."
        }
        Image::Stock => "Release of Chroma.",
    }
}

/// Of the machine's type. Machines come with powers of two.
pub(in crate::targets) fn machine_description(deployment: &Deployment) -> String {
    let least = deployment.spec.chroma.memory.as_mebibytes()
        + deployment.spec.collector.memory.as_mebibytes()
        + 512;
    let gibibytes = least.div_ceil(1024).next_power_of_two();
    format!("{gibibytes} GiB of memory or more: Chroma's, the collector's, and the system's.")
}

pub(in crate::targets) fn service_name_pattern(deployment: &Deployment) -> &'static str {
    match deployment.spec.chroma.image {
        Image::Wrapped | Image::Published => r"^[^\r\n]*\S[^\r\n]*$",
        // Chroma gets it in quotes, and nobody escapes one in it.
        Image::Stock => r#"^[^\r\n"\\]*[^\s"\\][^\r\n"\\]*$"#,
    }
}

/// The parameter for the backend's endpoint.
#[derive(Serialize)]
pub(in crate::targets) struct EndpointParameter {
    /// Nothing where the operator has to give one.
    pub(in crate::targets) default: Option<String>,
    /// Whether blank stands for the backend's own, which the region is part of.
    pub(in crate::targets) fallback: bool,
    pub(in crate::targets) pattern: &'static str,
    pub(in crate::targets) description: &'static str,
}

pub(in crate::targets) fn endpoint(deployment: &Deployment) -> EndpointParameter {
    let exact = deployment.collector.exact_endpoint.clone();
    let fallback = exact.as_deref().is_some_and(has_place);
    let speaks_grpc = |url: &String| {
        let endpoint = url.parse::<Endpoint>();
        endpoint.is_ok_and(|one| one.protocol() == Protocol::Grpc)
    };
    let grpc = exact.as_ref().is_none_or(speaks_grpc);
    EndpointParameter {
        default: if fallback { Some(String::new()) } else { exact },
        fallback,
        pattern: match (deployment.spec.chroma.image, fallback, grpc) {
            (_, true, _) => r"^\S*$",
            (Image::Wrapped | Image::Published, ..) => r"^\S+$",
            (Image::Stock, _, false) => r"^https?://\S+$",
            (Image::Stock, ..) => r"^https?://[^\s/]+:\d+$", // nobody adds what the collector misses
        },
        description: if fallback {
            "Where the traces end up; blank for the region's own."
        } else {
            "Where the traces end up: the backend's OTLP endpoint."
        },
    }
}
