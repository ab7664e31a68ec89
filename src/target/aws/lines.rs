//! The files on the machine that parameters decide: each a list of lines, put together by the stack.
//!
//! Invariant: a value of a parameter is in one of these lines and in no script. They are written to
//! the machine as they are, and Docker reads `NAME=value` to the end of the line. What a line says
//! is decided here; each format has its own way to write it.

pub(super) mod cloudformation;
pub(super) mod terraform;

use chroma_otel_init::{Granularity, variable};

use super::stack::collector_tag;
use crate::backend::is_regional;
use crate::spec::{Format, Image, Spec};
use crate::target::context::{self as shared, COLLECTOR_ENDPOINT};
use crate::target::exporters::exact_endpoint;
use crate::target::secrets::{Container, secrets};

/// Stands for a service name that only the stack knows.
const SERVICE_NAME: &str = "ChromaOtelServiceName";

/// The parameter that says which release of Chroma runs.
pub(super) const CHROMA_VERSION: &str = "CHROMA_VERSION";

/// A file on the machine.
pub(super) struct LinesFile {
    pub(super) path: &'static str,
    pub(super) lines: Vec<Line>,
}

/// One line of a file, and when it is there.
pub(super) struct Line {
    pub(super) text: Text,
    pub(super) only_if: Option<Condition>,
}

/// What a line says.
pub(super) enum Text {
    /// Its parts, one behind the other.
    Parts(Vec<Part>),
    /// What the granularity decides; the first where there is such a line without tracing.
    ByGranularity {
        none: Option<String>,
        operation: String,
        segment: String,
        all: String,
    },
    /// The endpoint that the stack is given, else this one, with the region in the place of `{region}`.
    EndpointOr(String),
}

/// A part of a line.
pub(super) enum Part {
    Text(String),
    /// The value of the parameter for this variable.
    Parameter(&'static str),
    Region,
    /// The deployment's name.
    Name,
    /// The account's registry of images.
    Registry,
    /// The id of the volume with the data.
    DataVolume,
    LogGroup,
    /// The ARN of the secret with this variable's value.
    Secret(String),
}

/// When a line is there.
pub(super) enum Condition {
    /// The granularity is not `none`.
    Traced,
    /// Alarms are asked for.
    Alarms,
    /// The secret is stored or named.
    HasSecret(String),
}

impl Line {
    fn of<const N: usize>(parts: [Part; N]) -> Self {
        Self {
            text: Text::Parts(parts.into()),
            only_if: None,
        }
    }

    fn fixed(text: String) -> Self {
        Self::of([Part::Text(text)])
    }

    /// `NAME=` and what it is.
    fn variable(name: &str, value: Part) -> Self {
        Self::of([Part::Text(format!("{name}=")), value])
    }

