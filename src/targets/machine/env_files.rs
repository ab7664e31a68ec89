//! The files on the machine that parameters decide: each a list of lines, put together by the stack
//! or the module.
//!
//! Invariant: a value of a parameter is in one of these lines and in no script. They are written to
//! the machine as they are, and Docker reads `NAME=value` to the end of the line. What a line says
//! is decided here and by the cloud; each format has its own way to write it.

use chroma_otel_init::{Granularity, variable};

use crate::deployment::Deployment;
use crate::deployment::chroma::COLLECTOR_ENDPOINT;
use crate::deployment::registry::ImageSource;
use crate::deployment::secrets::Container;
use crate::spec::Image;
use crate::values::has_place;

/// Stands for a service name that only the stack knows.
const SERVICE_NAME: &str = "ChromaOtelServiceName";

/// The parameter that says which release of Chroma runs.
pub(in crate::targets) const CHROMA_VERSION: &str = "CHROMA_VERSION";

/// A file on the machine.
pub(in crate::targets) struct EnvFile {
    pub(in crate::targets) path: &'static str,
    pub(in crate::targets) lines: Vec<EnvLine>,
}

/// One line of a file, and when it is there.
pub(in crate::targets) struct EnvLine {
    pub(in crate::targets) text: Text,
    pub(in crate::targets) only_if: Option<Condition>,
}

/// What a line says.
pub(in crate::targets) enum Text {
    /// Its parts, one behind the other.
    Parts(Vec<Segment>),
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
pub(in crate::targets) enum Segment {
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

impl EnvLine {
    pub(in crate::targets) fn of<const N: usize>(parts: [Segment; N]) -> Self {
        Self::of_parts(parts.into())
    }

    /// Neighbouring texts become one: a line that is nothing else is the same everywhere.
    fn of_parts(parts: Vec<Segment>) -> Self {
        let mut joined: Vec<Segment> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Segment::Text(before)), Segment::Text(text)) => before.push_str(&text),
                (_, part) => joined.push(part),
            }
        }
        Self {
            text: Text::Parts(joined),
            only_if: None,
        }
    }

    fn fixed(text: String) -> Self {
        Self::of([Segment::Text(text)])
    }

    /// `NAME=` and what it is.
    pub(in crate::targets) fn variable(name: &str, value: Segment) -> Self {
        Self::of([Segment::Text(format!("{name}=")), value])
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
    deployment: &Deployment,
    machine: Vec<EnvLine>,
    collector: Vec<EnvLine>,
) -> Vec<EnvFile> {
    let file = |path, lines| EnvFile { path, lines };
    let machine = machine.into_iter().chain(image_lines(deployment));
    vec![
        file("/etc/chroma-otel/machine.env", machine.collect()),
        file("/etc/chroma-otel/chroma.env", chroma_lines(deployment)),
        file(
            "/etc/chroma-otel/collector.env",
            collector_lines(deployment, collector),
        ),
        file("/etc/chroma-otel/secrets", secret_lines(deployment)),
    ]
}

fn image_lines(deployment: &Deployment) -> Vec<EnvLine> {
    let image = |variable: &str, rest: Vec<Segment>| {
        let named = [Segment::Text(format!("{variable}="))].into_iter();
        EnvLine::of_parts(
            named
                .chain(registry_parts(deployment))
                .chain(rest)
                .collect(),
        )
    };
    let (chroma, collector) = match deployment.spec.chroma.image {
        Image::Wrapped | Image::Published => (
            vec![
                Segment::Text("chroma:".to_owned()),
                Segment::Parameter(CHROMA_VERSION),
                Segment::Text(format!("-{}", deployment.images.tags.hash)),
            ],
            vec![Segment::Text(deployment.images.tags.collector.clone())],
        ),
        Image::Stock => (
            vec![
                Segment::Text(deployment.spec.chroma.repository.tag("")),
                Segment::Parameter(CHROMA_VERSION),
            ],
            vec![Segment::Text(deployment.images.base.collector.clone())],
        ),
    };
    vec![
        image("CHROMA_IMAGE", chroma),
        image("COLLECTOR_IMAGE", collector),
        EnvLine::fixed("METRICS_NAMESPACE=Chroma".to_owned()).only_if(Condition::Alarms),
    ]
}

