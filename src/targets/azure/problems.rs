//! Problems of a valid spec that Azure cannot deploy.
//!
//! Invariant: a value that the rendered module would reject at the first `apply` is reported here.

use super::module::{MODULE, MOST_SNAPSHOTS};
use super::patterns;
use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::spec::Machine;
use crate::targets::machine::patterns::{
    self as rules, Named, SecretName, TagRules, given, has_form, malformed, not_ranges,
};
use crate::targets::machine::sizes;
use crate::targets::{machine, terraform};
use crate::values::CloudName;

/// The format of a secret's name in Key Vault.
pub(in crate::targets) const SECRET: SecretName = SecretName {
    rule: |name| has_form(patterns::SECRET_OR_BLANK, name),
    what: "the id of a secret without a version, `https://VAULT.vault.azure.net/secrets/NAME`",
    command: "`az keyvault secret list --vault-name VAULT --query '[].id'`",
};

/// Rules for tags (Azure Resource Manager, "Use tags to organize your Azure resources").
const TAGS: TagRules = TagRules {
    name: patterns::TAG,
    value: patterns::TAG_VALUE,
    what: "a tag of Azure",
    hint: "use at most 512 characters without `<>%&\\?/` in a name, and at most 256 in a value",
    most: 50,
};

pub(super) fn of(deployment: &Deployment) -> Vec<Problem> {
    let mut problems = machine::problems(deployment, &SECRET);
    problems.extend(terraform::problems(deployment, &MODULE));
    problems.extend(names(deployment));
    problems.extend(organization(&deployment.spec.machine));
    problems.extend(rules::tags(deployment, &TAGS));
    problems.extend(sizes::too_small(deployment, super::sizes::memory));
    problems.extend(other_cloud("machine.zone", &deployment.spec.machine.zone));
    problems.extend(peers(deployment));
    problems.extend(amounts(deployment));
    problems
}

/// Returns problems for names that Azure does not accept.
fn names(deployment: &Deployment) -> Vec<Problem> {
    let at = &deployment.spec.machine;
    malformed([
        Named::new(
            "name",
            Some(deployment.spec.name.to_string()),
            patterns::DEPLOYMENT,
            "not a valid prefix of a key vault's name",
            "use at most 40 characters, beginning with a letter, without two hyphens in a row or one at the end",
        ),
        Named::new(
            "machine.type",
            Some(at.kind.as_str().to_owned()),
            patterns::SIZE,
            "not a machine size that supports premium disks",
            "use a size such as `Standard_B2s_v2` or `Standard_B2pls_v2` (Arm)",
        ),
        subscription(at),
        resource_group(at),
        Named::new(
            "machine.zone",
            given(&at.zone),
            patterns::ZONE,
            "not a zone",
            "use the region and the number of the zone, such as `westeurope-1`, or the region alone if it has no zones",
        ),
        Named::new(
            "machine.subnet",
            given(&at.subnet),
            patterns::SUBNET,
            "not the id of a subnet",
            "use `/subscriptions/…/subnets/…`; see `az network vnet subnet list … --query '[].id'`",
        ),
        Named::new(
            "machine.restore_from",
            given(&at.restore_from),
            patterns::SNAPSHOT_OR_BLANK,
            "not the id of a snapshot",
            "use `/subscriptions/…/snapshots/…`; see `az snapshot list --query '[].id'`",
        ),
        Named::new(
            "machine.alarms",
            given(&at.alarms),
            patterns::ACTION_GROUP_OR_BLANK,
            "not the id of an action group",
            "use `/subscriptions/…/actionGroups/…`; see `az monitor action-group list --query '[].id'`",
        ),
    ])
}

