//! A CloudFormation template: the names that it refers to, and the defaults of its secrets.
//! `cfn-lint` checks the services' own properties.

use serde_yaml::Value;

use super::names::missing;
use super::yaml::{entries, items, keys, text, texts};
use crate::problem::Problem;

/// Returns the problems of the template.
pub(super) fn check(tree: &Value) -> Vec<Problem> {
    let mut references = References {
        tree,
        problems: defaults(tree),
    };
    // A macro can add parameters and resources.
    if tree.get("Transform").is_none() {
        let sections = entries(Some(tree)).filter(|(section, _)| *section != "Metadata");
        sections.for_each(|(section, value)| references.walk(value, section));
    }
    references.problems
}

/// Everyone who can read a template reads its defaults.
fn defaults(tree: &Value) -> Vec<Problem> {
    let is_secret = |parameter: &Value| {
        let flag = parameter.get("NoEcho");
        flag.and_then(Value::as_bool) == Some(true) || text(flag) == "true"
    };
    let parameters = entries(tree.get("Parameters"));
    let shown =
        parameters.filter(|(_, one)| is_secret(one) && !text(one.get("Default")).is_empty());
    let problem = |(name, _)| {
        let at = format!("Parameters.{name}.Default");
        Problem::new(at, "a secret in plain text")
            .hint("remove it: the deployment asks for the value")
    };
    shown.map(problem).collect()
}

/// Description of a name, and the sections that define it.
type Kind = (&'static str, &'static [&'static str]);

const CONDITION: Kind = ("condition", &["Conditions"]);
const MAPPING: Kind = ("mapping", &["Mappings"]);
const RESOURCE: Kind = ("resource", &["Resources"]);
const VALUE: Kind = ("parameter or resource", &["Parameters", "Resources"]);

/// Collects names that the template does not define.
struct References<'a> {
    tree: &'a Value,
    problems: Vec<Problem>,
}

impl References<'_> {
    /// Handles both forms of functions, short (`!Ref`) and long.
    fn walk(&mut self, value: &Value, at: &str) {
        if let Value::Tagged(tagged) = value {
            let tag = tagged.tag.to_string();
            let function = tag.trim_start_matches('!');
            let at = format!("{at}.{function}");
            self.call(function, &tagged.value, &at);
            return self.walk(&tagged.value, &at);
        }
        for (key, inner) in entries(Some(value)) {
            let at = format!("{at}.{key}");
            let is_plain = ["Ref", "Condition", "DependsOn"].contains(&key);
            let function = key.strip_prefix("Fn::").or(is_plain.then_some(key));
            if let Some(function) = function {
                self.call(function, inner, &at);
            }
            self.walk(inner, &at);
        }
        for (index, inner) in items(Some(value)).enumerate() {
            self.walk(inner, &format!("{at}[{index}]"));
        }
    }

    /// Adds the names in the argument of a function, or of an attribute that works like one.
    fn call(&mut self, function: &str, argument: &Value, at: &str) {
        let (whole, first) = (text(Some(argument)), text(argument.get(0)));
        let either = if whole.is_empty() { first } else { whole };
        match function {
            "Ref" => self.name(at, VALUE, whole),
            "GetAtt" => self.name(at, VALUE, either.split('.').next().unwrap_or_default()),
            "Sub" => substituted(argument).for_each(|name| self.name(at, VALUE, name)),
            "FindInMap" => self.name(at, MAPPING, first),
            "If" => self.name(at, CONDITION, first),
            "Condition" => self.name(at, CONDITION, whole),
            "DependsOn" => texts(Some(argument)).for_each(|name| self.name(at, RESOURCE, name)),
            _ => {}
        }
    }

    /// Other values, such as a function's result or a policy's own `Condition`, are not names.
    fn name(&mut self, at: &str, (what, sections): Kind, name: &str) {
        if !name.is_empty() && !name.starts_with("AWS::") {
            let known = sections.iter();
            let known = known.flat_map(|section| keys(self.tree.get(*section)));
            self.problems.extend(missing(at, what, name, known));
        }
    }
}

/// Returns the names in `${…}` to which the call itself assigns no value.
fn substituted(argument: &Value) -> impl Iterator<Item = &str> {
    let source = argument.as_str().unwrap_or(text(argument.get(0)));
    let given: Vec<&str> = keys(argument.get(1)).collect();
    let parts = source.split("${").skip(1);
    let names = parts.filter_map(|part| part.split('}').next());
    let names = names.filter(move |name| !name.starts_with('!') && !given.contains(name));
    names.filter_map(|name| name.split('.').next())
}

#[cfg(test)]
mod tests;
