//! What is looked at: rendered deployments, with the files that they put on a machine.
//!
//! What a file is on a machine in a cloud is read out of what delivers it: a CloudFormation template,
//! cloud-init's configuration, a startup script.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chroma_otel_deploy::spec::file::Override;
use chroma_otel_deploy::spec::{Format, Resolved, Spec, file, resolve};
use chroma_otel_deploy::target::Target;
use serde_yaml::Value;

/// A value that nobody may find in a file.
pub(crate) const KEY: &str = "do-not-render-this-key";

/// A rendered deployment: its own files, and those it puts on a machine (absolute paths).
pub(crate) struct Deployment {
    pub(crate) name: String,
    pub(crate) spec: Spec,
    pub(crate) files: BTreeMap<String, String>,
}

impl Deployment {
    /// Files that a program reads.
    pub(crate) fn read(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self
            .files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        files.filter(|(path, _)| !path.starts_with("entrypoint/") && !path.ends_with(".md"))
    }

    /// The same, by line, without comments.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self
            .read()
            .flat_map(|(path, text)| text.lines().map(move |line| (path, line.trim())));
        lines.filter(|(_, line)| !line.starts_with('#'))
    }

    pub(crate) fn on_machine(&self) -> bool {
        self.spec.target != Target::Docker
    }

    /// The one file of that name, wherever it is.
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

    /// The resources of a Terraform module of this type: their blocks.
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

/// Every target and format with specs that differ in what a target has to treat differently.
pub(crate) static DEPLOYMENTS: LazyLock<Vec<Deployment>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for (target, format) in places() {
        // Only a machine in a cloud has the identity that its own backend asks for.
        let own = match target {
            Target::Docker => "debug",
            cloud => cloud.default_backend(),
        };
        for version in ["1.5.9", "0.6.3"] {
            for image in ["wrapped", "stock"] {
                for backend in ["honeycomb", "jaeger", "zipkin", "otlp", own] {
                    all.push(deployment(target, format, image, version, backend));
                }
            }
        }
    }
    all
});

/// Every target in each of its formats.
pub(crate) fn places() -> impl Iterator<Item = (Target, Format)> {
    let all = Target::ALL.into_iter();
    all.flat_map(|target| target.formats().iter().map(move |format| (target, *format)))
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
        flag: "--flag",
        value: value.into(),
    };
    let overrides = vec![
        flag("target", target.name()),
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
        "HONEYCOMB_API_KEY" => Some(KEY.to_owned()),
        "CHROMA_OTEL_COLLECTION_HEADERS" if backend == "otlp" => Some(format!("x-api-key={KEY}")),
        _ => None,
    };
    let resolved: Resolved = resolve(file::read(None, overrides).unwrap(), &given).unwrap();
    let mut files = target.plan(&resolved).unwrap().files;
    let delivered: Vec<BTreeMap<String, String>> = files
        .iter()
        .filter_map(|(path, text)| match path.as_str() {
            "template.yaml" => Some(of_stack(text)),
            "cloud-config.yaml.tftpl" => Some(of_cloud_config(&filled(text))),
            "startup-script.sh.tftpl" => Some(of_startup_script(&filled(text))),
            _ => None,
        })
        .collect();
    assert_eq!(delivered.len(), usize::from(target != Target::Docker));
    files.extend(delivered.into_iter().flatten());
    Deployment {
        name: format!(
            "{} {} {image} {version} {backend}",
            target.name(),
            format.name()
        ),
        spec: resolved.spec,
        files,
    }
}

/// The files that a CloudFormation template puts on its machine; one that it puts together is in its
/// YAML form.
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

/// A template of Terraform's without what stands for a value.
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

/// What the script puts where: `put MODE PATH <<'END'`, the text, and `END`.
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

/// Fails with what `wrong` finds in any deployment.
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
