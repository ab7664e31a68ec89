//! The collector: replicas that share the work, or routers before members that see whole traces.
//!
//! Invariant: the configuration is the one of every target; only who starts it and where differs. Keys
//! are with those who send to the backend, and with nobody else.

mod growth;
mod traffic;

pub(super) use growth::of as growth;

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::variable;
use minijinja::{Value, context};

use super::context::{COLLECTOR, MEMBER, Part, ROUTER};
use super::{cloud, keys};
use crate::plan::Plan;
use crate::render::render;
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Image, Spec};
use crate::target::COLLECTOR_VERSION;
use crate::target::context::{self as shared, collector_image};
use crate::target::secrets::Container;
use crate::tree::hash;

/// How long a sender's connection lasts: long enough to cost nothing, short enough that a new replica
/// has work within minutes.
const LET_GO: &str = "5m";

/// What one replica asks for, and is sure of: enough for a thousand spans a second (`growth`).
const CPU: &str = "200m";

/// What a replica uses when the autoscaler adds another: far from where its memory would fill.
const CPU_USED: &str = "350m";

/// The same in percent of what it asks for, as the OpenTelemetry Operator wants it.
const CPU_USED_PERCENT: u16 = 175;

/// What the published image runs by itself.
const PLAIN: [&str; 3] = [
    "/otelcol-contrib",
    "--config",
    "/etc/otelcol-contrib/config.yaml",
];

/// One of the collector's workloads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Receives, and sends to the backend.
    Gateway,
    /// Receives, and sends each trace to one member.
    Router,
    /// Receives of routers, and sends to the backend.
    Member,
}

/// Adds `collector.yaml`, and `router.yaml` with mode `tiered`.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec, base: &Value) -> Result<()> {
    let mut file = |name: &str, template: &str, role: Role| -> Result<()> {
        let context = workload(spec, base, role)?;
        let text = render(&format!("kubernetes/{template}.yaml.j2"), &context)?;
        plan.files.insert(format!("{name}.yaml"), text);
        Ok(())
    };
    match (spec.collector.mode, spec.collector.operator) {
        (CollectorMode::None, _) => Ok(()),
        (CollectorMode::Gateway, true) => file("collector", "operator", Role::Gateway),
        (CollectorMode::Gateway, false) => file("collector", "collector", Role::Gateway),
        (CollectorMode::Tiered, _) => {
            file("router", "collector", Role::Router)?;
            file("collector", "member", Role::Member)
        }
    }
}

/// What the templates of a workload read.
fn workload(spec: &Spec, base: &Value, role: Role) -> Result<Value> {
    let (collector, tiered) = (
        &spec.collector,
        spec.collector.mode == CollectorMode::Tiered,
    );
    let part = part(role);
    let keys = match role {
        Role::Router => Vec::new(),
        Role::Gateway | Role::Member => keys::of(spec, Container::Collector),
    };
    let variables = match role {
        Role::Router => BTreeMap::new(),
        Role::Gateway | Role::Member => variables(spec),
    };
    let config = configuration(spec, base, role)?;
    let checksum = hash(format!("{config}{variables:?}").as_bytes())[..16].to_owned();
    let name = part.name(spec);
    let more = super::context::texts(&spec.kubernetes.annotations);
    let pod_annotations = more
        .into_iter()
        .chain([("checksum/config".to_owned(), checksum)]);
    Ok(context! {
        part => part.context(spec, COLLECTOR_VERSION),
        // Chroma knows one name, whoever is behind it.
        service_name => COLLECTOR.name(spec),
        // Clouds know who sends to the backend by this account.
        account => match role {
            Role::Router => name.clone(),
            Role::Gateway | Role::Member => COLLECTOR.name(spec),
        },
        members => tiered.then(|| MEMBER.name(spec)),
        cluster_role => (role != Role::Member && !sees_own_namespace_only(spec))
            .then(|| format!("{}-{name}", spec.kubernetes.namespace)),
        sees_pods => role != Role::Member,
        metrics => role != Role::Router,
        config,
        variables,
        pod_annotations => pod_annotations.collect::<BTreeMap<_, _>>(),
        keys,
        run => run(spec, role),
        image => match collector_image(spec) {
            Image::Wrapped => base.get_attr("images")?.get_attr("collector")?,
            Image::Stock => shared::base_images(spec).collector.into(),
        },
        go_memory_limit => shared::go_memory_limit(spec),
        memory => collector.memory.quantity(),
        cpu => CPU,
        cpu_used => CPU_USED,
        cpu_used_percent => CPU_USED_PERCENT,
        replicas => collector.replicas,
        max_replicas => collector.max_replicas,
        scales => role != Role::Member && collector.max_replicas > collector.replicas,
        storage_class => cloud::storage_class(spec),
        callers => traffic::callers(spec, role),
        egress => traffic::egress(spec, role),
        receivers => super::context::receivers(spec),
        operator => collector.operator,
        otel_name => format!("{}-otel", spec.name),
        ..base.clone()
    })
}

