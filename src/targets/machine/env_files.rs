//! The files on the machine that parameters decide: each a list of lines, put together by the stack
//! or the module.
//!
//! Invariant: a value of a parameter is in one of these lines and in no script. They are written to
//! the machine as they are, and Docker reads `NAME=value` to the end of the line. What a line says
//! is decided here and by the cloud; each format has its own way to write it.

use chroma_otel_init::{Granularity, variable};

use crate::collector::exporters::exact_endpoint;
use crate::image::Tags;
use crate::spec::{Image, Spec};
use crate::targets::common::{self, COLLECTOR_ENDPOINT};
use crate::targets::registry::Source;
use crate::targets::secrets::{Container, secrets};
use crate::values::has_place;

/// Stands for a service name that only the stack knows.
const SERVICE_NAME: &str = "ChromaOtelServiceName";

/// The parameter that says which release of Chroma runs.
pub(in crate::targets) const CHROMA_VERSION: &str = "CHROMA_VERSION";

/// A file on the machine.
pub(in crate::targets) struct LinesFile {
    pub(in crate::targets) path: &'static str,
    pub(in crate::targets) lines: Vec<Line>,
}

/// One line of a file, and when it is there.
pub(in crate::targets) struct Line {
    pub(in crate::targets) text: Text,
    pub(in crate::targets) only_if: Option<Condition>,
}

/// What a line says.
pub(in crate::targets) enum Text {
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
pub(in crate::targets) enum Part {
    Text(String),
    /// The value of the parameter for this variable.
    Parameter(&'static str),
    /// The deployment's name.
    Name,
    /// What a module calls `local.…`: what it makes, finds or works out.
    Local(&'static str),
    /// What the store knows the secret with this variable's value by.
    Secret(String),
}

/// When a line is there.
pub(in crate::targets) enum Condition {
    /// The granularity is not `none`.
    Traced,
    /// Alarms are asked for.
    Alarms,
    /// The secret is stored or named.
    HasSecret(String),
}

impl Line {
    pub(in crate::targets) fn of<const N: usize>(parts: [Part; N]) -> Self {
        Self::of_parts(parts.into())
    }

    /// Neighbouring texts become one: a line that is nothing else is the same everywhere.
    fn of_parts(parts: Vec<Part>) -> Self {
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
                (_, part) => joined.push(part),
            }
        }
        Self {
            text: Text::Parts(joined),
            only_if: None,
        }
    }

    fn fixed(text: String) -> Self {
        Self::of([Part::Text(text)])
    }

    /// `NAME=` and what it is.
    pub(in crate::targets) fn variable(name: &str, value: Part) -> Self {
        Self::of([Part::Text(format!("{name}=")), value])
    }

    fn only_if(self, condition: Condition) -> Self {
        Self {
            only_if: Some(condition),
            ..self
        }
    }
}

/// The files of lines. `machine` are a cloud's own lines of `machine.env`, the first ones there;
/// `collector` those of the collector's environment.
pub(in crate::targets) fn of(
    spec: &Spec,
    tags: &Tags,
    machine: Vec<Line>,
    collector: Vec<Line>,
) -> Vec<LinesFile> {
    let file = |path, lines| LinesFile { path, lines };
    let machine = machine.into_iter().chain(image_lines(spec, tags));
    vec![
        file("/etc/chroma-otel/machine.env", machine.collect()),
        file("/etc/chroma-otel/chroma.env", chroma_lines(spec)),
        file(
            "/etc/chroma-otel/collector.env",
            collector_lines(spec, collector),
        ),
        file("/etc/chroma-otel/secrets", secret_lines(spec)),
    ]
}

fn image_lines(spec: &Spec, tags: &Tags) -> Vec<Line> {
    let image = |variable: &str, rest: Vec<Part>| {
        let named = [Part::Text(format!("{variable}="))].into_iter();
        Line::of_parts(named.chain(registry_parts(spec)).chain(rest).collect())
    };
    let (chroma, collector) = match spec.chroma.image {
        Image::Wrapped | Image::Published => (
            vec![
                Part::Text("chroma:".to_owned()),
                Part::Parameter(CHROMA_VERSION),
                Part::Text(format!("-{}", tags.hash)),
            ],
            vec![Part::Text(tags.collector.clone())],
        ),
        Image::Stock => (
            vec![
                Part::Text(spec.chroma.repository.tag("")),
                Part::Parameter(CHROMA_VERSION),
            ],
            vec![Part::Text(crate::image::base_images(spec).collector)],
        ),
    };
    vec![
        image("CHROMA_IMAGE", chroma),
        image("COLLECTOR_IMAGE", collector),
        Line::fixed("METRICS_NAMESPACE=Chroma".to_owned()).only_if(Condition::Alarms),
    ]
}

/// What the images' names begin with: the spec's registry, or a folder of the recipe's own.
fn registry_parts(spec: &Spec) -> Vec<Part> {
    match (Source::of(spec), &spec.chroma.registry) {
        (Source::None, _) => Vec::new(),
        (Source::ByIdentity(_) | Source::Open, Some(registry)) => {
            vec![Part::Text(format!("{registry}/"))]
        }
        _ => vec![
            Part::Local("registry"),
            Part::Text(format!("/{}/", spec.name)),
        ],
    }
}

fn chroma_lines(spec: &Spec) -> Vec<Line> {
    // `cfn-init` refuses an empty file, which this one is with the stock image and granularity `none`.
    let mut lines = vec![Line::fixed(
        "# what the container of Chroma is given".to_owned(),
    )];
    match spec.chroma.image {
        Image::Wrapped | Image::Published => lines.extend([
            Line::fixed(format!("{}={COLLECTOR_ENDPOINT}", variable::ENDPOINT)),
            parameter_line(variable::SERVICE_NAME),
            parameter_line(variable::GRANULARITY),
        ]),
        Image::Stock => lines.extend(translated_lines(spec)),
    }
    let server = common::server_variables(spec).into_iter();
    lines.extend(server.map(|(name, value)| Line::fixed(format!("{name}={value}"))));
    let own = spec
        .chroma
        .environment
        .iter()
        .filter(|(name, _)| !common::is_merged(spec, name));
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
    let of = |granularity| common::translated(spec, SERVICE_NAME, granularity);
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

fn collector_lines(spec: &Spec, own: Vec<Line>) -> Vec<Line> {
    let limit = format!("GOMEMLIMIT={}", common::go_memory_limit(spec));
    let mut lines = vec![Line::fixed(limit)];
    lines.extend(own);
    lines.push(parameter_line(CHROMA_VERSION)); // the spans' service.version
    if spec.tracing.backend.wants_endpoint() {
        lines.push(match exact_endpoint(spec).filter(|own| has_place(own)) {
            None => parameter_line(variable::ENDPOINT),
            Some(own) => Line {
                text: Text::EndpointOr(own),
                only_if: None,
            },
        });
    }
    lines
}

/// One line a secret: whose it is, the variable, and what the store knows it by.
fn secret_lines(spec: &Spec) -> Vec<Line> {
    let lines = secrets(spec).into_iter().map(|secret| {
        let container = match secret.container {
            Container::Chroma => "chroma",
            Container::Collector => "collector",
            Container::Proxy | Container::Backup => unreachable!("a cluster's alone"),
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
