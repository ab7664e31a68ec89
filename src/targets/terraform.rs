//! A deployment as a Terraform module: what the modules of all clouds have alike.
//!
//! Invariant: no value of a secret comes into a module's state or its plan; a value of a variable
//! reaches the machine in a line of a file, and no script.

mod env_files;

use std::collections::BTreeSet;

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

/// The commands that make the deployment and change it.
pub(super) const APPLY: &str = "terraform init && terraform apply";

/// What every module has, but for `secrets.tf` and the template of the machine's first boot.
const FILES: [&str; 10] = [
    "README.md",
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

/// A cloud's module: its templates, and its words.
pub(super) struct Module {
    /// The cloud's template folder, with its file `cloud`.
    pub(super) cloud: &'static str,
    /// The module's template folder.
    pub(super) folder: &'static str,
    /// Files that not every module has.
    pub(super) more_files: &'static [&'static str],
    /// Template of what the machine runs when it first boots; its name is the file's.
    pub(super) first_boot: &'static str,
    /// What the module has for a backend's placeholder: `${local.region}`.
    pub(super) place: &'static str,
    /// What the store calls the name of a secret: `arn`, `id`.
    pub(super) secret_kind: &'static str,
    /// What such a name is, for a person.
    pub(super) secret_is: &'static str,
    /// What all of them look like, and what is said of one that does not; blank is none.
    pub(super) secret_rule: Rule,
    /// Where the module has traces of which it makes the secret by itself.
    pub(super) made_traces: &'static str,
    /// The store, for a person.
    pub(super) store: &'static str,
    /// What the deployment's name is for.
    pub(super) name_is: &'static str,
    /// What it looks like.
    pub(super) name_rule: Rule,
}

/// What a variable's value looks like.
pub(super) struct Rule {
    /// A regular expression of Terraform's.
    pub(super) pattern: &'static str,
    /// What is said of a value that is not so.
    pub(super) error: &'static str,
}

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
pub(super) fn problems(deployment: &Deployment, module: &Module) -> Vec<Problem> {
    let own = own_variables(module);
    let mut taken: BTreeSet<String> = own.map(str::to_owned).collect();
    let mut problems = Vec::new();
    for secret in &deployment.secrets {
        let names = variables(&secret.variable, module);
        // A backend's own are no trouble: what is left is Chroma's.
        let key = format!("chroma.environment.{}", secret.variable);
        let reserved = names.iter().find(|name| RESERVED.contains(&name.as_str()));
        let twice = names.iter().find(|name| taken.contains(*name));
        if let Some(name) = reserved {
            let message = format!("is a secret, and Terraform allows no variable `{name}` for it");
            let hint = "give its value here if it is none, or leave it out";
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
fn own_variables(module: &Module) -> impl Iterator<Item = &'static str> {
    let own = format!("{}/variables.tf.j2", module.folder);
    let shared = [
        "terraform/_chroma-variables.tf.j2",
        "terraform/_tracing-variables.tf.j2",
    ];
    let files = [own.as_str()].into_iter().chain(shared);
    let texts: Vec<&'static str> = files
        .filter_map(|file| TEMPLATES.get_file(file)?.contents_utf8())
        .collect();
    let lines = texts.into_iter().flat_map(str::lines);
    lines
        .filter_map(|line| line.strip_prefix("variable \"")?.strip_suffix("\" {"))
        .filter(|name| !name.contains('{'))
}

/// The module's variables for a secret: its value, which one it is, and its name in the store instead.
fn variables(secret: &str, module: &Module) -> [String; 3] {
    let id = secret.to_ascii_lowercase();
    [
        id.clone(),
        format!("{id}_version"),
        format!("{id}_secret_{}", module.secret_kind),
    ]
}

/// What the templates of a module read.
#[derive(Serialize)]
struct ModuleTemplate<'a, C> {
    #[serde(flatten)]
    machine: MachineTemplate<'a, C>,
    version_pattern: String,
    /// The variable for the endpoint, where the first backend takes one.
    endpoint: Option<EndpointParameter>,
    service_name_pattern: &'static str,
    service_name_error: &'static str,
    /// Where the traces of each backend are.
    traces: Vec<Traces>,
    /// The secrets that the operator is asked for.
    secrets: Vec<SecretTemplate<'a>>,
    /// Those without which the deployment does not start.
    keys: Vec<SecretTemplate<'a>>,
    /// What the store calls the name of a secret.
    secret_kind: &'static str,
    secret_pattern: &'static str,
    secret_error: &'static str,
    name_description: &'static str,
    name_pattern: &'static str,
    name_error: &'static str,
    /// The command that makes the deployment and changes it.
    apply: &'static str,
    /// `name = value`, in a column, for `templatefile`.
    template_values: Vec<Value>,
    /// The files that variables decide.
    line_files: Vec<LineFile>,
    /// The files that are the same on every machine.
    files: Vec<TextFile>,
}

/// Where a backend's traces are.
#[derive(Serialize)]
struct Traces {
    /// The backend's name as a key of Terraform's, in a column.
    name: Value,
    /// The address, as an expression.
    place: Value,
}

/// A file whose lines are expressions.
#[derive(Serialize)]
struct LineFile {
    /// What stands for its text in the template of the first boot.
    placeholder: Value,
    path: &'static str,
    /// The name of its `local`.
    name: String,
    lines: Vec<Value>,
}

/// A file with a fixed text.
#[derive(Serialize)]
struct TextFile {
    path: String,
    /// As `chmod` takes it, `0644`.
    mode: &'static str,
    text: String,
}

/// The variables for a secret: its value and which one it is, or the name of a secret that exists.
#[derive(Clone, Serialize)]
struct SecretTemplate<'a> {
    /// The variable of the container.
    variable: &'a str,
    /// The same in the form of a cloud's names.
    camel_case: String,
    required: bool,
    /// What an expression of the secret begins with: nothing, or the condition of its absence.
    unless: String,
    /// The default of the variable that counts the values.
    version: u8,
    description: String,
    version_description: String,
    given_description: String,
    /// The name in the store that the spec gives; else blank.
    given: &'a str,
    what: &'a str,
    /// The name of its variable.
    id: String,
}

