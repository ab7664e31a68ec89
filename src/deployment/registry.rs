//! Cloud registries, recognized by their addresses: repositories to create, and permissions to
//! pull.
//!
//! Invariant: an unknown registry gets no command and no permission.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::spec::backup::{PYTHON, RCLONE};
use crate::spec::{Chroma, Spec};
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
    /// `NAME.azurecr.io`, or `NAME-HASH.azurecr.io` with a domain name label
    #[serde(rename = "acr")]
    Azure { host: String, name: String },
}

impl Registry {
    /// Returns the registry at this address if it is a cloud's, with the repositories of the images
    /// with the entrypoint.
    pub(crate) fn of(address: &ImageRepository) -> Option<Self> {
        Self::read(&address.to_string(), repositories)
    }

    /// Returns the registry of this repository if it is a cloud's.
    fn with(repository: &str) -> Option<Self> {
        Self::read(repository, |path| vec![path.to_owned()])
    }

    fn read(address: &str, repositories: impl Fn(&str) -> Vec<String>) -> Option<Self> {
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
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
            [label, "azurecr", "io"] => Some(Self::Azure {
                host: host.to_owned(),
                // A registry's name has no hyphen.
                name: label.split('-').next()?.to_owned(),
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

    /// Returns true if these images are in a registry to which the machine logs in.
    pub(crate) fn logs_in(&self) -> bool {
        matches!(self, Self::Own | Self::ByIdentity(_))
    }

    /// Returns the spec's registry if the machine's identity logs in to it.
    pub(crate) fn given(&self) -> Option<&Registry> {
        match self {
            Self::ByIdentity(registry) => Some(registry),
            _ => None,
        }
    }
}

/// Registries from which a machine pulls the other images: the published ones, and those of the
/// backends next to the collector.
pub(crate) struct Mirrors {
    /// Registries of the machine's cloud, one for each image.
    pub(crate) of_cloud: Vec<Registry>,
    /// Hosts that are not known to be public, and to which the machine cannot log in.
    pub(crate) open: BTreeSet<String>,
    /// True if all these images are in registries of the machine's cloud.
    pub(crate) only_of_cloud: bool,
    /// True if one of these images is on Docker Hub.
    pub(crate) docker_hub: bool,
}

/// Registries that anyone may pull from.
const PUBLIC: [&str; 7] = [
    "docker.io",
    "gcr.io",
    "ghcr.io",
    "mcr.microsoft.com",
    "public.ecr.aws",
    "quay.io",
    "registry.k8s.io",
];

impl Mirrors {
    /// Determines the registries for a machine. `backends` are the images of backends, with tags.
    pub(super) fn new<'a>(spec: &Spec, backends: impl Iterator<Item = &'a str>) -> Self {
        let without_tag = |image: &str| Some(image.rsplit_once(':')?.0.to_owned());
        let mut images: Vec<String> = backends.filter_map(without_tag).collect();
        if !spec.chroma.image.has_entrypoint() {
            let published = [&spec.chroma.repository, &spec.collector.repository];
            images.extend(published.map(ToString::to_string));
        }
        if spec.chroma.access.has_proxy() {
            images.push(spec.chroma.access.repository.to_string());
        }
        let backup = spec.backup.as_ref();
        if let Some(backup) = backup.filter(|backup| backup.place.bucket().is_some()) {
            let own = [PYTHON, RCLONE].map(|image| backup.image(image));
            images.extend(own.iter().filter_map(|image| without_tag(image)));
        }
        let (mut of_cloud, mut open, mut docker_hub) = (Vec::new(), BTreeSet::new(), false);
        for image in &images {
            match (Registry::with(image), image.split_once('/')) {
                (Some(registry), _) if Some(registry.cloud()) == spec.target.cloud() => {
                    of_cloud.push(registry);
                }
                // Without a dot or a port, the first part is a name on Docker Hub.
                (_, Some((host, _))) if host.contains(['.', ':']) => {
                    docker_hub |= host == "docker.io";
                    if !PUBLIC.contains(&host) {
                        open.insert(host.to_owned());
                    }
                }
                _ => docker_hub = true,
            }
        }
        Self {
            only_of_cloud: of_cloud.len() == images.len(),
            of_cloud,
            open,
            docker_hub,
        }
    }
}

/// Returns a note if the machine pulls from registries to which it cannot log in.
pub(super) fn note(source: &ImageSource, chroma: &Chroma, mirrors: &Mirrors) -> Option<String> {
    let mut hosts = mirrors.open.clone();
    if let (ImageSource::Open, Some(registry)) = (source, &chroma.registry) {
        let registry = registry.to_string();
        hosts.extend(registry.split('/').next().map(str::to_owned));
    }
    let hosts: Vec<String> = hosts.iter().map(|host| format!("`{host}`")).collect();
    (!hosts.is_empty()).then(|| {
        format!(
            "the machine pulls images from {} without credentials, which the registry must allow",
            hosts.join(" and ")
        )
    })
}

/// Template input for an image source.
#[derive(Serialize)]
pub(crate) struct ImageSourceTemplate<'a> {
    /// True if the deployment creates the registry.
    own: bool,
    /// True if images are pulled without credentials.
    open: bool,
    /// True if the machine logs in to a registry.
    logs_in: bool,
    /// The spec's registry if the machine's identity logs in to it.
    given: Option<&'a Registry>,
    /// True if one of the other images is on Docker Hub.
    docker_hub: bool,
    /// Hosts of the other images that must allow pulls without credentials.
    open_mirrors: &'a BTreeSet<String>,
}

impl ImageSource {
    /// Returns the template input.
    pub(crate) fn template<'a>(&'a self, mirrors: &'a Mirrors) -> ImageSourceTemplate<'a> {
        ImageSourceTemplate {
            own: matches!(self, Self::Own),
            open: matches!(self, Self::Open),
            logs_in: self.logs_in() || !mirrors.of_cloud.is_empty(),
            given: self.given(),
            docker_hub: mirrors.docker_hub,
            open_mirrors: &mirrors.open,
        }
    }
}
