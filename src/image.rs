//! The images with the entrypoint: the folder that they are built from, and their names.
//!
//! Invariant: what is written builds with `--locked`, without this repository; and a tag names the
//! contents of the folder, so that a tag that is pushed never changes its meaning.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use chroma_otel_init::{ChromaVersion, Server};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Serialize;

use crate::collector::COLLECTOR_VERSION;
use crate::digest::hash;
use crate::plan::{Plan, SharedFolder};
use crate::render::{TEMPLATES, json, render};
use crate::spec::Spec;

/// The sources of the entrypoint without their tests: path, text and SHA-256 of each (see `build.rs`).
static SOURCES: &[(&str, &str, &str)] =
    include!(concat!(env!("OUT_DIR"), "/entrypoint_sources.rs"));

/// The file that builds and pushes both images. It holds their tags, and so is not part of what
/// these name.
const BAKE: &str = "docker-bake.hcl";

/// What the images of a deployment are built from.
pub struct BuildContext {
    /// The files, by their path in the folder.
    files: BTreeMap<String, String>,
    /// What tells it from any other.
    hash: String,
}

impl BuildContext {
    /// Of the spec's release of Chroma. Neither target nor name matters.
    ///
    /// # Errors
    /// A template is wrong: a bug.
    pub fn of(spec: &Spec) -> Result<Self> {
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
        let context = Value::from(Serde(Dockerfile::new(spec)));
        for file in ["Dockerfile", ".dockerignore"] {
            let text = render(&format!("image/{file}.j2"), &context)?;
            files.insert(file.to_owned(), text);
        }
        for (path, text) in &files {
            let hash_of = || hash(text.as_bytes());
            hashes.entry(path.clone()).or_insert_with(hash_of);
        }
        let hash = listing_hash(&hashes);
        Ok(Self { files, hash })
    }

    /// What the tags end in.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The files, with the one that builds and pushes the images.
    ///
    /// # Errors
    /// A template is wrong: a bug.
    pub fn into_files(self, spec: &Spec) -> Result<BTreeMap<String, String>> {
        let registry = spec.chroma.registry.as_ref().map(ToString::to_string);
        let context = context! {
            registry => registry.unwrap_or_default(),
            tags => Tags::of(spec, &self.hash).in_template(),
        };
        let bake = render(&format!("image/{BAKE}.j2"), &context)?;
        let mut files = self.files;
        files.insert(BAKE.to_owned(), bake);
        Ok(files)
    }
}

/// The first 12 digits of the SHA-256 of what `sha256sum` prints of the files, in the order of their
/// paths: anyone can compute it again.
fn listing_hash(hashes: &BTreeMap<String, String>) -> String {
    let lines = hashes
        .iter()
        .map(|(path, hash)| format!("{hash}  ./{path}\n"));
    hash(lines.collect::<String>().as_bytes())[..12].to_owned()
}

/// The images of Chroma and the collector.
pub(crate) struct Images {
    pub(crate) chroma: String,
    pub(crate) collector: String,
}

/// The published images, in the spec's repositories.
pub(crate) fn base_images(spec: &Spec) -> Images {
    Images {
        chroma: spec.chroma.repository.tag(spec.chroma.version),
        collector: spec.collector.repository.tag(COLLECTOR_VERSION),
    }
}

/// What `templates/image` reads, but for the bake file.
#[derive(Serialize)]
struct Dockerfile {
    /// The release of Chroma.
    version: String,
    /// The image with the compiler.
    rust_image: &'static str,
    /// Whether Chroma's server is the one in Rust.
    rust_server: bool,
    /// Chroma's image.
    chroma: ChromaImage,
    /// The collector's image.
    collector: CollectorImage,
}

#[derive(Serialize)]
struct ChromaImage {
    /// The published image it is built from.
    base_image: String,
    /// `ENTRYPOINT`, as a JSON array.
    entrypoint: String,
    /// `CMD`, as a JSON array.
    cmd: String,
    /// The folder of the data.
    data_directory: &'static str,
}

#[derive(Serialize)]
struct CollectorImage {
    /// The published image it is built from.
    base_image: String,
}

impl Dockerfile {
    fn new(spec: &Spec) -> Self {
        let version = spec.chroma.version;
        let images = base_images(spec);
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

/// What identifies the images with the entrypoint within a registry.
pub(crate) struct Tags {
    /// Behind the version: the contents of the build context. Empty without the entrypoint.
    pub(crate) hash: String,
    /// `chroma:VERSION-HASH`.
    pub(crate) chroma: String,
    /// `otel-collector:VERSION-HASH`.
    pub(crate) collector: String,
}

impl Tags {
    fn of(spec: &Spec, hash: &str) -> Self {
        Self {
            hash: hash.to_owned(),
            chroma: format!("chroma:{}-{hash}", spec.chroma.version),
            collector: format!("otel-collector:{COLLECTOR_VERSION}-{hash}"),
        }
    }

    /// The names of the images. Without a registry they are local and begin with the deployment's
    /// name, joined by a dash: with a slash they would name a stranger's repository on Docker Hub.
    pub(crate) fn images(&self, spec: &Spec) -> Images {
        let prefix = match &spec.chroma.registry {
            Some(registry) => format!("{registry}/"),
            None => format!("{}-", spec.name),
        };
        Images {
            chroma: format!("{prefix}{}", self.chroma),
            collector: format!("{prefix}{}", self.collector),
        }
    }

    /// What templates read.
    pub(crate) fn in_template(&self) -> minijinja::Value {
        context! { chroma => self.chroma.as_str(), collector => self.collector.as_str() }
    }
}

/// A plan with the folder that the images are built from, where the deployment builds them, and
/// their tags.
///
/// # Errors
/// A template is wrong: a bug.
pub(crate) fn built(spec: &Spec) -> Result<(Plan, Tags)> {
    let mut plan = Plan::default();
    let image = spec.chroma.image;
    if !image.has_entrypoint() {
        return Ok((plan, Tags::of(spec, "")));
    }
    let build = BuildContext::of(spec)?;
    let tags = Tags::of(spec, &build.hash);
    if image.is_built() {
        let folder = &spec.chroma.image_context;
        let files = build.into_files(spec)?;
        if folder.is_shared() {
            plan.shared = Some(SharedFolder {
                path: folder.to_string(),
                files,
            });
        } else {
            let files = files.into_iter();
            plan.files = files
                .map(|(path, text)| (format!("{folder}/{path}"), text))
                .collect();
        }
    }
    Ok((plan, tags))
}
