//! The Terraform module of AWS.

use crate::targets::terraform::{Module, Rule};

/// The stack as a Terraform module. It creates the same resources, accepts the same parameters and
/// writes the same files to the machine as the CloudFormation template.
pub(super) const MODULE: Module = Module {
    cloud: "aws",
    folder: "aws/terraform",
    more_files: &[],
    first_boot: "terraform/cloud-config.yaml.tftpl",
    place: "${local.region}",
    secret_kind: "arn",
    secret_is: "the full ARN of an existing secret whose value is plain text, not the console's key/value pairs",
    secret_rule: Rule {
        pattern: r"^(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6})?$",
        error: "Must be the full ARN of a secret, arn:aws:secretsmanager:…, including the six characters at its end.",
    },
    made_traces: "", // the module creates no such secret
    store: "Secrets Manager",
    name_is: "Name of the deployment and of its Auto Scaling group; prefix of other names and value of tags.",
    name_rule: Rule {
        pattern: "^[a-z][a-z0-9-]*$",
        error: "Must contain lowercase letters, digits and hyphens only, and begin with a letter.",
    },
};
