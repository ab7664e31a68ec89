//! What a resource of a template must be: closed to the world, encrypted, kept, allowed no more than
//! it needs.
//!
//! Invariant: a rule reads the value as it stands; what a function makes of it is not guessed.

use serde_yaml::{Mapping, Value};

use super::super::{entries, items, texts};
use super::{Tell, Template, is_the_world, is_true, text};

/// What EC2 takes as user data, before it is encoded.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>
const USER_DATA_BYTES: usize = 16_384;

/// Beginnings of actions that know no resource, so that only `*` can stand there.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
const WITHOUT_RESOURCE: [&str; 6] = [
    "xray:Put",
    "ec2:Describe",
    "ecr:GetAuthorizationToken",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:",
    "ec2messages:",
];

/// Every rule for resources.
pub(super) fn check(template: &Template, tell: Tell) {
    for (at, group) in template.resources("AWS::EC2::SecurityGroup") {
        let rules = at_path(group, &["Properties", "SecurityGroupIngress"]);
        each_mapping(
            rules,
            &format!("{at}.SecurityGroupIngress"),
            &mut |at, rule| ingress(at, rule, tell),
        );
    }
    for (at, rule) in template.resources("AWS::EC2::SecurityGroupIngress") {
        each_mapping(rule.get("Properties"), &at, &mut |at, rule| {
            ingress(at, rule, tell)
        });
    }
    for (at, volume) in template.resources("AWS::EC2::Volume") {
        if !is_true(at_path(volume, &["Properties", "Encrypted"])) {
            tell(&at, "is not encrypted".to_owned());
        }
        for policy in ["DeletionPolicy", "UpdateReplacePolicy"] {
            if text(volume.get(policy)) != "Snapshot" {
                tell(&at, format!("loses the data: `{policy}` is not `Snapshot`"));
            }
        }
    }
    for (at, machine) in template.resources("AWS::EC2::LaunchTemplate") {
        launch(
            &at,
            at_path(machine, &["Properties", "LaunchTemplateData"]),
            tell,
        );
    }
    for (name, resource) in template.section("Resources") {
        each_mapping(
            Some(resource),
            &format!("Resources.{name}"),
            &mut |at, map| {
                if map.contains_key("Effect") {
                    statement(at, map, tell);
                }
            },
        );
    }
}

fn ingress(at: &str, rule: &Mapping, tell: Tell) {
    if is_the_world(rule.get("CidrIp")) || is_the_world(rule.get("CidrIpv6")) {
        tell(at, "lets the whole world in".to_owned());
    }
}

fn launch(at: &str, data: Option<&Value>, tell: Tell) {
    let data = data.unwrap_or(&Value::Null);
    if text(at_path(data, &["MetadataOptions", "HttpTokens"])) != "required" {
        let message = "answers IMDSv1: any request forged on the machine gets its role's keys";
        tell(at, message.to_owned());
    }
    each_mapping(data.get("BlockDeviceMappings"), at, &mut |at, map| {
        if map
            .get("Ebs")
            .is_some_and(|disk| !is_true(disk.get("Encrypted")))
        {
            tell(at, "is not encrypted".to_owned());
        }
    });
    let bytes = data.get("UserData").map_or(0, length);
    if bytes > USER_DATA_BYTES {
        let message = format!("is {bytes} bytes; EC2 takes {USER_DATA_BYTES}");
        tell(&format!("{at}.UserData"), message);
    }
}

fn statement(at: &str, statement: &Mapping, tell: Tell) {
    let list = |key: &str| -> Vec<&str> {
        let value = statement.get(key);
        value
            .and_then(Value::as_str)
            .into_iter()
            .chain(texts(value))
            .collect()
    };
    let sid = text(statement.get("Sid"));
    if sid.is_empty() {
        tell(at, "has no Sid that says what it is for".to_owned());
    }
    let actions = list("Action");
    if actions.contains(&"*") || statement.contains_key("NotAction") {
        tell(at, "allows every action".to_owned());
    }
    let needs = |action: &&str| !WITHOUT_RESOURCE.iter().any(|one| action.starts_with(one));
    let narrowed = statement.contains_key("Condition");
    if let Some(action) = actions.into_iter().find(needs)
        && list("Resource").contains(&"*")
        && !narrowed
    {
        tell(
            at,
            format!("allows `{action}` on every resource: name them, or give a Condition"),
        );
    }
}

/// Calls `take` with every mapping in a value, from the outside in, and its place.
fn each_mapping(value: Option<&Value>, at: &str, take: &mut dyn FnMut(&str, &Mapping)) {
    if let Some(map) = value.and_then(Value::as_mapping) {
        take(at, map);
    }
    for (key, one) in entries(value) {
        each_mapping(Some(one), &format!("{at}.{key}"), take);
    }
    for (index, one) in items(value).enumerate() {
        each_mapping(Some(one), &format!("{at}[{index}]"), take);
    }
}

/// Bytes of all text in a value: what a function makes of it is not known, and is as long.
fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Sequence(list) => list.iter().map(length).sum(),
        Value::Mapping(map) => map.values().map(length).sum(),
        _ => 0,
    }
}

fn at_path<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}
