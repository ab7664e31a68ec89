//! The Terraform module of GCP.

use super::patterns;
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
