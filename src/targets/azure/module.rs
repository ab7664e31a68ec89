//! The Terraform module of Azure, and the resources that it creates.

use super::patterns;
use crate::deployment::Deployment;
use crate::spec::Machine;
use crate::targets::machine::RequiredKey;
use crate::targets::terraform::{Argument, Module, Rule, optional, required, some};
use crate::values::{AddressRange, CloudName};

pub(super) const MODULE: Module = Module {
    cloud: "azure",
    folder: "azure",
    more_files: &["logs.tf"],
    title: "Azure",
    data: "azurerm_managed_disk.data",
    first_boot: "terraform/cloud-config.yaml.tftpl",
    place: "", // no text of a backend has a placeholder here
    secret_kind: "id",
    secret_is: "the id of an existing secret, https://VAULT.vault.azure.net/secrets/NAME",
    secret_rule: Rule {
        pattern: patterns::SECRET_OR_BLANK,
        error: "Must be the id of a secret without a version, https://VAULT.vault.azure.net/secrets/NAME.",
    },
    made_traces: "https://portal.azure.com/#resource${azurerm_application_insights.traces.id}/searchV1",
    store: "Key Vault",
    name_is: "Name of the deployment and of its machine; prefix of other names.",
    name_rule: Rule {
        pattern: patterns::DEPLOYMENT,
        error: "Must be at most 40 lowercase letters, digits and hyphens, begin with a letter, and not contain two hyphens in a row or end with a hyphen.",
    },
};

/// Maximum number of daily snapshots of a disk in Azure Backup: a year (support matrix of Azure
/// Disk Backup).
pub(super) const MOST_SNAPSHOTS: u16 = 365;

/// The module that also creates Application Insights.
pub(super) const MODULE_WITH_INSIGHTS: Module = Module {
    more_files: &["insights.tf", "logs.tf"],
    ..MODULE
};

/// Returns true if the module creates Application Insights: traces are sent there, and the spec
/// does not name one.
pub(super) fn makes_insights(deployment: &Deployment) -> bool {
    let mut backends = deployment.spec.tracing.backends();
    backends.any(|backend| deployment.creates_resource_of(backend))
}

/// Returns the arguments of the module that are specific to this deployment.
pub(super) fn arguments(at: &Machine) -> Vec<Argument> {
    let text = |name: &Option<CloudName>| name.as_ref().map(|name| name.as_str().to_owned());
    let zone = at.zone.as_ref();
    let place = zone.map(|zone| patterns::place(zone.as_str()));
    let arguments = [
        required("resource_group_name", text(&at.resource_group)),
        required("location", place.map(|(location, _)| location)),
        required("zone", place.map(|(_, zone)| zone)),
        required("subnet_id", text(&at.subnet)),
        required("allowed_cidrs", some(at.allowed_ranges())),
        required(
            "ssh_public_key",
            at.ssh_key.as_ref().map(|key| key.as_str()),
        ),
    ];
    let optional = [
        optional("ssh_cidr", at.ssh_from.as_ref().map(AddressRange::as_str)),
        optional("snapshot_id", text(&at.restore_from)),
        optional("action_group_id", text(&at.alarms)),
    ];
    let optional = optional.into_iter().flatten();
    arguments.into_iter().chain(optional).collect()
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
            "the name of an existing resource group",
            &at.resource_group,
        ),
        RequiredKey::new(
            "machine.zone",
            "location, zone",
            "the region and zone, such as `westeurope-1`",
            &at.zone,
        ),
        RequiredKey::new(
            "machine.subnet",
            "subnet_id",
            "the full id of a private subnet",
            &at.subnet,
        ),
        RequiredKey::new(
            "machine.allow_from",
            "allowed_cidrs",
            "the allowed clients: a range such as `10.0.0.0/16`",
            &at.allow_from.first(),
        ),
        RequiredKey::new(
            "machine.ssh_key",
            "ssh_public_key",
            "a public SSH key, which Azure requires for a machine",
            &at.ssh_key,
        ),
    ]
}
