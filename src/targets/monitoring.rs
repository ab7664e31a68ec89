//! Alert rules, a dashboard and Prometheus' scrape configuration, as plain files. (On Kubernetes
//! they are resources: `kubernetes/monitoring.rs`.)
//!
//! Invariant: every metric that is used here exists in a real scrape.

use anyhow::Result;
use minijinja::Value;
use serde::Serialize;

use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::{as_is, render, values_of};
use crate::spec::{Spec, Target};

/// Labels by which Prometheus distinguishes deployments, and the collectors of one deployment.
pub(super) struct Labels<'a> {
    /// The label that all series of a deployment share, and its value.
    pub(super) place: (&'static str, &'a str),
    /// The label that identifies a collector.
    pub(super) replica: &'static str,
    /// Patterns for its value if other series also have the label: for one deployment, and for any.
    pub(super) collectors: Option<(String, &'static str)>,
}

/// Input of `monitoring/prometheus.yaml`.
#[derive(Serialize)]
struct PrometheusTemplate<'a> {
    name: &'a str,
    job: String,
    /// `None` for a machine in a cloud, whose address is not known when rendering.
    targets: Option<[&'static str; 2]>,
}

/// Input of `monitoring/rules.yaml`.
#[derive(Serialize)]
struct RulesTemplate<'a> {
    group: String,
    /// Selector of this deployment's series.
    of: Value,
    /// The label that identifies a collector, in an annotation.
    at: Value,
    /// The time within which Chroma answers several health checks; none if the collector sees none, or
    /// if the target has its own rule.
    answers_within: Option<&'static str>,
    /// True if metrics are sent to the backend.
    to_backend: bool,
    /// True if the collector holds traces until it has decided on them.
    tail: bool,
    /// True if replicas are added under load.
    grows: bool,
    /// True if the entrypoint measures the state of Chroma's data.
    wrapped: bool,
    /// The label that all series of a deployment share.
    place: &'a str,
    /// The label that identifies a collector.
    replica: &'a str,
}

/// Input of `monitoring/dashboard.json`.
#[derive(Serialize)]
struct DashboardTemplate<'a> {
    /// Selector of collectors, if other series also have the label.
    collectors: Value,
    /// The label that identifies a collector, in a legend.
    at: Value,
    /// The label that all series of a deployment share.
    place: &'a str,
    /// The label that identifies a collector.
    replica: &'a str,
}

/// Addresses of the collector for a Prometheus on the same machine: the collector's metrics, then
/// those of requests and of Chroma.
const HERE: [&str; 2] = ["127.0.0.1:8888", "127.0.0.1:8889"];

/// Adds `monitoring/…` if the spec enables it.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment) -> Result<()> {
    if !deployment.spec.metrics.monitoring || deployment.spec.target.is_kubernetes() {
        return Ok(());
    }
    let name = deployment.spec.name.to_string();
    let labels = Labels {
        place: ("deployment", &name),
        replica: "instance",
        collectors: None,
    };
    let prometheus = PrometheusTemplate {
        name: &name,
        job: format!("{name}-otel"),
        targets: (deployment.spec.target == Target::Docker).then_some(HERE),
    };
    let files = [
        ("alerts.yaml", rules(deployment, &labels)?),
        ("dashboard.json", dashboard(&labels)?),
        (
            "prometheus.yaml",
            render("monitoring/prometheus.yaml.j2", &values_of(prometheus))?,
        ),
    ];
    let files = files.into_iter();
    plan.files
        .extend(files.map(|(file, text)| (format!("monitoring/{file}"), text)));
    Ok(())
}

/// Returns Prometheus rules for the metrics of the collector and of the requests.
///
/// # Errors
/// Fails if the template is wrong, which is a bug.
pub(super) fn rules(deployment: &Deployment, labels: &Labels) -> Result<String> {
    let (place, value) = labels.place;
    let own = labels.collectors.as_ref();
    let own = own.map(|(own, _)| format!(", {}=~\"{own}\"", labels.replica));
    let Spec {
        name,
        chroma,
        metrics,
        tracing,
        target,
        collector,
        ..
    } = &deployment.spec;
    let sampling = tracing.sampling.as_ref();
    let template = RulesTemplate {
        group: format!("{name}-otel"),
        of: as_is(format!("{place}=\"{value}\"{}", own.unwrap_or_default())),
        at: as_is(format!("{{{{ $labels.{} }}}}", labels.replica)),
        answers_within: answers_within(deployment),
        to_backend: metrics.to_backend,
        tail: sampling.is_some_and(|sampling| sampling.tail.is_some()),
        grows: target.is_kubernetes() && collector.max_replicas > 1,
        wrapped: chroma.image.has_entrypoint(),
        place,
        replica: labels.replica,
    };
    let context = values_of(template);
    render("monitoring/rules.yaml.j2", &context)
}

/// Returns the time within which several health checks are answered: Docker checks every 10 s, a machine
/// in a cloud every ten minutes.
fn answers_within(deployment: &Deployment) -> Option<&'static str> {
    let target = deployment.spec.target;
    match (deployment.spec.is_traced(), target.is_kubernetes()) {
        (false, _) | (_, true) => None,
        (true, false) if target.is_machine() => Some("30m"),
        (true, false) => Some("2m"),
    }
}

/// Returns a Grafana dashboard of all deployments that Prometheus scrapes.
///
/// # Errors
/// Fails if the template is wrong, which is a bug.
pub(super) fn dashboard(labels: &Labels) -> Result<String> {
    let any = labels.collectors.as_ref();
    let any = any.map(|(_, any)| format!(r#", {}=~\"{any}\""#, labels.replica));
    let template = DashboardTemplate {
        collectors: as_is(any.unwrap_or_default()),
        at: as_is(format!("{{{{{}}}}}", labels.replica)),
        place: labels.place.0,
        replica: labels.replica,
    };
    let context = values_of(template);
    render("monitoring/dashboard.json.j2", &context)
}