/// Returns problems for ids of the organization's resources, and for secrets outside its vault.
fn organization(at: &Machine) -> Vec<Problem> {
    let own = &at.organization;
    let mut problems = malformed([
        Named::new(
            "machine.image",
            given(&own.image).filter(|image| !has_form(patterns::IMAGE_VERSION, image)),
            patterns::IMAGE_ID,
            "not the id of an image, and not a version of Debian's image",
            "use `/subscriptions/…/galleries/…/images/…/versions/…`, or a version that `az vm image list --publisher Debian --all` shows",
        ),
        Named::new(
            "machine.kms_key",
            given(&own.kms_key),
            patterns::DISK_ENCRYPTION_SET,
            "not the id of a disk encryption set",
            "use `/subscriptions/…/diskEncryptionSets/…`; see `az disk-encryption-set list --query '[].id'`",
        ),
        Named::new(
            "machine.key_vault",
            given(&own.key_vault),
            patterns::KEY_VAULT,
            "not the id of a key vault",
            "use `/subscriptions/…/vaults/NAME`, with a name of 3 to 24 letters, digits and hyphens; see `az keyvault list --query '[].id'`",
        ),
        Named::new(
            "machine.workspace",
            given(&own.workspace),
            patterns::WORKSPACE,
            "not the id of a Log Analytics workspace",
            "use `/subscriptions/…/workspaces/…`; see `az monitor log-analytics workspace list --query '[].id'`",
        ),
    ]);
    let Some(vault) = own.key_vault.as_ref().and_then(vault_host) else {
        return problems;
    };
    let elsewhere = at.secrets.iter().filter(|(_, id)| {
        let id = id.as_str();
        has_form(patterns::SECRET_OR_BLANK, id) && id.split('/').nth(2) != Some(&vault)
    });
    problems.extend(elsewhere.map(|(variable, _)| {
        let key = format!("machine.secrets.{variable}");
        Problem::new(key, "is not in `machine.key_vault`").hint(format!(
            "use a secret of `https://{vault}`, or remove `machine.key_vault`"
        ))
    }));
    problems
}

/// Returns the host of a key vault with this id.
fn vault_host(id: &CloudName) -> Option<String> {
    let (_, name) = id.as_str().rsplit_once('/')?;
    Some(format!("{}.vault.azure.net", name.to_ascii_lowercase()))
}

/// Returns a problem for a region of another Azure cloud, whose services have other addresses.
pub(in crate::targets) fn other_cloud(
    key: &'static str,
    place: &Option<CloudName>,
) -> Option<Problem> {
    let place = given(place).filter(|place| has_form(patterns::OTHER_CLOUD, place))?;
    let message = format!("`{place}` is in Azure Government or in China, which are not supported");
    Some(Problem::new(key, message).hint("use a region of Azure's public cloud"))
}

/// Returns the subscription.
pub(in crate::targets) fn subscription(at: &Machine) -> Named {
    Named::new(
        "machine.subscription",
        given(&at.subscription),
        patterns::SUBSCRIPTION,
        "not the id of a subscription",
        "use the id, not the name; see `az account show --query id`",
    )
}

/// Returns the resource group.
pub(in crate::targets) fn resource_group(at: &Machine) -> Named {
    Named::new(
        "machine.resource_group",
        given(&at.resource_group),
        patterns::GROUP,
        "not the name of a resource group",
        "use the name, not the id; see `az group list --query '[].name'`",
    )
}

/// Returns problems for security groups of AWS, because Azure's network rules contain addresses.
fn peers(deployment: &Deployment) -> Vec<Problem> {
    let machine = &deployment.spec.machine;
    let hint = "use an address range such as `10.0.0.0/16`";
    not_ranges("machine.allow_from", &machine.allow_from, hint)
}

/// Returns problems for amounts that a backup or a workspace does not accept.
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
                "`{}` is not a retention period of a Log Analytics workspace",
                machine.log_days
            ),
            format!("use 30 to 730 days; the nearest value is `{nearest}`"),
        );
    }
    if machine.snapshots > MOST_SNAPSHOTS {
        wrong(
            "machine.snapshots",
            format!(
                "`{}` exceeds Azure's limit of snapshots per disk",
                machine.snapshots
            ),
            format!("use at most {MOST_SNAPSHOTS}; 0 disables snapshots"),
        );
    }
    problems
}