/// What the images' names begin with: the spec's registry, or a folder of the recipe's own.
fn registry_parts(deployment: &Deployment) -> Vec<Segment> {
    match (&deployment.image_source, &deployment.spec.chroma.registry) {
        (ImageSource::None, _) => Vec::new(),
        (ImageSource::ByIdentity(_) | ImageSource::Open, Some(registry)) => {
            vec![Segment::Text(format!("{registry}/"))]
        }
        _ => vec![
            Segment::Local("registry"),
            Segment::Text(format!("/{}/", deployment.spec.name)),
        ],
    }
}

fn chroma_lines(deployment: &Deployment) -> Vec<EnvLine> {
    // `cfn-init` refuses an empty file, which this one is with the stock image and granularity `none`.
    let mut lines = vec![EnvLine::fixed(
        "# what the container of Chroma is given".to_owned(),
    )];
    match deployment.spec.chroma.image {
        Image::Wrapped | Image::Published => lines.extend([
            EnvLine::fixed(format!("{}={COLLECTOR_ENDPOINT}", variable::ENDPOINT)),
            parameter_line(variable::SERVICE_NAME),
            parameter_line(variable::GRANULARITY),
        ]),
        Image::Stock => lines.extend(translated_lines(deployment)),
    }
    let server = deployment.server_variables.iter();
    lines.extend(server.map(|(name, value)| EnvLine::fixed(format!("{name}={value}"))));
    // A variable without a value is a secret.
    let own = deployment.own_variables();
    lines
        .extend(own.filter_map(|(name, value)| Some(EnvLine::fixed(format!("{name}={}", value?)))));
    lines
}

/// `NAME=value` where the value is the parameter of that name.
fn parameter_line(name: &'static str) -> EnvLine {
    EnvLine::variable(name, Segment::Parameter(name))
}

/// What the published image reads instead of the four variables; with granularity `none`, nothing.
fn translated_lines(deployment: &Deployment) -> Vec<EnvLine> {
    let of = |granularity| deployment.translated_variables(SERVICE_NAME, granularity);
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
                Segment::Text(format!("{name}={before}")),
                Segment::Parameter(variable::SERVICE_NAME),
                Segment::Text(after.to_owned()),
            ]),
            None => EnvLine::fixed(format!("{name}={value}")).text,
        };
        let only_if = (!untraced.contains_key(name)).then_some(Condition::Traced);
        EnvLine { text, only_if }
    });
    lines.collect()
}

fn collector_lines(deployment: &Deployment, own: Vec<EnvLine>) -> Vec<EnvLine> {
    let limit = format!("GOMEMLIMIT={}", deployment.collector.go_memory_limit);
    let mut lines = vec![EnvLine::fixed(limit)];
    lines.extend(own);
    lines.push(parameter_line(CHROMA_VERSION)); // the spans' service.version
    if deployment.spec.tracing.backend.wants_endpoint() {
        lines.push(
            match deployment
                .collector
                .exact_endpoint
                .clone()
                .filter(|own| has_place(own))
            {
                None => parameter_line(variable::ENDPOINT),
                Some(own) => EnvLine {
                    text: Text::EndpointOr(own),
                    only_if: None,
                },
            },
        );
    }
    lines
}

/// One line a secret: whose it is, the variable, and what the store knows it by.
fn secret_lines(deployment: &Deployment) -> Vec<EnvLine> {
    let lines = deployment.secrets.iter().map(|secret| {
        let container = match secret.container {
            Container::Chroma => "chroma",
            Container::Collector => "collector",
            Container::Proxy | Container::Backup => unreachable!("a cluster's alone"),
        };
        let line = EnvLine::of([
            Segment::Text(format!("{container} {} ", secret.variable)),
            Segment::Secret(secret.variable.clone()),
        ]);
        if secret.required {
            line
        } else {
            line.only_if(Condition::HasSecret(secret.variable.clone()))
        }
    });
    // `cfn-init` refuses an empty file.
    let about = "# whose, which variable, and the secret that holds its value";
    let about = EnvLine::fixed(about.to_owned());
    [about].into_iter().chain(lines).collect()
}
