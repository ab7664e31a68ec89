//! The test of a release: a pod that sends requests to Chroma and counts their spans.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::deployment::Deployment;
use crate::render::{TEMPLATES, render, values_of};
use crate::spec::backup::PYTHON;
use crate::spec::kubernetes::CollectorMode;
use crate::targets::kubernetes::component::{Component, ComponentTemplate, senders};
use crate::targets::kubernetes::template::ClusterTemplate;

/// The test.
const TEST: Component<'static> = Component {
    suffix: "test",
    program: "chroma-test",
    role: "test",
};

/// Input of the test.
#[derive(Serialize)]
struct TestTemplate<'a> {
    #[serde(flatten)]
    base: &'a ClusterTemplate<'a>,
    test: ComponentTemplate,
    python: &'static str,
    script: &'static str,
    /// The counter of the collector's spans; `None` if no spans reach a collector.
    metric: Option<&'static str>,
    /// True if it counts sent spans.
    sends: bool,
    /// Number of backends that receive spans.
    backends: usize,
    /// The labels of the pods that send to the backend.
    senders: BTreeMap<String, String>,
}

/// Returns the manifest of the test.
///
/// # Errors
/// Fails if a template is wrong, which is a bug.
pub(super) fn manifest(deployment: &Deployment, base: &ClusterTemplate) -> Result<String> {
    let spec = &deployment.spec;
    let counted = spec.is_traced() && spec.collector.mode != CollectorMode::None;
    // With sampling, a span can be received and not sent.
    let sends = spec.tracing.sampling.is_none();
    let metric = if sends {
        "otelcol_exporter_sent_spans"
    } else {
        "otelcol_receiver_accepted_spans"
    };
    let script = TEMPLATES.get_file("kubernetes/chart/test.py");
    let script = script.and_then(|file| file.contents_utf8());
    let template = TestTemplate {
        base,
        test: TEST.template(deployment, &spec.chroma.version.to_string()),
        python: PYTHON,
        script: script.context("no script `test.py`")?.trim_end(),
        metric: counted.then_some(metric),
        sends,
        backends: if sends {
            spec.tracing.backends().count()
        } else {
            1
        },
        senders: senders(deployment),
    };
    render("kubernetes/chart/test.yaml.j2", &values_of(template))
}
