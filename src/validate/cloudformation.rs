//! A CloudFormation template: every name exists and is used, no secret leaves its store, nothing is
//! open to the world.
//!
//! Invariant: the template is walked once, in the long form of its functions; the rules read what
//! the walk found. `cfn-lint` knows the services' own properties, which are no business of this.

mod resources;
mod walk;

use std::collections::BTreeSet;

use serde_yaml::Value;

use super::{Finding, entries, items, keys, on_machine, texts};
use walk::{Kind, Reference, Walk};

/// What CloudFormation takes from a bucket.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html>
const TEMPLATE_BYTES: usize = 1_000_000;

/// Everything wrong with the template, given as its text and as what that reads as, and with the
/// file of its parameters' values.
pub(super) fn check(text: &str, tree: &Value, values: Option<&str>) -> Vec<Finding> {
    let tree = walk::long_form(tree);
    let mut walk = Walk::default();
    walk.template(&tree);
    let template = Template {
        tree,
        references: walk.references,
    };
    let mut findings = walk.findings;
    for rule in [
        names,
        unused,
        parameters,
        console,
        secrets,
        conditional,
        machine,
        resources::check,
    ] {
        rule(&template, &mut |at: &str, message: String| {
            findings.push((at.to_owned(), message));
        });
    }
    findings.extend(values.map_or(Vec::new(), |values| given(&template, values)));
    if text.len() > TEMPLATE_BYTES {
        let message = format!(
            "is {} bytes: CloudFormation takes {TEMPLATE_BYTES}",
            text.len()
        );
        findings.push(("template".to_owned(), message));
    }
    findings
}

struct Template {
    tree: Value,
    references: Vec<Reference>,
}

impl Template {
    fn section(&self, name: &str) -> impl Iterator<Item = (&str, &Value)> {
        entries(self.tree.get(name))
    }

    fn has(&self, section: &str, name: &str) -> bool {
        self.section(section).any(|(key, _)| key == name)
    }

    fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (String, &'a Value)> {
        self.section("Resources")
            .filter(move |(_, resource)| text(resource.get("Type")) == kind)
            .map(|(name, resource)| (format!("Resources.{name}"), resource))
    }
}

/// Takes a finding: the place and what is wrong there.
type Tell<'a> = &'a mut dyn FnMut(&str, String);

fn names(template: &Template, tell: Tell) {
    for reference in &template.references {
        let name = reference.name.as_str();
        let (exists, what) = match reference.kind {
            Kind::Value => (
                name.starts_with("AWS::")
                    || template.has("Parameters", name)
                    || template.has("Resources", name),
                "parameter or resource",
            ),
            Kind::Order => (template.has("Resources", name), "resource"),
            Kind::Condition => (template.has("Conditions", name), "condition"),
            Kind::Mapping => (template.has("Mappings", name), "mapping"),
        };
        if !exists {
            tell(&reference.at, format!("there is no {what} `{name}`"));
        }
    }
}

fn unused(template: &Template, tell: Tell) {
    for (section, kind) in [
        ("Parameters", Kind::Value),
        ("Conditions", Kind::Condition),
        ("Mappings", Kind::Mapping),
    ] {
        for (name, _) in template.section(section) {
            let names_it = |one: &Reference| one.kind == kind && one.name == name;
            if !template.references.iter().any(names_it) {
                tell(
                    &format!("{section}.{name}"),
                    "is defined and never used".to_owned(),
                );
            }
        }
    }
}

fn parameters(template: &Template, tell: Tell) {
    for (name, parameter) in template.section("Parameters") {
        let at = format!("Parameters.{name}");
        if text(parameter.get("Description")).is_empty() {
            tell(&at, "has no Description".to_owned());
        }
        let limited = ["AllowedPattern", "AllowedValues"]
            .iter()
            .any(|key| parameter.get(key).is_some());
        if text(parameter.get("Type")) == "String" && !limited {
            tell(&at, "takes any text: give it an AllowedPattern".to_owned());
        }
        if is_the_world(parameter.get("Default")) {
            tell(&at, "lets the whole world in by default".to_owned());
        }
    }
}

