//! A deployment as a Terraform module in the folder `chroma`, and a root that calls it: the parts
//! that all clouds share.
//!
//! Invariant: values of secrets are neither in the state nor in a plan; the value of a variable
//! reaches the machine in a line of a file, never in a script.

mod env_files;
mod interface;
mod notes;
mod root;
mod stale;

use std::collections::BTreeSet;

pub(super) use notes::notes;
pub(super) use stale::stale_problem;

use anyhow::Result;
use minijinja::Value;
use serde::Serialize;

use super::machine::env_files::EnvFile;
use super::machine::parameters::EndpointParameter;
use super::machine::{self, MachineFile, MachineTemplate, parameters};
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::secrets::{SecretVariable, name_of};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::render::{TEMPLATES, as_is, render, values_of};
use crate::spec::{Image, Spec};

/// The command that creates and changes the deployment.
pub(super) const APPLY: &str = "terraform init && terraform apply";

/// The folder of the module.
const FOLDER: &str = "chroma";

/// Files of every module, except `secrets.tf` and the template of the machine's first boot.
const FILES: [&str; 9] = [
    "alarms.tf",
    "machine.tf",
    "main.tf",
    "network.tf",
    "outputs.tf",
    "permissions.tf",
    "storage.tf",
    "variables.tf",
    "versions.tf",
];

/// Templates and wording of a cloud's module.
pub(super) struct Module {
    /// The cloud's template folder, which contains its file `cloud`.
    pub(super) cloud: &'static str,
    pub(super) folder: &'static str,
    /// Files that only some modules have.
    pub(super) more_files: &'static [&'static str],
    /// The cloud's name in a title.
    pub(super) title: &'static str,
    /// The address of the data disk.
    pub(super) data: &'static str,
    /// Template that the machine runs at its first boot; the file has the same name.
    pub(super) first_boot: &'static str,
    /// Terraform expression that replaces a backend's placeholder: `${local.region}`.
    pub(super) place: &'static str,
    /// The store's term for the name of a secret: `arn`, `id`.
    pub(super) secret_kind: &'static str,
    /// Description of such a name.
    pub(super) secret_is: &'static str,
    /// Format of these names; blank stands for no secret.
    pub(super) secret_rule: Rule,
    /// Terraform expression for the location of traces if the module creates their resource.
    pub(super) made_traces: &'static str,
    /// The store's name in a sentence.
    pub(super) store: &'static str,
    /// Description of the variable for the deployment's name.
    pub(super) name_is: &'static str,
    /// Format of the deployment's name.
    pub(super) name_rule: Rule,
}

/// Validation of a variable.
pub(super) struct Rule {
    /// A regular expression in Terraform's syntax.
    pub(super) pattern: &'static str,
    /// The error message for other values.
    pub(super) error: &'static str,
}

/// An argument of the module that the root passes: its name, and its value in the spec. Without a
/// value, the root has a variable of this name.
pub(super) type Argument = (String, Option<Value>);

/// Returns the argument for a required value.
pub(super) fn required(name: &str, value: Option<impl Into<Value>>) -> Argument {
    (name.to_owned(), value.map(Into::into))
}

/// Returns a list unless it is empty, which stands for no value.
pub(super) fn some<'a>(list: impl IntoIterator<Item = &'a str>) -> Option<Value> {
    let list: Vec<Value> = list.into_iter().map(Value::from).collect();
    (!list.is_empty()).then(|| list.into())
}

/// Returns the address of a resource of the module.
pub(super) fn in_module(address: &str) -> String {
    format!("module.chroma.{address}")
}

/// Returns the argument for a value that the module can do without, if the spec has one.
pub(super) fn optional(name: &str, value: Option<impl Into<Value>>) -> Option<Argument> {
    value.map(|value| required(name, Some(value)))
}

/// Names that Terraform does not allow for variables: they are arguments of every `module` block
/// (measured with Terraform 1.11.4).
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

