//! Input of `templates/azure`: defaults of the variables, and the README's commands.
//!
//! Invariant: every decision is made here; the templates only insert values.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::module::{MOST_SNAPSHOTS, makes_insights, places};
use super::{patterns, sizes};
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::registry::Registry;
use crate::spec::Machine;
use crate::targets::machine::patterns::{given, has_form};
use crate::targets::terraform::in_module;

/// Fields that only `templates/azure` reads.
#[derive(Serialize)]
pub(super) struct AzureTemplate {
    /// True if the module creates Application Insights.
    makes_insights: bool,
    /// True if the spec has the address of existing Application Insights.
    existing_insights: bool,
    /// True if the spec lacks a required location.
    missing_places: bool,
    /// Registries of the spec.
    registries: Vec<NamedRegistry>,
    /// Resource providers that the subscription must register.
    resource_providers: Vec<&'static str>,
    /// Roles of the machine's identity at the backends.
    backend_roles: BTreeSet<Role>,
    /// Maximum number of daily snapshots.
    most_snapshots: u16,
    machine: MachineDefaults,
    forms: Forms,
    /// Prefix of a Key Vault's name. The shell adds the first part of the subscription's id,
    /// because these names are globally unique.
    vault: String,
    /// Prefix of a registry's name, which the shell completes in the same way.
    registry_stem: String,
    #[serde(flatten)]
    commands: Commands,
}

/// A registry by its name.
#[derive(Serialize)]
struct NamedRegistry {
    name: String,
    /// Key of the role assignment.
    role: String,
}

/// Returns the registries of the spec, each once.
fn registries(deployment: &Deployment) -> Vec<NamedRegistry> {
    let name = |registry: &Registry| match registry {
        Registry::Azure { name, .. } => Some(name.clone()),
        Registry::Elastic { .. } | Registry::Artifact { .. } => None,
    };
    let given = deployment.image_source.given().and_then(name);
    let names: BTreeSet<String> = deployment.registries().filter_map(name).collect();
    let named = names.into_iter().map(|name| NamedRegistry {
        role: if given.as_ref() == Some(&name) {
            "images".to_owned()
        } else {
            format!("images in {name}")
        },
        name,
    });
    named.collect()
}

/// A role of the machine's identity.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Role {
    name: String,
    /// True at Application Insights of the module, false in the resource group.
    at_insights: bool,
}

/// Returns the resource providers of the module, except Azure's core ones.
fn resource_providers(deployment: &Deployment) -> Vec<&'static str> {
    let logs_in = deployment.logs_in();
    let has_secrets = !deployment.secrets.is_empty();
    let all = [
        ("Microsoft.ContainerRegistry", logs_in),
        ("Microsoft.DataProtection", true),
        ("Microsoft.KeyVault", has_secrets),
        ("Microsoft.OperationalInsights", true),
        ("microsoft.insights", true),
    ];
    let needed = all.into_iter().filter(|(_, needed)| *needed);
    needed.map(|(name, _)| name).collect()
}

/// Returns the roles that backends need; the operator grants those at an existing resource.
fn backend_roles(deployment: &Deployment) -> BTreeSet<Role> {
    let roles_of = |backend: &Backend| {
        let at_insights = deployment.creates_resource_of(backend);
        let granted = at_insights || backend.addresses.is_empty();
        let names = backend.permissions().iter().filter(move |_| granted);
        let role = move |name: &String| Role {
            name: name.clone(),
            at_insights,
        };
        names.map(role).collect::<Vec<_>>()
    };
    let backends = deployment.spec.tracing.backends();
    backends.flat_map(roles_of).collect()
}

/// Defaults of the variables, and the subscription of the provider.
#[derive(Serialize)]
struct MachineDefaults {
    #[serde(rename = "type")]
    kind: String,
    architecture: &'static str,
    subscription: Option<String>,
    image: Option<String>,
    /// True if the image is a version of the Marketplace's, not an id.
    image_is_version: bool,
    /// Tags of the spec.
    tags: BTreeMap<String, String>,
    /// The same for `az --tags`, each in quotes with a space before it.
    more_tags: String,
    disk_encryption_set: Option<String>,
    encryption_at_host: bool,
    key_vault: Option<String>,
    vault_name: Option<String>,
    workspace: Option<String>,
    disk_gib: u64,
    snapshots: u16,
    log_days: u16,
}

/// Regular expressions of names.
#[derive(Serialize)]
struct Forms {
    size: &'static str,
    other_cloud: &'static str,
    subscription: &'static str,
    group: &'static str,
    subnet: &'static str,
    snapshot_or_blank: &'static str,
    action_group_or_blank: &'static str,
    image: &'static str,
    disk_encryption_set: &'static str,
    key_vault: &'static str,
    workspace: &'static str,
    tag: &'static str,
}

/// The README's commands; names that the spec lacks are suggestions.
#[derive(Serialize)]
struct Commands {
    /// The resource group.
    group: String,
    zone: String,
    location: String,
    /// Stops Chroma.
    stop: String,
    /// Starts Chroma.
    start: String,
    /// Terraform addresses of the disk.
    forget_disk: String,
    /// Terraform addresses of the backup.
    forget_backup: String,
    /// Terraform addresses of both.
    forget_data: String,
}

