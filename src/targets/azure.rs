//! A machine in Azure: files, problems of the spec, next steps.
//!
//! Invariant: no file contains the value of a secret; only variables of the module and Key Vault
//! do.

mod module;
pub(super) mod patterns;
pub(super) mod problems;
mod sizes;
mod template;

use anyhow::Result;

use self::module::{MODULE, MODULE_WITH_INSIGHTS, arguments, makes_insights, places};
use self::template::AzureTemplate;
use super::machine::env_files::{self, EnvFile, EnvLine, Segment};
use super::machine::{self, CloudMachine, MachineTemplate};
use super::terraform;
use crate::deployment::Deployment;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;

fn traits() -> CloudMachine {
    CloudMachine {
        // `docker logs` reads these files. The units' output goes to the journal, and from there to
        // the workspace.
        log_options: &["--log-driver=local"],
        chooses_logs: false,
        detector: "azure",
        metadata_addresses: &["169.254.169.254", "168.63.129.16"],
        says_whether_chroma_answers: true,
        sends_heartbeats: false,
        place: "",
    }
}

/// Returns the problems of a valid spec that Azure cannot deploy.
pub fn problems(deployment: &Deployment) -> Vec<Problem> {
    problems::of(deployment)
}

/// Returns the files of the deployment.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub fn plan(deployment: &Deployment) -> Result<Plan> {
    let template = MachineTemplate::new(deployment, traits(), AzureTemplate::new(deployment));
    let module = if makes_insights(deployment) {
        MODULE_WITH_INSIGHTS
    } else {
        MODULE
    };
    let arguments = arguments(&deployment.spec.machine);
    terraform::plan(deployment, &module, arguments, template, &lines(deployment))
}

/// Returns the machine's files of `NAME=value` lines.
fn lines(deployment: &Deployment) -> Vec<EnvFile> {
    let own = vec![
        EnvLine::variable("AZURE_CLIENT_ID", Segment::Local("client_id")),
        EnvLine::variable("AZURE_LOCATION", Segment::Local("location")),
        EnvLine::variable("MACHINE_ID", Segment::Local("machine_id")),
        // Another disk makes a new machine: a mounted disk is never detached and returned.
        EnvLine::variable("DATA_DISK", Segment::Local("data_disk")),
        // A new role assignment takes minutes to take effect everywhere.
        EnvLine::variable("BOOT_SECONDS", Segment::Text("900".to_owned())),
    ];
    let identity = EnvLine::variable("AZURE_CLIENT_ID", Segment::Local("client_id"));
    env_files::of(deployment, own, collector_lines(deployment), vec![identity])
}

/// Returns the lines by which the collector sends to Azure Monitor: the identity, and the
/// connection string, which is only an address.
fn collector_lines(deployment: &Deployment) -> Vec<EnvLine> {
    let backends = || deployment.spec.tracing.backends();
    let by_identity = backends().any(|backend| backend.cloud().is_some());
    let identity =
        by_identity.then(|| EnvLine::variable("AZURE_CLIENT_ID", Segment::Local("client_id")));
    let addresses = backends().flat_map(|backend| &backend.addresses);
    let addresses = addresses.map(|address| {
        let value = match &address.value {
            Some(value) => Segment::Text(value.clone()),
            None => Segment::Local("connection_string"),
        };
        EnvLine::variable(&address.key.variable, value)
    });
    identity.into_iter().chain(addresses).collect()
}

/// Returns the values that the operator still has to supply.
pub fn needs(deployment: &Deployment) -> Vec<Need> {
    let secret = "the id of a secret in Key Vault";
    machine::needs(deployment, &places(&deployment.spec.machine), secret)
}

/// Returns notes on the effect of a changed file on the data.
pub fn notes(change: &Change) -> Vec<String> {
    terraform::notes(change)
}

/// Returns the commands that follow `gen`, to be run in the deployment's folder.
pub fn next_steps(deployment: &Deployment) -> Vec<String> {
    terraform::next_steps(deployment)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::deployment::sound;
    use crate::values::CONNECTION_STRING;

    /// Returns the files of the module for these keys, and the secrets that the operator must
    /// supply.
    fn module(keys: &[(&'static str, Value)]) -> (Vec<String>, Vec<String>) {
        let deployment = sound(&[&[("target", json!("azure"))], keys].concat());
        assert!(super::problems(&deployment).is_empty());
        let needs = super::needs(&deployment).into_iter();
        let secrets = needs.filter(|need| need.variable.starts_with("machine.secrets."));
        let plan = super::plan(&deployment).expect("it renders");
        (
            plan.files.into_keys().collect(),
            secrets.map(|need| need.variable).collect(),
        )
    }

    #[test]
    fn creates_application_insights_unless_the_spec_names_one() {
        let made = |(files, _): &(Vec<String>, _)| files.contains(&"chroma/insights.tf".to_owned());
        let by_itself = module(&[]);
        assert!(made(&by_itself) && by_itself.1.is_empty());
        let id = "https://acme.vault.azure.net/secrets/INSIGHTS";
        let named = module(&[("machine.secrets", json!({ CONNECTION_STRING: id }))]);
        assert!(!made(&named) && named.1.is_empty());
        let given = module(&[(
            "tracing.settings",
            json!({ "connection_string": "InstrumentationKey=1;IngestionEndpoint=https://a/" }),
        )]);
        assert!(!made(&given) && given.1.is_empty());
        let elsewhere = module(&[("tracing.backend", json!("honeycomb"))]);
        assert!(!made(&elsewhere));
        assert_eq!(elsewhere.1, ["machine.secrets.HONEYCOMB_API_KEY"]);
    }
}
