//! What every target's templates read, and the files that every target has.
//!
//! Invariant: every choice is made here; the templates only place values.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chroma_otel_init::{
    Endpoint, Granularity, Server, Settings, is_expanded, is_mapping, rust_log, server_environment,
    variable,
};
use minijinja::value::{Serde, merge_maps};
use minijinja::{Value, context};

use crate::backend::{Backend, Exporter, Service};
use crate::collector::COLLECTOR_VERSION;
use crate::collector::exporters::Exporters;
use crate::collector::redact::{self, RedactTemplate};
use crate::collector::sampling::SamplingTemplate;
use crate::image::base_images;
use crate::plan::{Change, Need, Plan};
use crate::problem::Problem;
use crate::render::{json, render};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Image, Spec, Target};
use crate::values::{VariableName, in_place};

/// Where Chroma finds the collector on one machine.
pub(super) const COLLECTOR_ENDPOINT: &str = "http://otel-collector:4317";

/// How long Chroma's exporter collects spans before it sends them, in milliseconds; 5000 by default.
const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// Where Chroma sends its traces: the collector, or with `mode: none` the operator's own.
pub(super) fn chroma_endpoint(spec: &Spec) -> String {
    match (&spec.tracing.endpoint, spec.target.is_kubernetes()) {
        (Some(endpoint), true) if spec.collector.mode == CollectorMode::None => {
            endpoint.to_string()
        }
        (_, true) => format!("http://{}-otel-collector:4317", spec.name),
        (_, false) => COLLECTOR_ENDPOINT.to_owned(),
    }
}

/// What every target's templates read.
pub(crate) fn of(spec: &Spec) -> Value {
    let (chroma, tracing, version) = (&spec.chroma, &spec.tracing, spec.chroma.version);
    let rust_server = version.server() == Server::Rust;
    context! {
        name => spec.name.to_string(),
        version => version.to_string(),
        wrapped => chroma.image.has_entrypoint(),
        built => chroma.image.is_built(),
        image_context => chroma.image_context.as_str(),
        shared_context => chroma.image_context.is_shared(),
        rust_server,
        // The collector's template reads these.
        environment => tracing.environment.as_str(),
        namespace => spec.name.to_string(),
        granularity => tracing.granularity.to_string(),
        endpoint => tracing.endpoint.as_ref().map(ToString::to_string),
        header_names => &tracing.header_names,
        // The first, with the names of all.
        backend => context! {
            name => tracing.backend.name.as_str(),
            names => list(tracing.backends().map(|backend| backend.name.as_str())),
            summary => list(tracing.backends().map(|backend| backend.summary.as_str())),
            traces => tracing.backend.traces.as_str(),
            documentation => tracing.backend.documentation.as_str(),
            in_stack => tracing.backend.service.is_some(),
            in_log => tracing.backend.exporter == Exporter::Debug,
            has_keys => !tracing.backend.keys.is_empty(),
            wants_endpoint => tracing.backend.wants_endpoint(),
            retries_itself => tracing.backends().any(Backend::retries_itself),
        },
        others => tracing.others.iter().map(|backend| other(spec, backend)).collect::<Vec<_>>(),
        stack => stack(spec),
        service_name => tracing.service_name.as_str(),
        chroma => context! {
            base_image => base_images(spec).chroma,
            data_directory => version.data_directory(),
            read_only => rust_server, // 0.x writes its log beside its code
            port => chroma.port,
            cors_allow_origins => &chroma.cors_allow_origins,
            health_path => version.health_path(),
        },
        collector => context! { version => COLLECTOR_VERSION },
        collections_path => if version.health_path().starts_with("/api/v1") { "/api/v1/collections" } else { "/api/v2/tenants/default_tenant/databases/default_database/collections" },
        traced => version.traces() && tracing.granularity != Granularity::None,
        untraced => if version.traces() { "the granularity is `none`".to_owned() } else { format!("Chroma {version} cannot be, 0.4.15 is the first version that can") },
        zipkin => tracing.backend.exporter == Exporter::Zipkin,
        ..merge_maps([
            Value::from(Serde(Exporters::new(spec))),
            Value::from(Serde(SamplingTemplate::new(spec))),
            Value::from(Serde(RedactTemplate::new(spec))),
        ])
    }
}

/// Where else the traces end up, for a README: `name`, `traces`, `endpoint`, `in_log`.
pub(super) fn other(spec: &Spec, backend: &Backend) -> Value {
    let place = spec.place().unwrap_or("…");
    let endpoint = backend
        .endpoint
        .as_deref()
        .filter(|_| backend.wants_endpoint());
    context! {
        name => backend.name.as_str(),
        traces => in_place(&backend.traces, place),
        endpoint => endpoint.map(|endpoint| in_place(endpoint, place)),
        in_log => backend.exporter == Exporter::Debug,
    }
}

