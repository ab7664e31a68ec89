//! What `README.md` says beside what every template reads: the commands for this very deployment.
//!
//! Invariant: a command names what the manifests have, and nothing else.

use minijinja::{Value, context};

use super::component::{COLLECTOR, DATABASE, MEMBER, PROXY, ROUTER, backend, claim};
use super::secret_keys;
use crate::collector::exporters;
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::common::{in_stack, other};
use crate::targets::secrets::Container;
use crate::values::in_place;

/// What the recipe reads.
pub(super) fn context(spec: &Spec, base: &Value) -> Value {
    let database = workload("statefulset", DATABASE.name(spec));
    let collector = collector(spec);
    let stack = in_stack(spec).map(|(one, _, _)| workload("deployment", backend(one).name(spec)));
    let exposure = spec.kubernetes.exposure.as_ref();
    let proxied = exposure.filter(|exposure| exposure.token);
    let proxy: Vec<String> = proxied
        .map(|_| workload("deployment", PROXY.name(spec)))
        .into_iter()
        .collect();
    let secrets = secret_keys::all(spec);
    let read_by = |container| secrets.iter().any(|key| key.container == container);
    let restart = [
        read_by(Container::Chroma).then(|| vec![database.clone()]),
        // Of two tiers, the one that sends.
        read_by(Container::Collector).then(|| collector.last().cloned().into_iter().collect()),
        read_by(Container::Proxy).then(|| proxy.clone()),
    ];
    let place = spec.place().unwrap_or("…");
    let shown = exporters::exact_endpoint(spec).map(|endpoint| in_place(&endpoint, place));
    context! {
        workloads => [vec![database], stack.collect(), collector, proxy].concat(),
        restart => restart.into_iter().flatten().flatten().collect::<Vec<_>>(),
        claim => claim(spec),
        disk => spec.machine.disk.quantity(),
        keys => secret_keys::told(&secrets),
        needs => secrets.iter().filter(|key| key.required).map(|key| format!("`{}`", key.variable)).collect::<Vec<_>>(),
        has_cloud => spec.target.cloud().is_some(),
        allow_namespaces => spec.kubernetes.allow_namespaces.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>(),
        by_hand => secret_keys::are_in_a_secret(spec),
        secret_command => secret_keys::command(spec),
        shown_endpoint => shown.map_or("missing: `tracing.endpoint`".to_owned(), |shown| format!("`{shown}`")),
        traces => in_place(&spec.tracing.backend.traces, place),
        also => also(spec),
        clients => spec.clients.iter().map(ToString::to_string).collect::<Vec<_>>(),
        spans_service => COLLECTOR.name(spec),
        collector_log => format!("kubectl logs --namespace {} --selector app.kubernetes.io/name=opentelemetry-collector --tail 50 --prefix", spec.kubernetes.namespace),
        mode => match spec.collector.mode {
            CollectorMode::Gateway => "gateway",
            CollectorMode::Tiered => "tiered",
            CollectorMode::None => "none",
        },
        backup_disk => super::database::backup_disk(spec),
        expose => super::exposure::recipe(spec),
        backups => super::backup::recipe(spec),
        growth => super::collector::capacity(spec),
        monitored => spec.metrics.monitoring,
        collector_built => spec.collector.image.is_built(),
        operated => spec.collector.operator,
        ..base.clone()
    }
}

fn workload(kind: &str, name: String) -> String {
    format!("{kind}/{name}")
}

/// The workloads of the collector, those first that Chroma sends to.
fn collector(spec: &Spec) -> Vec<String> {
    match spec.collector.mode {
        CollectorMode::Gateway => vec![workload("deployment", COLLECTOR.name(spec))],
        CollectorMode::Tiered => vec![
            workload("deployment", ROUTER.name(spec)),
            workload("statefulset", MEMBER.name(spec)),
        ],
        CollectorMode::None => Vec::new(),
    }
}

/// Where else the traces end up, as on every target; and of one in the stack its `service` and `ui_port`.
fn also(spec: &Spec) -> Vec<Value> {
    let others = spec.tracing.others.iter();
    others
        .map(|one| {
            context! {
                service => backend(one).name(spec),
                ui_port => one.service.as_ref().map(|service| service.ui_port),
                ..other(spec, one)
            }
        })
        .collect()
}
