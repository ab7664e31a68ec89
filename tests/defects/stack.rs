//! The CloudFormation template: permissions of its machine, and parameters in the console.

use serde_yaml::Value;

use crate::deployment::{Deployment, none};
use crate::pods::list;

/// Prefixes of actions that support no resource, so that only `*` is valid.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>
const WITHOUT_RESOURCE: [&str; 6] = [
    "xray:Put",
    "ec2:Describe",
    "ecr:GetAuthorizationToken",
    "ssm:UpdateInstanceInformation",
    "ssmmessages:",
    "ec2messages:",
];

fn template(one: &Deployment) -> Option<Value> {
    let text = one.files.get("template.yaml")?;
    Some(serde_yaml::from_str(text).unwrap())
}

/// Collects every mapping in a value.
fn mappings<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Mapping(map) => {
            found.push(value);
            map.values().for_each(|inner| mappings(inner, found));
        }
        Value::Sequence(list) => list.iter().for_each(|inner| mappings(inner, found)),
        Value::Tagged(tagged) => mappings(&tagged.value, found),
        _ => {}
    }
}

/// Returns statements of policies that allow more than needed, or do not name a resource.
fn allows_too_much(template: &Value) -> Vec<String> {
    let mut all = Vec::new();
    mappings(&template["Resources"], &mut all);
    let statements = all.into_iter().filter(|one| !one["Effect"].is_null());
    let wrong = statements.flat_map(|statement| {
        let texts = |key: &str| -> Vec<&str> {
            let value = &statement[key];
            value
                .as_str()
                .into_iter()
                .chain(list(value).filter_map(Value::as_str))
                .collect()
        };
        let needs = |action: &str| !WITHOUT_RESOURCE.iter().any(|one| action.starts_with(one));
        let actions = texts("Action");
        let every_resource = texts("Resource").contains(&"*") && statement["Condition"].is_null();
        let wrong = [
            ("has no Sid", !statement["Sid"].is_string()),
            (
                "allows every action",
                actions.contains(&"*") || !statement["NotAction"].is_null(),
            ),
            (
                "allows an action on every resource",
                every_resource && actions.iter().any(|one| needs(one)),
            ),
        ];
        let wrong = wrong.into_iter().filter(|(_, is)| *is);
        wrong.map(move |(what, _)| format!("{:?} {what}", statement["Sid"]))
    });
    wrong.collect()
}

/// Returns parameters that the console shows in no group or in two, and groups with missing
/// parameters.
fn misgrouped(template: &Value) -> Vec<String> {
    let interface = &template["Metadata"]["AWS::CloudFormation::Interface"];
    let groups = list(&interface["ParameterGroups"]);
    let shown: Vec<&Value> = groups
        .flat_map(|group| list(&group["Parameters"]))
        .collect();
    let declared = template["Parameters"].as_mapping().unwrap();
    let labels = interface["ParameterLabels"]
        .as_mapping()
        .into_iter()
        .flatten();
    let strange = shown.iter().copied().chain(labels.map(|(name, _)| name));
    let strange = strange.filter(|name| !declared.contains_key(*name));
    let once = |name: &Value| shown.iter().filter(|other| **other == name).count() == 1;
    let astray = declared.keys().filter(|name| !once(name));
    strange
        .chain(astray)
        .map(|name| format!("{name:?} is in no group, or in two"))
        .collect()
}

#[test]
fn the_stack_allows_only_what_it_needs() {
    none(|one| {
        template(one)
            .as_ref()
            .map(allows_too_much)
            .unwrap_or_default()
    });
}

#[test]
fn the_console_shows_every_parameter_once() {
    none(|one| template(one).as_ref().map(misgrouped).unwrap_or_default());
}

#[test]
fn mistakes_in_a_stack_are_found() {
    let sound = "\
Metadata:
  AWS::CloudFormation::Interface:
    ParameterGroups: [{Parameters: [Size]}]
Parameters: {Size: {Type: Number}}
Resources:
  Role:
    Statement: {Sid: Logs, Effect: Allow, Action: [logs:PutLogEvents], Resource: !GetAtt Log.Arn}
";
    let found = |old: &str, new: &str| {
        assert!(sound.contains(old), "{old}");
        let template: Value = serde_yaml::from_str(&sound.replacen(old, new, 1)).unwrap();
        [allows_too_much(&template), misgrouped(&template)]
            .concat()
            .len()
    };
    assert_eq!(found("", ""), 0);
    for (old, new) in [
        ("Sid: Logs, ", ""),
        ("[logs:PutLogEvents]", "[\"*\"]"),
        ("Action:", "NotAction:"),
        ("!GetAtt Log.Arn", "\"*\""),
        ("Parameters: [Size]", "Parameters: []"),
        ("Parameters: [Size]", "Parameters: [Size, Size]"),
        ("Parameters: [Size]", "Parameters: [Size, Syze]"),
    ] {
        assert_ne!(found(old, new), 0, "{old} to {new}");
    }
}
