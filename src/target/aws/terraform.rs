//! The stack as a Terraform module.
//!
//! Invariant: it makes the same resources, takes the same parameters and writes the same files to
//! the machine as the CloudFormation template; no value of a secret comes into its state or its plan.

use std::collections::BTreeSet;

use anyhow::Result;
use minijinja::value::merge_maps;
use minijinja::{Value, context};

use super::context::capitalized;
use super::lines::{self, LinesFile, terraform as hcl};
use super::parameters::name_of;
use super::stack;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::render::{TEMPLATES, as_is, render};
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

/// Names that Terraform gives no variable: they are arguments of every `module` block
/// (measured on Terraform 1.11.4).
const RESERVED: [&str; 10] = [
    "_",
    "count",
    "depends_on",
    "for_each",
    "lifecycle",
    "locals",
    "provider",
    "providers",
    "source",
    "version",
];

/// Secrets for which the module cannot have a variable.
pub(super) fn problems(spec: &Spec) -> Vec<Problem> {
    let mut taken: BTreeSet<String> = own_variables().map(str::to_owned).collect();
    let mut problems = Vec::new();
    for secret in secrets(spec) {
        let names = variables(&secret.variable);
        // A backend's own are no trouble: what is left is Chroma's.
        let key = format!("chroma.environment.{}", secret.variable);
        let reserved = names.iter().find(|name| RESERVED.contains(&name.as_str()));
        let twice = names.iter().find(|name| taken.contains(*name));
        if let Some(name) = reserved {
            let message = format!("is a secret, and Terraform allows no variable `{name}` for it");
            let hint = "give its value here if it is none, or use `--format cloudformation`";
            problems.push(Problem::new(key, message).hint(hint));
        } else if let Some(name) = twice {
            let message = format!("is a secret, and the module has another variable `{name}`");
            let hint = "give its value here if it is none, or leave it out";
            problems.push(Problem::new(key, message).hint(hint));
        }
        taken.extend(names);
    }
    problems
}

/// The module's variables, but for those of its secrets.
fn own_variables() -> impl Iterator<Item = &'static str> {
    let template = TEMPLATES.get_file("aws/terraform/variables.tf.j2");
    let text = template.and_then(|file| file.contents_utf8());
    let lines = text.unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("variable \"")?.strip_suffix("\" {"))
        .filter(|name| !name.contains('{'))
}

/// The module's variables for a secret: its value, which one it is, and the ARN instead.
fn variables(secret: &str) -> [String; 3] {
    let id = secret.to_ascii_lowercase();
    [
        id.clone(),
        format!("{id}_version"),
        format!("{id}_secret_arn"),
    ]
}

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
        instance => format!(
            "INSTANCE=$(aws autoscaling describe-auto-scaling-groups --auto-scaling-group-names {} \
             --query 'AutoScalingGroups[0].Instances[0].InstanceId' --output text)",
            spec.name
        ),
        ..merge_maps([context, cloud_config(&lines, files)])
    })
}

/// What the template of the machine's first boot reads. It fills in the files of lines, by
/// their names.
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
        line_files,
        files,
    }
}

/// `name = value`, in a column, for `templatefile`.
fn template_values(lines: &[LinesFile]) -> Vec<Value> {
    let names: Vec<String> = lines.iter().map(hcl::name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let value = |name: &String| {
        let text =
            format!("base64encode(join(\"\", [for line in local.{name} : \"${{line}}\\n\"]))");
        as_is(format!("{name:width$} = {text}"))
    };
    names.iter().map(value).collect()
}

/// The variables for a secret: its value and which one it is, or the ARN of a secret that exists.
fn secret(spec: &Spec, secret: SecretVariable) -> Value {
    let [id, ..] = variables(&secret.variable);
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
        description => format!("{} (to be kept in Secrets Manager).", capitalized(&secret.what)),
        version_description => format!("{counts}: Terraform does not see that {id} has changed. Raise it by 1."),
        arn_description => format!("Instead of {id}, the full ARN of a secret that is the plain value, not the console's key/value pairs."),
        arn => arn.map(|arn| arn.as_str()).unwrap_or_default(),
        what => secret.what,
        id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::spec::file::{self, Override};
    use crate::spec::resolve;

    /// What is wrong with a module when these are secrets of Chroma's.
    fn problems(secrets: &[&str]) -> Vec<String> {
        let environment = secrets.iter().map(|name| ((*name).to_owned(), Value::Null));
        let of = |key, value| Override {
            key,
            flag: key,
            value,
        };
        let overrides = vec![
            of("target", json!("aws")),
            of("format", json!("terraform")),
            of(
                "chroma.environment",
                environment.collect::<Map<_, _>>().into(),
            ),
        ];
        let input = file::read(None, overrides).expect("the spec reads");
        let resolved = resolve(input, &|_| None).expect("the spec is sound");
        let problems = resolved.spec.target.problems(&resolved);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_secret_that_no_variable_can_hold_is_refused() {
        for name in super::RESERVED {
            let name = name.to_ascii_uppercase();
            let [problem] = &problems(&[&name])[..] else {
                panic!("{name}: {:?}", problems(&[&name]));
            };
            assert!(
                problem.starts_with(&format!("chroma.environment.{name}: ")),
                "{problem}"
            );
        }
        // One of the module's own; what belongs to another secret; what differs in its case only.
        for wrong in [
            &["VPC_ID"][..],
            &["CHROMA"],
            &["KEY", "KEY_VERSION"],
            &["A_TOKEN", "a_token"],
        ] {
            let found = problems(wrong);
            assert!(
                found.len() == 1 && found[0].contains("another variable"),
                "{found:?}"
            );
        }
        assert_eq!(problems(&["KEY", "KEY_NOTE", "A_VERSION"]), [""; 0]);
    }
}
