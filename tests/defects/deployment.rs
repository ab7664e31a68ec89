//! Rendered deployments, with the files that they deliver.
//!
//! The files of a machine in a cloud or of a pod are extracted from the resource that delivers
//! them: a CloudFormation template, cloud-init's configuration, a startup script, a ConfigMap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chroma_otel_deploy::input::file::Override;
use chroma_otel_deploy::input::{file, resolve};
use chroma_otel_deploy::spec::target::Target;
use chroma_otel_deploy::spec::{Format, Resolved, Spec};
use chroma_otel_deploy::targets;
use chroma_otel_deploy::validate;
use chroma_otel_deploy::values::Cloud;
use chroma_otel_init::Server;
use serde_yaml::Value;

use crate::manifests::{Object, Pod, configurations, objects};

/// A value that must not be in any file.
pub(crate) const KEY: &str = "do-not-render-this-key";

/// A rendered deployment: its own files, and those that it delivers (absolute paths).
pub(crate) struct Deployment {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    pub(crate) files: BTreeMap<String, String>,
    /// Objects of a cluster.
    pub(crate) objects: Vec<Object>,
}

/// The mechanism that starts the containers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Starter {
    Compose,
    Systemd,
    Kubernetes,
}

impl Deployment {
    /// Returns files that a program reads.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self
            .files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(|(path, _)| !validate::is_source(path) && !path.ends_with(".md"))
    }

    /// Returns their lines, without comments.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self
            .read()
            .flat_map(|(path, text)| text.lines().map(move |line| (path, line.trim())));
        lines.filter(|(_, line)| !line.starts_with('#'))
    }

    /// Returns the same deployment with one text in its manifests replaced.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        let manifests = self.objects.drain(..).map(|object| object.file);
        let manifests: BTreeSet<String> = manifests.collect();
        for file in manifests {
            let text = self.files.get_mut(&file).unwrap();
            *text = text.replace(from, to);
        }
        self.objects = objects(&self.files);
        self
    }

    pub(crate) fn on_machine(&self) -> bool {
        self.starter() == Starter::Systemd
    }

    pub(crate) fn starter(&self) -> Starter {
        match self.spec.target {
            Target::Docker => Starter::Compose,
            Target::Kubernetes(_) => Starter::Kubernetes,
            Target::Aws | Target::Gcp | Target::Azure => Starter::Systemd,
        }
    }

    /// Returns the pods of a cluster.
    pub(crate) fn pods(&self) -> Vec<Pod> {
        self.objects.iter().filter_map(Object::pod).collect()
    }

    /// Returns the objects of this kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.objects
            .iter()
            .filter(move |object| object.kind() == kind)
    }

    /// Returns the only file of that name, in any folder.
    pub(crate) fn file(&self, name: &str) -> &str {
        let mut found = self
            .files
            .iter()
            .filter(|(path, _)| path.rsplit('/').next() == Some(name));
        let (_, text) = found
            .next()
            .unwrap_or_else(|| panic!("{}: no {name}", self.name));
        text
    }

    pub(crate) fn yaml(&self, name: &str) -> Value {
        let mut tree: Value = serde_yaml::from_str(self.file(name)).unwrap();
        tree.apply_merge().unwrap();
        tree
    }

    /// Returns the blocks of a Terraform module's resources of this type.
    pub(crate) fn resources(&self, of_type: &str) -> Vec<hcl::Block> {
        let modules = self.files.iter().filter(|(path, _)| path.ends_with(".tf"));
        let blocks = modules.flat_map(|(path, text)| {
            let body = hcl::parse(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            body.into_blocks()
        });
        let wanted = |block: &hcl::Block| {
            let first = block.labels.first().map(|label| label.as_str());
            block.identifier.as_str() == "resource" && first == Some(of_type)
        };
        blocks.filter(wanted).collect()
    }

    pub(crate) fn scripts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.read().filter(|(_, text)| text.starts_with("#!"))
    }
}

/// Every target and format, with specs for all differences that a target must handle.
pub(crate) static DEPLOYMENTS: LazyLock<Vec<Deployment>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (target, format) in places() {
        // Only a machine in a cloud has the identity that the cloud's own backend requires.
        let own = match target {
            Target::Docker | Target::Kubernetes(None) => "debug",
            cloud => cloud.info().default_backend,
        };
        for version in ["1.5.9", "0.6.3"] {
            for image in images(target, version) {
                for backend in ["honeycomb", "jaeger", "zipkin", "otlp", own] {
                    all.push(deployment(target, format, image, version, backend));
                }
            }
        }
    }
    all.extend(clusters());
    all
});

/// Returns the images that a target supports: no cluster allows the published 0.x to run as root.
fn images(target: Target, version: &str) -> impl Iterator<Item = &'static str> {
    let version: chroma_otel_init::ChromaVersion = version.parse().unwrap();
    let as_root = target.is_kubernetes() && version.server() == Server::Python;
    let images = ["wrapped", "stock"].into_iter();
    images.filter(move |image| !as_root || *image == "wrapped")
}

/// Renders the specs in `tests/specs` for a cluster.
fn clusters() -> Vec<Deployment> {
    let specs = std::fs::read_dir("tests/specs").unwrap();
    let mut paths: Vec<_> = specs.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["kubernetes", "eks", "gke", "aks"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            let input = file::read(Some(&path), Vec::new()).unwrap();
            all.push(rendered(name.to_owned(), input, &given_key));
        }
    }
    assert!(all.len() > 12, "no specs");
    all
}

fn given_key(variable: &str) -> Option<String> {
    (variable == "HONEYCOMB_API_KEY").then(|| KEY.to_owned())
}

