//! The Terraform module of GCP.

use super::patterns;
use crate::spec::Machine;
use crate::targets::machine::RequiredKey;
use crate::targets::terraform::{Module, Rule};

pub(super) const MODULE: Module = Module {
    cloud: "gcp",
    folder: "gcp",
    more_files: &["logs.tf"],
    first_boot: "gcp/startup-script.sh.tftpl",
    place: "${var.project_id}",
    secret_kind: "id",
    secret_is: "the name of a secret that exists, projects/PROJECT/secrets/NAME",
    secret_rule: Rule {
        pattern: patterns::SECRET_OR_BLANK,
        error: "A secret's name, projects/PROJECT/secrets/NAME, without a version.",
    },
    made_traces: "", // it makes none
    store: "Secret Manager",
    name_is: "Name of the deployment; of the machine, the labels, and what begins with it.",
    name_rule: Rule {
        pattern: patterns::DEPLOYMENT,
        error: "Up to 22 small letters, digits and dashes, a letter first, no dash last.",
    },
};

/// The keys that say where.
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
            "the name of a subnet with a way out",
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
            "allowed_cidr",
            "who may connect: a range such as `10.0.0.0/16`",
            &at.allow_from,
        ),
    ]
}
