//! Checks of names against the formats of a cloud.
//!
//! Invariant: Terraform and JSON Schema interpret the expressions in the same way.

use serde_json::json;

use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::values::{CloudName, Peer};

/// A name in the spec with a format that a cloud defines.
pub(in crate::targets) struct Named {
    key: &'static str,
    value: Option<String>,
    form: &'static str,
    is: &'static str,
    hint: &'static str,
}

impl Named {
    /// `value` is `None` if the spec has no value; `is` completes the message for an invalid one:
    /// `not a zone`.
    pub(in crate::targets) fn new(
        key: &'static str,
        value: Option<String>,
        form: &'static str,
        is: &'static str,
        hint: &'static str,
    ) -> Self {
        Self {
            key,
            value,
            form,
            is,
            hint,
        }
    }
}

/// Returns a value of the spec for [`Named`].
pub(in crate::targets) fn given(value: &Option<CloudName>) -> Option<String> {
    value.as_ref().map(|name| name.as_str().to_owned())
}

/// Returns true if a text matches the format.
pub(in crate::targets) fn has_form(form: &str, text: &str) -> bool {
    jsonschema::is_valid(&json!({ "pattern": form }), &json!(text))
}

/// Returns problems for names that do not match their format.
pub(in crate::targets) fn malformed<const N: usize>(names: [Named; N]) -> Vec<Problem> {
    let wrong = names.into_iter().filter_map(|name| {
        let value = name.value.filter(|value| !has_form(name.form, value))?;
        let message = format!("`{value}` is {}", name.is);
        Some(Problem::new(name.key, message).hint(name.hint))
    });
    wrong.collect()
}

/// Names of secrets in a cloud's store.
pub(in crate::targets) struct SecretName {
    /// The format of a name, as a rule.
    pub(in crate::targets) rule: fn(&str) -> bool,
    /// The format of a name, in words.
    pub(in crate::targets) what: &'static str,
    /// The command that shows the name.
    pub(in crate::targets) command: &'static str,
}

/// Returns the problems of `machine.secrets`: unknown variables, and names that are invalid in the
/// cloud's store. Values are never shown, because the operator may have entered the secret itself.
pub(in crate::targets) fn secrets(
    deployment: &Deployment,
    known: &[String],
    store: Option<&SecretName>,
) -> Vec<Problem> {
    let named = deployment.spec.machine.secrets.iter();
    let wrong = named.filter_map(|(variable, name)| {
        let key = format!("machine.secrets.{variable}");
        if known.is_empty() {
            let problem = Problem::new(key, "names a secret, but the deployment reads none");
            return Some(problem.hint("remove it"));
        }
        if !known.contains(variable) {
            return Some(Problem::unknown(key, variable, known));
        }
        let store = store.filter(|store| !(store.rule)(name.as_str()))?;
        let hint = format!(
            "{} shows the name; do not enter the secret itself",
            store.command
        );
        Some(Problem::new(key, format!("is not {}", store.what)).hint(hint))
    });
    wrong.collect()
}

/// A cloud's rules for `machine.tags`.
pub(in crate::targets) struct TagRules {
    /// Expression of a name.
    pub(in crate::targets) name: &'static str,
    /// Expression of a value.
    pub(in crate::targets) value: &'static str,
    /// The cloud's term for them: `a label of Google Cloud`.
    pub(in crate::targets) what: &'static str,
    pub(in crate::targets) hint: &'static str,
    /// The most that a resource can have, with that of the deployment.
    pub(in crate::targets) most: usize,
}

/// The tag of every resource, whose value is the deployment's name.
const OWN_TAG: &str = "chroma-otel-deploy";

/// Returns problems for tags that a cloud does not accept.
pub(in crate::targets) fn tags(deployment: &Deployment, rules: &TagRules) -> Vec<Problem> {
    let tags = &deployment.spec.machine.organization.tags;
    let wrong = tags.iter().filter_map(|(name, value)| {
        let key = format!("machine.tags.{name}");
        if name.eq_ignore_ascii_case(OWN_TAG) {
            let message = "is reserved for the name of the deployment";
            return Some(Problem::new(key, message).hint("use another name"));
        }
        if !has_form(rules.name, name) {
            let message = format!("`{name}` is not the name of {}", rules.what);
            return Some(Problem::new(key, message).hint(rules.hint));
        }
        let value = value.as_str();
        if !has_form(rules.value, value) {
            let message = format!("`{value}` is not the value of {}", rules.what);
            return Some(Problem::new(key, message).hint(rules.hint));
        }
        None
    });
    let mut problems: Vec<Problem> = wrong.collect();
    if tags.len() >= rules.most {
        let message = format!("{} tags are more than a resource can have", tags.len());
        let hint = format!("use at most {}", rules.most - 1);
        problems.push(Problem::new("machine.tags", message).hint(hint));
    }
    problems
}

/// Returns problems for clients that a cloud's rules for IPv4 addresses cannot contain.
pub(in crate::targets) fn not_ranges<'a>(
    key: &str,
    peers: impl IntoIterator<Item = &'a Peer>,
    hint: &str,
) -> Vec<Problem> {
    let wrong = peers.into_iter().filter_map(|peer| {
        let what = match peer {
            Peer::Range(_) => return None,
            Peer::Ipv6Range(_) => "an IPv6 range, which only `aws` supports",
            Peer::SecurityGroup(_) => "an AWS security group",
            Peer::PrefixList(_) => "an AWS prefix list",
        };
        let message = format!("`{}` is {what}", peer.as_str());
        Some(Problem::new(key, message).hint(hint))
    });
    wrong.collect()
}

/// Asserts that each format accepts the good examples and rejects the bad ones.
#[cfg(test)]
pub(in crate::targets) fn assert_forms(forms: &[(&str, &[&str], &[&str])]) {
    for (form, good, bad) in forms {
        for text in *good {
            assert!(has_form(form, text), "{form}: {text}");
        }
        for text in *bad {
            assert!(!has_form(form, text), "{form}: {text}");
        }
    }
}
