//! What the Prometheus Operator reads: whom to scrape, when to call somebody; and a dashboard.
//!
//! Invariant: rules and dashboard are those of every target; only who is scraped, and how it is named, is said here.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use minijinja::{Value, context};

use super::context::{COLLECTOR, receivers, texts};
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
    if !spec.kubernetes.monitoring || spec.collector.mode == CollectorMode::None {
        return Ok(());
    }
    let namespace = &spec.kubernetes.namespace;
    let rules = context! {
        group => format!("{}-otel", spec.name),
        // Names that Prometheus gives: of the namespace and of the pods.
        of => as_is(format!("namespace=\"{namespace}\", pod=~\"{}-otel-.+\"", spec.name)),
    };
    let dashboard = TEMPLATES.get_file("monitoring/dashboard.json");
    let dashboard = dashboard.and_then(|file| file.contents_utf8());
    let part = COLLECTOR.context(spec, COLLECTOR_VERSION);
    let context = context! {
        collectors => collectors(spec),
        rules => render("monitoring/rules.yaml.j2", &rules)?.trim_end(),
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
    let mut labels = texts(&spec.kubernetes.labels);
    for (name, value) in [
        ("app.kubernetes.io/part-of", "chroma"),
        ("app.kubernetes.io/managed-by", "chroma-otel-deploy"),
        ("grafana_dashboard", "1"),
    ] {
        labels.insert(name.to_owned(), value.to_owned());
    }
    labels
}
