//! The Terraform module of Azure, and what it makes.

use super::patterns;
use crate::deployment::Deployment;
use crate::spec::Machine;
use crate::spec::target::CONNECTION_STRING;
use crate::targets::machine::RequiredKey;
use crate::targets::terraform::{Module, Rule};

pub(super) const MODULE: Module = Module {
    cloud: "azure",
    folder: "azure",
    more_files: &["logs.tf"],
    first_boot: "terraform/cloud-config.yaml.tftpl",
    place: "", // no backend's text has a placeholder here
    secret_kind: "id",
    secret_is: "the id of a secret that exists, https://VAULT.vault.azure.net/secrets/NAME",
    secret_rule: Rule {
        pattern: patterns::SECRET_OR_BLANK,
        error: "A secret's id without a version, https://VAULT.vault.azure.net/secrets/NAME.",
    },
    made_traces: "https://portal.azure.com/#resource${azurerm_application_insights.traces.id}/searchV1",
    store: "Key Vault",
    name_is: "Name of the deployment; of the machine, and what begins with it.",
    name_rule: Rule {
        pattern: patterns::DEPLOYMENT,
        error: "Up to 40 small letters, digits and dashes, a letter first, no two dashes in a row, none at the end.",
    },
};

/// How many daily snapshots Azure Backup keeps of a disk: a year of them (support matrix of Azure Disk Backup).
pub(super) const MOST_SNAPSHOTS: u16 = 365;

/// The module that makes Application Insights as well.
pub(super) const MODULE_WITH_INSIGHTS: Module = Module {
    more_files: &["insights.tf", "logs.tf"],
    ..MODULE
};

/// Whether the module makes Application Insights: where the traces go there, and the spec names none.
pub(super) fn makes_insights(deployment: &Deployment) -> bool {
    let mut keys = deployment
        .spec
        .tracing
        .backends()
        .flat_map(|backend| &backend.keys);
    keys.any(|key| key.variable == CONNECTION_STRING)
        && !deployment
            .spec
            .machine
            .secrets
            .contains_key(CONNECTION_STRING)
}

pub(super) fn places(at: &Machine) -> [RequiredKey; 6] {
    [
        RequiredKey::new(
            "machine.subscription",
            "subscription_id",
            "the subscription's id",
            &at.subscription,
        ),
        RequiredKey::new(
            "machine.resource_group",
            "resource_group_name",
            "the name of a resource group that is there",
            &at.resource_group,
        ),
        RequiredKey::new(
            "machine.zone",
            "location, zone",
            "region and zone such as `westeurope-1`",
            &at.zone,
        ),
        RequiredKey::new(
            "machine.subnet",
            "subnet_id",
            "the whole id of a private subnet",
            &at.subnet,
        ),
        RequiredKey::new(
            "machine.allow_from",
            "allowed_cidr",
            "who may connect: a range such as `10.0.0.0/16`",
            &at.allow_from,
        ),
        RequiredKey::new(
            "machine.ssh_key",
            "ssh_public_key",
            "a public SSH key, without which Azure makes no machine",
            &at.ssh_key,
        ),
    ]
}
