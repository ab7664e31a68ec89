//! What `README.md` says beside what every template reads: the commands for this very deployment.
//!
//! Invariant: a command names what the manifests have, and nothing else.

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::component::{COLLECTOR, DATABASE, MEMBER, PROXY, ROUTER, backend, claim};
use super::secret_keys;
use crate::deployment::Deployment;
use crate::deployment::secrets::Container;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::shared::OtherBackend;
use crate::values::in_place;

/// What the recipe reads.
pub(super) fn context(deployment: &Deployment, base: &Value) -> Value {
    let database = workload("statefulset", DATABASE.name(deployment));
    let collector = collector(deployment);
    let stack = deployment
        .backends_in_stack()
        .map(|(one, _, _)| workload("deployment", backend(one).name(deployment)));
    let exposure = deployment.spec.kubernetes.exposure.as_ref();
    let proxied = exposure.filter(|exposure| exposure.token);
    let proxy: Vec<String> = proxied
        .map(|_| workload("deployment", PROXY.name(deployment)))
        .into_iter()
        .collect();
    let secrets = secret_keys::all(deployment);
    let read_by = |container| secrets.iter().any(|key| key.container == container);
    let restart = [
        read_by(Container::Chroma).then(|| vec![database.clone()]),
        // Of two tiers, the one that sends.
        read_by(Container::Collector).then(|| collector.last().cloned().into_iter().collect()),
        read_by(Container::Proxy).then(|| proxy.clone()),
    ];
    let place = deployment.spec.place().unwrap_or("…");
    let shown = deployment
        .collector
        .exact_endpoint
        .clone()
        .map(|endpoint| in_place(&endpoint, place));
    context! {
        workloads => [vec![database], stack.collect(), collector, proxy].concat(),
        restart => restart.into_iter().flatten().flatten().collect::<Vec<_>>(),
        claim => claim(deployment),
        disk => deployment.spec.machine.disk.quantity(),
        keys => secret_keys::told(&secrets),
        needs => secrets.iter().filter(|key| key.required).map(|key| format!("`{}`", key.variable)).collect::<Vec<_>>(),
        has_cloud => deployment.spec.target.cloud().is_some(),
        allow_namespaces => deployment.spec.kubernetes.allow_namespaces.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>(),
        by_hand => secret_keys::are_in_a_secret(deployment),
        secret_command => secret_keys::command(deployment),
        shown_endpoint => shown.map_or("missing: `tracing.endpoint`".to_owned(), |shown| format!("`{shown}`")),
        traces => in_place(&deployment.spec.tracing.backend.traces, place),
        also => also(deployment),
        clients => deployment.spec.clients.iter().map(ToString::to_string).collect::<Vec<_>>(),
        spans_service => COLLECTOR.name(deployment),
        collector_log => format!("kubectl logs --namespace {} --selector app.kubernetes.io/name=opentelemetry-collector --tail 50 --prefix", deployment.spec.kubernetes.namespace),
        mode => match deployment.spec.collector.mode {
            CollectorMode::Gateway => "gateway",
            CollectorMode::Tiered => "tiered",
            CollectorMode::None => "none",
        },
        backup_disk => super::database::backup_disk(deployment),
        expose => super::exposure::recipe(deployment),
        backups => super::backup::recipe(deployment),
        growth => super::collector::capacity(deployment),
        monitored => deployment.spec.metrics.monitoring,
        collector_built => deployment.spec.collector.image.is_built(),
        operated => deployment.spec.collector.operator,
        ..base.clone()
    }
}

fn workload(kind: &str, name: String) -> String {
    format!("{kind}/{name}")
}

/// The workloads of the collector, those first that Chroma sends to.
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

/// Where else the traces end up, as on every target; and of one in the stack its `service` and `ui_port`.
fn also(deployment: &Deployment) -> Vec<Value> {
    let others = deployment.spec.tracing.others.iter();
    others
        .map(|one| {
            context! {
                service => backend(one).name(deployment),
                ui_port => one.service.as_ref().map(|service| service.ui_port),
                ..Value::from(Serde(OtherBackend::new(one, deployment.spec.place())))
            }
        })
        .collect()
}
