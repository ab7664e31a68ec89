//! The collector: replicas that share the load, or routers in front of members that receive
//! complete traces.
//!
//! Invariant: the configuration is the same as on every target; only the way to run it differs.
//! Only workloads that send to the backend have its keys.

mod capacity;
mod network_policy;
mod role;

pub(super) use capacity::Capacity;
use capacity::{CPU, CPU_USED};
use network_policy::EgressRule;
use role::Role;

use std::collections::BTreeMap;

use anyhow::Result;
use chroma_otel_init::variable;
use minijinja::Value;
use serde::Serialize;

use super::component::{
    COLLECTOR, Component, ComponentTemplate, MEMBER, ROUTER, checksum, receivers, texts,
};
use super::ephemeral_storage::EphemeralStorage;
use super::secret_keys::SecretKey;
use super::template::ClusterTemplate;
use super::{cloud, secret_keys};
use crate::collector::surroundings::{Listen, Pods, Surroundings};
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::plan::Plan;
use crate::render::{render, values_of};
use crate::spec::kubernetes::CollectorMode;
use crate::spec::{Image, Spec};
use crate::values::Memory;

/// Maximum age of a sender's connection if there can be several replicas, so that a new replica
/// gets load within minutes. It is not shorter because Chroma 1.x drops the batch that it sends
/// when the connection closes.
const LET_GO: &str = "5m";

/// MiB of the emptyDir for the queue: 256 MiB of spans, their copy while it is compacted, and space
/// that is not yet compacted.
const QUEUE: u64 = 1024;

/// The default command of the published image.
const PLAIN: [&str; 3] = [
    "/otelcol-contrib",
    "--config",
    "/etc/otelcol-contrib/config.yaml",
];

/// Adds `collector.yaml`, and `router.yaml` in mode `tiered`.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let mut file = |name: &str, template: &str, role: Role| -> Result<()> {
        let context = values_of(workload(deployment, base, role)?);
        let text = render(&format!("kubernetes/{template}.yaml.j2"), &context)?;
        plan.files.insert(format!("{name}.yaml"), text);
        Ok(())
    };
    let collector = &deployment.spec.collector;
    match (collector.mode, collector.operator) {
        (CollectorMode::None, _) => Ok(()),
        (CollectorMode::Gateway, true) => file("collector", "operator", Role::Gateway),
        (CollectorMode::Gateway, false) => file("collector", "collector", Role::Gateway),
        (CollectorMode::Tiered, _) => {
            file("router", "collector", Role::Router)?;
            file("collector", "member", Role::Member)
        }
    }
}

/// Input of a workload's templates.
#[derive(Serialize)]
struct WorkloadTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    part: ComponentTemplate,
    pod_labels: BTreeMap<String, String>,
    /// The Service that Chroma sends to, for every mode.
    service: String,
    /// The account by which clouds identify senders to the backend.
    account: String,
    account_annotations: BTreeMap<String, String>,
    /// The name of the members, in mode `tiered`.
    members: Option<String>,
    /// The name of the ClusterRole if pods of other namespaces are looked up.
    cluster_role: Option<String>,
    /// True if pods are looked up.
    sees_pods: bool,
    /// True if it derives metrics from requests.
    metrics: bool,
    config: String,
    /// The variables that are not secret.
    variables: BTreeMap<String, String>,
    pod_annotations: BTreeMap<String, String>,
    keys: Vec<SecretKey>,
    /// Command of the container; empty for the image's default.
    run: Vec<RunLine>,
    image: &'a str,
    go_memory_limit: &'a str,
    memory: String,
    ephemeral: EphemeralStorage,
    /// The size of the emptyDir for the queue.
    queue: String,
    cpu: String,
    /// The use of a core at which a replica is added.
    cpu_used: String,
    /// The same in percent of `cpu`, for the OpenTelemetry Operator.
    cpu_used_percent: u32,
    replicas: u16,
    max_replicas: u16,
    /// True if replicas are added under load.
    scales: bool,
    storage_class: Option<String>,
    /// The allowed senders, one per line.
    callers: Vec<Value>,
    egress: Vec<EgressRule>,
    /// The labels of the pods that Chroma sends to.
    receivers: BTreeMap<String, String>,
    /// True if the OpenTelemetry Operator runs it.
    operator: bool,
    /// The name of the Operator's resource.
    otel_name: String,
}