fn part(role: Role) -> Part<'static> {
    match role {
        Role::Gateway => COLLECTOR,
        Role::Router => ROUTER,
        Role::Member => MEMBER,
    }
}

/// Whether nobody of another namespace may send: then no pod of another has to be seen.
fn sees_own_namespace_only(spec: &Spec) -> bool {
    spec.kubernetes.allow_namespaces.is_empty()
}

/// The configuration, in the one form of all targets or as a router's.
fn configuration(spec: &Spec, base: &Value, role: Role) -> Result<String> {
    let own_namespace =
        sees_own_namespace_only(spec).then(|| spec.kubernetes.namespace.to_string());
    let seen = context! { namespace => own_namespace };
    let receives_of_many = role != Role::Member;
    let context = context! {
        version_attribute => spec.chroma.version.to_string(),
        // In Go this is every address of the pod, IPv6 as well; policies say who reaches it.
        listen => context! { receivers => "0.0.0.0", local => "0.0.0.0" },
        // No cloud's: they would describe the collector's node, and not Chroma's.
        detectors => ["env"],
        let_go => receives_of_many.then_some(LET_GO),
        // Routers know who sent it; behind them the connection is the router's.
        pods => receives_of_many.then_some(seen),
        place_attributes => base.get_attr("cloud")?.get_attr("resource")?,
        instance_attribute => "k8s.pod.name",
        // Of the deployment, not of Kubernetes.
        namespace => spec.name.to_string(),
        members_host => format!("{}.{}.svc", MEMBER.name(spec), spec.kubernetes.namespace),
        ..base.clone()
    };
    match role {
        Role::Router => render("collector/router/otel-collector.yaml.j2", &context),
        Role::Gateway | Role::Member => render("collector/otel-collector.yaml.j2", &context),
    }
}

/// The variables that are no secrets.
fn variables(spec: &Spec) -> BTreeMap<String, String> {
    let environment = cloud::environment(spec).into_iter();
    let mut variables: BTreeMap<String, String> = environment
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let wanted = collector_image(spec) == Image::Wrapped && spec.tracing.backend.wants_endpoint();
    if wanted && let Some(endpoint) = shared::known_endpoint(spec) {
        variables.insert(variable::ENDPOINT.to_owned(), endpoint.to_string());
    }
    variables
}

/// What the container runs, as lines of YAML; nothing where the image says it.
fn run(spec: &Spec, role: Role) -> Vec<Value> {
    let line = |key: &str, value: Vec<String>| context! { key, value };
    match (collector_image(spec), role) {
        (Image::Stock, _) => Vec::new(),
        (Image::Wrapped, Role::Gateway | Role::Member) => {
            vec![line("args", shared::collector_command(spec))]
        }
        // It has no endpoint of an operator's to read.
        (Image::Wrapped, Role::Router) => {
            vec![line("command", PLAIN.map(str::to_owned).to_vec())]
        }
    }
}
