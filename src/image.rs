//! The images with the entrypoint: their build context and their names.
//!
//! Invariant: the written folder builds with `--locked`, without this repository. A tag contains a
//! hash of the folder, so a pushed tag never changes its meaning.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use chroma_otel_init::{ChromaVersion, Server};
use serde::Serialize;

use crate::digest::hash;
use crate::plan::{Plan, SharedFolder};
use crate::render::{TEMPLATES, json, render, values_of};
use crate::spec::{Chroma, Collector, Image};
use crate::values::{DnsLabel, Release};

/// The entrypoint's sources without their tests: path, text and SHA-256 of each (see `build.rs`).
static SOURCES: &[(&str, &str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/entrypoint_sources.rs"));

/// The file that builds and pushes both images. It contains their tags, so it is not part of the
/// hash.
pub(crate) const BAKE: &str = "docker-bake.hcl";

/// The build context of a deployment's images.
pub struct BuildContext {
    /// The files, by their path in the folder.
    files: BTreeMap<String, String>,
    /// Hash of the files.
    hash: String,
    /// The file that builds and pushes the images.
    bake: BakeFile,
}

impl BuildContext {
    /// Creates the build context for the spec's Chroma release. It does not depend on the target or
    /// the deployment's name.
    ///
    /// # Errors
    /// Fails if a template is wrong, which is a bug.
    pub fn new(chroma: &Chroma, collector: &Collector) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut hashes = BTreeMap::new();
        for (path, text, hash) in SOURCES {
            let path = format!("entrypoint/{path}");
            files.insert(path.clone(), (*text).to_owned());
            hashes.insert(path, (*hash).to_owned());
        }
        for file in ["Cargo.toml", "Cargo.lock"] {
            let path = format!("entrypoint/{file}");
            let found = TEMPLATES.get_file(&path);
            let text = found.and_then(|file| file.contents_utf8());
            files.insert(path.clone(), text.context(path)?.to_owned());
        }
        let context = values_of(Dockerfile::new(chroma, collector));
        for file in ["Dockerfile", ".dockerignore"] {
            let text = render(&format!("image/{file}.j2"), &context)?;
            files.insert(file.to_owned(), text);
        }
        for (path, text) in &files {
            let hash_of = || hash(text.as_bytes());
            hashes.entry(path.clone()).or_insert_with(hash_of);
        }
        let hash = listing_hash(&hashes);
        let bake = BakeFile {
            registry: chroma
                .registry
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            tags: Tags::new(chroma.version, &collector.version, &hash),
        };
        Ok(Self { files, hash, bake })
    }

    /// Returns the suffix of the tags.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the files, including the one that builds and pushes the images.
    ///
    /// # Errors
    /// Fails if a template is wrong, which is a bug.
    pub fn into_files(self) -> Result<BTreeMap<String, String>> {
        let bake = render(&format!("image/{BAKE}.j2"), &values_of(self.bake))?;
        let mut files = self.files;
        files.insert(BAKE.to_owned(), bake);
        Ok(files)
    }
}

/// Input of the bake file's template.
#[derive(Serialize)]
struct BakeFile {
    /// The spec's registry, or empty.
    registry: String,
    /// The images' names in the registry.
    tags: Tags,
}

/// Returns the first 12 digits of the SHA-256 of `sha256sum`'s output for the files, sorted by
/// path, so that anyone can compute it.
fn listing_hash(hashes: &BTreeMap<String, String>) -> String {
    let lines = hashes
        .iter()
        .map(|(path, hash)| format!("{hash}  ./{path}\n"));
    hash(lines.collect::<String>().as_bytes())[..12].to_owned()
}

/// The images of Chroma and the collector.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Images {
    pub(crate) chroma: String,
    pub(crate) collector: String,
}

impl Images {
    /// Returns the published images, in the spec's repositories.
    fn published(chroma: &Chroma, collector: &Collector) -> Self {
        Self {
            chroma: chroma.repository.tag(chroma.version),
            collector: collector.repository.tag(&collector.version),
        }
    }
}

/// Input of `templates/image`, except the bake file.
#[derive(Serialize)]
struct Dockerfile {
    /// The release of Chroma.
    version: String,
    /// The image with the compiler.
    rust_image: &'static str,
    /// True if Chroma's server is written in Rust.
    rust_server: bool,
    /// Chroma's image.
    chroma: ChromaImage,
    /// The collector's image.
    collector: CollectorImage,
}

