//! The collector: replicas that share the work, or routers before members that see whole traces.
//!
//! Invariant: the configuration is the one of every target; only who starts it and where differs. Keys
//! are with those who send to the backend, and with nobody else.

mod capacity;
mod network_policy;
mod role;

pub(super) use capacity::of as capacity;
use capacity::{CPU, CPU_USED};
use role::Role;

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::variable;
use minijinja::value::{Serde, merge_maps};
use minijinja::{Value, context};

use super::component::{COLLECTOR, Component, MEMBER, ROUTER, checksum, receivers, texts};
use super::{cloud, secret_keys};
use crate::collector::COLLECTOR_VERSION;
use crate::collector::surroundings::{Listen, Pods, Surroundings};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::Plan;
use crate::render::render;
use crate::spec::Image;
use crate::spec::kubernetes::CollectorMode;

/// How long a sender's connection lasts where there may be several replicas, so that a new one has
/// work within minutes. Not shorter: Chroma 1.x drops the batch that it sends at that very moment.
const LET_GO: &str = "5m";

/// What the published image runs by itself.
const PLAIN: [&str; 3] = [
    "/otelcol-contrib",
    "--config",
    "/etc/otelcol-contrib/config.yaml",
];

/// Adds `collector.yaml`, and `router.yaml` with mode `tiered`.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &Value) -> Result<()> {
    let mut file = |name: &str, template: &str, role: Role| -> Result<()> {
        let context = workload(deployment, base, role)?;
        let text = render(&format!("kubernetes/{template}.yaml.j2"), &context)?;
        plan.files.insert(format!("{name}.yaml"), text);
        Ok(())
    };
    match (
        deployment.spec.collector.mode,
        deployment.spec.collector.operator,
    ) {
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
fn workload(deployment: &Deployment, base: &Value, role: Role) -> Result<Value> {
    let (collector, tiered) = (
        &deployment.spec.collector,
        deployment.spec.collector.mode == CollectorMode::Tiered,
    );
    let part = part(role);
    let keys = match role {
        Role::Router => Vec::new(),
        Role::Gateway | Role::Member => secret_keys::of(deployment, Container::Collector),
    };
    let variables = match role {
        Role::Router => BTreeMap::new(),
        Role::Gateway | Role::Member => variables(deployment),
    };
    let config = configuration(deployment, base, role)?;
    let checksum = checksum(&format!("{config}{variables:?}"));
    let name = part.name(deployment);
    let more = texts(&deployment.spec.kubernetes.annotations);
    let pod_annotations = more
        .into_iter()
        .chain([("checksum/config".to_owned(), checksum)]);
    Ok(context! {
        part => part.context(deployment, COLLECTOR_VERSION),
        // Chroma knows one name, whoever is behind it.
        service_name => COLLECTOR.name(deployment),
        // Clouds know who sends to the backend by this account.
        account => match role {
            Role::Router => name.clone(),
            Role::Gateway | Role::Member => COLLECTOR.name(deployment),
        },
        members => tiered.then(|| MEMBER.name(deployment)),
        cluster_role => (role != Role::Member && !sees_own_namespace_only(deployment))
            .then(|| format!("{}-{name}", deployment.spec.kubernetes.namespace)),
        sees_pods => role != Role::Member,
        metrics => role != Role::Router,
        config,
        variables,
        pod_annotations => pod_annotations.collect::<BTreeMap<_, _>>(),
        keys,
        run => run(deployment, role),
        image => base.get_attr("images")?.get_attr("collector")?,
        go_memory_limit => deployment.collector.go_memory_limit.clone(),
        memory => collector.memory.quantity(),
        cpu => format!("{CPU}m"),
        cpu_used => format!("{CPU_USED}m"),
        // Of what it asks for, as the OpenTelemetry Operator wants it.
        cpu_used_percent => CPU_USED * 100 / CPU,
        replicas => collector.replicas,
        max_replicas => collector.max_replicas,
        scales => role != Role::Member && collector.max_replicas > collector.replicas,
        storage_class => cloud::storage_class(deployment),
        callers => network_policy::callers(deployment, role),
        egress => network_policy::egress(deployment, role),
        receivers => receivers(deployment),
        operator => collector.operator,
        otel_name => format!("{}-otel", deployment.spec.name),
        ..base.clone()
    })
}

fn part(role: Role) -> Component<'static> {
    match role {
        Role::Gateway => COLLECTOR,
        Role::Router => ROUTER,
        Role::Member => MEMBER,
    }
}