/// Adds the module. `template` is that of the machine; `files` are those that the variables decide.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add<C: Serialize>(
    plan: &mut Plan,
    deployment: &Deployment,
    module: &Module,
    template: MachineTemplate<C>,
    files: &[EnvFile],
) -> Result<()> {
    let has_secrets = !deployment.secrets.is_empty();
    let template = module_template(deployment, module, template, files)?;
    let context = values_of(template);
    let mut add = |template: &str, path: &str| -> Result<()> {
        let text = render(&format!("{template}.j2"), &context)?;
        plan.files.insert(path.to_owned(), text);
        Ok(())
    };
    for file in FILES.iter().chain(module.more_files) {
        add(&format!("{}/{file}", module.folder), file)?;
    }
    if has_secrets {
        add(&format!("{}/secrets.tf", module.folder), "secrets.tf")?;
    }
    let (_, first_boot) = module.first_boot.rsplit_once('/').unwrap_or_default();
    add(module.first_boot, first_boot)
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
    let secrets = deployment.asked_secrets();
    let secrets: Vec<SecretTemplate> = secrets
        .map(|one| SecretTemplate::new(deployment, module, one))
        .collect();
    let keys = secrets.iter().filter(|secret| secret.required);
    Ok(ModuleTemplate {
        version_pattern: parameters::version_pattern(deployment),
        endpoint: wants_endpoint.then(|| parameters::endpoint(deployment)),
        service_name_pattern: parameters::service_name_pattern(deployment),
        service_name_error: match chroma.image {
            Image::Wrapped | Image::Published => "One line, not blank.",
            Image::Stock => "One line, not blank, without quotes and backslashes.",
        },
        traces: traces(deployment, module),
        keys: keys.cloned().collect(),
        secrets,
        secret_kind: module.secret_kind,
        secret_pattern: module.secret_rule.pattern,
        secret_error: module.secret_rule.error,
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
        let place = if deployment.creates_key_of(backend) {
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

/// A file of lines, which the template of the first boot fills in by its name.
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

/// `name = value`, in a column, for `templatefile`.
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
    fn new(deployment: &'a Deployment, module: &Module, secret: &'a SecretVariable) -> Self {
        let [id, ..] = variables(&secret.variable, module);
        let given = deployment.spec.machine.secrets.get(&secret.variable);
        let (counts, unless) = if secret.required {
            ("Counts the values", String::new())
        } else {
            (
                "Counts the values, 0 when there is none",
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
                "{} (to be kept in {}).",
                capitalized(&secret.what),
                module.store
            ),
            version_description: format!(
                "{counts}: Terraform does not see that {id} has changed. Raise it by 1."
            ),
            given_description: format!("Instead of {id}, {}.", module.secret_is),
            given: given.map(|given| given.as_str()).unwrap_or_default(),
            what: &secret.what,
            id,
        }
    }
}

/// The commands that come after `gen`.
pub(super) fn next_steps(deployment: &Deployment) -> Vec<String> {
    let mut steps: Vec<String> = machine::build_step(deployment).into_iter().collect();
    steps.push(APPLY.to_owned());
    if deployment.spec.is_traced() {
        steps.push("terraform output traces".to_owned());
    }
    steps
}

/// A description begins with a capital letter.
pub(super) fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use crate::deployment::sound;

    /// What is wrong with a module when these are secrets of Chroma's.
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
