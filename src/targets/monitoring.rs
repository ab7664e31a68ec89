//! Alert rules, a dashboard, and whom Prometheus asks, as plain files. (On Kubernetes they are resources:
//! `kubernetes/monitoring.rs`.)
//!
//! Invariant: every metric that is named here exists in a real scrape.

use anyhow::Result;
use minijinja::Value;
use serde::Serialize;

use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::{as_is, render, values_of};
use crate::spec::{Spec, Target};

/// How Prometheus tells deployments, and the collectors of one, from each other.
pub(super) struct Labels<'a> {
    /// The label that a deployment's series have in common, and its value.
    pub(super) place: (&'static str, &'a str),
    /// The label of one collector.
    pub(super) replica: &'static str,
    /// What its value matches, if others have the label too: one deployment's, and any.
    pub(super) collectors: Option<(String, &'static str)>,
}

/// What `monitoring/prometheus.yaml` reads.
#[derive(Serialize)]
struct PrometheusTemplate<'a> {
    name: &'a str,
    job: String,
    /// Absent: a machine in a cloud has its address later.
    targets: Option<[&'static str; 2]>,
}

/// What `monitoring/rules.yaml` reads.
#[derive(Serialize)]
struct RulesTemplate<'a> {
    /// The name of the group.
    group: String,
    /// The labels that select this deployment's series.
    of: Value,
    /// The label that tells one collector from another, in an annotation.
    at: Value,
    /// Whether metrics go to the backend.
    to_backend: bool,
    /// Whether whole traces are held until they are decided on.
    tail: bool,
    /// Whether replicas are added under load.
    grows: bool,
    /// The label that a deployment's series have in common.
    place: &'a str,
    /// The label of one collector.
    replica: &'a str,
}

/// What `monitoring/dashboard.json` reads.
#[derive(Serialize)]
struct DashboardTemplate<'a> {
    /// What selects collectors, where others have the label too.
    collectors: Value,
    /// The label of one collector, in a legend.
    at: Value,
    /// The label that a deployment's series have in common.
    place: &'a str,
    /// The label of one collector.
    replica: &'a str,
}

/// Where Prometheus finds the collector on its own machine: its own metrics, then those of requests and Chroma.
const HERE: [&str; 2] = ["127.0.0.1:8888", "127.0.0.1:8889"];

/// Adds `monitoring/…`, where it is asked for.
///
/// # Errors
/// A template is wrong: a bug.
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

/// Rules for Prometheus on what the collector says of itself and of the requests.
///
/// # Errors
/// The template is wrong: a bug.
pub(super) fn rules(deployment: &Deployment, labels: &Labels) -> Result<String> {
    let (place, value) = labels.place;
    let own = labels.collectors.as_ref();
    let own = own.map(|(own, _)| format!(", {}=~\"{own}\"", labels.replica));
    let Spec {
        name,
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
        to_backend: metrics.to_backend,
        tail: sampling.is_some_and(|sampling| sampling.tail.is_some()),
        grows: target.is_kubernetes() && collector.max_replicas > 1,
        place,
        replica: labels.replica,
    };
    let context = values_of(template);
    render("monitoring/rules.yaml.j2", &context)
}

/// A dashboard for Grafana, of all deployments that Prometheus knows.
///
/// # Errors
/// The template is wrong: a bug.
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
