//! The cloud's own registry, where `kubernetes.registry` names one: what must be made in it.
//!
//! Invariant: a registry that is somebody else's gets no command.

use minijinja::{Value, context};

use crate::spec::{Image, Spec};

/// What the README reads of the registry: `kind` and what its commands name. Nothing where no image is
/// built, or the registry is not a cloud's.
pub(super) fn context(spec: &Spec) -> Option<Value> {
    let registry = spec.kubernetes.registry.as_ref()?.to_string();
    if spec.chroma.image == Image::Stock {
        return None;
    }
    let (host, path) = registry.split_once('/').unwrap_or((&registry, ""));
    let parts: Vec<&str> = host.split('.').collect();
    match parts[..] {
        // ACCOUNT.dkr.ecr.REGION.amazonaws.com, which wants a repository for each image.
        [_, "dkr", "ecr", region, "amazonaws", ..] => {
            let repository = |what: &str| match path {
                "" => format!("{}-{what}", spec.name),
                path => format!("{path}/{}-{what}", spec.name),
            };
            let repositories = ["chroma", "otel-collector"].map(repository);
            Some(context! { kind => "ecr", host, region, repositories => repositories.to_vec() })
        }
        // LOCATION-docker.pkg.dev/PROJECT/REPOSITORY
        [location, "pkg", "dev"] => {
            let mut names = path.split('/');
            let (project, repository) = (names.next()?, names.next()?);
            let location = location.strip_suffix("-docker")?;
            Some(context! { kind => "gar", host, location, project, repository })
        }
        [name, "azurecr", "io"] => Some(context! { kind => "acr", name }),
        _ => None,
    }
}