/// The backends that run beside the collector, by the endpoint that it sends to.
pub(super) fn in_stack(
    spec: &Spec,
) -> impl Iterator<Item = (&Backend, &Service, Option<Endpoint>)> {
    spec.tracing
        .backends()
        .enumerate()
        .filter_map(|(index, backend)| {
            let first = spec.tracing.endpoint.clone().filter(|_| index == 0);
            let own = || backend.endpoint.as_deref()?.parse().ok();
            Some((backend, backend.service.as_ref()?, first.or_else(own)))
        })
}

/// What templates read of each: `name`, `otlp_port`, `memory_mib`, and what its file says.
fn stack(spec: &Spec) -> Vec<Value> {
    let entries = in_stack(spec).map(|(backend, service, endpoint)| {
        let more = context! {
            name => backend.name.as_str(),
            otlp_port => endpoint.map(|endpoint| endpoint.port()),
            memory_mib => service.memory.as_mebibytes(),
        };
        merge_maps([Value::from(Serde(service)), more])
    });
    entries.collect()
}

/// `a`, `a and b`, `a, b and c`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// What the backends ask to have been done once, each with its commands.
pub(super) fn prepare(spec: &Spec, place: &str) -> Vec<Value> {
    let todo = spec
        .tracing
        .backends()
        .filter_map(|backend| backend.prepare.as_ref());
    todo.map(|todo| {
        let commands = in_place(&todo.commands, place);
        context! { what => todo.what.as_str(), commands, after => todo.after.as_deref() }
    })
    .collect()
}

/// What the identity of the collector must be allowed, in the cloud's own words.
pub(super) fn permissions(spec: &Spec) -> BTreeSet<String> {
    let all = spec.tracing.backends().flat_map(Backend::permissions);
    all.cloned().collect()
}

/// Adds the configurations of Chroma (0.x has none) and the collector.
pub(super) fn add_configurations(plan: &mut Plan, spec: &Spec, context: &Value) -> Result<()> {
    let mut add = |folder: &str, file: &str| -> Result<()> {
        let text = render(&format!("{folder}/{file}.j2"), context)?;
        plan.files.insert(file.to_owned(), text);
        Ok(())
    };
    if spec.chroma.version.server() == Server::Rust {
        add("chroma", "config.yaml")?;
    }
    add("collector", "otel-collector.yaml")
}

/// The backend's endpoint, where the operator has to say it.
/// `variable` is where it is said.
pub(super) fn endpoint_need(spec: &Spec, variable: &str) -> Option<Need> {
    let tracing = &spec.tracing;
    let missing = tracing.backend.wants_endpoint()
        && tracing.endpoint.is_none()
        && tracing.backend.endpoint.is_none();
    missing.then(|| Need {
        variable: variable.to_owned(),
        what: format!(
            "the backend's OTLP endpoint, such as `{}`",
            tracing.backend.endpoint_example()
        ),
    })
}

/// The value of a secret that the collector would not read as it is: without the entrypoint nobody
/// escapes what it expands, and what has the form of a mapping stops it.
pub(super) fn expanded(spec: &Spec, variable: &str, value: &str) -> Option<Problem> {
    let message = if is_expanded(value) {
        "has `${` or `$$` in it, which the collector would expand"
    } else if is_mapping(value) {
        "has the form of a mapping, which the collector would read as one"
    } else {
        return None;
    };
    let hint = if spec.collector.operator {
        "leave out `collector.operator`: the entrypoint passes on any value"
    } else {
        "use `image: wrapped`, which passes any value on unchanged"
    };
    let stock = spec.collector.image == Image::Stock;
    stock.then(|| Problem::new(variable, message).hint(hint))
}

/// A backend that takes traces from another cloud's machines only.
pub(super) fn foreign_backend(spec: &Spec) -> Option<Problem> {
    spec.tracing
        .backends()
        .find_map(|backend| foreign(spec, backend))
}

fn foreign(spec: &Spec, backend: &Backend) -> Option<Problem> {
    let cloud = backend.cloud()?;
    (Some(cloud) != spec.target.cloud()).then(|| {
        let message = format!(
            "is `{}`, which knows a sender by the identity of its machine in {}",
            backend.name,
            cloud.name()
        );
        let own = Target::from_name(cloud.target(), spec.target.is_kubernetes());
        let flags = own.map(Target::flags).unwrap_or_default();
        let hint = format!("use `--target {flags}`, or another backend");
        Problem::new("tracing.backend", message).hint(hint)
    })
}