/// The groups in which the console asks for the parameters.
fn console(template: &Template, tell: Tell) {
    const AT: &str = "Metadata.AWS::CloudFormation::Interface";
    let metadata = template.tree.get("Metadata");
    let interface = metadata.and_then(|all| all.get("AWS::CloudFormation::Interface"));
    let groups = interface.and_then(|all| all.get("ParameterGroups"));
    let mut shown = BTreeSet::new();
    for group in items(groups) {
        for name in texts(group.get("Parameters")) {
            if !shown.insert(name) {
                tell(AT, format!("names `{name}` twice"));
            }
        }
    }
    let labels = interface.and_then(|all| all.get("ParameterLabels"));
    let labelled: BTreeSet<&str> = labels.into_iter().flat_map(keys).collect();
    for name in shown.union(&labelled) {
        if !template.has("Parameters", name) {
            tell(AT, format!("there is no parameter `{name}`"));
        }
    }
    for (name, _) in template.section("Parameters") {
        if !shown.contains(name) {
            tell(AT, format!("parameter `{name}` stands in no group"));
        }
    }
}

/// A secret goes from its parameter to its store: anywhere else people can read it.
fn secrets(template: &Template, tell: Tell) {
    let is_secret = |name: &str| {
        let parameter = template.section("Parameters").find(|(key, _)| *key == name);
        parameter.is_some_and(|(_, value)| is_true(value.get("NoEcho")))
    };
    let stores: Vec<String> = template
        .resources("AWS::SecretsManager::Secret")
        .map(|(at, _)| format!("{at}.Properties.SecretString"))
        .collect();
    for reference in &template.references {
        let at = reference.at.as_str();
        let kept = at.starts_with("Conditions.")
            || at.starts_with("Rules.")
            || stores.iter().any(|store| within(at, store));
        if is_secret(&reference.name) && !kept {
            let message = format!("shows the secret parameter `{}`", reference.name);
            tell(at, message);
        }
    }
}

/// What is not always made is named only where it is.
fn conditional(template: &Template, tell: Tell) {
    for reference in &template.references {
        let resource = template
            .section("Resources")
            .find(|(key, _)| *key == reference.name);
        let condition = resource.map_or("", |(_, value)| text(value.get("Condition")));
        // What one condition's failing says of another, cfn-lint works out.
        let may_hold = |one: &String| one == condition || one.starts_with("not ");
        let fails = reference.under.contains(&format!("not {condition}"));
        let holds = !fails && reference.under.iter().any(may_hold);
        if reference.kind == Kind::Value && !condition.is_empty() && !holds {
            let message = format!("`{}` is made only if `{condition}`", reference.name);
            tell(&reference.at, message);
        }
    }
}

/// The configurations that `cfn-init` writes.
fn machine(template: &Template, tell: Tell) {
    for (resource, value) in template.section("Resources") {
        let files = ["Metadata", "AWS::CloudFormation::Init", "config", "files"]
            .iter()
            .try_fold(value, |value, key| value.get(*key));
        for (path, file) in entries(files) {
            for (key, message) in on_machine(path, text(file.get("content"))) {
                tell(&format!("Resources.{resource}: {path}: {key}"), message);
            }
        }
    }
}

/// `NAME=value` of parameters that exist.
fn given(template: &Template, values: &str) -> Vec<Finding> {
    let Ok(values) = serde_json::from_str::<Vec<String>>(values) else {
        let message = "is not a JSON list of texts, one `NAME=value` each".to_owned();
        return vec![("parameters.json".to_owned(), message)];
    };
    let names = values
        .iter()
        .map(|value| value.split('=').next().unwrap_or_default());
    names
        .filter(|name| !template.has("Parameters", name))
        .map(|name| {
            (
                "parameters.json".to_owned(),
                format!("there is no parameter `{name}`"),
            )
        })
        .collect()
}

/// Whether a place is inside another, or is it.
fn within(at: &str, place: &str) -> bool {
    at.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn is_the_world(value: Option<&Value>) -> bool {
    ["0.0.0.0/0", "::/0"].contains(&text(value))
}

fn is_true(value: Option<&Value>) -> bool {
    value.and_then(Value::as_bool) == Some(true) || text(value) == "true"
}

/// A value that is text; of anything else, none.
fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