/// `args` or `command` of a container.
#[derive(Serialize)]
struct RunLine {
    key: &'static str,
    value: Vec<String>,
}

fn workload<'a>(
    deployment: &'a Deployment,
    base: &'a ClusterTemplate<'a>,
    role: Role,
) -> Result<WorkloadTemplate<'a>> {
    let Spec {
        name,
        collector,
        kubernetes,
        ..
    } = &deployment.spec;
    let part = part(role);
    let sends_to_backend = role != Role::Router;
    let (keys, variables) = if sends_to_backend {
        let keys = secret_keys::of(deployment, Container::Collector);
        (keys, variables(deployment))
    } else {
        (Vec::new(), BTreeMap::new())
    };
    let identity_label = cloud::identity_label(deployment.spec.target, &deployment.spec.tracing)
        .filter(|_| sends_to_backend);
    let mut account_annotations = texts(&kubernetes.annotations);
    if identity_label.is_some() {
        account_annotations.extend(cloud::identity_annotation(
            deployment.spec.target,
            kubernetes.identity.as_ref(),
        ));
    }
    let component = part.template(deployment, deployment.spec.collector.version.as_str());
    let mut pod_labels = component.labels.clone();
    pod_labels.extend(identity_label.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let config = configuration(deployment, base, role)?;
    let checksum = checksum(&format!("{config}{variables:?}"));
    let mut pod_annotations = texts(&kubernetes.annotations);
    pod_annotations.insert("checksum/config".to_owned(), checksum);
    let part_name = part.name(deployment);
    let looks_everywhere = role != Role::Member && !sees_own_namespace_only(deployment);
    Ok(WorkloadTemplate {
        base,
        part: component,
        pod_labels,
        account_annotations,
        service: COLLECTOR.name(deployment),
        account: if sends_to_backend {
            COLLECTOR.name(deployment)
        } else {
            part_name.clone()
        },
        members: (collector.mode == CollectorMode::Tiered).then(|| MEMBER.name(deployment)),
        cluster_role: looks_everywhere.then(|| format!("{}-{part_name}", kubernetes.namespace)),
        sees_pods: role != Role::Member,
        metrics: sends_to_backend,
        config,
        variables,
        pod_annotations,
        keys,
        run: run(deployment, role).into_iter().collect(),
        image: &base.images.collector,
        go_memory_limit: &deployment.collector.go_memory_limit,
        memory: collector.memory.quantity(),
        ephemeral: match role {
            Role::Gateway | Role::Router => EphemeralStorage::new(deployment, 512, QUEUE),
            Role::Member => EphemeralStorage::new(deployment, 64, 0),
        },
        queue: Memory::mebibytes(QUEUE).quantity(),
        cpu: format!("{CPU}m"),
        cpu_used: format!("{CPU_USED}m"),
        cpu_used_percent: CPU_USED * 100 / CPU,
        replicas: collector.replicas,
        max_replicas: collector.max_replicas,
        scales: role != Role::Member && collector.max_replicas > collector.replicas,
        storage_class: cloud::storage_class(deployment),
        callers: network_policy::callers(deployment, role),
        egress: network_policy::egress(deployment, role),
        receivers: receivers(deployment),
        operator: collector.operator,
        otel_name: format!("{name}-otel"),
    })
}

fn part(role: Role) -> Component<'static> {
    match role {
        Role::Gateway => COLLECTOR,
        Role::Router => ROUTER,
        Role::Member => MEMBER,
    }
}

