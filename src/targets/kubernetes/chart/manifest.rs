//! A rendered manifest as a template of Helm: its text, with the values of the chart in the fields
//! that an operator changes at install time.
//!
//! Invariant: with the default values, the template gives the objects of the manifest. Fields are
//! found by their path, so a field that a manifest adds is written as it is.

use serde_yaml::Value;

use super::lines::{Line, lines};
use super::values::Values;

/// The fields of a pod that are values of the chart.
pub(super) const POD: [&str; 4] = [
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "tolerations",
];

/// Returns the template of a file, and records the defaults of its values. `secret` is the Secret
/// that the operator creates.
pub(super) fn templated(text: &str, secret: Option<&str>, values: &mut Values) -> String {
    let operated = text.contains("\nkind: OpenTelemetryCollector\n");
    let documents = text.trim_end().split("\n---\n");
    let templates = documents.map(|text| Document::new(text, operated, secret, values).templated());
    let mut template = templates.collect::<Vec<_>>().join("\n---\n");
    template.push('\n');
    template
}

/// Returns text that Helm writes as it is.
pub(super) fn escaped(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// One document of a manifest.
struct Document<'a> {
    text: &'a str,
    tree: Value,
    kind: String,
    /// True if the OpenTelemetry Operator makes the file's pods.
    operated: bool,
    /// The name of the Secret that the operator creates.
    secret: Option<&'a str>,
    values: &'a mut Values,
    /// The container of the current line.
    container: String,
    /// The claim of the current line.
    claim: String,
}

/// A line of a template; `None` if a value contains it.
type Written = Option<String>;

impl<'a> Document<'a> {
    fn new(text: &'a str, operated: bool, secret: Option<&'a str>, values: &'a mut Values) -> Self {
        let tree: Value = serde_yaml::from_str(text).unwrap_or_default();
        let kind = tree.get("kind").and_then(Value::as_str);
        Self {
            kind: kind.unwrap_or_default().to_owned(),
            text,
            tree,
            operated,
            secret,
            values,
            container: String::new(),
            claim: String::new(),
        }
    }

    fn templated(&mut self) -> String {
        let lines = lines(self.text);
        let mut lines = lines.iter().peekable();
        let mut written = Vec::new();
        while let Some(line) = lines.next() {
            if self.in_container(line) == Some("resources") {
                let mut block = Vec::new();
                while let Some(below) = lines.next_if(|below| below.is_below(line)) {
                    block.push(below.text);
                }
                written.push(self.resources(line, &block));
            } else {
                written.extend(self.line(line));
            }
        }
        written.join("\n")
    }

    fn line(&mut self, line: &Line) -> Written {
        let written = self.metadata(line);
        let written = written.or_else(|| self.pod_field(line));
        let written = written.or_else(|| self.container_field(line));
        let written = written.or_else(|| self.claim_field(line));
        written.unwrap_or_else(|| Some(self.unchanged(line)))
    }

    /// Adds labels and annotations to the object and to its pods.
    fn metadata(&mut self, line: &Line) -> Option<Written> {
        let of_pods = format!("{}metadata", self.pod().strip_suffix("spec")?);
        let places = ["metadata", "spec.jobTemplate.metadata", of_pods.as_str()];
        let mut fields = places
            .into_iter()
            .filter_map(|place| line.path.strip_prefix(place));
        let keys = self.keys(&line.path);
        match fields.next()? {
            "" => {
                let annotated = keys.iter().any(|key| key == "annotations");
                let added = "dict \"annotations\" . | toYaml";
                (!annotated).then(|| Some(with(line, ".Values.annotations", added)))
            }
            ".annotations" => {
                self.values.taken_annotations.extend(keys);
                Some(Some(with(line, ".Values.annotations", "toYaml .")))
            }
            ".labels" => {
                self.values.taken_labels.extend(keys);
                Some(Some(with(line, ".Values.labels", "toYaml .")))
            }
            _ => None,
        }
    }

    /// Adds the fields of every pod.
    fn pod_field(&mut self, line: &Line) -> Option<Written> {
        let path = line.path.as_str();
        if self.kind == "ServiceAccount" && self.operated {
            // The Operator's resource has no field for these Secrets.
            return match path {
                "kind" => {
                    let added = "dict \"imagePullSecrets\" . | toYaml";
                    Some(Some(with(line, ".Values.pod.imagePullSecrets", added)))
                }
                "imagePullSecrets" => Some(self.move_to_values(line, path)),
                _ => None,
            };
        }
        match path.strip_prefix(self.pod())? {
            "" if self.kind == "OpenTelemetryCollector" => {
                let fields = "omit .Values.pod \"imagePullSecrets\"";
                Some(Some(with(line, fields, "toYaml .")))
            }
            "" => Some(Some(with(line, ".Values.pod", "toYaml ."))),
            field => {
                let field = field.strip_prefix('.')?;
                let field = POD.into_iter().find(|one| *one == field)?;
                Some(self.move_to_values(line, field))
            }
        }
    }

    fn move_to_values(&mut self, line: &Line, field: &str) -> Written {
        let value = line.bare().to_owned();
        self.values.pod.insert(field.to_owned(), value);
        None
    }