/// Returns problems for secrets that cannot have a variable in the module.
pub(super) fn problems(deployment: &Deployment, module: &Module) -> Vec<Problem> {
    let own = own_variables(module);
    let mut taken: BTreeSet<String> = own.map(str::to_owned).collect();
    let mut problems = Vec::new();
    for secret in &deployment.secrets {
        let names = variables(&secret.variable, module);
        // Backends' variables never conflict, so the remaining ones are Chroma's.
        let key = format!("chroma.environment.{}", secret.variable);
        let reserved = names.iter().find(|name| RESERVED.contains(&name.as_str()));
        let twice = names.iter().find(|name| taken.contains(*name));
        if let Some(name) = reserved {
            let message =
                format!("cannot be a secret: Terraform reserves the variable name `{name}`");
            let hint = "give its value here if it is not secret, or remove it";
            problems.push(Problem::new(key, message).hint(hint));
        } else if let Some(name) = twice {
            let message = format!("cannot be a secret: the module already has a variable `{name}`");
            let hint = "give its value here if it is not secret, or remove it";
            problems.push(Problem::new(key, message).hint(hint));
        }
        taken.extend(names);
    }
    problems
}

/// Returns the variables of the module and of the root, except those of secrets.
fn own_variables(module: &Module) -> impl Iterator<Item = &'static str> {
    let own = ["variables", "_root-variables"];
    let own = own.map(|file| format!("{}/{file}.tf.j2", module.folder));
    let shared = [
        "terraform/_chroma-variables.tf.j2",
        "terraform/_tracing-variables.tf.j2",
    ];
    let files = own.iter().map(String::as_str).chain(shared);
    let texts: Vec<&'static str> = files
        .filter_map(|file| TEMPLATES.get_file(file)?.contents_utf8())
        .collect();
    let lines = texts.into_iter().flat_map(str::lines);
    lines
        .filter_map(|line| line.strip_prefix("variable \"")?.strip_suffix("\" {"))
        .filter(|name| !name.contains('{'))
}

/// Returns the module's variables for a secret: the value, its version, and the name of an existing
/// secret.
fn variables(secret: &str, module: &Module) -> [String; 3] {
    let id = secret.to_ascii_lowercase();
    [
        id.clone(),
        format!("{id}_version"),
        format!("{id}_secret_{}", module.secret_kind),
    ]
}

/// Input of a module's templates.
#[derive(Serialize)]
struct ModuleTemplate<'a, C> {
    #[serde(flatten)]
    machine: MachineTemplate<'a, C>,
    version_pattern: String,
    /// The variable for the endpoint, if the first backend accepts one.
    endpoint: Option<EndpointParameter>,
    service_name_pattern: &'static str,
    service_name_error: &'static str,
    /// Location of each backend's traces.
    traces: Vec<Traces>,
    /// The secrets that the operator must supply.
    secrets: Vec<SecretTemplate<'a>>,
    /// The secrets without which the deployment does not start.
    keys: Vec<SecretTemplate<'a>>,
    /// The store's term for the name of a secret.
    secret_kind: &'static str,
    secret_pattern: &'static str,
    secret_error: &'static str,
    /// The module's template folder.
    folder: &'static str,
    name_description: &'static str,
    name_pattern: &'static str,
    name_error: &'static str,
    /// The command that creates and changes the deployment.
    apply: &'static str,
    /// `name = value` lines for `templatefile`, aligned.
    template_values: Vec<Value>,
    /// The files whose lines depend on variables.
    line_files: Vec<LineFile>,
    /// The files that are the same on every machine.
    files: Vec<TextFile>,
}

/// Location of a backend's traces.
#[derive(Serialize)]
struct Traces {
    /// The backend's name as a Terraform key, aligned.
    name: Value,
    /// The address, as an expression.
    place: Value,
}

/// A file whose lines are expressions.
#[derive(Serialize)]
struct LineFile {
    /// Placeholder for its text in the template of the first boot.
    placeholder: Value,
    path: &'static str,
    /// The name of its `local`.
    name: String,
    lines: Vec<Value>,
}

#[derive(Serialize)]
struct TextFile {
    path: String,
    /// In the format of `chmod`: `0644`.
    mode: &'static str,
    text: String,
}

