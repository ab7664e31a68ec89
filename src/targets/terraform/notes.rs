//! Notes on a changed module, for the operator of an existing deployment.
//!
//! Invariant: a note says what Terraform does with the change.

use super::super::machine;
use crate::plan::Change;

/// Variables of the disk's place: in every cloud, a disk cannot leave its zone.
const PLACES: [&str; 3] = ["zone", "location", "availability_zone"];

/// Returns notes on the effect of a changed file on the data.
pub(in crate::targets) fn notes(change: &Change) -> Vec<String> {
    match change.path.as_str() {
        "main.tf" => machine::version_note(change),
        "variables.tf" => {
            let [before, after] = defaults(change, "disk_size");
            let smaller = machine::disk_note(before.as_deref(), after.as_deref());
            let moved = PLACES
                .iter()
                .find_map(|place| moved(place, defaults(change, place)));
            let renamed = renamed(defaults(change, "name"));
            renamed.into_iter().chain(moved).chain(smaller).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns a note if the name of the deployment changes.
fn renamed([before, after]: [Option<String>; 2]) -> Option<String> {
    let (before, after) = (before?, after?);
    (before != after).then(|| {
        format!("`{before}` is now named `{after}`: in this folder, Terraform replaces the resources that have the name, and refuses if one of them is the data disk; for a second deployment, use another folder (`--out`)")
    })
}

/// Returns a note if the place of the disk changes.
fn moved(variable: &str, [before, after]: [Option<String>; 2]) -> Option<String> {
    let (before, after) = (before?, after?);
    (before != after).then(|| {
        format!("`{variable}` changes from `{before}` to `{after}`, but the data disk cannot move, so Terraform refuses; to move the data, use a snapshot and `machine.restore_from`, as described in README.md")
    })
}

/// Returns the default of a variable before and after the change.
fn defaults(change: &Change, variable: &str) -> [Option<String>; 2] {
    [&change.before, &change.after].map(|text| {
        let default = default_of(text.as_deref()?, variable)?;
        Some(default.trim_matches('"').to_owned())
    })
}

/// Returns the default of a variable in `variables.tf`.
fn default_of<'a>(text: &'a str, variable: &str) -> Option<&'a str> {
    let block = text.split_once(&format!("variable \"{variable}\" {{"))?.1;
    let mut lines = block.lines().map(str::trim).take_while(|line| *line != "}");
    lines.find_map(|line| {
        let value = line.strip_prefix("default")?;
        value.trim_start().strip_prefix("= ")
    })
}
