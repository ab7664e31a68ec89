//! Input of `README.md`, in addition to that of every template: the commands for this deployment.
//!
//! Invariant: commands refer to existing objects of the manifests only.

use serde::Serialize;

use super::backup_section::BackupSection;
use super::collector::Capacity;
use super::commands::Commands;
use super::component::{COLLECTOR, DATABASE, MEMBER, PROXY, ROUTER, backend, claim};
use super::exposure::ExposeSection;
use super::secret_keys::{self, DescribedKey};
use super::template::ClusterTemplate;
use crate::backend::Backend;
use crate::deployment::Deployment;
use crate::deployment::secrets::{Container, SecretVariable};
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::shared::OtherBackend;
use crate::values::in_place;

/// Input of `README.md`.
#[derive(Serialize)]
pub(super) struct ReadmeTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    /// All workloads, as `KIND/NAME`.
    workloads: Vec<String>,
    /// The workloads that read the Secret.
    restart: Vec<String>,
    /// The claim of Chroma's data.
    claim: String,
    disk: String,
    keys: Vec<DescribedKey<'a>>,
    /// The variables without which the deployment does not start, in backticks.
    needs: Vec<String>,
    has_cloud: bool,
    /// The namespaces that may connect, in backticks.
    allow_namespaces: Vec<String>,
    /// True if the operator creates the Secret.
    by_hand: bool,
    secret_command: String,
    /// The endpoint, for a table.
    shown_endpoint: String,
    /// Location of the traces.
    traces: String,
    also: Vec<AlsoTraces<'a>>,
    clients: Vec<String>,
    /// The Service for spans of applications.
    spans_service: String,
    /// The command that shows the collector's log.
    collector_log: String,
    mode: &'static str,
    /// The size of the claim for backups.
    backup_disk: Option<String>,
    expose: Option<ExposeSection>,
    backups: Option<BackupSection>,
    growth: Capacity,
    /// True if `monitoring.yaml` is rendered.
    monitored: bool,
    collector_built: bool,
    /// True if the OpenTelemetry Operator runs the collector.
    operated: bool,
    #[serde(flatten)]
    commands: Commands,
}

/// Another backend, and the way to connect to one in the stack.
#[derive(Serialize)]
struct AlsoTraces<'a> {
    #[serde(flatten)]
    backend: OtherBackend<'a>,
    service: String,
    ui_port: Option<u16>,
}

impl<'a> ReadmeTemplate<'a> {
    /// Computes the input for a deployment with these secrets.
    pub(super) fn new(
        deployment: &'a Deployment,
        secrets: &'a [SecretVariable],
        base: &'a ClusterTemplate<'a>,
    ) -> Self {
        let Spec {
            collector: of_collector,
            kubernetes: cluster,
            tracing,
            clients,
            ..
        } = &deployment.spec;
        let database = workload("statefulset", DATABASE.name(deployment));
        let collector = collector(deployment);
        let proxy = proxy(deployment);
        let read_by = |container| secrets.iter().any(|key| key.container == container);
        let restart = [
            Some(&database).filter(|_| read_by(Container::Chroma)),
            // Of two tiers, the one that sends to the backend.
            collector.last().filter(|_| read_by(Container::Collector)),
            proxy.as_ref().filter(|_| read_by(Container::Proxy)),
        ];
        let restart = restart.into_iter().flatten().cloned().collect();
        let place = deployment.spec.place().unwrap_or("…");
        let required = secrets.iter().filter(|key| key.required);
        let shown_endpoint = match &deployment.collector.exact_endpoint {
            Some(endpoint) => format!("`{}`", in_place(endpoint, place)),
            None => "missing: `tracing.endpoint`".to_owned(),
        };
        let namespaces = cluster.allow_namespaces.iter();
        Self {
            base,
            workloads: workloads(deployment),
            restart,
            claim: claim(deployment),
            disk: deployment.spec.machine.disk.quantity(),
            keys: secret_keys::described(secrets),
            needs: required.map(|key| format!("`{}`", key.variable)).collect(),
            has_cloud: deployment.spec.target.cloud().is_some(),
            allow_namespaces: namespaces.map(|name| format!("`{name}`")).collect(),
            by_hand: secret_keys::are_in_a_secret(deployment),
            secret_command: secret_keys::command(deployment),
            shown_endpoint,
            traces: in_place(&tracing.backend.traces, place),
            also: tracing
                .others
                .iter()
                .map(|one| also(deployment, one))
                .collect(),
            clients: clients.iter().map(ToString::to_string).collect(),
            spans_service: COLLECTOR.name(deployment),
            collector_log: format!(
                "kubectl logs --namespace {} --selector app.kubernetes.io/name=opentelemetry-collector --tail 50 --prefix",
                cluster.namespace
            ),
            mode: match of_collector.mode {
                CollectorMode::Gateway => "gateway",
                CollectorMode::Tiered => "tiered",
                CollectorMode::None => "none",
            },
            backup_disk: super::database::backup_disk(deployment),
            expose: ExposeSection::new(deployment),
            backups: BackupSection::new(deployment),
            growth: Capacity::new(of_collector),
            monitored: deployment.spec.metrics.monitoring,
            collector_built: of_collector.image.is_built(),
            operated: of_collector.operator,
            commands: Commands::new(deployment),
        }
    }
}

/// Returns all workloads, as `KIND/NAME`.
pub(super) fn workloads(deployment: &Deployment) -> Vec<String> {
    let database = workload("statefulset", DATABASE.name(deployment));
    let stack = deployment.backends_in_stack();
    let stack = stack.map(|(one, ..)| workload("deployment", backend(one).name(deployment)));
    std::iter::once(database)
        .chain(stack)
        .chain(collector(deployment))
        .chain(proxy(deployment))
        .collect()
}

fn proxy(deployment: &Deployment) -> Option<String> {
    let exposure = deployment.spec.kubernetes.exposure.as_ref();
    let proxied = exposure.is_some_and(|exposure| exposure.token);
    proxied.then(|| workload("deployment", PROXY.name(deployment)))
}

fn workload(kind: &str, name: String) -> String {
    format!("{kind}/{name}")
}

/// Returns the workloads of the collector, the ones that Chroma sends to first.
fn collector(deployment: &Deployment) -> Vec<String> {
    match deployment.spec.collector.mode {
        CollectorMode::Gateway => vec![workload("deployment", COLLECTOR.name(deployment))],
        CollectorMode::Tiered => vec![
            workload("deployment", ROUTER.name(deployment)),
            workload("statefulset", MEMBER.name(deployment)),
        ],
        CollectorMode::None => Vec::new(),
    }
}

fn also<'a>(deployment: &Deployment, one: &'a Backend) -> AlsoTraces<'a> {
    AlsoTraces {
        service: backend(one).name(deployment),
        ui_port: one.service.as_ref().map(|service| service.ui_port),
        backend: OtherBackend::new(one, deployment.spec.place()),
    }
}
