//! Variables: none is empty, none is unused, and no file contains a key.

use crate::deployment::{DEPLOYMENTS, Deployment, KEY, Starter, lines_with, none};

/// Common Compose files set them empty, and the server panics.
#[test]
fn no_variable_is_set_empty() {
    none(|one| {
        let mut lines = lines_with(one, sets_empty);
        // The operator fills in these variables before a Secret is created from the file.
        let form = one.starter() == Starter::Kubernetes;
        lines.retain(|line| !form || !line.starts_with(".env.example: "));
        lines
    });
}

/// Returns true if a line of an environment file, a script or YAML sets one of our variables to an
/// empty value.
fn sets_empty(line: &str) -> bool {
    let starts = ["CHROMA_", "OTEL_"].into_iter();
    let mut places = starts.flat_map(|start| line.match_indices(start).map(|(at, _)| at));
    places.any(|at| {
        let (before, name) = line.split_at(at);
        let end = name.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let value = name.split_at(end.unwrap_or(name.len())).1;
        let is_nothing = ["", "''", "\"\"", "\"", "'"];
        match value.strip_prefix('=') {
            _ if before.ends_with(|c: char| c.is_ascii_alphanumeric() || "_$!{".contains(c)) => {
                false
            }
            Some(value) => is_nothing.contains(&value.trim()),
            // `NAME:` in Compose passes on an existing variable, and does nothing without one.
            None => [": ''", ": \"\""]
                .iter()
                .any(|empty| value.starts_with(empty)),
        }
    })
}

#[test]
fn empty_variables_are_detected() {
    for line in [
        "CHROMA_X=",
        "- \"CHROMA_X=\"",
        "!Sub \"OTEL_X=\"",
        "CHROMA_X: \"\" # none",
        "export OTEL_X=''",
    ] {
        assert!(sets_empty(line), "{line}");
    }
    for line in [
        "CHROMA_X=a",
        "CHROMA_X:",
        "- !Sub \"OTEL_X=${Y}\"",
        "MY_CHROMA_X=",
        "[[ $CHROMA_X ]]",
        "CHROMA_X: a",
    ] {
        assert!(!sets_empty(line), "{line}");
    }
}

#[test]
fn no_key_is_in_any_file() {
    let wants = |one: &Deployment| {
        one.files
            .values()
            .any(|text| text.contains("HONEYCOMB_API_KEY"))
    };
    assert!(DEPLOYMENTS.iter().any(wants), "no deployment has a key");
    none(|one| {
        let shown = one.files.iter().filter(|(_, text)| text.contains(KEY));
        shown.map(|(path, _)| path.clone()).collect()
    });
}

/// Every variable that is offered to an operator has an effect. (CloudFormation's parameters:
/// cfn-lint.)
#[test]
fn every_offered_variable_is_used() {
    none(|one| {
        let Some(offered) = one.files.get(".env.example") else {
            return Vec::new();
        };
        let names = offered
            .lines()
            .filter_map(|line| line.trim_start_matches(['#', ' ']).split_once('='));
        let names: Vec<&str> = names
            .map(|(name, _)| name)
            .filter(|name| is_name(name))
            .collect();
        let used = |name: &str| match one.starter() {
            Starter::Compose => one.file("docker-compose.yaml").contains(name),
            Starter::Systemd => false,
            Starter::Kubernetes => {
                let reference = format!("key: {name}");
                let mut manifests = one.read().filter(|(path, _)| path.ends_with(".yaml"));
                manifests.any(|(_, text)| {
                    let mut ends = text.split(&reference).skip(1);
                    ends.any(|rest| rest.starts_with(['}', ',', '\n']))
                })
            }
        };
        names
            .into_iter()
            .filter(|name| !used(name))
            .map(|name| format!("{name} is offered and not used"))
            .collect()
    });
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase() || c == b'_')
}
