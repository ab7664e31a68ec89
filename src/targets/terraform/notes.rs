//! Notes on a changed root, for the operator of an existing deployment.
//!
//! Invariant: a note says what Terraform does with the change.

use super::super::machine;
use crate::plan::Change;

/// Arguments for the place of the disk: in every cloud, a disk cannot leave its zone.
const PLACES: [&str; 3] = ["zone", "location", "availability_zone"];

/// Arguments for the network of the machine.
const NETWORKS: [&str; 4] = ["vpc_id", "subnet_id", "network", "subnet"];

/// Arguments for a pinned system image.
const IMAGES: [&str; 2] = ["image", "image_id"];

/// The start of the root's call of the module.
const CALL: &str = "module \"chroma\" {";

/// The command that moves a state into the module.
const MOVE: &str = r#"terraform init && terraform state list | grep -v -e '^module\.' -e '^data\.' | while IFS= read -r it; do terraform state mv "$it" "module.chroma.$it" </dev/null; done"#;

/// Returns notes on the effect of a changed file on the data.
pub(in crate::targets) fn notes(change: &Change) -> Vec<String> {
    if change.path != "main.tf" {
        return Vec::new();
    }
    let mut notes = machine::version_note(change);
    notes.extend(into_module(change));
    notes.extend(renamed(argument(change, "name")));
    let mut places = PLACES.iter();
    notes.extend(places.find_map(|place| moved(place, argument(change, place))));
    let mut networks = NETWORKS.iter();
    notes.extend(networks.find_map(|network| rewired(network, argument(change, network))));
    notes.extend(rebuilt(change));
    let sizes = argument(change, "disk_size");
    notes.extend(sizes.and_then(|(before, after)| machine::disk_note(Some(&before), Some(&after))));
    notes
}

/// Returns a note on a folder from before the module.
fn into_module(change: &Change) -> Option<String> {
    let calls = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains(CALL));
    (!calls(&change.before) && calls(&change.after)).then(|| {
        format!("the resources are now in a module: before `terraform apply`, move an existing state there: {MOVE}")
    })
}

/// Returns a note if the name of the deployment changes.
fn renamed(names: Option<(String, String)>) -> Option<String> {
    let (before, after) = names?;
    Some(format!(
        "`{before}` is now named `{after}`: in this folder, Terraform replaces the resources that have the name, and refuses if one of them is the data disk; for a second deployment, use another folder (`--out`)"
    ))
}

/// Returns a note if the place of the disk changes.
fn moved(argument: &str, places: Option<(String, String)>) -> Option<String> {
    let (before, after) = places?;
    Some(format!(
        "`{argument}` changes from `{before}` to `{after}`, but the data disk cannot move, so Terraform refuses; to move the data, use a snapshot and `machine.restore_from`, as described in README.md"
    ))
}

/// Returns a note if the network of the machine changes.
fn rewired(argument: &str, networks: Option<(String, String)>) -> Option<String> {
    let (before, after) = networks?;
    Some(format!(
        "`{argument}` changes from `{before}` to `{after}`: Chroma gets another address, and Terraform may replace the machine; the data disk stays"
    ))
}

/// Returns a note if the architecture changes while the system image is pinned.
fn rebuilt(change: &Change) -> Option<String> {
    let (_, after) = argument(change, "architecture")?;
    let text = change.after.as_deref().unwrap_or_default();
    let is_pinned = text.lines().any(|line| {
        let name = line.split_once('=').map(|(name, _)| name.trim());
        name.is_some_and(|name| IMAGES.contains(&name))
    });
    is_pinned.then(|| format!("`machine.image` must be an image for {after} now"))
}

/// Returns an argument of the module before and after the change, if it changes.
fn argument(change: &Change, name: &str) -> Option<(String, String)> {
    let value = |text: String| {
        let value = text.trim_start_matches([' ', '=']);
        value.trim_matches('"').to_owned()
    };
    let (before, after) = change.behind(&format!("{name} "))?;
    // A variable of the root: its value is not known here.
    let is_known = |text: &String| !text.contains("var.");
    Some((value(before), value(after))).filter(|(before, _)| is_known(before))
}
