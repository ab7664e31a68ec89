//! A valid template, and for each check a mistake that it must find.

use serde_yaml::Value;

const SOUND: &str = include_str!("tests/sound.yaml");

/// Returns the problems of a template.
fn found(text: &str) -> Vec<String> {
    let tree: Value = serde_yaml::from_str(text).expect("a test's template is YAML");
    let problems = super::check(&tree);
    assert!(
        problems.iter().all(|problem| problem.hint.is_some()),
        "{problems:?}"
    );
    problems.iter().map(ToString::to_string).collect()
}

/// Returns the valid template with one text replaced; the text must exist.
fn with(old: &str, new: &str) -> String {
    assert!(
        SOUND.contains(old),
        "the valid template does not contain `{old}`"
    );
    SOUND.replacen(old, new, 1)
}

#[test]
fn accepts_a_valid_template() {
    assert_eq!(found(SOUND), Vec::<String>::new());
}

#[test]
fn finds_exactly_the_mistakes() {
    for (old, new, problem) in [
        (
            "!Ref Size",
            "!Ref Sise",
            "Resources.Volume.Properties.Size.Ref: parameter or resource `Sise` not found",
        ),
        (
            "!GetAtt Log.Arn",
            "!GetAtt Lok.Arn",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[0].Resource.GetAtt: parameter or resource `Lok` not found",
        ),
        (
            "Fn::GetAtt: [Template, LatestVersionNumber]",
            "Fn::GetAtt: [Tenplate, LatestVersionNumber]",
            "Resources.Group.Properties.LaunchTemplate.Version.Fn::GetAtt: parameter or resource `Tenplate` not found",
        ),
        (
            "size ${Size}",
            "size ${Sice}",
            "Resources.Volume.Properties.Tags[0].Value.Sub: parameter or resource `Sice` not found",
        ),
        (
            "DependsOn: Volume",
            "DependsOn: Volum",
            "Resources.Group.DependsOn: resource `Volum` not found",
        ),
        (
            "!Condition HasKey",
            "!Condition HasKei",
            "Conditions.HasNone.And[0].Not[0].Condition: condition `HasKei` not found",
        ),
        (
            "!If [HasKey,",
            "!If [HasKei,",
            "Resources.Role.Properties.Policies[0].PolicyDocument.Statement[2].Resource.If: condition `HasKei` not found",
        ),
        (
            "!FindInMap [Regions",
            "!FindInMap [Region",
            "Outputs.Place.Value.FindInMap: mapping `Region` not found",
        ),
        (
            "NoEcho: true, AllowedPattern",
            "NoEcho: true, Default: hunter2, AllowedPattern",
            "Parameters.Key.Default: a secret in plain text",
        ),
    ] {
        assert_eq!(found(&with(old, new)), [problem], "`{old}` to `{new}`");
    }
}

#[test]
fn a_macro_can_define_any_name() {
    let text = with("!Ref Size", "!Ref Sise");
    assert_eq!(
        found(&format!("Transform: Own\n{text}")),
        Vec::<String>::new()
    );
}

#[test]
fn other_texts_do_not_panic() {
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
