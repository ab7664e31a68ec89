//! The data volume of a stack: its logical ID, and changes with which a stack would lose data.
//!
//! Invariant: the logical ID depends on `machine.restore_from` only.

use super::parameters::parsed;
use crate::plan::Change;
use crate::problem::Problem;
use crate::spec::Machine;

/// The logical ID of an empty volume, and the start of that of a volume from a snapshot.
const START: &str = "DataVolume";

/// The start of a snapshot's ID; hexadecimal digits follow.
const SNAPSHOT: &str = "snap-";

/// Returns the logical ID. CloudFormation cannot change the snapshot of a volume, so a volume from
/// another snapshot has another ID.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-volume.html>
pub(super) fn logical_id(machine: &Machine) -> String {
    let snapshot = machine.restore_from.as_ref();
    let digits = snapshot.and_then(|snapshot| snapshot.as_str().strip_prefix(SNAPSHOT));
    format!("{START}{}", digits.unwrap_or_default())
}

/// Returns a note if an existing stack gets another volume.
pub(super) fn note(change: &Change) -> Option<String> {
    let (_, after) = snapshots(change)?;
    let new = if after.is_empty() {
        "empty".to_owned()
    } else {
        format!("created from {SNAPSHOT}{after}")
    };
    Some(format!(
        "`machine.restore_from` changed: an existing stack gets a new data volume ({new}) and keeps the old one as a snapshot"
    ))
}

/// Returns the problem of changes with which an existing stack would lose data, or could not be
/// updated.
pub(super) fn problem(changes: &[Change]) -> Option<Problem> {
    let of = |path: &str| changes.iter().find(|change| change.path == path);
    let parameters = of("parameters.json");
    let (key, message, hint) = match of("template.yaml").and_then(snapshots) {
        Some((before, "")) => (
            "machine.restore_from",
            "was removed: an existing stack would replace its data volume by an empty one".to_owned(),
            format!("set it to `{SNAPSHOT}{before}` again; if no stack has a volume from this snapshot, use `gen --force`"),
        ),
        Some((_, after)) if was_parameter(parameters, after) => (
            "machine.restore_from",
            format!("an existing stack would replace its data volume by another one from `{SNAPSHOT}{after}`, without later data"),
            "create a snapshot of the volume, and set this key to it; if no stack exists, use `gen --force`".to_owned(),
        ),
        Some(_) => return None,
        None => {
            let (key, what, (before, after)) = match parameters.and_then(zones) {
                Some(zones) => ("machine.zone", "leave its zone", zones),
                None => ("machine.kms_key", "change its key", keys(of("template.yaml")?)?),
            };
            (
                key,
                format!("changes from {before} to {after}, but the data volume of an existing stack cannot {what}"),
                "create a snapshot, and set `machine.restore_from` to it as well (README.md, \"Back up and restore\"); if no stack exists, use `gen --force`".to_owned(),
            )
        }
    };
    Some(Problem::new(key, message).hint(hint))
}

/// Returns the digits of the snapshot in the template before and after, if they differ.
fn snapshots(change: &Change) -> Option<(&str, &str)> {
    let (before, after) = (change.before.as_deref()?, change.after.as_deref()?);
    let (before, after) = (snapshot(before)?, snapshot(after)?);
    (before != after).then_some((before, after))
}

/// Returns the digits of the volume's snapshot in a template; blank without a snapshot.
fn snapshot(template: &str) -> Option<&str> {
    let mut ids = template
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    ids.find_map(|id| id.strip_prefix(START))
}

/// Returns true if the folder's stack has a volume from this snapshot whose logical ID lacks it: the
/// snapshot was a parameter once.
fn was_parameter(parameters: Option<&Change>, digits: &str) -> bool {
    let before = parsed(parameters.and_then(|change| change.before.as_deref()));
    let snapshot = before.get("SnapshotId");
    snapshot.and_then(|id| id.strip_prefix(SNAPSHOT)) == Some(digits)
}

/// Returns the zone before and after, if they differ. The operator may supply it when deploying; it
/// is then not in the file.
fn zones(change: &Change) -> Option<(String, String)> {
    let zone = |text: &Option<String>| parsed(text.as_deref()).remove("AvailabilityZone");
    different(zone(&change.before)?, zone(&change.after)?)
}

/// Returns the key of the volume before and after, if they differ. CloudFormation cannot change it.
fn keys(change: &Change) -> Option<(String, String)> {
    // The volume is the first resource with a key.
    let key = |text: &str| {
        let mut keys = text
            .lines()
            .filter_map(|line| line.strip_prefix("      KmsKeyId: "));
        keys.next().unwrap_or("the default key").to_owned()
    };
    different(
        key(change.before.as_deref()?),
        key(change.after.as_deref()?),
    )
}

fn different(before: String, after: String) -> Option<(String, String)> {
    let shown = |text: String| {
        if text.contains(' ') {
            text
        } else {
            format!("`{text}`")
        }
    };
    (before != after).then(|| (shown(before), shown(after)))
}