/// What another release of Chroma means for the data, of a file that begins with `# Chroma VERSION`.
/// `first` is what to do before: `back it up first`.
pub(super) fn version_note(change: &Change, first: &str) -> Option<String> {
    let release = |text: String| {
        let end = text.find([' ', ',', ':']).unwrap_or(text.len());
        text[..end].to_owned()
    };
    let (before, after) = change.behind("# Chroma ")?;
    let (before, after) = (release(before), release(after));
    (before != after).then(|| {
        format!("Chroma goes from {before} to {after}, which changes the data for good: {first}, as README.md says")
    })
}

/// What Chroma is told by variables on every target, whatever its image: where SQLite puts its
/// temporary files, and what 0.x, which has no configuration file, has to know. The operator's own
/// variables win.
pub(super) fn server_variables(spec: &Spec) -> Vec<(&'static str, String)> {
    let version = spec.chroma.version;
    let data = version.data_directory().to_owned();
    // `/tmp` is in memory, within Chroma's limit, and a migration can need as much as the data.
    let mut variables = vec![("SQLITE_TMPDIR", data.clone())];
    if version.server() == Server::Python {
        variables.push(("IS_PERSISTENT", "1".to_owned()));
        variables.push(("PERSIST_DIRECTORY", data));
        let origins = &spec.chroma.cors_allow_origins;
        if !origins.is_empty() {
            variables.push(("CHROMA_SERVER_CORS_ALLOW_ORIGINS", json(origins)));
        }
    }
    variables.retain(|(name, _)| !sets(spec, name));
    variables
}

/// Whether the operator sets a variable of Chroma's.
fn sets(spec: &Spec, name: &str) -> bool {
    let mut own = spec.chroma.environment.keys();
    own.any(|one| one.as_str() == name)
}

/// What the published image is given instead of the four variables, for a service name and a
/// granularity; the operator's own `RUST_LOG` is part of it.
pub(super) fn translated(
    spec: &Spec,
    service_name: &str,
    granularity: Granularity,
) -> BTreeMap<&'static str, String> {
    let settings = chroma_endpoint(spec).parse().ok().map(|endpoint| {
        Settings::new(endpoint)
            .with_service_name(service_name)
            .with_granularity(granularity)
    });
    // The collector's endpoint is plain gRPC, which every version can reach.
    let mut translated = settings
        .and_then(|settings| server_environment(&settings, spec.chroma.version).ok())
        .unwrap_or_default();
    // A stop is held back by two seconds at most (`preStop`, `ExecStop`): spans must not wait longer.
    if granularity != Granularity::None && !translated.is_empty() && !sets(spec, BATCH_DELAY) {
        translated.insert(BATCH_DELAY, "1000".to_owned());
    }
    let mut own = spec.chroma.environment.iter();
    if let Some((_, Some(level))) = own.find(|(name, _)| is_merged(spec, name)) {
        let merged = rust_log(Some(level), granularity, spec.chroma.version);
        translated.extend(merged.map(|merged| (variable::RUST_LOG, merged)));
    }
    translated
}

/// Whether an operator's variable is part of the translation already: without the entrypoint, a
/// log level has to be joined with the spans' filter here.
pub(super) fn is_merged(spec: &Spec, name: &VariableName) -> bool {
    spec.chroma.image == Image::Stock && name.as_str() == variable::RUST_LOG
}

/// What the collector's container runs, with the entrypoint.
pub(super) fn collector_command(spec: &Spec) -> Vec<String> {
    let tracing = &spec.tracing;
    let backend = &tracing.backend;
    let mut command = vec!["collector".to_owned()];
    if !backend.wants_endpoint() {
        command.push("--no-endpoint".to_owned());
    }
    if backend.exporter == Exporter::Zipkin {
        command.push("--zipkin".to_owned());
    }
    for (name, text) in &backend.headers {
        command.push("--header".to_owned());
        command.push(format!("{name}={text}"));
    }
    // Those that the configuration names.
    let of_others = tracing.others.iter().flat_map(|other| &other.keys);
    let in_settings = backend.keys.iter();
    let in_settings = in_settings.filter(|key| backend.in_settings(&key.variable));
    let named: BTreeSet<&str> = in_settings
        .chain(of_others)
        .map(|key| key.variable.as_str())
        .collect();
    for variable in named {
        command.extend(["--key".to_owned(), variable.to_owned()]);
    }
    if let Some(key) = redact::key(spec) {
        command.extend(["--word".to_owned(), key.variable]);
    }
    let collector = [
        "--",
        "/otelcol-contrib",
        "--config",
        "/etc/otelcol-contrib/config.yaml",
    ];
    command.extend(collector.map(str::to_owned));
    command
}

/// `GOMEMLIMIT` of the collector: 80 % of its container's limit, as the memory limiter has it.
pub(super) fn go_memory_limit(spec: &Spec) -> String {
    format!("{}MiB", spec.collector.memory.as_mebibytes() * 8 / 10)
}