#[derive(Serialize)]
struct ChromaImage {
    /// The published image from which it is built.
    base_image: String,
    /// `ENTRYPOINT`, as a JSON array.
    entrypoint: String,
    /// `CMD`, as a JSON array.
    cmd: String,
    /// The data directory.
    data_directory: &'static str,
}

#[derive(Serialize)]
struct CollectorImage {
    /// The published image from which it is built.
    base_image: String,
}

impl Dockerfile {
    fn new(chroma: &Chroma, collector: &Collector) -> Self {
        let version = chroma.version;
        let images = Images::published(chroma, collector);
        Self {
            version: version.to_string(),
            rust_image: env!("RUST_IMAGE"),
            rust_server: version.server() == Server::Rust,
            chroma: ChromaImage::new(version, images.chroma),
            collector: CollectorImage {
                base_image: images.collector,
            },
        }
    }
}

impl ChromaImage {
    fn new(version: ChromaVersion, base_image: String) -> Self {
        let (entrypoint, cmd) = version.command();
        let wrapped = ["/chroma-otel-entrypoint", "--"];
        let entrypoint: Vec<_> = wrapped.iter().chain(entrypoint).collect();
        Self {
            base_image,
            entrypoint: json(&entrypoint),
            cmd: json(&cmd),
            data_directory: version.data_directory(),
        }
    }
}

/// Tags that identify the images with the entrypoint within a registry.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Tags {
    /// Hash of the build context, which follows the version. Empty without the entrypoint.
    pub(crate) hash: String,
    /// `chroma:VERSION-HASH`.
    pub(crate) chroma: String,
    /// `otel-collector:VERSION-HASH`.
    pub(crate) collector: String,
}

impl Tags {
    fn new(chroma: ChromaVersion, collector: &Release, hash: &str) -> Self {
        Self {
            hash: hash.to_owned(),
            chroma: format!("chroma:{chroma}-{hash}"),
            collector: format!("otel-collector:{collector}-{hash}"),
        }
    }

    /// Returns the names of the images. Without a registry they are local and begin with the
    /// deployment's name and a dash; with a slash they would refer to someone else's repository on
    /// Docker Hub.
    fn images(&self, name: &DnsLabel, chroma: &Chroma) -> Images {
        let prefix = match &chroma.registry {
            Some(registry) => format!("{registry}/"),
            None => format!("{name}-"),
        };
        Images {
            chroma: format!("{prefix}{}", self.chroma),
            collector: format!("{prefix}{}", self.collector),
        }
    }
}

/// The images of a deployment, and their build context.
pub(crate) struct DeploymentImages {
    /// The published images.
    pub(crate) base: Images,
    /// The images that the containers run.
    pub(crate) run: Images,
    /// The names of the images with the entrypoint, within a registry.
    pub(crate) tags: Tags,
    /// The build context if the deployment builds the images, otherwise nothing.
    plan: Plan,
}

impl DeploymentImages {
    /// Determines the images of a deployment of this name.
    ///
    /// # Errors
    /// Fails if a template is wrong, which is a bug.
    pub(crate) fn new(name: &DnsLabel, chroma: &Chroma, collector: &Collector) -> Result<Self> {
        let base = Images::published(chroma, collector);
        if !chroma.image.has_entrypoint() {
            return Ok(Self {
                run: base.clone(),
                base,
                tags: Tags::new(chroma.version, &collector.version, ""),
                plan: Plan::default(),
            });
        }
        let context = BuildContext::new(chroma, collector)?;
        let tags = Tags::new(chroma.version, &collector.version, &context.hash);
        let mut run = tags.images(name, chroma);
        if collector.image == Image::Stock {
            run.collector.clone_from(&base.collector);
        }
        let plan = if chroma.image.is_built() {
            build(chroma, context.into_files()?)
        } else {
            Plan::default()
        };
        Ok(Self {
            base,
            run,
            tags,
            plan,
        })
    }

    /// Returns a plan that contains the build context if the deployment builds the images.
    pub(crate) fn plan(&self) -> Plan {
        self.plan.clone()
    }
}

/// Returns a plan of the build context, in the deployment's folder or in one that it shares.
fn build(chroma: &Chroma, files: BTreeMap<String, String>) -> Plan {
    let folder = chroma.image_context.to_string();
    let mut plan = Plan::default();
    if chroma.image_context.is_shared() {
        let path = folder;
        plan.shared = Some(SharedFolder { path, files });
    } else {
        let files = files.into_iter();
        let files = files.map(|(path, text)| (format!("{folder}/{path}"), text));
        plan.files = files.collect();
    }
    plan
}