/// The variables for a secret: its value and version, or the name of an existing secret.
#[derive(Clone, Serialize)]
struct SecretTemplate<'a> {
    /// The variable of the container.
    variable: &'a str,
    /// The variable's name in camel case.
    camel_case: String,
    required: bool,
    /// Start of an expression of the secret: empty, or the condition of its absence.
    unless: String,
    /// Default of the variable for the version.
    version: u8,
    description: String,
    version_description: String,
    given_description: String,
    what: &'a str,
    /// The name of its variable.
    id: String,
}

/// Returns the files of the root and the module. `arguments` are the cloud's, `template` is the
/// machine's input, and `files` depend on variables.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn plan<C: Serialize>(
    deployment: &Deployment,
    module: &Module,
    mut arguments: Vec<Argument>,
    template: MachineTemplate<C>,
    files: &[EnvFile],
) -> Result<Plan> {
    let mut plan = deployment.images.plan();
    let has_secrets = !deployment.secrets.is_empty();
    let template = module_template(deployment, module, template, files)?;
    arguments.extend(shared_arguments(deployment, module));
    let context = values_of(template);
    let mut add = |template: &str, path: &str| -> Result<()> {
        let text = render(&format!("{template}.j2"), &context)?;
        plan.files.insert(path.to_owned(), text);
        Ok(())
    };
    let own = FILES.iter().chain(module.more_files);
    for file in own.chain(has_secrets.then_some(&"secrets.tf")) {
        add(
            &format!("{}/{file}", module.folder),
            &format!("{FOLDER}/{file}"),
        )?;
    }
    let (_, first_boot) = module.first_boot.rsplit_once('/').unwrap_or_default();
    add(module.first_boot, &format!("{FOLDER}/{first_boot}"))?;
    add(&format!("{}/README.md", module.folder), "README.md")?;
    add("terraform/.gitignore", ".gitignore")?;
    root::add(&mut plan, &context, module, &arguments)?;
    Ok(plan)
}

/// Returns the arguments that every module has.
fn shared_arguments(deployment: &Deployment, module: &Module) -> Vec<Argument> {
    let name = required("name", Some(deployment.spec.name.to_string()));
    let secrets = deployment.secrets.iter().flat_map(|secret| {
        let [value, version, stored] = variables(&secret.variable, module);
        match deployment.spec.machine.secrets.get(&secret.variable) {
            Some(name) => vec![(stored, Some(name.as_str().into()))],
            None => vec![(value, None), (version, None), (stored, None)],
        }
    });
    [name].into_iter().chain(secrets).collect()
}

fn module_template<'a, C: Serialize>(
    deployment: &'a Deployment,
    module: &Module,
    machine: MachineTemplate<'a, C>,
    lines: &[EnvFile],
) -> Result<ModuleTemplate<'a, C>> {
    let files = machine::files(deployment, module.cloud, &machine)?;
    let Spec {
        tracing, chroma, ..
    } = &deployment.spec;
    let wants_endpoint = tracing.backend.wants_endpoint();
    let secrets = deployment.secrets.iter();
    let secrets: Vec<SecretTemplate> = secrets
        .map(|one| SecretTemplate::new(module, one))
        .collect();
    let keys = secrets.iter().filter(|secret| secret.required);
    Ok(ModuleTemplate {
        version_pattern: parameters::version_pattern(deployment),
        endpoint: wants_endpoint.then(|| parameters::endpoint(deployment)),
        service_name_pattern: parameters::service_name_pattern(deployment),
        service_name_error: match chroma.image {
            Image::Wrapped | Image::Published => "Must be one line and not blank.",
            Image::Stock => "Must be one line and not blank, without quotes or backslashes.",
        },
        traces: traces(deployment, module),
        keys: keys.cloned().collect(),
        secrets,
        secret_kind: module.secret_kind,
        secret_pattern: module.secret_rule.pattern,
        secret_error: module.secret_rule.error,
        folder: module.folder,
        name_description: module.name_is,
        name_pattern: module.name_rule.pattern,
        name_error: module.name_rule.error,
        apply: APPLY,
        template_values: template_values(lines),
        line_files: lines.iter().map(|file| line_file(module, file)).collect(),
        files: files.into_iter().map(text_file).collect(),
        machine,
    })
}

