//! Parameters of a deployment on a machine: validation and descriptions, the same for every cloud
//! and every format.
//!
//! Invariant: texts are plain here; each format writes them in its own syntax.

use chroma_otel_init::{Endpoint, Protocol, Server};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::spec::Image;
use crate::values::has_place;

/// Returns a pattern of the releases that the same files can run.
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
            "Chroma release. The registry must contain its image with the entrypoint."
        }
        Image::Stock => "Chroma release.",
    }
}

pub(in crate::targets) fn service_name_pattern(deployment: &Deployment) -> &'static str {
    match deployment.spec.chroma.image {
        Image::Wrapped | Image::Published => r"^[^\r\n]*\S[^\r\n]*$",
        // The service name is quoted for Chroma without escaping.
        Image::Stock => r#"^[^\r\n"\\]*[^\s"\\][^\r\n"\\]*$"#,
    }
}

/// The parameter for the backend's endpoint.
#[derive(Serialize)]
pub(in crate::targets) struct EndpointParameter {
    /// `None` if the operator must supply an endpoint.
    pub(in crate::targets) default: Option<String>,
    /// True if blank stands for the backend's own endpoint, which depends on the region.
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
            (Image::Stock, ..) => r"^https?://[^\s/]+:\d+$", // nothing completes it for the collector
        },
        description: if fallback {
            "The backend's OTLP endpoint; blank for the region's default."
        } else {
            "The backend's OTLP endpoint."
        },
    }
}
