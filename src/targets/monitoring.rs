//! Alert rules, a dashboard, and whom Prometheus asks, as plain files. (On Kubernetes they are resources:
//! `kubernetes/monitoring.rs`.)
//!
//! Invariant: every metric that is named here exists in a real scrape.

use anyhow::Result;
use minijinja::{Value, context};

use crate::plan::Plan;
use crate::render::{as_is, render};
use crate::spec::Spec;
use crate::spec::Target;

/// How Prometheus tells deployments, and the collectors of one, from each other.
pub(super) struct Labels<'a> {
    /// The label that a deployment's series have in common, and its value.
    pub(super) place: (&'static str, &'a str),
    /// The label of one collector.
    pub(super) replica: &'static str,
    /// What its value matches, if others have the label too: one deployment's, and any.
    pub(super) collectors: Option<(String, &'static str)>,
}

/// Where Prometheus finds the collector on its own machine: its own metrics, then those of requests and Chroma.
const HERE: [&str; 2] = ["127.0.0.1:8888", "127.0.0.1:8889"];

/// Adds `monitoring/…`, where it is asked for.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec) -> Result<()> {
    if !spec.metrics.monitoring || spec.target.is_kubernetes() {
        return Ok(());
    }
    let name = spec.name.to_string();
    let labels = Labels {
        place: ("deployment", &name),
        replica: "instance",
        collectors: None,
    };
    let prometheus = context! {
        name => &name,
        job => format!("{name}-otel"),
        // A machine in a cloud has its address later.
        targets => (spec.target == Target::Docker).then_some(HERE),
    };
    let files = [
        ("alerts.yaml", rules(spec, &labels)?),
        ("dashboard.json", dashboard(&labels)?),
        (
            "prometheus.yaml",
            render("monitoring/prometheus.yaml.j2", &prometheus)?,
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
pub(super) fn rules(spec: &Spec, labels: &Labels) -> Result<String> {
    let (place, value) = labels.place;
    let own = labels.collectors.as_ref();
    let own = own.map(|(own, _)| format!(", {}=~\"{own}\"", labels.replica));
    let context = context! {
        group => format!("{}-otel", spec.name),
        of => as_is(format!("{place}=\"{value}\"{}", own.unwrap_or_default())),
        at => as_is(format!("{{{{ $labels.{} }}}}", labels.replica)),
        to_backend => spec.metrics.to_backend,
        tail => spec.tracing.sampling.as_ref().is_some_and(|sampling| sampling.tail.is_some()),
        grows => spec.target.is_kubernetes() && spec.collector.max_replicas > 1,
        ..names(labels)
    };
    render("monitoring/rules.yaml.j2", &context)
}

/// A dashboard for Grafana, of all deployments that Prometheus knows.
///
/// # Errors
/// The template is wrong: a bug.
pub(super) fn dashboard(labels: &Labels) -> Result<String> {
    let any = labels.collectors.as_ref();
    let any = any.map(|(_, any)| format!(r#", {}=~\"{any}\""#, labels.replica));
    let context = context! {
        collectors => as_is(any.unwrap_or_default()),
        at => as_is(format!("{{{{{}}}}}", labels.replica)),
        ..names(labels)
    };
    render("monitoring/dashboard.json.j2", &context)
}

fn names(labels: &Labels) -> Value {
    context! { place => labels.place.0, replica => labels.replica }
}