fn traces(deployment: &Deployment, module: &Module) -> Vec<Traces> {
    let backends = || deployment.spec.tracing.backends();
    let key = |backend: &Backend| format!("\"{}\"", backend.name);
    let width = backends().map(|backend| key(backend).len()).max();
    let width = width.unwrap_or(0);
    let of = |backend: &Backend| {
        let place = if deployment.creates_resource_of(backend) {
            format!("\"{}\"", module.made_traces)
        } else {
            env_files::placed(&backend.traces, module.place)
        };
        Traces {
            name: as_is(format!("{:width$}", key(backend))),
            place: as_is(place),
        }
    };
    backends().map(of).collect()
}

/// Returns a file of lines; the template of the first boot inserts it by its name.
fn line_file(module: &Module, file: &EnvFile) -> LineFile {
    let name = env_files::name(file);
    let lines = file.lines.iter();
    LineFile {
        placeholder: as_is(format!("${{{name}}}")),
        path: file.path,
        name,
        lines: lines
            .map(|line| {
                as_is(env_files::expression(
                    line,
                    module.place,
                    module.secret_kind,
                ))
            })
            .collect(),
    }
}

fn text_file(file: MachineFile) -> TextFile {
    TextFile {
        path: file.path,
        mode: file.mode.trim_start_matches("00"),
        text: file.text,
    }
}

/// Returns `name = value` lines for `templatefile`, aligned.
fn template_values(files: &[EnvFile]) -> Vec<Value> {
    let names: Vec<String> = files.iter().map(env_files::name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let value = |name: &String| {
        let text =
            format!("base64encode(join(\"\", [for line in local.{name} : \"${{line}}\\n\"]))");
        as_is(format!("{name:width$} = {text}"))
    };
    names.iter().map(value).collect()
}

impl<'a> SecretTemplate<'a> {
    fn new(module: &Module, secret: &'a SecretVariable) -> Self {
        let [id, ..] = variables(&secret.variable, module);
        let (counts, unless) = if secret.required {
            ("Version of the value", String::new())
        } else {
            (
                "Version of the value, 0 without a value",
                format!("!local.has_{id} ? null : "),
            )
        };
        Self {
            variable: &secret.variable,
            camel_case: name_of(&secret.variable),
            required: secret.required,
            unless,
            version: u8::from(secret.required),
            description: format!(
                "{} (stored in {}).",
                capitalized(&secret.what),
                module.store
            ),
            version_description: format!(
                "{counts}. Increase it when you change {id}, because Terraform cannot detect the change."
            ),
            given_description: format!("{}, instead of {id}.", capitalized(module.secret_is)),
            what: &secret.what,
            id,
        }
    }
}

/// Returns the commands that follow `gen`.
pub(super) fn next_steps(deployment: &Deployment) -> Vec<String> {
    let mut steps: Vec<String> = machine::build_step(deployment).into_iter().collect();
    steps.push(APPLY.to_owned());
    if deployment.spec.is_traced() {
        steps.push("terraform output traces".to_owned());
    }
    steps
}

/// Returns the text with an initial capital letter, as descriptions have.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::deployment::sound;

    /// Returns the problems of a module with these secrets of Chroma.
    fn problems(secrets: &[&str]) -> Vec<String> {
        let environment = secrets.iter().map(|name| ((*name).to_owned(), Value::Null));
        let environment: Map<_, _> = environment.collect();
        let deployment = sound(&[
            ("target", json!("aws")),
            ("format", json!("terraform")),
            ("chroma.environment", environment.into()),
        ]);
        let problems = crate::targets::problems(&deployment);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn rejects_secrets_that_cannot_have_a_variable() {
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
        // A variable of the module; one of another secret; one that differs in case only.
        for wrong in [
            &["VPC_ID"][..],
            &["CHROMA"],
            &["KEY", "KEY_VERSION"],
            &["A_TOKEN", "a_token"],
        ] {
            let found = problems(wrong);
            assert!(
                found.len() == 1 && found[0].contains("already has a variable"),
                "{found:?}"
            );
        }
        assert_eq!(problems(&["KEY", "KEY_NOTE", "A_VERSION"]), [""; 0]);
    }
}
