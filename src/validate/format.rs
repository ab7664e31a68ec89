//! The format of a file, by its name and, for a manifest, by its text.

use super::chart::is_chart;
use super::kubernetes::{is_kustomization, is_manifest};

/// Kinds of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Chroma,
    CloudFormation,
    Collector,
    Compose,
    Dockerfile,
    EnvFile,
    Json,
    Kubernetes,
    Terraform,
    Yaml,
    Other,
}

impl Format {
    /// Returns the format of a file.
    pub(super) fn of(path: &str, text: &str) -> Self {
        let name = path.rsplit('/').next().unwrap_or(path);
        match path {
            _ if is_source(path) => Self::Other,
            _ if is_chart(path) => Self::Yaml,
            _ if is_kustomization(path) || is_manifest(path, text) => Self::Kubernetes,
            "docker-compose.yaml" | "compose.yaml" => Self::Compose,
            "otel-collector.yaml" => Self::Collector,
            "config.yaml" => Self::Chroma,
            "template.yaml" => Self::CloudFormation,
            _ if name == "Dockerfile" => Self::Dockerfile,
            _ => match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
                "example" if name == ".env.example" => Self::EnvFile,
                "tf" | "tftpl" => Self::Terraform,
                "yaml" | "yml" => Self::Yaml,
                "json" => Self::Json,
                _ => Self::Other,
            },
        }
    }
}

/// Returns true if a file is one of the entrypoint's sources, which are the same for every spec.
pub fn is_source(path: &str) -> bool {
    path.starts_with("entrypoint/") || path.contains("/entrypoint/")
}