/// Returns true if other namespaces may not send, so that their pods need not be looked up.
fn sees_own_namespace_only(deployment: &Deployment) -> bool {
    deployment.spec.kubernetes.allow_namespaces.is_empty()
}

/// Input of the collector's configuration in a cluster.
#[derive(Serialize)]
struct ConfigurationTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    #[serde(flatten)]
    surroundings: Surroundings,
    /// The host name by which members are found.
    members_host: String,
}

/// Returns the configuration: the one of all targets, or a router's.
fn configuration(deployment: &Deployment, base: &ClusterTemplate, role: Role) -> Result<String> {
    let Spec {
        chroma,
        collector,
        kubernetes,
        ..
    } = &deployment.spec;
    let namespace = &kubernetes.namespace;
    let own_namespace = sees_own_namespace_only(deployment).then(|| namespace.to_string());
    let receives_of_many = role != Role::Member;
    // With a single replica, the same sender would reconnect to it.
    let lets_go = receives_of_many && collector.max_replicas > 1;
    let surroundings = Surroundings {
        version_attribute: chroma.version.to_string().into(),
        // In Go this is every address of the pod, including IPv6; policies restrict access.
        listen: Listen {
            receivers: "0.0.0.0",
            local: "0.0.0.0",
        },
        // No detector of a cloud: it would describe the collector's node, not Chroma's.
        detectors: vec!["env"],
        let_go: lets_go.then_some(LET_GO),
        // Routers receive the sender's connection; behind them the connection is the router's.
        pods: receives_of_many.then_some(Pods {
            namespace: own_namespace,
        }),
        place_attributes: base.cloud.resource.clone(),
        instance_attribute: "k8s.pod.name",
    };
    let context = values_of(ConfigurationTemplate {
        base,
        surroundings,
        members_host: format!("{}.{namespace}.svc", MEMBER.name(deployment)),
    });
    match role {
        Role::Router => render("collector/router/otel-collector.yaml.j2", &context),
        Role::Gateway | Role::Member => render("collector/otel-collector.yaml.j2", &context),
    }
}

/// Returns the variables that are not secret.
fn variables(deployment: &Deployment) -> BTreeMap<String, String> {
    let environment =
        cloud::environment(deployment.spec.target, deployment.spec.place()).into_iter();
    let mut variables: BTreeMap<String, String> = environment
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let wanted = deployment.spec.collector.image.has_entrypoint()
        && deployment.spec.tracing.backend.wants_endpoint();
    if wanted && let Some(endpoint) = deployment.collector.known_endpoint.clone() {
        variables.insert(variable::ENDPOINT.to_owned(), endpoint.to_string());
    }
    let backends = deployment.spec.tracing.backends();
    let addresses = backends.flat_map(|backend| &backend.addresses);
    variables
        .extend(addresses.filter_map(|one| Some((one.key.variable.clone(), one.value.clone()?))));
    variables
}

/// Returns the container's command; `None` for the image's default.
fn run(deployment: &Deployment, role: Role) -> Option<RunLine> {
    match (deployment.spec.collector.image, role) {
        (Image::Stock, _) => None,
        (Image::Wrapped | Image::Published, Role::Gateway | Role::Member) => Some(RunLine {
            key: "args",
            value: deployment.collector.command.clone(),
        }),
        // A router reads no endpoint of an operator.
        (Image::Wrapped | Image::Published, Role::Router) => Some(RunLine {
            key: "command",
            value: PLAIN.map(str::to_owned).to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::deployment::sound;

    /// Returns true if this collector closes its senders' connections.
    fn ends_connections(keys: &[(&'static str, Json)]) -> bool {
        let deployment = sound(&[&[("target", json!("kubernetes"))], keys].concat());
        let plan = crate::targets::kubernetes::plan(&deployment).expect("it renders");
        plan.files["collector.yaml"].contains("max_connection_age")
    }

    #[test]
    fn closes_connections_only_if_there_can_be_several_replicas() {
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
