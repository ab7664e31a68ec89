//! The root that calls the module, and the module's README.
//!
//! Invariant: the root has a variable only for a value that the spec lacks, and passes every output
//! of the module.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use minijinja::Value;
use minijinja::value::merge_maps;
use serde::Serialize;

use super::interface::{Input, Output, inputs, outputs};
use super::{Argument, FOLDER, Module};
use crate::plan::Plan;
use crate::render::{as_is, hcl, render, values_of};

/// Variables whose default in the module is the value in the spec. The root passes them as well, so
/// that it shows the whole deployment.
const DEFAULTS: [&str; 24] = [
    "architecture",
    "chroma_otel_collection_endpoint",
    "chroma_otel_granularity",
    "chroma_otel_service_name",
    "chroma_version",
    "disk_encryption_set_id",
    "disk_size",
    "image",
    "image_id",
    "instance_type",
    "key_vault_id",
    "kms_key",
    "kms_key_arn",
    "labels",
    "log_retention_days",
    "machine_type",
    "network_project_id",
    "permissions_boundary_arn",
    "policy_arns",
    "public_address",
    "snapshots_kept",
    "start_minutes",
    "tags",
    "workspace_id",
];

/// Defaults of the module that stand for no value.
const NOTHING: [&str; 5] = ["\"\"", "null", "false", "[]", "{}"];

/// Input of `templates/terraform/root` and `templates/terraform/chroma`, in addition to that of the
/// module's templates.
#[derive(Serialize)]
struct RootTemplate<'a> {
    title: &'static str,
    /// The address of the data disk in the module.
    data: &'static str,
    /// `name = value` lines, aligned.
    arguments: Vec<Value>,
    /// The variables of the root.
    variables: Vec<&'a Input>,
    /// The inputs of the module, by name.
    inputs: BTreeMap<&'a str, &'a Input>,
    /// The outputs of the module, by name.
    outputs: BTreeMap<&'a str, &'a Output>,
}

/// Adds the files of the root, and the module's README.
///
/// # Errors
/// Fails if the arguments are not those of the module, or if a template is wrong: a bug.
pub(super) fn add(
    plan: &mut Plan,
    context: &Value,
    module: &Module,
    arguments: &[Argument],
) -> Result<()> {
    let of_module = |file: &str| {
        let text = plan.files.get(&format!("{FOLDER}/{file}"));
        text.with_context(|| format!("the module has no {file}"))
    };
    let inputs = inputs(of_module("variables.tf")?)?;
    let outputs = outputs(of_module("outputs.tf")?)?;
    let template = template(module, arguments, &inputs, &outputs)?;
    let context = merge_maps([values_of(template), context.clone()]);
    for (template, path) in [
        ("root/main.tf", "main.tf".to_owned()),
        ("root/variables.tf", "variables.tf".to_owned()),
        ("root/outputs.tf", "outputs.tf".to_owned()),
        ("chroma/README.md", format!("{FOLDER}/README.md")),
    ] {
        let text = render(&format!("terraform/{template}.j2"), &context)?;
        plan.files.insert(path, text);
    }
    Ok(())
}

fn template<'a>(
    module: &Module,
    arguments: &[Argument],
    inputs: &'a [Input],
    outputs: &'a [Output],
) -> Result<RootTemplate<'a>> {
    for (name, _) in arguments {
        let known = inputs.iter().any(|input| input.name == *name);
        ensure!(known, "the module has no variable `{name}`");
    }
    let (mut passed, mut variables) = (Vec::new(), Vec::new());
    for input in inputs {
        let name = &input.name;
        match (
            arguments.iter().find(|(one, _)| one == name),
            &input.default,
        ) {
            (Some((_, Some(value))), _) => passed.push((name, hcl(value)?)),
            (Some(_), _) | (None, None) => {
                passed.push((name, format!("var.{name}")));
                variables.push(input);
            }
            (None, Some(default))
                if DEFAULTS.contains(&name.as_str()) && !NOTHING.contains(&default.as_str()) =>
            {
                passed.push((name, default.clone()));
            }
            (None, Some(_)) => {} // the module's own default
        }
    }
    let width = passed.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, value): (&String, String)| as_is(format!("{name:width$} = {value}"));
    Ok(RootTemplate {
        title: module.title,
        data: module.data,
        arguments: passed.into_iter().map(line).collect(),
        variables,
        inputs: inputs.iter().map(|one| (one.name.as_str(), one)).collect(),
        outputs: outputs.iter().map(|one| (one.name.as_str(), one)).collect(),
    })
}
