//! Registries of the clouds, by their address: what has to be made in one, and who may pull from it.
//!
//! Invariant: a registry of no cloud that is known here gets no command and no permission.

use serde::Serialize;

use crate::spec::Chroma;
use crate::values::{Cloud, ImageRepository};

/// The repositories of the images with the entrypoint, below a registry's path.
const REPOSITORIES: [&str; 2] = ["chroma", "otel-collector"];

/// A cloud's registry, as the address of `chroma.registry` names it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind")]
pub(crate) enum Registry {
    /// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/PATH`, which has a repository for each image.
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
    /// The one that the spec names, if it is a cloud's.
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

    /// Where it is.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Elastic { host, .. } | Self::Artifact { host, .. } | Self::Azure { host, .. } => {
                host
            }
        }
    }

    /// Whose it is.
    pub(crate) fn cloud(&self) -> Cloud {
        match self {
            Self::Elastic { .. } => Cloud::Aws,
            Self::Artifact { .. } => Cloud::Gcp,
            Self::Azure { .. } => Cloud::Azure,
        }
    }
}

/// The repositories below a path, which may be empty.
pub(crate) fn repositories(path: &str) -> Vec<String> {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    };
    REPOSITORIES.map(below).to_vec()
}

/// Where a machine pulls the images with the entrypoint from.
pub(crate) enum ImageSource {
    /// Nothing is pulled but images without it.
    None,
    /// A registry that the recipe makes, in the machine's cloud.
    Own,
    /// The spec's, with the machine's identity.
    ByIdentity(Registry),
    /// The spec's, without credentials.
    Open,
}

impl ImageSource {
    /// Of a machine.
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

    /// Whether the machine logs in.
    pub(crate) fn logs_in(&self) -> bool {
        matches!(self, Self::Own | Self::ByIdentity(_))
    }
}

/// What templates read of it.
#[derive(Serialize)]
pub(crate) struct ImageSourceTemplate<'a> {
    /// Whether the recipe makes the registry.
    own: bool,
    /// Whether images are pulled without credentials.
    open: bool,
    /// Whether the machine logs in.
    logs_in: bool,
    /// The spec's registry, where the machine's identity logs in to it.
    given: Option<&'a Registry>,
}

impl ImageSource {
    /// What templates read of it.
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
