//! One walk over a template: what it names, where, and under which conditions.
//!
//! Invariant: functions are in their long form, whatever form the template has.

use std::collections::BTreeSet;

use serde_yaml::{Mapping, Value};

use super::super::{Finding, entries, keys, texts};
use super::text;

/// What a place in the template names.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A parameter, a resource, or a pseudo parameter: `Ref`, `GetAtt`, `Sub`.
    Value,
    /// A resource that is to be made first; it may be one that is not made at all.
    Order,
    Condition,
    Mapping,
}

/// A name, where it stands.
pub(super) struct Reference {
    pub(super) at: String,
    pub(super) kind: Kind,
    pub(super) name: String,
    /// The conditions that hold where it stands; `not NAME` is what an `If` leaves.
    pub(super) under: Vec<String>,
}

/// Collects what a template names, and what is wrong with its functions.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) references: Vec<Reference>,
    pub(super) findings: Vec<Finding>,
}

impl Walk {
    /// Takes in the whole template.
    pub(super) fn template(&mut self, tree: &Value) {
        for (section, value) in entries(Some(tree)) {
            if !["Resources", "Outputs"].contains(&section) {
                self.value(value, section, &[]);
                continue;
            }
            for (name, entry) in entries(Some(value)) {
                let at = format!("{section}.{name}");
                let condition = text(entry.get("Condition"));
                let under: Vec<String> = [condition]
                    .into_iter()
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect();
                self.value(entry, &at, &under);
                let order = entry.get("DependsOn");
                for other in order
                    .and_then(Value::as_str)
                    .into_iter()
                    .chain(texts(order))
                {
                    self.name(&format!("{at}.DependsOn"), Kind::Order, other, &under);
                }
            }
        }
    }

    fn name(&mut self, at: &str, kind: Kind, name: &str, under: &[String]) {
        self.references.push(Reference {
            at: at.to_owned(),
            kind,
            name: name.to_owned(),
            under: under.to_vec(),
        });
    }

    fn value(&mut self, value: &Value, at: &str, under: &[String]) {
        for (index, one) in value.as_sequence().into_iter().flatten().enumerate() {
            self.value(one, &format!("{at}[{index}]"), under);
        }
        for (key, argument) in entries(Some(value)) {
            let at = format!("{at}.{key}");
            let part = |index: usize| argument.get(index).unwrap_or(&Value::Null);
            match key {
                "Ref" => self.name(&at, Kind::Value, text(Some(argument)), under),
                "Fn::GetAtt" => self.name(&at, Kind::Value, text(argument.get(0)), under),
                "Fn::FindInMap" => self.name(&at, Kind::Mapping, text(argument.get(0)), under),
                // A statement of IAM has a `Condition`, too: no text.
                "Condition" => {
                    if let Some(name) = argument.as_str() {
                        self.name(&at, Kind::Condition, name, under);
                    }
                }
                "Fn::Sub" => self.substitution(argument, &at, under),
                "Fn::If" => {
                    let condition = text(Some(part(0)));
                    self.name(&at, Kind::Condition, condition, under);
                    let holds = [under, &[condition.to_owned()]].concat();
                    self.value(part(1), &format!("{at}[1]"), &holds);
                    let holds = [under, &[format!("not {condition}")]].concat();
                    self.value(part(2), &format!("{at}[2]"), &holds);
                    continue;
                }
                _ => {}
            }
            self.value(argument, &at, under);
        }
    }

    fn substitution(&mut self, argument: &Value, at: &str, under: &[String]) {
        let source = argument.as_str().unwrap_or(text(argument.get(0)));
        let given: BTreeSet<&str> = argument.get(1).into_iter().flat_map(keys).collect();
        let mut used = BTreeSet::new();
        let mut parts = source.split("${");
        parts.next();
        for part in parts {
            let name = part.split('}').next().unwrap_or_default();
            used.insert(name);
            if !name.starts_with('!') && !given.contains(name) {
                let (resource, _) = name.split_once('.').unwrap_or((name, ""));
                self.name(at, Kind::Value, resource, under);
            }
        }
        let mut tell = |message: String| self.findings.push((at.to_owned(), message));
        if used.is_empty() {
            tell("substitutes nothing: write the text without `Sub`".to_owned());
        }
        for name in given.difference(&used) {
            tell(format!("is given `{name}` and never uses it"));
        }
    }
}

/// The same with every `!Name` written `Fn::Name`.
pub(super) fn long_form(value: &Value) -> Value {
    match value {
        Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let argument = match (tag.as_str(), tagged.value.as_str()) {
                ("!GetAtt", Some(name)) => name.splitn(2, '.').collect(),
                _ => long_form(&tagged.value),
            };
            let name = match tag.trim_start_matches('!') {
                short @ ("Ref" | "Condition") => short.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Mapping(Mapping::from_iter([(name.into(), argument)]))
        }
        Value::Sequence(list) => list.iter().map(long_form).collect(),
        Value::Mapping(map) => {
            let entry = |(key, value): (&Value, &Value)| (key.clone(), long_form(value));
            Value::Mapping(map.iter().map(entry).collect())
        }
        other => other.clone(),
    }
}
