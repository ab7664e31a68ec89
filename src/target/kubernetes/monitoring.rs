//! What the Prometheus Operator reads: whom to scrape, when to call somebody; and a dashboard.
//!
//! Invariant: what is said of the collector is the same on every target; here is how its pods are named, and
//! what only a cluster knows of Chroma.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use minijinja::{Value, context};

use super::context::{BACKUP, COLLECTOR, own_labels, receivers};
use crate::plan::Plan;
use crate::render::{TEMPLATES, as_is, render};
use crate::spec::Spec;
use crate::spec::kubernetes::CollectorMode;
use crate::target::COLLECTOR_VERSION;

/// Adds `monitoring.yaml`, where it is asked for and there is a collector.
///
/// # Errors
/// A template is wrong: a bug.
pub(super) fn add(plan: &mut Plan, spec: &Spec, base: &Value) -> Result<()> {
    if !spec.metrics.monitoring || spec.collector.mode == CollectorMode::None {
        return Ok(());
    }
    let namespace = &spec.kubernetes.namespace;
    let rules = context! {
        group => format!("{}-otel", spec.name),
        // Names that Prometheus gives: of the namespace and of the pods.
        of => as_is(format!("namespace=\"{namespace}\", pod=~\"{}-otel-.+\"", spec.name)),
    };
    let (backup, cronjob) = (spec.kubernetes.backup.as_ref(), BACKUP.name(spec));
    let alerts = context! {
        statefulset => as_is(format!("namespace=\"{namespace}\", statefulset=\"{}\"", spec.name)),
        volumes => as_is(format!(
            "namespace=\"{namespace}\", persistentvolumeclaim=~\"data-{0}-0|queue-{0}-otel-member-[0-9]+\"",
            spec.name
        )),
        cronjob => backup.map(|_| as_is(format!("namespace=\"{namespace}\", cronjob=\"{cronjob}\""))),
        ..base.clone()
    };
    let dashboard = TEMPLATES.get_file("monitoring/dashboard.json");
    let dashboard = dashboard.and_then(|file| file.contents_utf8());
    let part = COLLECTOR.context(spec, COLLECTOR_VERSION);
    let context = context! {
        collectors => collectors(spec),
        rules => render("monitoring/rules.yaml.j2", &rules)?.trim_end(),
        alerts => render("kubernetes/alerts.yaml.j2", &alerts)?.trim_end(),
        dashboard => dashboard.context("no dashboard")?.trim_end(),
        dashboard_name => format!("{}-dashboard", spec.name),
        dashboard_labels => dashboard_labels(spec),
        part,
        ..base.clone()
    };
    super::add(plan, &context, &["monitoring.yaml"])
}

/// Labels of all pods of the collector: routers and members alike.
fn collectors(spec: &Spec) -> BTreeMap<String, String> {
    let mut labels = receivers(spec);
    if spec.collector.mode == CollectorMode::Tiered {
        labels.remove("app.kubernetes.io/component");
    }
    labels
}

/// What Grafana's sidecar looks for, beside the usual.
fn dashboard_labels(spec: &Spec) -> BTreeMap<String, String> {
    let mut labels = own_labels(spec);
    labels.insert("grafana_dashboard".to_owned(), "1".to_owned());
    labels
}
