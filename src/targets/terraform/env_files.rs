//! The machine's lines as Terraform expressions.

use chroma_otel_init::{Granularity, variable};

use crate::render::{hcl_quoted, in_quotes};
use crate::targets::machine::env_files::{Condition, EnvFile, EnvLine, Segment, Text};
use crate::values::{AwsHosts, in_partition};

/// Returns the name of a file's lines: `machine_env`, `secrets`, `docker_config_json`.
pub(super) fn name(file: &EnvFile) -> String {
    let words = file.path.rsplit(['/', '.']).filter(|word| !word.is_empty());
    let mut name: Vec<&str> = words
        .take_while(|word| !["chroma-otel", "root"].contains(word))
        .collect();
    name.reverse();
    name.join("_")
}

/// Returns a line as an expression: its text, or empty if its condition is false. `place` is the
/// expression for a backend's placeholder, and `kind` the module's term for the store's names of
/// secrets.
pub(super) fn expression(line: &EnvLine, place: &str, kind: &str) -> String {
    let text = match &line.text {
        Text::Parts(parts) => format!(
            "\"{}\"",
            parts
                .iter()
                .map(|part| inside(part, kind))
                .collect::<String>()
        ),
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
            return format!("{{ {} }}[{parameter}]", pairs.join(", ")); // `none` has an entry
        }
        Text::EndpointOr(own) => {
            let parameter = parameter(variable::ENDPOINT);
            let own = placed(own, place);
            format!(
                "\"{}=${{{parameter} == \"\" ? {own} : {parameter}}}\"",
                variable::ENDPOINT
            )
        }
    };
    let condition = match &line.only_if {
        None => return text,
        Some(Condition::Traced) => format!("{} != \"none\"", parameter(variable::GRANULARITY)),
        Some(Condition::Alarms) => "local.alarms".to_owned(),
        Some(Condition::HasSecret(variable)) => {
            format!("local.has_{}", variable.to_ascii_lowercase())
        }
    };
    format!("{condition} ? {text} : \"\"")
}

const GRANULARITIES: [Granularity; 4] = [
    Granularity::None,
    Granularity::Operation,
    Granularity::OperationAndSegment,
    Granularity::All,
];

/// Returns text as an expression, with the module's value for a backend's placeholder.
pub(super) fn placed(text: &str, place: &str) -> String {
    // Values of the module for AWS; only its backends' texts contain such hosts.
    let hosts = AwsHosts {
        services: "${local.suffix}",
        console: "${local.console}",
    };
    in_partition(&hcl_quoted(text), place, &hosts)
}

/// Returns a segment for a position between quotes.
fn inside(part: &Segment, kind: &str) -> String {
    match part {
        Segment::Text(text) => in_quotes(text),
        Segment::Parameter(variable) => format!("${{{}}}", parameter(variable)),
        Segment::Name => "${var.name}".to_owned(),
        Segment::Local(name) => format!("${{local.{name}}}"),
        Segment::Secret(variable) => format!("${{local.{}_{kind}}}", variable.to_ascii_lowercase()),
    }
}

fn parameter(variable: &str) -> String {
    format!("var.{}", variable.to_ascii_lowercase())
}
