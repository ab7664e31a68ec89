//! What only the templates in `templates/azure` read: defaults of the variables, and the README's commands.
//!
//! Invariant: every choice is made here; the templates only place values.

use minijinja::{Value, context};

use super::module::{MOST_SNAPSHOTS, makes_insights, places};
use super::patterns;
use crate::spec::Spec;
use crate::values::{CloudName, Peer};

/// What only the templates in `templates/azure` read.
pub(super) fn of(spec: &Spec) -> Value {
    let name = spec.name.to_string();
    let stem = name[..name.len().min(15)].trim_end_matches('-');
    context! {
        makes_insights => makes_insights(spec),
        missing_places => places(spec).iter().any(|place| place.missing),
        most_snapshots => MOST_SNAPSHOTS,
        machine => machine(spec),
        forms => context! {
            size => patterns::SIZE,
            subscription => patterns::SUBSCRIPTION,
            group => patterns::GROUP,
            subnet => patterns::SUBNET,
            snapshot_or_blank => patterns::SNAPSHOT_OR_BLANK,
            action_group_or_blank => patterns::ACTION_GROUP_OR_BLANK,
        },
        // Behind both, the shell puts the first part of the subscription's id: they are the world's.
        vault => stem,
        registry_stem => name.replace('-', ""),
        ..commands(spec)
    }
}

/// Defaults of the variables that say where and on what; nothing where the spec says nothing.
fn machine(spec: &Spec) -> Value {
    let at = &spec.machine;
    let text = |value: &Option<CloudName>| value.as_ref().map(|name| name.as_str().to_owned());
    let range = |peer: &Option<Peer>| match peer {
        Some(Peer::Range(range)) => Some(range.clone()),
        _ => None,
    };
    let place = at.zone.as_ref().map(|zone| patterns::place(zone.as_str()));
    context! {
        type => at.kind.as_str(),
        architecture => if patterns::is_arm(at.kind.as_str()) { "arm64" } else { "x86_64" },
        subscription => text(&at.subscription),
        resource_group => text(&at.resource_group),
        location => place.map(|(location, _)| location),
        zone => place.map(|(_, zone)| zone),
        subnet => text(&at.subnet),
        allowed_range => range(&at.allow_from),
        ssh_range => range(&at.ssh_from).unwrap_or_default(),
        ssh_key => at.ssh_key.as_ref().map(|key| key.as_str()),
        disk_gib => at.disk.as_mebibytes() / 1024,
        restore_from => text(&at.restore_from).unwrap_or_default(),
        snapshots => at.snapshots,
        log_days => at.log_days,
        alarms => text(&at.alarms).unwrap_or_default(),
    }
}

/// What the README says to run: names where the spec gives none are suggestions.
fn commands(spec: &Spec) -> Value {
    let name = spec.name.to_string();
    let group = spec.machine.resource_group.as_ref();
    let group = group.map_or(name.as_str(), |group| group.as_str());
    let zone = spec.machine.zone.as_ref();
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
    // The role on the disk, which is locked, and what belongs to the vault, which outlives its last snapshots.
    let stop_backup = [&disk[2..3], &backup[..]].concat();
    let forget = |addresses: &[&str]| addresses.join(" \\\n  ");
    context! {
        group,
        zone,
        location => patterns::place(zone).0,
        stop => run("systemctl stop chroma && sync"),
        start => run("systemctl start chroma"),
        forget_disk => forget(&disk),
        forget_backup => forget(&stop_backup),
        forget_data => forget(&[&disk[..], &backup[..]].concat()),
    }
}
