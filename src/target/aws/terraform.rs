//! The stack as a Terraform module.
//!
//! Invariant: it makes the same resources, takes the same parameters and writes the same files to
//! the machine as the CloudFormation template; no value of a secret comes into its state or its plan.

use anyhow::Result;
use minijinja::value::merge_maps;
use minijinja::{Value, context};

use super::lines::{self, LinesFile, terraform as hcl};
use super::parameters::name_of;
use super::stack;
use crate::plan::Plan;
use crate::render::{as_is, render};
use crate::spec::{Image, Spec};
use crate::target::machine::{self, MachineFile};
use crate::target::secrets::{SecretVariable, secrets};

/// The commands that make the deployment and change it.
pub(super) const APPLY: &str = "terraform init && terraform apply";

/// The module's files, but for `secrets.tf` and what the machine gets.
const FILES: [&str; 9] = [
    "README.md",
    "alarms.tf",
    "machine.tf",
    "main.tf",
    "network.tf",
    "outputs.tf",
    "permissions.tf",
    "storage.tf",
    "variables.tf",
];

/// Adds the module. `sources` names what the images are made of.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec, sources: &str) -> Result<()> {
    let context = of(spec, sources)?;
    let mut add = |template: &str, path: &str| -> Result<()> {
        let text = render(&format!("{template}.j2"), &context)?;
        plan.files.insert(path.to_owned(), text);
        Ok(())
    };
    for file in FILES.into_iter().chain(["versions.tf"]) {
        add(&format!("aws/terraform/{file}"), file)?;
    }
    if !secrets(spec).is_empty() {
        add("aws/terraform/secrets.tf", "secrets.tf")?;
    }
    let cloud_config = "cloud-config.yaml.tftpl";
    add(&format!("machine/{cloud_config}"), cloud_config)
}

fn of(spec: &Spec, sources: &str) -> Result<Value> {
    let context = stack::of(spec, sources);
    let files = machine::files(spec, "aws", &context)?;
    let lines = lines::of(spec, sources);
    let endpoint = spec
        .tracing
        .backend
        .wants_endpoint()
        .then(|| stack::endpoint(spec))
        .map(|one| context! { default => one.default, pattern => one.pattern, description => one.description });
    let secrets: Vec<Value> = secrets(spec)
        .into_iter()
        .map(|one| secret(spec, one))
        .collect();
    let keys: Vec<Value> = secrets
        .iter()
        .filter(|secret| secret.get_attr("required").is_ok_and(|yes| yes.is_true()))
        .cloned()
        .collect();
    stack::with_sections(context! {
        version_pattern => stack::version_pattern(spec),
        endpoint,
        service_name_pattern => stack::service_name_pattern(spec),
        service_name_error => match spec.chroma.image {
            Image::Wrapped => "One line, not blank.",
            Image::Stock => "One line, not blank, without quotes and backslashes.",
        },
        traces => as_is(hcl::regional(&spec.tracing.backend.traces)),
        secrets,
        keys,
        apply => APPLY,
        template_values => template_values(&lines),
        ..merge_maps([context, cloud_config(&lines, files)])
    })
}

/// What the template of the machine's first boot reads. It fills in `disk_size` and, by their names,
/// the files of lines.
fn cloud_config(lines: &[LinesFile], files: Vec<MachineFile>) -> Value {
    let line_files: Vec<Value> = lines
        .iter()
        .map(|file| {
            let name = hcl::name(file);
            let lines: Vec<Value> = file
                .lines
                .iter()
                .map(|line| as_is(hcl::expression(line)))
                .collect();
            context! { placeholder => as_is(format!("${{{name}}}")), path => file.path, name, lines }
        })
        .collect();
    let files: Vec<Value> = files
        .into_iter()
        .map(|file| {
            let mode = file.mode.trim_start_matches("00");
            context! { path => file.path, mode, text => file.text }
        })
        .collect();
    context! {
        notes => [as_is("The data disk has ${disk_size} GiB: one that has grown is used when a machine boots.")],
        line_files,
        files,
    }
}

/// `name = value`, in a column, for `templatefile`.
fn template_values(lines: &[LinesFile]) -> Vec<Value> {
    let mut values = vec![("disk_size".to_owned(), "var.disk_size".to_owned())];
    values.extend(lines.iter().map(|file| {
        let name = hcl::name(file);
        let text =
            format!("base64encode(join(\"\", [for line in local.{name} : \"${{line}}\\n\"]))");
        (name, text)
    }));
    let width = values.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    values
        .into_iter()
        .map(|(name, value)| as_is(format!("{name:width$} = {value}")))
        .collect()
}

/// The variables for a secret: its value and which one it is, or the ARN of a secret that exists.
fn secret(spec: &Spec, secret: SecretVariable) -> Value {
    let id = secret.variable.to_ascii_lowercase();
    let arn = spec.machine.secrets.get(&secret.variable);
    let counts = match secret.required {
        true => "Counts the values",
        false => "Counts the values, 0 when there is none",
    };
    context! {
        variable => secret.variable.as_str(),
        sid => name_of(&secret.variable),
        required => secret.required,
        unless => match secret.required {
            true => String::new(),
            false => format!("!local.has_{id} ? null : "),
        },
        version => u8::from(secret.required),
        description => format!("{}, to be kept in Secrets Manager.", secret.what),
        version_description => format!("{counts}: Terraform does not see that {id} has changed. Raise it by 1."),
        arn_description => format!("Instead of {id}, a secret in Secrets Manager that holds it."),
        arn => arn.map(|arn| arn.as_str()).unwrap_or_default(),
        what => secret.what,
        id,
    }
}
