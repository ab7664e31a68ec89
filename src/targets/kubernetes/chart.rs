//! The format `helm`: the manifests as templates of a chart, with a few values.
//!
//! Invariant: with its default values the chart gives the objects of the manifests, except for the
//! namespace, which is in `keep.yaml`, and for the test. Uninstalling it deletes no data.

mod kept;
mod lines;
mod manifest;
mod traced_request;
mod values;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use self::manifest::templated;
use self::values::{ValueKeys, Values};
use super::commands::FOLDER;
use super::readme::workloads;
use super::secret_keys;
use super::template::ClusterTemplate;
use crate::deployment::Deployment;
use crate::digest::hash;
use crate::plan::{Change, Plan};
use crate::problem::Problem;
use crate::render::{render, values_of};

/// Replaces the manifests of the plan by the chart, and `keep.yaml` by its namespace.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn wrap(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let secret = deployment.spec.kubernetes.secret.to_string();
    let mut chart = Chart {
        secret: secret_keys::are_in_a_secret(deployment).then_some(secret),
        ..Chart::default()
    };
    for (path, text) in manifests(plan) {
        match path.as_str() {
            "keep.yaml" => {
                let (namespace, kept) = kept::split(&text);
                plan.files
                    .extend(namespace.map(|text| (path.clone(), text)));
                kept.iter().for_each(|text| chart.add(&path, text));
            }
            "restore.yaml" => chart.add_restore(&path, &text),
            _ => chart.add(&path, &text),
        }
    }
    chart.add(
        "tests/traced-request.yaml",
        &traced_request::manifest(deployment, base)?,
    );
    let files = chart.finished(deployment, base)?.into_iter();
    plan.files
        .extend(files.map(|(path, text)| (format!("{FOLDER}/{path}"), text)));
    Ok(())
}

/// Removes the manifests from a plan and returns them.
fn manifests(plan: &mut Plan) -> BTreeMap<String, String> {
    let files = std::mem::take(&mut plan.files).into_iter();
    let is_manifest = |path: &str| path.ends_with(".yaml") && !path.contains('/');
    let (manifests, others) = files.partition(|(path, _)| is_manifest(path));
    plan.files = others;
    manifests
}

/// The files of a chart.
#[derive(Default)]
struct Chart {
    files: BTreeMap<String, String>,
    values: Values,
    /// The Secret that the operator creates.
    secret: Option<String>,
}

impl Chart {
    /// Adds the template of a manifest.
    fn add(&mut self, path: &str, text: &str) {
        let text = templated(text, self.secret.as_deref(), &mut self.values);
        self.files.insert(format!("templates/{path}"), text);
    }

    /// Adds the restore, which is rendered only on request.
    fn add_restore(&mut self, path: &str, text: &str) {
        self.values.restore = true;
        self.add(path, &format!("{RESTORE}{}", kept::without_head(text)));
        let template = self.files.entry(format!("templates/{path}"));
        template.and_modify(|text| {
            *text = format!("{{{{ if .Values.restore }}}}\n{text}{{{{ end }}}}\n")
        });
    }

    /// Adds the chart's own files and returns all.
    fn finished(
        mut self,
        deployment: &Deployment,
        base: &ClusterTemplate,
    ) -> Result<BTreeMap<String, String>> {
        let keys = secret_keys::all(deployment).into_iter();
        let schema = self.values.schema();
        let mut template = ChartTemplate {
            base,
            keys: self.values.keys(),
            values: self.values,
            secret_keys: keys.map(|key| format!("`{}`", key.variable)).collect(),
            workloads: workloads(deployment),
            chart_version: String::new(),
        };
        self.files.insert("values.schema.json".to_owned(), schema);
        for file in ["NOTES.txt", "release.tpl"] {
            self.files
                .insert(format!("templates/{file}"), template.render(file)?);
        }
        for file in ["README.md", "values.yaml"] {
            self.files.insert(file.to_owned(), template.render(file)?);
        }
        // A registry accepts each version once.
        let content = hash(format!("{:?}", self.files).as_bytes());
        template.chart_version = format!("{}+{}", deployment.spec.chroma.version, &content[..12]);
        self.files
            .insert("Chart.yaml".to_owned(), template.render("Chart.yaml")?);
        Ok(self.files)
    }
}

/// Input of the chart's own files.
#[derive(Serialize)]
struct ChartTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    values: Values,
    #[serde(flatten)]
    keys: ValueKeys,
    /// The variables in the Secret, in backticks.
    secret_keys: Vec<String>,
    /// All workloads, as `KIND/NAME`.
    workloads: Vec<String>,
    chart_version: String,
}

impl ChartTemplate<'_> {
    fn render(&self, file: &str) -> Result<String> {
        render(&format!("kubernetes/chart/{file}.j2"), &values_of(self))
    }
}

/// Head of the restore, which the chart renders only on request.
const RESTORE: &str = "# Restores a backup: see \"Restore\" in the README of the deployment.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
";

/// Returns a change of the chart as the change of a manifest.
pub(super) fn as_manifest(change: &Change) -> Change {
    let mut change = change.clone();
    let templates = format!("{FOLDER}/templates/");
    if let Some(path) = change.path.strip_prefix(&templates) {
        change.path = path.to_owned();
    } else if change.path == format!("{FOLDER}/values.yaml") {
        // Only the class and the size of Chroma's volume, in the form of its claim.
        change.path = "chroma.yaml".to_owned();
        change.before = change.before.as_deref().map(claim);
        change.after = change.after.as_deref().map(claim);
    }
    change
}

fn claim(values: &str) -> String {
    let value = |key: &str| {
        let mut lines = values.lines();
        lines
            .find_map(|line| line.strip_prefix(key))
            .filter(|value| *value != "\"\"")
    };
    let class = value("  className: ").map(|class| format!("storageClassName: {class}\n"));
    let size = value("  data: ");
    let size = size.map(|size| format!("resources: {{requests: {{storage: {size}}}}}\n"));
    class.into_iter().chain(size).collect()
}

/// Returns the problem of files that are no longer part of the chart, which Helm would install.
pub fn stale_problem(plan: &Plan, stale: &[Change]) -> Option<Problem> {
    let templates = format!("{FOLDER}/templates/");
    let is_installed = plan.files.keys().any(|path| path.starts_with(&templates));
    let paths = stale.iter().map(|change| change.path.as_str());
    let left = paths.filter(|path| is_installed && path.starts_with(&templates));
    let left: Vec<&str> = left.collect();
    (!left.is_empty()).then(|| {
        let message = "no longer part of the chart, but Helm installs all templates";
        Problem::new(left.join(", "), message).hint("remove with `gen --prune`")
    })
}