impl AzureTemplate {
    /// Computes the input for a deployment.
    pub(super) fn new(deployment: &Deployment) -> Self {
        let name = deployment.spec.name.to_string();
        let stem = name[..name.len().min(15)].trim_end_matches('-');
        let machine = &deployment.spec.machine;
        Self {
            makes_insights: makes_insights(deployment),
            existing_insights: deployment
                .spec
                .tracing
                .backends()
                .flat_map(|backend| &backend.addresses)
                .any(|address| address.value.is_some()),
            registries: registries(deployment),
            resource_providers: resource_providers(deployment),
            backend_roles: backend_roles(deployment),
            missing_places: places(machine).iter().any(|place| place.missing),
            most_snapshots: MOST_SNAPSHOTS,
            machine: MachineDefaults::new(machine),
            forms: Forms {
                size: patterns::SIZE,
                other_cloud: patterns::OTHER_CLOUD,
                subscription: patterns::SUBSCRIPTION,
                group: patterns::GROUP,
                subnet: patterns::SUBNET,
                snapshot_or_blank: patterns::SNAPSHOT_OR_BLANK,
                action_group_or_blank: patterns::ACTION_GROUP_OR_BLANK,
                image: if image_is_version(machine) {
                    patterns::IMAGE_VERSION
                } else {
                    patterns::IMAGE_ID
                },
                disk_encryption_set: patterns::DISK_ENCRYPTION_SET,
                key_vault: patterns::KEY_VAULT,
                workspace: patterns::WORKSPACE,
                tag: patterns::TAG,
            },
            vault: stem.to_owned(),
            registry_stem: name.replace('-', ""),
            commands: Commands::new(&name, machine),
        }
    }
}

/// Returns the name in a resource's id.
fn last_part(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Returns true if the image of the spec is a version of the Marketplace's.
fn image_is_version(machine: &Machine) -> bool {
    let image = given(&machine.organization.image);
    image.is_some_and(|image| has_form(patterns::IMAGE_VERSION, &image))
}

impl MachineDefaults {
    fn new(machine: &Machine) -> Self {
        let text = given;
        let arm = sizes::is_arm(machine.kind.as_str());
        let organization = &machine.organization;
        let tags = organization.tags.iter();
        let tags: BTreeMap<_, _> = tags
            .map(|(name, value)| (name.clone(), value.as_str().to_owned()))
            .collect();
        let more = tags.iter().map(|(name, value)| {
            let pair = format!("{name}={value}");
            format!(" '{}'", pair.replace('\'', "'\\''"))
        });
        Self {
            kind: machine.kind.as_str().to_owned(),
            architecture: if arm { "arm64" } else { "x86_64" },
            subscription: text(&machine.subscription),
            image: text(&organization.image),
            image_is_version: image_is_version(machine),
            more_tags: more.collect(),
            tags,
            disk_encryption_set: text(&organization.kms_key),
            encryption_at_host: organization.encryption_at_host,
            vault_name: text(&organization.key_vault).map(|id| last_part(&id).to_owned()),
            key_vault: text(&organization.key_vault),
            workspace: text(&organization.workspace),
            disk_gib: machine.disk.as_mebibytes() / 1024,
            snapshots: machine.snapshots,
            log_days: machine.log_days,
        }
    }
}

impl Commands {
    fn new(name: &str, machine: &Machine) -> Self {
        let group = machine.resource_group.as_ref();
        let group = group.map_or(name, |group| group.as_str());
        let zone = machine.zone.as_ref();
        let zone = zone.map_or("westeurope-1", |zone| zone.as_str());
        let run = |script: &str| {
            format!(
                "az vm run-command invoke --resource-group {group} --name {name} --command-id RunShellScript --scripts '{script}' --output none"
            )
        };
        let disk = [
            "azurerm_managed_disk.data",
            "azurerm_management_lock.data",
            "azurerm_role_assignment.backup_reads_disk",
            "azurerm_data_protection_backup_instance_disk.data",
        ];
        let backup = [
            "azurerm_data_protection_backup_policy_disk.data",
            "azurerm_data_protection_backup_vault.data",
            "azurerm_role_assignment.backup_makes_snapshots",
        ];
        // The role on the disk, which is locked, and the vault's resources, which outlive its last
        // snapshots.
        let stop_backup = [&disk[2..3], &backup[..]].concat();
        let forget = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| in_module(address));
            addresses.collect::<Vec<_>>().join(" \\\n  ")
        };
        Self {
            group: group.to_owned(),
            zone: zone.to_owned(),
            location: patterns::place(zone).0.to_owned(),
            stop: run("systemctl stop chroma && sync"),
            start: run("systemctl start chroma"),
            forget_disk: forget(&disk),
            forget_backup: forget(&stop_backup),
            forget_data: forget(&[&disk[..], &backup[..]].concat()),
        }
    }
}
