//! One sound template, and each rule with a mistake that it must find.

use serde_yaml::Value;

const SOUND: &str = include_str!("tests/sound.yaml");

/// The findings on a template, `place: message` each.
fn found(text: &str) -> Vec<String> {
    let tree: Value = serde_yaml::from_str(text).expect("a test's template is YAML");
    super::check(text, &tree, None)
        .into_iter()
        .map(|(at, message)| format!("{at}: {message}"))
        .collect()
}

/// The sound template with one place changed; the place must be there.
fn with(old: &str, new: &str) -> String {
    assert!(SOUND.contains(old), "the sound template has no `{old}`");
    SOUND.replacen(old, new, 1)
}

#[test]
fn a_sound_template_has_no_findings() {
    assert_eq!(found(SOUND), Vec::<String>::new());
}

#[test]
fn every_mistake_is_found_and_nothing_else() {
    for (old, new, finding) in [
        // names
        (
            "!Ref Size",
            "!Ref Sise",
            "Resources.Volume.Properties.Size.Ref: there is no parameter or resource `Sise`",
        ),
        (
            "!GetAtt Log.Arn",
            "!GetAtt Lok.Arn",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[0].Resource.Fn::GetAtt: there is no parameter or resource `Lok`",
        ),
        (
            "Fn::GetAtt: [Template, LatestVersionNumber]",
            "Fn::GetAtt: [Tenplate, LatestVersionNumber]",
            "Resources.Group.Properties.LaunchTemplate.Version.Fn::GetAtt: there is no parameter or resource `Tenplate`",
        ),
        (
            "size ${Size}",
            "size ${Sice}",
            "Resources.Volume.Properties.Tags[0].Value.Fn::Sub: there is no parameter or resource `Sice`",
        ),
        (
            "DependsOn: Volume",
            "DependsOn: Volum",
            "Resources.Group.DependsOn: there is no resource `Volum`",
        ),
        (
            "!Condition HasKey",
            "!Condition HasKei",
            "Conditions.HasNone.Fn::And[0].Fn::Not[0].Condition: there is no condition `HasKei`",
        ),
        (
            "!FindInMap [Regions",
            "!FindInMap [Region",
            "Outputs.Place.Value.Fn::FindInMap: there is no mapping `Region`",
        ),
        // used
        (
            "Conditions:",
            "Conditions:\n  Spare: !Equals [a, b]",
            "Conditions.Spare: is defined and never used",
        ),
        (
            "Mappings:",
            "Mappings:\n  Spare: {a: {b: c}}",
            "Mappings.Spare: is defined and never used",
        ),
        // parameters and the console
        (
            "{Type: Number, Description: GiB}",
            "{Type: Number}",
            "Parameters.Size: has no Description",
        ),
        (
            "AllowedPattern: \"[0-9./]*\"",
            "MaxLength: 9",
            "Parameters.Clients: takes any text: give it an AllowedPattern",
        ),
        (
            "Default: 10.0.0.0/8",
            "Default: 0.0.0.0/0",
            "Parameters.Clients: lets the whole world in by default",
        ),
        (
            "Parameters: [Size, Clients]",
            "Parameters: [Size]",
            "Metadata.AWS::CloudFormation::Interface: parameter `Clients` stands in no group",
        ),
        (
            "Parameters: [Size, Clients]",
            "Parameters: [Size, Clients, Syze]",
            "Metadata.AWS::CloudFormation::Interface: there is no parameter `Syze`",
        ),
        (
            "Parameters: [Size, Clients]",
            "Parameters: [Size, Clients, Key]",
            "Metadata.AWS::CloudFormation::Interface: names `Key` twice",
        ),
        (
            "Size: {default: Disk}",
            "Sizes: {default: Disk}",
            "Metadata.AWS::CloudFormation::Interface: there is no parameter `Sizes`",
        ),
        // secrets
        (
            "GroupDescription: closed",
            "GroupDescription: !Ref Key",
            "Resources.Closed.Properties.GroupDescription.Ref: shows the secret parameter `Key`",
        ),
        (
            "# ${Mark}",
            "# ${Mark} ${Key}",
            "Resources.Template.Properties.LaunchTemplateData.UserData.Fn::Base64.Fn::Sub: shows the secret parameter `Key`",
        ),
        // conditions
        (
            "Value: !Ref Group",
            "Value: !Ref Secret",
            "Outputs.Group.Value.Ref: `Secret` is made only if `HasKey`",
        ),
        (
            "!If [HasKey, !Ref Secret, !Ref KeySecret]",
            "!If [HasKey, !Ref KeySecret, !Ref Secret]",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[2].Resource.Fn::If[2].Ref: `Secret` is made only if `HasKey`",
        ),
        // substitutions
        (
            "!Sub \"size ${Size}\"",
            "!Sub size",
            "Resources.Volume.Properties.Tags[0].Value.Fn::Sub: substitutes nothing: write the text without `Sub`",
        ),
        (
            "# ${Mark}",
            "# ${Clients}",
            "Resources.Template.Properties.LaunchTemplateData.UserData.Fn::Base64.Fn::Sub: is given `Mark` and never uses it",
        ),
        // resources
        (
            "CidrIp: !Ref Clients",
            "CidrIp: 0.0.0.0/0, Description: !Ref Clients",
            "Resources.Ingress: lets the whole world in",
        ),
        (
            "GroupDescription: closed",
            "GroupDescription: open, SecurityGroupIngress: [!If [HasKey, {CidrIpv6: \"::/0\"}, {CidrIp: 10.0.0.0/8}]]",
            "Resources.Closed.SecurityGroupIngress[0].Fn::If[1]: lets the whole world in",
        ),
        (
            "Encrypted: true # data",
            "Encrypted: false",
            "Resources.Volume: is not encrypted",
        ),
        (
            "Ebs: {Encrypted: true}",
            "Ebs: {VolumeType: gp3}",
            "Resources.Template[0]: is not encrypted",
        ),
        (
            "    DeletionPolicy: Snapshot",
            "    DeletionPolicy: Delete",
            "Resources.Volume: loses the data: `DeletionPolicy` is not `Snapshot`",
        ),
        (
            "    UpdateReplacePolicy: Snapshot\n",
            "",
            "Resources.Volume: loses the data: `UpdateReplacePolicy` is not `Snapshot`",
        ),
        (
            "HttpTokens: required",
            "HttpTokens: optional",
            "Resources.Template: answers IMDSv1: any request forged on the machine gets its role's keys",
        ),
        (
            "Sid: Logs, ",
            "",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[0]: has no Sid that says what it is for",
        ),
        (
            "Action: logs:PutLogEvents",
            "Action: [\"*\"]",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[0]: allows every action",
        ),
        (
            "Action: logs:PutLogEvents",
            "NotAction: logs:PutLogEvents",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[0]: allows every action",
        ),
        (
            "Resource: !GetAtt Log.Arn",
            "Resource: \"*\"",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[0]: allows `logs:PutLogEvents` on every resource: name them, or give a Condition",
        ),
    ] {
        assert_eq!(found(&with(old, new)), [finding], "`{old}` to `{new}`");
    }
}

