//! The Terraform module of AWS.

use crate::targets::terraform::{Module, Rule};

/// The stack as a Terraform module: it makes the same resources, takes the same parameters and writes
/// the same files to the machine as the CloudFormation template.
pub(super) const MODULE: Module = Module {
    cloud: "aws",
    folder: "aws/terraform",
    more_files: &[],
    first_boot: "terraform/cloud-config.yaml.tftpl",
    place: "${local.region}",
    secret_kind: "arn",
    secret_is: "the full ARN of a secret that is the plain value, not the console's key/value pairs",
    secret_rule: Rule {
        pattern: r"^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6})?$",
        error: "The full ARN of a secret, arn:aws:secretsmanager:…, with the six signs at its end.",
    },
    made_traces: "", // it makes none
    store: "Secrets Manager",
    name_is: "Name of the deployment; of the Auto Scaling group, the tags, and what begins with it.",
    name_rule: Rule {
        pattern: "^[a-z][a-z0-9-]*$",
        error: "Small letters, digits and dashes, a letter first.",
    },
};
