//! The Terraform module of GCP.

use super::patterns;
use crate::spec::Machine;
use crate::targets::machine::RequiredKey;
use crate::targets::terraform::{Argument, Module, Rule, optional, required, some};
use crate::values::CloudName;

pub(super) const MODULE: Module = Module {
    cloud: "gcp",
    folder: "gcp",
    more_files: &["logs.tf"],
    title: "GCP",
    data: "google_compute_disk.data",
    first_boot: "gcp/startup-script.sh.tftpl",
    place: "${var.project_id}",
    secret_kind: "id",
    secret_is: "the name of an existing secret, projects/PROJECT/secrets/NAME",
    secret_rule: Rule {
        pattern: patterns::SECRET_OR_BLANK,
        error: "Must be the name of a secret, projects/PROJECT/secrets/NAME, without a version.",
    },
    made_traces: "", // the module creates no such resource
    store: "Secret Manager",
    name_is: "Name of the deployment and of its machine, unique in the project; prefix of other names and value of labels.",
    name_rule: Rule {
        pattern: patterns::DEPLOYMENT,
        error: "Must be at most 22 lowercase letters, digits and hyphens, begin with a letter, and not end with a hyphen.",
    },
};

/// Returns the arguments of the module that are specific to this deployment.
pub(super) fn arguments(at: &Machine) -> Vec<Argument> {
    let text = |name: &Option<CloudName>| name.as_ref().map(|name| name.as_str().to_owned());
    let arguments = [
        required("project_id", text(&at.project)),
        required("zone", text(&at.zone)),
        required("network", text(&at.network)),
        required("subnet", text(&at.subnet)),
        required("allowed_cidrs", some(at.allowed_ranges())),
    ];
    let theirs = !at.organization.create_firewall_rules;
    let optional = [
        optional("create_firewall_rules", theirs.then_some(false)),
        optional("snapshot", text(&at.restore_from)),
        optional("notification_channel", text(&at.alarms)),
    ];
    let optional = optional.into_iter().flatten();
    arguments.into_iter().chain(optional).collect()
}

/// Returns the keys for the location.
pub(super) fn places(at: &Machine) -> [RequiredKey; 5] {
    [
        RequiredKey::new(
            "machine.project",
            "project_id",
            "the project's id",
            &at.project,
        ),
        RequiredKey::new(
            "machine.network",
            "network",
            "the VPC network's name",
            &at.network,
        ),
        RequiredKey::new(
            "machine.subnet",
            "subnet",
            "the name of a subnet with internet access",
            &at.subnet,
        ),
        RequiredKey::new(
            "machine.zone",
            "zone",
            "a zone of the subnet's region",
            &at.zone,
        ),
        RequiredKey::new(
            "machine.allow_from",
            "allowed_cidrs",
            "the allowed clients: a range such as `10.0.0.0/16`",
            &at.allow_from.first(),
        ),
    ]
}