#[test]
fn an_unused_parameter_is_found() {
    let text =
        with("Value: !Ref Group", "Value: x").replace("CidrIp: !Ref Clients", "CidrIp: 10.0.0.0/8");
    assert_eq!(
        found(&text),
        ["Parameters.Clients: is defined and never used"]
    );
}

#[test]
fn what_is_too_long_is_found() {
    let long = |bytes: usize| "x".repeat(bytes);
    let text = with("set -eu", &long(17_000));
    let place = "Resources.Template.UserData: is ";
    assert!(
        matches!(&found(&text)[..], [one] if one.starts_with(place)),
        "{:?}",
        found(&text)
    );
    let text = format!("{SOUND}# {}\n", long(1_000_000));
    assert!(
        matches!(&found(&text)[..], [one] if one.starts_with("template: is ")),
        "{:?}",
        found(&text)
    );
}

#[test]
fn what_is_no_template_is_no_panic() {
    for text in [
        "",
        "[]",
        "!Ref 1",
        "Resources: !Sub []",
        "Resources: {A: {Fn::If: x, Fn::Sub: [], Ref: {}}}",
        "!GetAtt a",
    ] {
        found(text);
    }
}

#[test]
fn the_values_of_parameters_are_those_of_the_template() {
    let tree: Value = serde_yaml::from_str(SOUND).expect("YAML");
    let told = |values: &str| super::check(SOUND, &tree, Some(values));
    assert_eq!(told(r#"["Size=20"]"#), []);
    let [(at, message)] = &told(r#"["Size=20", "Sise=20"]"#)[..] else {
        panic!("one finding")
    };
    assert_eq!(
        (at.as_str(), message.as_str()),
        ("parameters.json", "there is no parameter `Sise`")
    );
    assert_eq!(told(r#"{"Size": 20}"#).len(), 1);
}

#[test]
fn what_a_machine_is_delivered_is_checked() {
    let delivered = "    Metadata:\n      AWS::CloudFormation::Init:\n        config:\n          files:\n            /etc/x/config.yaml: {content: 'port: 8000'}\n";
    let text = with(
        "  Group:\n    Type: AWS::AutoScaling",
        &format!(
            "  Machine:\n    Type: AWS::X::Y\n{delivered}  Group:\n    Type: AWS::AutoScaling"
        ),
    );
    let place = "Resources.Machine: /etc/x/config.yaml: persist_path: is missing";
    assert!(
        found(&text).iter().any(|one| one.starts_with(place)),
        "{:?}",
        found(&text)
    );
}
