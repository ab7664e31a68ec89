//! The machine's lines as values of a CloudFormation template.

use std::collections::BTreeSet;

use chroma_otel_init::variable;
use minijinja::Value;
use serde::Serialize;

use super::expressions::{in_stack_region, scalar_text};
use super::parameters::name_of;
use crate::digest::hash;
use crate::render::{as_is, quoted};
use crate::targets::machine::MachineFile;
use crate::targets::machine::env_files::{Condition, EnvFile, EnvLine, Segment, Text};

/// The resources that lines refer to.
pub(super) struct StackLines {
    /// The logical ID of the data volume.
    pub(super) data_volume: String,
}

/// A file in the template: lines that are expressions, or a text.
#[derive(Serialize)]
pub(super) struct StackFile {
    path: String,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl StackLines {
    /// Returns the fingerprint of all files, whose change replaces the instance: the parameters and
    /// resources in their lines, and their texts.
    pub(super) fn fingerprint(&self, lines: &[EnvFile], files: &[MachineFile]) -> Value {
        let all = lines.iter().flat_map(|file| &file.lines);
        let depends = all.clone().flat_map(|line| self.depends(line));
        let depends: BTreeSet<String> = depends.collect();
        let texts: String = files
            .iter()
            .map(|file| format!("{}\n{}\n", file.path, file.text))
            .collect();
        let fixed: String = all.map(|line| format!("{}\n", self.value(line))).collect();
        let hash = hash(format!("{texts}{fixed}").as_bytes())[..16].to_owned();
        let parts: Vec<String> = depends.into_iter().chain([hash]).collect();
        as_is(format!("[{}]", parts.join(", ")))
    }

    /// Returns the files of lines and the files with a text.
    pub(super) fn files(&self, lines: Vec<EnvFile>, files: Vec<MachineFile>) -> Vec<StackFile> {
        let values = |file: &EnvFile| {
            let lines = file.lines.iter();
            lines.map(|line| as_is(self.value(line))).collect()
        };
        let of_lines = lines.into_iter().map(|file| StackFile {
            path: file.path.to_owned(),
            mode: "000600",
            lines: Some(values(&file)),
            text: None,
        });
        let of_text = files.into_iter().map(|file| StackFile {
            path: file.path,
            mode: file.mode,
            lines: None,
            text: Some(file.text),
        });
        of_lines.chain(of_text).collect()
    }

    /// Returns a line as a value: a text, a function that computes it, or nothing.
    fn value(&self, line: &EnvLine) -> String {
        let text = match &line.text {
            Text::Parts(parts) => self.joined(parts),
            Text::ByGranularity {
                none,
                operation,
                segment,
                all,
            } => {
                let [operation, segment, all] = [operation, segment, all].map(|text| quoted(text));
                let traced = format!(
                    "!If [ShowsOperation, {operation}, !If [ShowsSegments, {segment}, {all}]]"
                );
                match none {
                    Some(none) => format!("!If [IsTraced, {traced}, {}]", quoted(none)),
                    None => traced,
                }
            }
            Text::EndpointOr(own) => {
                let (name, parameter) = (variable::ENDPOINT, name_of(variable::ENDPOINT));
                let own = quoted(&format!("{name}={}", in_stack_region(own)));
                format!("!If [HasEndpoint, !Sub \"{name}=${{{parameter}}}\", !Sub {own}]")
            }
        };
        match &line.only_if {
            None => text,
            Some(condition) => format!("!If [{}, {text}, !Ref AWS::NoValue]", name(condition)),
        }
    }

    fn joined(&self, parts: &[Segment]) -> String {
        if let [Segment::Text(text)] = parts {
            // A linter takes `${` in a plain text for a missing `!Sub`, and one without variables for a
            // needless `!Sub`.
            let pieces: Vec<String> = text
                .replace("${", "$\0{")
                .split("$\0")
                .map(scalar_text)
                .collect();
            return match &pieces[..] {
                [text] => text.clone(),
                pieces => format!("!Join [\"$\", [{}]]", pieces.join(", ")),
            };
        }
        let text = parts.iter().map(|part| self.inside(part));
        let text = quoted(&text.collect::<String>());
        let secret = parts.iter().find_map(|part| match part {
            Segment::Secret(variable) => Some(arn(variable)),
            _ => None,
        });
        match secret {
            Some(arn) => format!("!Sub [{text}, {{Arn: {arn}}}]"),
            None => format!("!Sub {text}"),
        }
    }

    /// Returns a segment within a `!Sub`.
    fn inside(&self, part: &Segment) -> String {
        match part {
            Segment::Text(text) => text.replace("${", "${!"),
            Segment::Parameter(variable) => format!("${{{}}}", name_of(variable)),
            Segment::Name => "${AWS::StackName}".to_owned(),
            Segment::Local(name) => match *name {
                "region" => "${AWS::Region}".to_owned(),
                "registry" => {
                    "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}".to_owned()
                }
                name => format!("${{{}}}", self.resource(name)),
            },
            Segment::Secret(_) => "${Arn}".to_owned(),
        }
    }

    /// Returns the stack's expression for a module's `local.…`.
    fn resource(&self, name: &str) -> &str {
        match name {
            "data_volume" => &self.data_volume,
            "log_group" => "Logs",
            _ => unreachable!("the stack has no `{name}`: a test renders every spec"),
        }
    }

    /// Returns the parameters and resources that a line depends on.
    fn depends(&self, line: &EnvLine) -> Vec<String> {
        let granularity = || format!("!Ref {}", name_of(variable::GRANULARITY));
        let names = match &line.text {
            Text::Parts(parts) => parts.iter().flat_map(|part| self.named(part)).collect(),
            Text::ByGranularity { .. } => vec![granularity()],
            Text::EndpointOr(_) => vec![format!("!Ref {}", name_of(variable::ENDPOINT))],
        };
        let Some(condition) = &line.only_if else {
            return names;
        };
        let names = names
            .into_iter()
            .map(|named| format!("!If [{}, {named}, \"\"]", name(condition)));
        let own = match condition {
            Condition::Traced => Some(granularity()),
            Condition::Alarms => Some("!If [HasAlarms, alarms, no alarms]".to_owned()),
            Condition::HasSecret(_) => None,
        };
        names.chain(own).collect()
    }

    fn named(&self, part: &Segment) -> Vec<String> {
        match part {
            Segment::Text(_) | Segment::Name | Segment::Local("region" | "registry") => Vec::new(),
            Segment::Parameter(variable) => vec![format!("!Ref {}", name_of(variable))],
            Segment::Local(name) => vec![format!("!Ref {}", self.resource(name))],
            Segment::Secret(variable) => vec![arn(variable)],
        }
    }
}

fn arn(variable: &str) -> String {
    let name = name_of(variable);
    format!("!If [Reads{name}, !Ref {name}SecretArn, !Ref {name}Secret]")
}

fn name(condition: &Condition) -> String {
    match condition {
        Condition::Traced => "IsTraced".to_owned(),
        Condition::Alarms => "HasAlarms".to_owned(),
        Condition::HasSecret(variable) => format!("Has{}", name_of(variable)),
    }
}