/// Returns every target in each of its formats. A chart has the objects of the manifests
/// (`tests/render/chart.rs`).
pub(crate) fn places() -> impl Iterator<Item = (Target, Format)> {
    let all = Target::ALL.into_iter();
    let all = all.flat_map(|target| {
        target
            .info()
            .formats
            .iter()
            .map(move |format| (target, *format))
    });
    all.filter(|(_, format)| *format != Format::Helm)
}

/// Returns a region, for a cloud's own backend that requires one.
fn region(target: Target) -> &'static str {
    match target.cloud() {
        Some(Cloud::Aws) => "eu-central-1",
        _ => "", // blank is not set
    }
}

pub(crate) fn deployment(
    target: Target,
    format: Format,
    image: &str,
    version: &str,
    backend: &str,
) -> Deployment {
    let flag = |key, value: &str| Override {
        key,
        flag: key,
        value: value.into(),
    };
    let platform = if target.is_kubernetes() {
        "kubernetes"
    } else {
        "vm"
    };
    let overrides = vec![
        flag("target", target.info().name),
        flag("platform", platform),
        flag("kubernetes.region", region(target)),
        flag("machine.project", "my-project"),
        flag("format", format.name()),
        flag("chroma.image", image),
        flag("chroma.version", version),
        flag("tracing.backend", backend),
        flag(
            "tracing.endpoint",
            if backend == "otlp" {
                "https://otlp.example.com:4317"
            } else {
                ""
            },
        ),
    ];
    let given = |name: &str| match name {
        "CHROMA_OTEL_COLLECTION_HEADERS" if backend == "otlp" => Some(format!("x-api-key={KEY}")),
        other => given_key(other),
    };
    let name = format!(
        "{} {} {image} {version} {backend}",
        target.info().name,
        format.name()
    );
    rendered(name, file::read(None, overrides).unwrap(), &given)
}

fn rendered(
    name: String,
    input: file::Input,
    given: &dyn Fn(&str) -> Option<String>,
) -> Deployment {
    let resolved: Resolved = resolve(input, given).unwrap_or_else(|all| panic!("{name}: {all:?}"));
    let target = resolved.spec.target;
    let deployment = chroma_otel_deploy::deployment::Deployment::new(resolved).unwrap();
    assert_eq!(targets::problems(&deployment), [], "{name}");
    let mut files = targets::plan(&deployment).unwrap().files;
    let objects = if target.is_kubernetes() {
        objects(&files)
    } else {
        Vec::new()
    };
    files.extend(configurations(&objects));
    let delivered: Vec<BTreeMap<String, String>> = files
        .iter()
        .filter_map(|(path, text)| match path.as_str() {
            "template.yaml" => Some(of_stack(text)),
            "chroma/cloud-config.yaml.tftpl" => Some(of_cloud_config(&filled(text))),
            "chroma/startup-script.sh.tftpl" => Some(of_startup_script(&filled(text))),
            _ => None,
        })
        .collect();
    assert_eq!(delivered.len(), usize::from(target.is_machine()));
    files.extend(delivered.into_iter().flatten());
    Deployment {
        name,
        spec: deployment.spec,
        files,
        objects,
    }
}

/// Returns the files that a CloudFormation template writes to its machine; a file that the template
/// composes is in its YAML form.
fn of_stack(template: &str) -> BTreeMap<String, String> {
    let template: Value = serde_yaml::from_str(template).unwrap();
    let resources = template["Resources"].as_mapping().unwrap().values();
    let init = resources.filter_map(|one| one.get("Metadata")?.get("AWS::CloudFormation::Init"));
    let files = init.flat_map(|init| init["config"]["files"].as_mapping().unwrap());
    let text = |content: &Value| match content.as_str() {
        Some(text) => text.to_owned(),
        None => serde_yaml::to_string(content).unwrap(),
    };
    files
        .map(|(path, file)| (path.as_str().unwrap().to_owned(), text(&file["content"])))
        .collect()
}

/// Returns a Terraform template without its expressions.
fn filled(template: &str) -> String {
    template.replace("$${", "${").replace("%%{", "%{")
}

fn of_cloud_config(text: &str) -> BTreeMap<String, String> {
    let tree: Value = serde_yaml::from_str(text).unwrap();
    let files = tree["write_files"].as_sequence().unwrap().iter();
    let text = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
    files
        .map(|file| (text(file, "path"), text(file, "content")))
        .collect()
}

/// Returns the files of `put MODE PATH <<'END'`, the text, and `END` in the script.
fn of_startup_script(script: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let Some((words, end)) = line.split_once(" <<'") else {
            continue;
        };
        let ["put", _, path] = words.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let end = end.trim_end_matches('\'');
        let text = lines.by_ref().take_while(|line| *line != end);
        let text: String = text.flat_map(|line| [line, "\n"]).collect();
        files.insert(path.to_owned(), text);
    }
    assert!(files.len() > 8, "{script}");
    files
}

/// Fails if `wrong` returns a problem of any deployment.
pub(crate) fn none(wrong: impl Fn(&Deployment) -> Vec<String>) {
    let found: Vec<String> = DEPLOYMENTS
        .iter()
        .flat_map(|one| {
            wrong(one)
                .into_iter()
                .map(|what| format!("{}: {what}", one.name))
        })
        .collect();
    assert_eq!(found, Vec::<String>::new());
}

pub(crate) fn lines_with(one: &Deployment, wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = one.lines().filter(|(_, line)| wrong(line));
    lines
        .map(|(path, line)| format!("{path}: {line}"))
        .collect()
}
