//! The files on the machine that depend on parameters: lists of lines that the stack or the module
//! assembles.
//!
//! Invariant: the value of a parameter is in one of these lines and never in a script. The lines
//! are written to the machine unchanged, and Docker reads `NAME=value` to the end of the line. This
//! module and the cloud's decide the content of a line; each format writes it in its own syntax.

use chroma_otel_init::{Granularity, variable};

use crate::deployment::Deployment;
use crate::deployment::chroma::COLLECTOR_ENDPOINT;
use crate::deployment::registry::ImageSource;
use crate::deployment::secrets::Container;
use crate::spec::Image;
use crate::spec::backup::{Backup, Bucket};
use crate::targets::object_store;
use crate::values::has_place;

/// Placeholder for a service name that only the stack knows.
const SERVICE_NAME: &str = "ChromaOtelServiceName";

/// The parameter for the Chroma release.
pub(in crate::targets) const CHROMA_VERSION: &str = "CHROMA_VERSION";

/// A file on the machine.
pub(in crate::targets) struct EnvFile {
    pub(in crate::targets) path: &'static str,
    pub(in crate::targets) lines: Vec<EnvLine>,
}

/// One line of a file, and the condition for it.
pub(in crate::targets) struct EnvLine {
    pub(in crate::targets) text: Text,
    pub(in crate::targets) only_if: Option<Condition>,
}

/// The content of a line.
pub(in crate::targets) enum Text {
    /// Segments, concatenated.
    Parts(Vec<Segment>),
    /// Text that depends on the granularity; the first one if there is such a line without tracing.
    ByGranularity {
        none: Option<String>,
        operation: String,
        segment: String,
        all: String,
    },
    /// The endpoint parameter, or this default with the region for `{region}`.
    EndpointOr(String),
}

/// A segment of a line.
pub(in crate::targets) enum Segment {
    Text(String),
    /// The value of the parameter for this variable.
    Parameter(&'static str),
    /// The deployment's name.
    Name,
    /// A `local.…` of the module: a resource, a data source or a computed value.
    Local(&'static str),
    /// The store's name of the secret with this variable's value.
    Secret(String),
}

/// The condition for a line.
pub(in crate::targets) enum Condition {
    /// The granularity is not `none`.
    Traced,
    /// Alarms are enabled.
    Alarms,
    /// The secret is stored or named.
    HasSecret(String),
}

impl EnvLine {
    pub(in crate::targets) fn of<const N: usize>(parts: [Segment; N]) -> Self {
        Self::of_parts(parts.into())
    }

    /// Merges adjacent texts, so that a line of text only is the same in every format.
    pub(in crate::targets) fn of_parts(parts: Vec<Segment>) -> Self {
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

    /// Returns the line `NAME=value`.
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

/// Returns the files of lines. `machine` contains the cloud's own lines of `machine.env`, which
/// come first, `collector` those of the collector's environment, and `backup` those of backups.
pub(in crate::targets) fn of(
    deployment: &Deployment,
    machine: Vec<EnvLine>,
    collector: Vec<EnvLine>,
    backup: Vec<EnvLine>,
) -> Vec<EnvFile> {
    let file = |path, lines| EnvFile { path, lines };
    let machine = machine.into_iter().chain(image_lines(deployment));
    let mut files = vec![
        file("/etc/chroma-otel/machine.env", machine.collect()),
        file("/etc/chroma-otel/chroma.env", chroma_lines(deployment)),
        file(
            "/etc/chroma-otel/collector.env",
            collector_lines(deployment, collector),
        ),
        file("/etc/chroma-otel/secrets", secret_lines(deployment)),
    ];
    if let Some((settings, bucket)) = in_bucket(deployment) {
        let lines = backup_lines(settings, bucket, backup);
        files.push(file("/etc/chroma-otel/backup.env", lines));
    }
    files
}

/// Returns the backups and their bucket, without which a machine has none.
pub(in crate::targets) fn in_bucket(deployment: &Deployment) -> Option<(&Backup, &Bucket)> {
    let backup = deployment.spec.backup.as_ref()?;
    Some((backup, backup.place.bucket()?))
}

fn backup_lines(backup: &Backup, bucket: &Bucket, own: Vec<EnvLine>) -> Vec<EnvLine> {
    let days = backup.keep_days.map(|days| ("KEEP_DAYS", days.to_string()));
    let keep = [("KEEP", backup.keep.to_string())].into_iter().chain(days);
    let texts = keep.chain(object_store::variables(bucket));
    let lines = texts.map(|(name, value)| EnvLine::fixed(format!("{name}={value}")));
    let version = [parameter_line(CHROMA_VERSION)].into_iter();
    version.chain(lines).chain(own).collect()
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

/// Returns the host of the registry to which the machine logs in, if it logs in.
pub(in crate::targets) fn registry_host(deployment: &Deployment) -> Option<Segment> {
    match &deployment.image_source {
        ImageSource::Own => Some(Segment::Local("registry")),
        ImageSource::ByIdentity(registry) => Some(Segment::Text(registry.host().to_owned())),
        ImageSource::None | ImageSource::Open => None,
    }
}

/// Returns the prefix of the images' names: the spec's registry, or a path that the deployment
/// creates.
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
    // `cfn-init` rejects an empty file, which this would be with the stock image and granularity
    // `none`.
    let mut lines = vec![EnvLine::fixed(
        "# environment of Chroma's container".to_owned(),
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

/// Returns a line `NAME=value` with the parameter of that name.
fn parameter_line(name: &'static str) -> EnvLine {
    EnvLine::variable(name, Segment::Parameter(name))
}

/// Returns the variables that the published image reads instead of the four; none with granularity
/// `none`.
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

/// Returns one line per secret: the container, the variable, and the store's name of the secret.
fn secret_lines(deployment: &Deployment) -> Vec<EnvLine> {
    let lines = deployment.secrets.iter().map(|secret| {
        let container = match secret.container {
            Container::Chroma => "chroma",
            Container::Collector => "collector",
            Container::Proxy => "proxy",
            Container::Backup => unreachable!("a machine's backups have an identity"),
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
    // `cfn-init` rejects an empty file.
    let about = "# container, variable, and the secret that contains its value";
    let about = EnvLine::fixed(about.to_owned());
    [about].into_iter().chain(lines).collect()
}
