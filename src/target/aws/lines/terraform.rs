//! The machine's lines as expressions of Terraform.

use chroma_otel_init::{Granularity, variable};

use super::{Condition, Line, LinesFile, Part, Text};
use crate::backend::in_region;
use crate::render::{hcl_quoted, in_quotes};

/// What a module knows the region as.
pub(in super::super) const REGION: &str = "${local.region}";

/// The name under which a file's lines are known: `machine_env`, `secrets`, `docker_config_json`.
pub(in super::super) fn name(file: &LinesFile) -> String {
    let words = file.path.rsplit(['/', '.']).filter(|word| !word.is_empty());
    let mut name: Vec<&str> = words
        .take_while(|word| !["chroma-otel", "root"].contains(word))
        .collect();
    name.reverse();
    name.join("_")
}

/// A line as an expression: text, blank where the line is not there.
pub(in super::super) fn expression(line: &Line) -> String {
    let text = match &line.text {
        Text::Parts(parts) => format!("\"{}\"", parts.iter().map(inside).collect::<String>()),
        Text::ByGranularity {
            none,
            operation,
            segment,
            all,
        } => {
            let none = none.as_deref().unwrap_or_default();
            let texts = [none, operation, segment, all].map(hcl_quoted);
            let pairs: Vec<String> = GRANULARITIES
                .iter()
                .zip(texts)
                .map(|(granularity, text)| format!("{granularity} = {text}"))
                .collect();
            let parameter = parameter(variable::GRANULARITY);
            return format!("{{ {} }}[{parameter}]", pairs.join(", ")); // none has its own
        }
        Text::EndpointOr(own) => {
            let parameter = parameter(variable::ENDPOINT);
            let own = regional(own);
            format!(
                "\"{}=${{{parameter} == \"\" ? {own} : {parameter}}}\"",
                variable::ENDPOINT
            )
        }
    };
    let condition = match &line.only_if {
        None => return text,
        Some(Condition::Traced) => format!("{} == \"none\"", parameter(variable::GRANULARITY)),
        Some(Condition::Alarms) => "var.alarm_topic_arn == \"\"".to_owned(),
        Some(Condition::HasSecret(variable)) => {
            format!("!local.has_{}", variable.to_ascii_lowercase())
        }
    };
    format!("{condition} ? \"\" : {text}")
}

const GRANULARITIES: [Granularity; 4] = [
    Granularity::None,
    Granularity::Operation,
    Granularity::OperationAndSegment,
    Granularity::All,
];

/// Text with the region in the place of `{region}`, as an expression.
pub(in super::super) fn regional(text: &str) -> String {
    in_region(&hcl_quoted(text), REGION)
}

/// A part between quotes.
fn inside(part: &Part) -> String {
    match part {
        Part::Text(text) => in_quotes(text),
        Part::Parameter(variable) => format!("${{{}}}", parameter(variable)),
        Part::Region => REGION.to_owned(),
        Part::Name => "${var.name}".to_owned(),
        Part::Registry => "${local.registry}".to_owned(),
        Part::DataVolume => "${aws_ebs_volume.data.id}".to_owned(),
        Part::LogGroup => "${aws_cloudwatch_log_group.logs.name}".to_owned(),
        Part::Secret(variable) => format!("${{{}}}", arn(variable)),
    }
}

fn parameter(variable: &str) -> String {
    format!("var.{}", variable.to_ascii_lowercase())
}

/// The ARN of the secret with a variable's value; blank where there is none.
fn arn(variable: &str) -> String {
    format!("local.{}_arn", variable.to_ascii_lowercase())
}