/// Whether nobody of another namespace may send: then no pod of another has to be seen.
fn sees_own_namespace_only(deployment: &Deployment) -> bool {
    deployment.spec.kubernetes.allow_namespaces.is_empty()
}

/// The configuration, in the one form of all targets or as a router's.
fn configuration(deployment: &Deployment, base: &Value, role: Role) -> Result<String> {
    let own_namespace = sees_own_namespace_only(deployment)
        .then(|| deployment.spec.kubernetes.namespace.to_string());
    let receives_of_many = role != Role::Member;
    // A single replica would only get the same sender back.
    let lets_go = receives_of_many && deployment.spec.collector.max_replicas > 1;
    let surroundings = Surroundings {
        version_attribute: deployment.spec.chroma.version.to_string().into(),
        // In Go this is every address of the pod, IPv6 as well; policies say who reaches it.
        listen: Listen {
            receivers: "0.0.0.0",
            local: "0.0.0.0",
        },
        // No cloud's: they would describe the collector's node, and not Chroma's.
        detectors: vec!["env"],
        let_go: lets_go.then_some(LET_GO),
        // Routers know who sent it; behind them the connection is the router's.
        pods: receives_of_many.then_some(Pods {
            namespace: own_namespace,
        }),
        place_attributes: base.get_attr("cloud")?.get_attr("resource")?,
        instance_attribute: "k8s.pod.name",
    };
    let context = context! {
        // Of the deployment, not of Kubernetes.
        namespace => deployment.spec.name.to_string(),
        members_host => format!("{}.{}.svc", MEMBER.name(deployment), deployment.spec.kubernetes.namespace),
        ..merge_maps([Value::from(Serde(surroundings)), base.clone()])
    };
    match role {
        Role::Router => render("collector/router/otel-collector.yaml.j2", &context),
        Role::Gateway | Role::Member => render("collector/otel-collector.yaml.j2", &context),
    }
}

/// The variables that are no secrets.
fn variables(deployment: &Deployment) -> BTreeMap<String, String> {
    let environment = cloud::environment(deployment).into_iter();
    let mut variables: BTreeMap<String, String> = environment
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let wanted = deployment.spec.collector.image.has_entrypoint()
        && deployment.spec.tracing.backend.wants_endpoint();
    if wanted && let Some(endpoint) = deployment.collector.known_endpoint.clone() {
        variables.insert(variable::ENDPOINT.to_owned(), endpoint.to_string());
    }
    variables
}

/// What the container runs, as lines of YAML; nothing where the image says it.
fn run(deployment: &Deployment, role: Role) -> Vec<Value> {
    let line = |key: &str, value: Vec<String>| context! { key, value };
    match (deployment.spec.collector.image, role) {
        (Image::Stock, _) => Vec::new(),
        (Image::Wrapped | Image::Published, Role::Gateway | Role::Member) => {
            vec![line("args", deployment.collector.command.clone())]
        }
        // It has no endpoint of an operator's to read.
        (Image::Wrapped | Image::Published, Role::Router) => {
            vec![line("command", PLAIN.map(str::to_owned).to_vec())]
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::deployment::sound;

    /// Whether this collector ends its senders' connections.
    fn ends_connections(keys: &[(&'static str, Json)]) -> bool {
        let deployment = sound(&[&[("target", json!("kubernetes"))], keys].concat());
        let plan = crate::targets::kubernetes::plan(&deployment).expect("it renders");
        plan.files["collector.yaml"].contains("max_connection_age")
    }

    #[test]
    fn connections_end_only_where_another_replica_may_take_them() {
        let replicas = |least, most| {
            [
                ("collector.replicas", json!(least)),
                ("collector.max_replicas", json!(most)),
            ]
        };
        assert!(ends_connections(&[]));
        assert!(ends_connections(&replicas(1, 2)));
        assert!(!ends_connections(&replicas(1, 1)));
    }
}
