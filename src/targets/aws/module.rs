//! The Terraform module of AWS.

use super::parameters::AllowedClients;
use crate::spec::Machine;
use crate::targets::terraform::{Argument, Module, Rule, optional, required, some};
use crate::values::CloudName;

/// The stack as a Terraform module. It creates the same resources, accepts the same parameters and
/// writes the same files to the machine as the CloudFormation template.
pub(super) const MODULE: Module = Module {
    cloud: "aws",
    folder: "aws/terraform",
    more_files: &[],
    title: "AWS",
    data: "aws_ebs_volume.data",
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

/// Returns the arguments of the module that are specific to this deployment.
pub(super) fn arguments(at: &Machine) -> Vec<Argument> {
    let text = |name: &Option<CloudName>| name.as_ref().map(|name| name.as_str().to_owned());
    let clients = AllowedClients::new(&at.allow_from);
    let lists = [
        ("allowed_cidrs", clients.ranges),
        ("allowed_security_groups", clients.groups),
        ("allowed_prefix_lists", clients.prefix_lists),
    ];
    let none = at.allow_from.is_empty();
    let allowed = lists
        .into_iter()
        .filter(|(_, list)| none || !list.is_empty())
        .map(|(name, list)| required(name, some(list)));
    let ipv6 = optional("allowed_ipv6_cidrs", some(clients.ipv6_ranges));
    let arguments = [
        required("vpc_id", text(&at.network)),
        required("subnet_id", text(&at.subnet)),
        required("availability_zone", text(&at.zone)),
    ];
    let optional = [
        optional("snapshot_id", text(&at.restore_from)),
        optional("alarm_topic_arn", text(&at.alarms)),
    ];
    let optional = optional.into_iter().flatten();
    arguments
        .into_iter()
        .chain(allowed)
        .chain(ipv6)
        .chain(optional)
        .collect()
}