    /// Replaces the image of a container.
    fn container_field(&mut self, line: &Line) -> Option<Written> {
        match self.in_container(line)? {
            "name" => {
                line.bare().clone_into(&mut self.container);
                None
            }
            "image" => {
                let container = self.container().to_owned();
                let key = self.values.image(&container, line.bare());
                let value = format!("{{{{ toJson .Values.images.{key} }}}}");
                Some(Some(format!("{} {value}{}", line.head(), line.comment())))
            }
            _ => None,
        }
    }

    /// Returns the line of a container's resources; `block` are the lines below it.
    fn resources(&mut self, line: &Line, block: &[&str]) -> String {
        let component = ["metadata", "labels", "app.kubernetes.io/component"];
        let found = component
            .iter()
            .try_fold(&self.tree, |tree, key| tree.get(*key));
        let key = match (self.container(), found.and_then(Value::as_str)) {
            // Two tiers have containers of this name.
            ("otel-collector", Some(component)) => component.to_owned(),
            (container, _) => container.to_owned(),
        };
        let key = self.values.resources(&key, line, block);
        format!("{} {{{{ toJson .Values.resources.{key} }}}}", line.head())
    }

    /// Returns the field of a container that a line sets.
    fn in_container<'b>(&self, line: &'b Line) -> Option<&'b str> {
        let field = line.path.strip_prefix(self.pod())?.strip_prefix('.')?;
        if self.kind == "OpenTelemetryCollector" {
            return ["image", "resources"].into_iter().find(|one| *one == field);
        }
        let mut lists = ["containers.-.", "initContainers.-."].into_iter();
        lists.find_map(|list| field.strip_prefix(list))
    }

    fn container(&self) -> &str {
        if self.kind == "OpenTelemetryCollector" {
            "otel-collector"
        } else {
            &self.container
        }
    }

    /// Replaces the class and the size of a claim.
    fn claim_field(&mut self, line: &Line) -> Option<Written> {
        let ephemeral = format!(
            "{}.volumes.-.ephemeral.volumeClaimTemplate.spec",
            self.pod()
        );
        let (claim, class) = match self.kind.as_str() {
            "PersistentVolumeClaim" => ("spec", "className"),
            "StatefulSet" => ("spec.volumeClaimTemplates.-.spec", "className"),
            _ => (ephemeral.as_str(), "scratchClassName"),
        };
        if line.path == "spec.volumeClaimTemplates.-.metadata.name" {
            line.bare().clone_into(&mut self.claim);
        }
        match line.path.strip_prefix(claim)? {
            "" => {
                let default = || "\"\"".to_owned(); // the cluster's
                self.values.classes.entry(class).or_insert_with(default);
                let added = "dict \"storageClassName\" . | toYaml";
                Some(Some(with(line, &format!(".Values.storage.{class}"), added)))
            }
            ".storageClassName" => {
                self.values.classes.insert(class, line.bare().to_owned());
                Some(None)
            }
            ".resources" => {
                let (start, rest) = line.text.split_once("storage: ")?;
                let (size, end) = rest.split_once('}')?;
                let key = match self.kind.as_str() {
                    "PersistentVolumeClaim" if self.tree["spec"]["dataSource"].is_null() => {
                        "backups"
                    }
                    "PersistentVolumeClaim" => "data", // from a snapshot
                    "StatefulSet" => self.claim.as_str(),
                    _ => "scratch",
                };
                self.values.sizes.insert(key.to_owned(), size.to_owned());
                let value = format!("{{{{ toJson .Values.storage.{key} }}}}");
                Some(Some(format!("{start}storage: {value}}}{end}")))
            }
            _ => None,
        }
    }

    /// Returns a line as it is, except for the name of the Secret.
    fn unchanged(&mut self, line: &Line) -> String {
        let text = escaped(line.text);
        let Some(secret) = self.secret else {
            return text;
        };
        let reference = format!("secretKeyRef: {{name: {secret}, ");
        if text.contains(&reference) {
            self.values.existing_secret = Some(secret.to_owned());
        }
        let value = "secretKeyRef: {name: {{ toJson .Values.existingSecret }}, ";
        text.replace(&reference, value)
    }

    /// Returns the path of the pod's spec; of an object without a pod, a path that does not exist.
    fn pod(&self) -> &'static str {
        match self.kind.as_str() {
            "Deployment" | "StatefulSet" | "Job" => "spec.template.spec",
            "CronJob" => "spec.jobTemplate.spec.template.spec",
            "Pod" | "OpenTelemetryCollector" => "spec",
            _ => "no.spec",
        }
    }

    /// Returns the keys of the mapping at a path.
    fn keys(&self, path: &str) -> Vec<String> {
        let found = path
            .split('.')
            .try_fold(&self.tree, |tree, key| tree.get(key));
        let keys = found.and_then(Value::as_mapping).into_iter().flatten();
        let keys = keys.filter_map(|(key, _)| key.as_str().map(str::to_owned));
        keys.collect()
    }
}

/// Returns the line of a mapping to which Helm adds the fields of a value, unless it is empty.
fn with(line: &Line, value: &str, fields: &str) -> String {
    let below = line.bare().is_empty(); // otherwise beside a scalar, such as `kind`
    let indent = line.indent + if below { 2 } else { 0 };
    let end = line.text.len() - line.comment().len();
    let (text, comment) = (line.text[..end].trim_end(), line.comment());
    format!(
        "{text}{{{{ with {value} }}}}{{{{ {fields} | nindent {indent} }}}}{{{{ end }}}}{comment}"
    )
}
