//! Whether names have the form that a cloud gives them.
//!
//! Invariant: Terraform and JSON Schema read the expressions alike.

use serde_json::json;

use crate::deployment::Deployment;
use crate::problem::Problem;
use crate::values::{CloudName, Peer};

/// A name in the spec that a cloud has a form for.
pub(in crate::targets) struct Named {
    key: &'static str,
    value: Option<String>,
    form: &'static str,
    is: &'static str,
    hint: &'static str,
}

impl Named {
    /// `value` is nothing where the spec says nothing; `is` says what one without the form is, `no zone`.
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

/// A value of the deployment, as [`Named`] takes it.
pub(in crate::targets) fn given(value: &Option<CloudName>) -> Option<String> {
    value.as_ref().map(|name| name.as_str().to_owned())
}

/// Whether a text has this form.
pub(in crate::targets) fn has_form(form: &str, text: &str) -> bool {
    jsonschema::is_valid(&json!({ "pattern": form }), &json!(text))
}

/// Those that do not have their form.
pub(in crate::targets) fn malformed<const N: usize>(names: [Named; N]) -> Vec<Problem> {
    let wrong = names.into_iter().filter_map(|name| {
        let value = name.value.filter(|value| !has_form(name.form, value))?;
        let message = format!("`{value}` is {}", name.is);
        Some(Problem::new(name.key, message).hint(name.hint))
    });
    wrong.collect()
}

/// What a cloud's store calls a secret.
pub(in crate::targets) struct SecretName {
    /// The rule, which a name follows.
    pub(in crate::targets) rule: fn(&str) -> bool,
    /// What it is, in words.
    pub(in crate::targets) what: &'static str,
    /// The command that shows it.
    pub(in crate::targets) command: &'static str,
}

/// What is wrong with `machine.secrets`: variables that nobody reads, and names that are none in the
/// cloud's store. The value of neither is told: somebody may have taken it for the secret's place.
pub(in crate::targets) fn secrets(
    deployment: &Deployment,
    known: &[String],
    store: Option<&SecretName>,
) -> Vec<Problem> {
    let named = deployment.spec.machine.secrets.iter();
    let wrong = named.filter_map(|(variable, name)| {
        let key = format!("machine.secrets.{variable}");
        if !known.contains(variable) {
            return Some(Problem::unknown(key, variable, known));
        }
        let store = store.filter(|store| !(store.rule)(name.as_str()))?;
        let hint = format!("{} shows it; never the value itself", store.command);
        Some(Problem::new(key, format!("is not {}", store.what)).hint(hint))
    });
    wrong.collect()
}

/// A security group of AWS where a cloud's rules go by addresses.
pub(in crate::targets) fn security_group(
    key: &str,
    peer: &Option<Peer>,
    hint: &str,
) -> Option<Problem> {
    let Some(Peer::SecurityGroup(group)) = peer else {
        return None;
    };
    let message = format!("`{}` is a security group of AWS", group.as_str());
    Some(Problem::new(key, message).hint(hint))
}

/// Fails where a form does not take what it should, or takes what it should not: form, good, bad.
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
