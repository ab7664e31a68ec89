//! Registries of the clouds, by their address: what has to be made in one, and who may pull from it.
//!
//! Invariant: a registry of no cloud that is known here gets no command and no permission.

use minijinja::{Value, context};

use crate::spec::Spec;
use crate::values::Cloud;

/// The repositories of the images with the entrypoint, below a registry's path.
const REPOSITORIES: [&str; 2] = ["chroma", "otel-collector"];

/// A cloud's registry, as the address of `chroma.registry` names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Registry {
    /// `ACCOUNT.dkr.ecr.REGION.amazonaws.com/PATH`, which has a repository for each image.
    Elastic {
        host: String,
        account: String,
        region: String,
        repositories: Vec<String>,
    },
    /// `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY`
    Artifact {
        host: String,
        location: String,
        project: String,
        repository: String,
    },
    /// `NAME.azurecr.io`
    Azure { host: String, name: String },
}

impl Registry {
    /// The one that the spec names, if it is a cloud's.
    pub(super) fn of(spec: &Spec) -> Option<Self> {
        let address = spec.chroma.registry.as_ref()?.to_string();
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
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Elastic { host, .. } | Self::Artifact { host, .. } | Self::Azure { host, .. } => {
                host
            }
        }
    }

    /// Whose it is.
    pub(super) fn cloud(&self) -> Cloud {
        match self {
            Self::Elastic { .. } => Cloud::Aws,
            Self::Artifact { .. } => Cloud::Gcp,
            Self::Azure { .. } => Cloud::Azure,
        }
    }

    /// What templates read: `kind`, and what commands and permissions name.
    pub(super) fn in_template(&self) -> Value {
        match self {
            Self::Elastic {
                host,
                account,
                region,
                repositories,
            } => context! { kind => "ecr", host, account, region, repositories },
            Self::Artifact {
                host,
                location,
                project,
                repository,
            } => context! { kind => "gar", host, location, project, repository },
            Self::Azure { host, name } => context! { kind => "acr", host, name },
        }
    }
}

/// The repositories below a path, which may be empty.
pub(super) fn repositories(path: &str) -> Vec<String> {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    };
    REPOSITORIES.map(below).to_vec()
}

/// Where a machine pulls the images with the entrypoint from.
pub(super) enum Source {
    /// Nothing is pulled but images without it.
    None,
    /// A registry that the recipe makes, in the machine's cloud.
    Own,
    /// The spec's, with the machine's identity.
    ByIdentity(Registry),
    /// The spec's, without credentials.
    Open,
}

impl Source {
    /// Of a machine.
    pub(super) fn of(spec: &Spec) -> Self {
        if !spec.chroma.image.has_entrypoint() {
            return Self::None;
        }
        if spec.chroma.registry.is_none() {
            return Self::Own;
        }
        match Registry::of(spec) {
            Some(registry) if Some(registry.cloud()) == spec.target.cloud() => {
                Self::ByIdentity(registry)
            }
            _ => Self::Open,
        }
    }

    /// Whether the machine logs in.
    pub(super) fn logs_in(&self) -> bool {
        matches!(self, Self::Own | Self::ByIdentity(_))
    }

    /// What templates read: `own`, `logs_in`, `open`, and `given` with the registry.
    pub(super) fn in_template(&self) -> Value {
        let given = match self {
            Self::ByIdentity(registry) => Some(registry.in_template()),
            _ => None,
        };
        context! {
            own => matches!(self, Self::Own),
            open => matches!(self, Self::Open),
            logs_in => self.logs_in(),
            given,
        }
    }
}
