//! Resources for the Prometheus Operator, and a dashboard.
//!
//! Invariant: rules on the collector are the same on every target. This module adds the names of
//! its pods and the rules on Chroma that only a cluster can have.

use std::collections::BTreeMap;

use anyhow::Result;
use minijinja::Value;
use serde::Serialize;

use super::component::{BACKUP, COLLECTOR, ComponentTemplate, own_labels, receivers};
use super::template::ClusterTemplate;
use super::templates;
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::{as_is, render, values_of};
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::monitoring::{Labels, dashboard, rules};

/// Adds `monitoring.yaml` if the spec enables it and there is a collector.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &ClusterTemplate) -> Result<()> {
    let Spec {
        name,
        metrics,
        collector,
        kubernetes,
        ..
    } = &deployment.spec;
    if !metrics.monitoring || collector.mode == CollectorMode::None {
        return Ok(());
    }
    let namespace = kubernetes.namespace.to_string();
    let labels = Labels {
        place: ("namespace", &namespace),
        replica: "pod",
        collectors: Some((format!("{name}-otel-.+"), ".*-otel-.*")),
    };
    let of = |series: String| as_is(format!("namespace=\"{namespace}\", {series}"));
    let alerts = AlertsTemplate {
        base,
        statefulset: of(format!("statefulset=\"{name}\"")),
        volumes: of(format!(
            "persistentvolumeclaim=~\"data-{name}-0|queue-{name}-otel-member-[0-9]+\""
        )),
        cronjob: deployment
            .spec
            .backup
            .as_ref()
            .map(|_| of(format!("cronjob=\"{}\"", BACKUP.name(deployment)))),
    };
    let alerts = render("kubernetes/alerts.yaml.j2", &values_of(alerts))?;
    let template = MonitoringTemplate {
        base,
        part: COLLECTOR.template(deployment, deployment.spec.collector.version.as_str()),
        collectors: collectors(deployment),
        rules: rules(deployment, &labels)?.trim_end().to_owned(),
        alerts: alerts.trim_end(),
        dashboard: dashboard(&labels)?.trim_end().to_owned(),
        dashboard_name: format!("{name}-dashboard"),
        dashboard_labels: dashboard_labels(deployment),
    };
    templates::add(plan, &values_of(template), &["monitoring.yaml"])
}

/// Input of the rules on Chroma's pod: selectors of series.
#[derive(Serialize)]
struct AlertsTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    statefulset: Value,
    volumes: Value,
    /// `None` without backups.
    cronjob: Option<Value>,
}

/// Input of `monitoring.yaml`.
#[derive(Serialize)]
struct MonitoringTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    part: ComponentTemplate,
    /// The labels that all pods of the collector share.
    collectors: BTreeMap<String, String>,
    /// Rules on the collector, as on every target.
    rules: String,
    /// Rules that only a cluster can have.
    alerts: &'a str,
    dashboard: String,
    dashboard_name: String,
    dashboard_labels: BTreeMap<String, String>,
}

/// Returns the labels that all pods of the collector share, in both tiers.
fn collectors(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut labels = receivers(deployment);
    if deployment.spec.collector.mode == CollectorMode::Tiered {
        labels.remove("app.kubernetes.io/component");
    }
    labels
}

/// Returns the labels that Grafana's sidecar looks for, in addition to the usual ones.
fn dashboard_labels(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut labels = own_labels(deployment);
    labels.insert("grafana_dashboard".to_owned(), "1".to_owned());
    labels
}
