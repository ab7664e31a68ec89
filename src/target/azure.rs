//! A machine in Azure: which files, what of the spec it cannot have, what the operator does next.
//!
//! Invariant: no file holds the value of a secret; the module's variables and Key Vault do.

mod context;
pub(super) mod forms;
pub(super) mod problems;

use anyhow::Result;

use super::image::Tags;
use super::machine::lines::{self, Line, LinesFile, Part};
use super::machine::{self, Cloud, Place};
use super::registry::Source;
use super::terraform::{self, Module, Rule};
use super::{Need, image};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::spec::{Resolved, Spec};
use crate::tree::Change;

/// What Application Insights, which the module makes, gives to those who send traces there.
const CONNECTION_STRING: &str = "APPLICATIONINSIGHTS_CONNECTION_STRING";

/// How many daily snapshots Azure Backup keeps of a disk: a year of them (support matrix of Azure Disk Backup).
const MOST_SNAPSHOTS: u16 = 365;

const MODULE: Module = Module {
    cloud: "azure",
    folder: "azure",
    more_files: &["logs.tf"],
    first_boot: "terraform/cloud-config.yaml.tftpl",
    place: "", // no backend's text has a placeholder here
    secret_kind: "id",
    secret_is: "the id of a secret that exists, https://VAULT.vault.azure.net/secrets/NAME",
    secret_rule: Rule {
        pattern: forms::SECRET_OR_BLANK,
        error: "A secret's id without a version, https://VAULT.vault.azure.net/secrets/NAME.",
    },
    made_traces: "https://portal.azure.com/#resource${azurerm_application_insights.traces.id}/searchV1",
    store: "Key Vault",
    name_is: "Name of the deployment; of the machine, and what begins with it.",
    name_rule: Rule {
        pattern: forms::DEPLOYMENT,
        error: "Up to 40 small letters, digits and dashes, a letter first, no two dashes in a row, none at the end.",
    },
};

/// The module that makes Application Insights as well.
const MODULE_WITH_INSIGHTS: Module = Module {
    more_files: &["insights.tf", "logs.tf"],
    ..MODULE
};

fn cloud(spec: &Spec) -> Cloud {
    Cloud {
        // `docker logs` reads it; what the unit says goes to the journal, and from there to the workspace.
        log_options: &["--log-driver=local"],
        chooses_logs: false,
        detector: "azure",
        metadata_addresses: &["169.254.169.254", "168.63.129.16"],
        says_whether_chroma_answers: true,
        system_memory: 640, // Azure's agent and that of Azure Monitor are in it, which nobody has measured
        arm: forms::is_arm(spec.machine.kind.as_str()),
        place: "",
    }
}

/// Whether the module makes the secret with this variable's value by itself.
pub(super) fn makes_secret(variable: &str) -> bool {
    variable == CONNECTION_STRING
}

/// Whether the module makes Application Insights: where the traces go there, and the spec names none.
fn makes_insights(spec: &Spec) -> bool {
    let mut keys = spec.tracing.backends().flat_map(|backend| &backend.keys);
    keys.any(|key| makes_secret(&key.variable))
        && !spec.machine.secrets.contains_key(CONNECTION_STRING)
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
    let module = match makes_insights(spec) {
        true => MODULE_WITH_INSIGHTS,
        false => MODULE,
    };
    terraform::add(&mut plan, spec, &module, context, &lines(spec, &tags))?;
    Ok(plan)
}

/// The files of lines on the machine.
fn lines(spec: &Spec, tags: &Tags) -> Vec<LinesFile> {
    let mut own = vec![
        Line::variable("AZURE_CLIENT_ID", Part::Local("client_id")),
        Line::variable("AZURE_LOCATION", Part::Local("location")),
        Line::variable("MACHINE_ID", Part::Local("machine_id")),
        // Another disk makes a new machine: none is taken from below a file system in use and given back.
        Line::variable("DATA_DISK", Part::Local("data_disk")),
        // A role takes minutes to be known everywhere.
        Line::variable("BOOT_SECONDS", Part::Text("900".to_owned())),
    ];
    let registry = match Source::of(spec) {
        Source::Own => Some(Part::Local("registry")),
        Source::ByIdentity(registry) => Some(Part::Text(registry.host().to_owned())),
        Source::None | Source::Open => None,
    };
    own.extend(registry.map(|host| Line::variable("REGISTRY", host)));
    lines::of(spec, tags, own, Vec::new())
}

fn places(spec: &Spec) -> [Place; 6] {
    let at = &spec.machine;
    [
        Place::new(
            "machine.subscription",
            "subscription_id",
            "the subscription's id",
            &at.subscription,
        ),
        Place::new(
            "machine.resource_group",
            "resource_group_name",
            "the name of a resource group that is there",
            &at.resource_group,
        ),
        Place::new(
            "machine.zone",
            "location, zone",
            "region and zone such as `westeurope-1`",
            &at.zone,
        ),
        Place::new(
            "machine.subnet",
            "subnet_id",
            "the whole id of a private subnet",
            &at.subnet,
        ),
        Place::new(
            "machine.allow_from",
            "allowed_cidr",
            "who may connect: a range such as `10.0.0.0/16`",
            &at.allow_from,
        ),
        Place::new(
            "machine.ssh_key",
            "ssh_public_key",
            "a public SSH key, without which Azure makes no machine",
            &at.ssh_key,
        ),
    ]
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

    use crate::spec::sound;

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
        let named = module(&[("machine.secrets", json!({ super::CONNECTION_STRING: id }))]);
        assert!(!made(&named) && named.1.is_empty());
        let elsewhere = module(&[("tracing.backend", json!("honeycomb"))]);
        assert!(!made(&elsewhere));
        assert_eq!(elsewhere.1, ["machine.secrets.HONEYCOMB_API_KEY"]);
    }
}
