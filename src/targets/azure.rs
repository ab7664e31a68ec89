//! A machine in Azure: which files, what of the spec it cannot have, what the operator does next.
//!
//! Invariant: no file holds the value of a secret; the module's variables and Key Vault do.

mod context;
mod module;
pub(super) mod patterns;
pub(super) mod problems;

use anyhow::Result;

use self::module::{MODULE, MODULE_WITH_INSIGHTS, makes_insights, places};
use super::machine::env_files::{self, EnvFile, EnvLine, Segment};
use super::machine::{self, CloudMachine};
use super::registry::Source;
use super::terraform;
use crate::image::{self, Tags};
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::spec::{Resolved, Spec};

fn cloud(spec: &Spec) -> CloudMachine {
    CloudMachine {
        // `docker logs` reads it; what the unit says goes to the journal, and from there to the workspace.
        log_options: &["--log-driver=local"],
        chooses_logs: false,
        detector: "azure",
        metadata_addresses: &["169.254.169.254", "168.63.129.16"],
        says_whether_chroma_answers: true,
        system_memory: 640, // Azure's agent and that of Azure Monitor are in it, which nobody has measured
        arm: patterns::is_arm(spec.machine.kind.as_str()),
        place: "",
    }
}

/// What Azure cannot have, of a spec that is sound otherwise.
pub fn problems(resolved: &Resolved) -> Vec<Problem> {
    problems::of(&resolved.spec)
}

/// The files of the deployment.
///
/// # Errors
/// A template is wrong: a bug.
pub fn plan(resolved: &Resolved) -> Result<Plan> {
    let spec = &resolved.spec;
    let (mut plan, tags) = image::built(spec)?;
    let context = machine::context(spec, &tags, &cloud(spec), context::of(spec));
    let module = if makes_insights(spec) {
        MODULE_WITH_INSIGHTS
    } else {
        MODULE
    };
    terraform::add(&mut plan, spec, &module, context, &lines(spec, &tags))?;
    Ok(plan)
}

/// The files of lines on the machine.
fn lines(spec: &Spec, tags: &Tags) -> Vec<EnvFile> {
    let mut own = vec![
        EnvLine::variable("AZURE_CLIENT_ID", Segment::Local("client_id")),
        EnvLine::variable("AZURE_LOCATION", Segment::Local("location")),
        EnvLine::variable("MACHINE_ID", Segment::Local("machine_id")),
        // Another disk makes a new machine: none is taken from below a file system in use and given back.
        EnvLine::variable("DATA_DISK", Segment::Local("data_disk")),
        // A role takes minutes to be known everywhere.
        EnvLine::variable("BOOT_SECONDS", Segment::Text("900".to_owned())),
    ];
    let registry = match Source::of(spec) {
        Source::Own => Some(Segment::Local("registry")),
        Source::ByIdentity(registry) => Some(Segment::Text(registry.host().to_owned())),
        Source::None | Source::Open => None,
    };
    own.extend(registry.map(|host| EnvLine::variable("REGISTRY", host)));
    env_files::of(spec, tags, own, Vec::new())
}

/// What the operator still has to say.
pub fn needs(resolved: &Resolved) -> Vec<Need> {
    let secret = "the id of a secret in Key Vault";
    machine::needs(resolved, &places(&resolved.spec), secret)
}

/// What a change of a file means for the data.
pub fn notes(change: &Change) -> Vec<String> {
    match change.path.as_str() {
        "main.tf" => machine::version_note(change),
        _ => Vec::new(),
    }
}

/// The commands that come after `gen`, to be run in the deployment's folder.
pub fn next_steps(resolved: &Resolved) -> Vec<String> {
    terraform::next_steps(&resolved.spec)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::input::sound;

    /// The files of the module that a spec with these keys makes, and the secrets it asks for.
    fn module(keys: &[(&'static str, Value)]) -> (Vec<String>, Vec<String>) {
        let resolved = sound(&[&[("target", json!("azure"))], keys].concat());
        assert!(super::problems(&resolved).is_empty());
        let needs = super::needs(&resolved).into_iter();
        let secrets = needs.filter(|need| need.variable.starts_with("machine.secrets."));
        let plan = super::plan(&resolved).expect("it renders");
        (
            plan.files.into_keys().collect(),
            secrets.map(|need| need.variable).collect(),
        )
    }

    #[test]
    fn application_insights_is_made_where_the_spec_names_none() {
        let made = |(files, _): &(Vec<String>, _)| files.contains(&"insights.tf".to_owned());
        let by_itself = module(&[]);
        assert!(made(&by_itself) && by_itself.1.is_empty());
        let id = "https://acme.vault.azure.net/secrets/INSIGHTS";
        let named = module(&[(
            "machine.secrets",
            json!({ crate::spec::target::CONNECTION_STRING: id }),
        )]);
        assert!(!made(&named) && named.1.is_empty());
        let elsewhere = module(&[("tracing.backend", json!("honeycomb"))]);
        assert!(!made(&elsewhere));
        assert_eq!(elsewhere.1, ["machine.secrets.HONEYCOMB_API_KEY"]);
    }
}
