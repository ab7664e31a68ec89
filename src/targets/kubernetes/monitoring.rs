//! What the Prometheus Operator reads: whom to scrape, when to call somebody; and a dashboard.
//!
//! Invariant: what is said of the collector is the same on every target; here is how its pods are named, and
//! what only a cluster knows of Chroma.

use std::collections::BTreeMap;

use anyhow::Result;
use minijinja::{Value, context};

use super::component::{BACKUP, COLLECTOR, own_labels, receivers};
use super::templates;
use crate::collector::COLLECTOR_VERSION;
use crate::deployment::Deployment;
use crate::plan::Plan;
use crate::render::{as_is, render};
use crate::spec::kubernetes::CollectorMode;
use crate::targets::monitoring::{Labels, dashboard, rules};

/// Adds `monitoring.yaml`, where it is asked for and there is a collector.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, deployment: &Deployment, base: &Value) -> Result<()> {
    if !deployment.spec.metrics.monitoring || deployment.spec.collector.mode == CollectorMode::None
    {
        return Ok(());
    }
    let namespace = &deployment.spec.kubernetes.namespace;
    let labels = Labels {
        place: ("namespace", &namespace.to_string()),
        replica: "pod",
        collectors: Some((format!("{}-otel-.+", deployment.spec.name), ".*-otel-.*")),
    };
    let (backup, cronjob) = (
        deployment.spec.kubernetes.backup.as_ref(),
        BACKUP.name(deployment),
    );
    let alerts = context! {
        statefulset => as_is(format!("namespace=\"{namespace}\", statefulset=\"{}\"", deployment.spec.name)),
        volumes => as_is(format!(
            "namespace=\"{namespace}\", persistentvolumeclaim=~\"data-{0}-0|queue-{0}-otel-member-[0-9]+\"",
            deployment.spec.name
        )),
        cronjob => backup.map(|_| as_is(format!("namespace=\"{namespace}\", cronjob=\"{cronjob}\""))),
        ..base.clone()
    };
    let part = COLLECTOR.context(deployment, COLLECTOR_VERSION);
    let context = context! {
        collectors => collectors(deployment),
        rules => rules(deployment, &labels)?.trim_end(),
        alerts => render("kubernetes/alerts.yaml.j2", &alerts)?.trim_end(),
        dashboard => dashboard(&labels)?.trim_end(),
        dashboard_name => format!("{}-dashboard", deployment.spec.name),
        dashboard_labels => dashboard_labels(deployment),
        part,
        ..base.clone()
    };
    templates::add(plan, &context, &["monitoring.yaml"])
}

/// Labels of all pods of the collector: routers and members alike.
fn collectors(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut labels = receivers(deployment);
    if deployment.spec.collector.mode == CollectorMode::Tiered {
        labels.remove("app.kubernetes.io/component");
    }
    labels
}

/// What Grafana's sidecar looks for, beside the usual.
fn dashboard_labels(deployment: &Deployment) -> BTreeMap<String, String> {
    let mut labels = own_labels(deployment);
    labels.insert("grafana_dashboard".to_owned(), "1".to_owned());
    labels
}