    fn only_if(self, condition: Condition) -> Self {
        Self {
            only_if: Some(condition),
            ..self
        }
    }
}

/// The files of lines.
pub(super) fn of(spec: &Spec, sources: &str) -> Vec<LinesFile> {
    let file = |path, lines| LinesFile { path, lines };
    let mut files = vec![
        file("/etc/chroma-otel/machine.env", machine_lines(spec, sources)),
        file("/etc/chroma-otel/chroma.env", chroma_lines(spec)),
        file("/etc/chroma-otel/collector.env", collector_lines(spec)),
        file("/etc/chroma-otel/secrets", secret_lines(spec)),
    ];
    if spec.chroma.image == Image::Wrapped {
        // A helper that asks for a token when one is needed: none is on the disk.
        let line = Line::of([
            Part::Text(r#"{"credHelpers": {""#.to_owned()),
            Part::Registry,
            Part::Text(r#"": "ecr-login"}}"#.to_owned()),
        ]);
        files.push(file("/root/.docker/config.json", vec![line]));
    }
    files
}

fn machine_lines(spec: &Spec, sources: &str) -> Vec<Line> {
    let name = &spec.name;
    let (chroma, collector) = match spec.chroma.image {
        Image::Wrapped => (
            Line::of([
                Part::Text("CHROMA_IMAGE=".to_owned()),
                Part::Registry,
                Part::Text(format!("/{name}:chroma-")),
                Part::Parameter(CHROMA_VERSION),
                Part::Text(format!("-{sources}")),
            ]),
            Line::of([
                Part::Text("COLLECTOR_IMAGE=".to_owned()),
                Part::Registry,
                Part::Text(format!("/{name}:{}", collector_tag(sources))),
            ]),
        ),
        Image::Stock => (
            Line::of([
                Part::Text(format!("CHROMA_IMAGE={}", spec.chroma.repository.tag(""))),
                Part::Parameter(CHROMA_VERSION),
            ]),
            Line::fixed(format!(
                "COLLECTOR_IMAGE={}",
                shared::base_images(spec).collector
            )),
        ),
    };
    let mut lines = vec![
        Line::variable("AWS_REGION", Part::Region),
        Line::variable("STACK_NAME", Part::Name),
        Line::variable("VOLUME_ID", Part::DataVolume),
        Line::variable("LOG_GROUP", Part::LogGroup),
        chroma,
        collector,
        Line::fixed("METRICS_NAMESPACE=Chroma".to_owned()).only_if(Condition::Alarms),
    ];
    if spec.format == Format::Terraform {
        lines.push(Line::variable("GROUP_NAME", Part::Name));
    }
    lines
}

fn chroma_lines(spec: &Spec) -> Vec<Line> {
    // `cfn-init` refuses an empty file, which this one is with the stock image and granularity `none`.
    let mut lines = vec![Line::fixed(
        "# what the container of Chroma is given".to_owned(),
    )];
    match spec.chroma.image {
        Image::Wrapped => lines.extend([
            Line::fixed(format!("{}={COLLECTOR_ENDPOINT}", variable::ENDPOINT)),
            parameter_line(variable::SERVICE_NAME),
            parameter_line(variable::GRANULARITY),
        ]),
        Image::Stock => lines.extend(translated_lines(spec)),
    }
    let server = shared::python_server(spec).into_iter();
    lines.extend(server.map(|(name, value)| Line::fixed(format!("{name}={value}"))));
    let own = spec
        .chroma
        .environment
        .iter()
        .filter(|(name, _)| !shared::is_merged(spec, name));
    lines.extend(own.filter_map(|(name, value)| {
        let value = value.as_ref()?; // else it is a secret
        Some(Line::fixed(format!("{}={value}", name.as_str())))
    }));
    lines
}

/// `NAME=value` where the value is the parameter of that name.
fn parameter_line(name: &'static str) -> Line {
    Line::variable(name, Part::Parameter(name))
}

/// What the published image reads instead of the four variables; with granularity `none`, nothing.
fn translated_lines(spec: &Spec) -> Vec<Line> {
    let of = |granularity| shared::translated(spec, SERVICE_NAME, granularity);
    let [untraced, operation, segment, all] = [
        Granularity::None,
        Granularity::Operation,
        Granularity::OperationAndSegment,
        Granularity::All,
    ]
    .map(of);
    let lines = operation.iter().map(|(&name, value)| {
        let text = match value.split_once(SERVICE_NAME) {
            _ if name == variable::RUST_LOG => {
                let filter = |value: &String| format!("{name}={value}");
                Text::ByGranularity {
                    none: untraced.get(name).map(filter),
                    operation: filter(value),
                    segment: filter(segment.get(name).unwrap_or(value)),
                    all: filter(all.get(name).unwrap_or(value)),
                }
            }
            _ if name == variable::GRANULARITY => parameter_line(variable::GRANULARITY).text,
            Some((before, after)) => Text::Parts(vec![
                Part::Text(format!("{name}={before}")),
                Part::Parameter(variable::SERVICE_NAME),
                Part::Text(after.to_owned()),
            ]),
            None => Line::fixed(format!("{name}={value}")).text,
        };
        let only_if = (!untraced.contains_key(name)).then_some(Condition::Traced);
        Line { text, only_if }
    });
    lines.collect()
}

fn collector_lines(spec: &Spec) -> Vec<Line> {
    let mut lines = vec![
        Line::fixed(format!("GOMEMLIMIT={}", shared::go_memory_limit(spec))),
        Line::variable("AWS_REGION", Part::Region),
        Line::variable(CHROMA_VERSION, Part::Parameter(CHROMA_VERSION)), // the spans' service.version
    ];
    if spec.tracing.backend.wants_endpoint() {
        lines.push(match exact_endpoint(spec).filter(|own| is_regional(own)) {
            None => parameter_line(variable::ENDPOINT),
            Some(own) => Line {
                text: Text::EndpointOr(own),
                only_if: None,
            },
        });
    }
    lines
}

/// One line a secret: whose it is, the variable, and the secret's ARN.
fn secret_lines(spec: &Spec) -> Vec<Line> {
    let lines = secrets(spec).into_iter().map(|secret| {
        let container = match secret.container {
            Container::Chroma => "chroma",
            Container::Collector => "collector",
        };
        let line = Line::of([
            Part::Text(format!("{container} {} ", secret.variable)),
            Part::Secret(secret.variable.clone()),
        ]);
        match secret.required {
            true => line,
            false => line.only_if(Condition::HasSecret(secret.variable)),
        }
    });
    // `cfn-init` refuses an empty file.
    let about = "# whose, which variable, and the secret that holds its value";
    let about = Line::fixed(about.to_owned());
    [about].into_iter().chain(lines).collect()
}
