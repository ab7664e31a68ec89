//! Checks of a deployment's files: each parses, its names resolve, its images are pinned, and no
//! secret is in plain text.
//!
//! Invariant: the report lists every file, as checked or as not checked.

mod chart;
mod cloudformation;
mod collector;
mod compose;
mod configuration;
mod coverage;
mod env_file;
mod format;
mod images;
mod kubernetes;
mod names;
mod secrets;
mod terraform;
mod yaml;

use std::collections::BTreeMap;

use serde_yaml::Value;

use crate::problem::Problem;
use crate::spec::Secrets;
pub use coverage::Coverage;
use format::Format;
pub use format::is_source;

/// Problems of the files of a folder, and the extent of the checks.
#[derive(Debug, Default)]
pub struct Report {
    /// All problems.
    pub problems: Vec<Problem>,
    /// The files, by the extent of their checks.
    pub coverage: Coverage,
}

/// Relative path to text.
pub type Files = BTreeMap<String, String>;

/// Returns all problems of the files of a deployment (relative path to text).
pub fn files(files: &Files, secrets: &Secrets) -> Vec<Problem> {
    check(files, &[], secrets).problems
}

/// Returns the files, with the manifests that charts give with their default values, restores included.
pub fn manifests(files: &Files) -> Files {
    chart::rendered(files).into_owned()
}

/// Returns true if a check reads a file of this path.
pub fn is_checked(path: &str) -> bool {
    Format::of(path, "") != Format::Other
}

/// Checks the files of a deployment (relative path to text), and lists the extent of the checks.
/// `others` are the paths of files in the folder that were not read.
pub fn check(files: &Files, others: &[String], secrets: &Secrets) -> Report {
    let mut report = Report::default();
    let paths: Vec<&str> = files.keys().chain(others).map(String::as_str).collect();
    let rendered = chart::rendered(files);
    let manifests = kubernetes::check(&rendered, &paths);
    let mut modules = terraform::Modules::new();
    for (path, text) in files {
        let format = match Format::of(path, text) {
            _ if manifests.patches.contains(path) => Format::Yaml,
            Format::Kubernetes if !rendered.contains_key(path) => Format::Other,
            format => format,
        };
        if format == Format::Terraform {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            modules.entry(folder).or_default().insert(path, text);
        }
        report.coverage.file(path, text, format);
        report.add(path, one(format, text, &paths));
        if !is_source(path) {
            report.add(path, secrets::leaked(text, secrets));
        }
    }
    report.problems.extend(terraform::check(&modules));
    report.problems.extend(manifests.problems);
    others.iter().for_each(|path| report.coverage.skip(path));
    let kinds = manifests.without_schema.iter();
    kinds.for_each(|kind| {
        report
            .coverage
            .skip(format!("fields of {kind} (no schema)"))
    });
    report
}

impl Report {
    fn add(&mut self, path: &str, problems: Vec<Problem>) {
        let problems = problems.into_iter();
        self.problems
            .extend(problems.map(|problem| problem.within(path)));
    }
}

/// Returns the problems of a single file. Manifests and Terraform modules are checked together.
fn one(format: Format, text: &str, paths: &[&str]) -> Vec<Problem> {
    match format {
        Format::Chroma => tree(text, configuration::chroma),
        Format::CloudFormation => tree(text, cloudformation::check),
        Format::Collector => tree(text, collector::check),
        Format::Compose => tree(text, |tree| compose::check(tree, paths)),
        Format::Dockerfile => images::dockerfile(text),
        Format::EnvFile => env_file::check(text),
        Format::Json => Vec::from_iter(configuration::json(text).err()),
        Format::Yaml => Vec::from_iter(yaml::documents(text).err()),
        Format::Kubernetes | Format::Terraform | Format::Other => Vec::new(),
    }
}

fn tree(text: &str, check: impl Fn(&Value) -> Vec<Problem>) -> Vec<Problem> {
    match yaml::document(text) {
        Ok(tree) => check(&tree),
        Err(problem) => vec![problem],
    }
}
