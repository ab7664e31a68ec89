//! What Azure cannot have, of a spec that is sound otherwise.
//!
//! Invariant: what the rendered module would refuse at the operator's first `apply` is told here.

use super::module::{MODULE, MOST_SNAPSHOTS};
use super::patterns;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::Machine;
use crate::targets::machine::patterns::{
    Named, SecretName, given, has_form, malformed, security_group,
};
use crate::targets::{machine, terraform};

/// What Key Vault calls a secret.
pub(in crate::targets) const SECRET: SecretName = SecretName {
    rule: |name| has_form(patterns::SECRET_OR_BLANK, name),
    what: "the id of a secret without a version, `https://VAULT.vault.azure.net/secrets/NAME`",
    command: "`az keyvault secret list --vault-name VAULT --query '[].id'`",
};

pub(super) fn of(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = machine::problems(deployment, &SECRET);
    problems.extend(terraform::problems(deployment, &MODULE));
    problems.extend(names(deployment));
    problems.extend(peers(deployment));
    problems.extend(amounts(deployment));
    problems
}

/// Names that are not in Azure's form.
fn names(deployment: &Deployment) -> Vec<Problem> {
    let at = &deployment.spec.machine;
    malformed([
        Named::new(
            "name",
            Some(deployment.spec.name.to_string()),
            patterns::DEPLOYMENT,
            "no name for what belongs to it: a key vault's begins with it",
            "take at most 40 signs, a letter first, no two dashes in a row, none at the end",
        ),
        Named::new(
            "machine.type",
            Some(at.kind.as_str().to_owned()),
            patterns::SIZE,
            "no size of a machine that takes premium disks",
            "write one such as `Standard_B2s_v2` or `Standard_B2pls_v2` (Arm)",
        ),
        subscription(at),
        resource_group(at),
        Named::new(
            "machine.zone",
            given(&at.zone),
            patterns::ZONE,
            "no zone",
            "write the region and the zone's number, `westeurope-1`, or the region alone where there are no zones",
        ),
        Named::new(
            "machine.subnet",
            given(&at.subnet),
            patterns::SUBNET,
            "no subnet's id",
            "`az network vnet subnet list … --query '[].id'` shows it: `/subscriptions/…/subnets/…`",
        ),
        Named::new(
            "machine.restore_from",
            given(&at.restore_from),
            patterns::SNAPSHOT_OR_BLANK,
            "no snapshot's id",
            "`az snapshot list --query '[].id'` shows it: `/subscriptions/…/snapshots/…`",
        ),
        Named::new(
            "machine.alarms",
            given(&at.alarms),
            patterns::ACTION_GROUP_OR_BLANK,
            "no action group's id",
            "`az monitor action-group list --query '[].id'` shows it: `/subscriptions/…/actionGroups/…`",
        ),
    ])
}

/// The subscription.
pub(in crate::targets) fn subscription(at: &Machine) -> Named {
    Named::new(
        "machine.subscription",
        given(&at.subscription),
        patterns::SUBSCRIPTION,
        "no subscription's id",
        "`az account show --query id` shows it: not its name",
    )
}

/// The resource group.
pub(in crate::targets) fn resource_group(at: &Machine) -> Named {
    Named::new(
        "machine.resource_group",
        given(&at.resource_group),
        patterns::GROUP,
        "no resource group's name",
        "`az group list --query '[].name'` shows it: not its id",
    )
}

/// Azure's rules for a network go by addresses.
fn peers(deployment: &Deployment) -> impl Iterator<Item = Problem> {
    let keys = [
        ("machine.allow_from", &deployment.spec.machine.allow_from),
        ("machine.ssh_from", &deployment.spec.machine.ssh_from),
    ];
    let hint = "write a range such as `10.0.0.0/16`";
    keys.into_iter()
        .filter_map(move |(key, peer)| security_group(key, peer, hint))
}

/// What a backup and a workspace can be given.
fn amounts(deployment: &Deployment) -> Vec<Problem> {
    let machine = &deployment.spec.machine;
    let mut problems = Vec::new();
    let mut wrong = |key: &str, message: String, hint: String| {
        problems.push(Problem::new(key, message).hint(hint));
    };
    if !(30..=730).contains(&machine.log_days) {
        let nearest = machine.log_days.clamp(30, 730);
        wrong(
            "machine.log_days",
            format!(
                "`{}` is no retention of a Log Analytics workspace",
                machine.log_days
            ),
            format!("it keeps logs for 30 to 730 days: the nearest is `{nearest}`"),
        );
    }
    if machine.snapshots > MOST_SNAPSHOTS {
        wrong(
            "machine.snapshots",
            format!(
                "`{}` are more than Azure keeps of a disk",
                machine.snapshots
            ),
            format!("take {MOST_SNAPSHOTS} or fewer; 0 makes none"),
        );
    }
    problems
}
