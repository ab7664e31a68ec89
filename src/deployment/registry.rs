//! Cloud registries, recognized by their addresses: repositories to create, and permissions to
//! pull.
//!
//! Invariant: an unknown registry gets no command and no permission.

use serde::Serialize;

use crate::spec::Chroma;
use crate::values::{Cloud, ImageRepository};

/// The repositories of the images with the entrypoint, relative to a registry's path.
const REPOSITORIES: [&str; 2] = ["chroma", "otel-collector"];

/// A cloud's registry, recognized by the address in `chroma.registry`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub(crate) enum Registry {
    /// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/PATH`, which has one repository per image.
    #[serde(rename = "ecr")]
    Elastic {
        host: String,
        account: String,
        region: String,
        repositories: Vec<String>,
    },
    /// `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY`
    #[serde(rename = "gar")]
    Artifact {
        host: String,
        location: String,
        project: String,
        repository: String,
    },
    /// `NAME.azurecr.io`
    #[serde(rename = "acr")]
    Azure { host: String, name: String },
}

impl Registry {
    /// Returns the registry at this address if it is a cloud's.
    pub(crate) fn of(address: &ImageRepository) -> Option<Self> {
        let address = address.to_string();
        let (host, path) = address.split_once('/').unwrap_or((&address, ""));
        let parts: Vec<&str> = host.split('.').collect();
        match parts[..] {
            [account, "dkr", "ecr", region, "amazonaws", ..] => Some(Self::Elastic {
                host: host.to_owned(),
                account: account.to_owned(),
                region: region.to_owned(),
                repositories: repositories(path),
            }),
            [location, "pkg", "dev"] => {
                let mut names = path.split('/');
                Some(Self::Artifact {
                    host: host.to_owned(),
                    location: location.strip_suffix("-docker")?.to_owned(),
                    project: names.next()?.to_owned(),
                    repository: names.next()?.to_owned(),
                })
            }
            [name, "azurecr", "io"] => Some(Self::Azure {
                host: host.to_owned(),
                name: name.to_owned(),
            }),
            _ => None,
        }
    }

    /// Returns its host.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Elastic { host, .. } | Self::Artifact { host, .. } | Self::Azure { host, .. } => {
                host
            }
        }
    }

    /// Returns its cloud.
    pub(crate) fn cloud(&self) -> Cloud {
        match self {
            Self::Elastic { .. } => Cloud::Aws,
            Self::Artifact { .. } => Cloud::Gcp,
            Self::Azure { .. } => Cloud::Azure,
        }
    }
}

/// Returns the repositories below a path, which may be empty.
pub(crate) fn repositories(path: &str) -> Vec<String> {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    };
    REPOSITORIES.map(below).to_vec()
}

/// Source of the images with the entrypoint for a machine.
pub(crate) enum ImageSource {
    /// No image has the entrypoint.
    None,
    /// A registry that the deployment creates, in the machine's cloud.
    Own,
    /// The spec's registry, with the machine's identity.
    ByIdentity(Registry),
    /// The spec's registry, without credentials.
    Open,
}

impl ImageSource {
    /// Determines the source for a machine.
    pub(super) fn new(chroma: &Chroma, cloud: Option<Cloud>) -> Self {
        if !chroma.image.has_entrypoint() {
            return Self::None;
        }
        let Some(address) = &chroma.registry else {
            return Self::Own;
        };
        match Registry::of(address) {
            Some(registry) if Some(registry.cloud()) == cloud => Self::ByIdentity(registry),
            _ => Self::Open,
        }
    }

    /// Returns true if the machine logs in.
    pub(crate) fn logs_in(&self) -> bool {
        matches!(self, Self::Own | Self::ByIdentity(_))
    }
}

/// Template input for an image source.
#[derive(Serialize)]
pub(crate) struct ImageSourceTemplate<'a> {
    /// True if the deployment creates the registry.
    own: bool,
    /// True if images are pulled without credentials.
    open: bool,
    /// True if the machine logs in.
    logs_in: bool,
    /// The spec's registry if the machine's identity logs in to it.
    given: Option<&'a Registry>,
}

impl ImageSource {
    /// Returns the template input.
    pub(crate) fn template(&self) -> ImageSourceTemplate<'_> {
        ImageSourceTemplate {
            own: matches!(self, Self::Own),
            open: matches!(self, Self::Open),
            logs_in: self.logs_in(),
            given: match self {
                Self::ByIdentity(registry) => Some(registry),
                _ => None,
            },
        }
    }
}
