//! Resources with data: the namespace must exist before the release, the others remain after it.
//!
//! Invariant: each of them has the annotation that keeps it, or is not part of the chart.

use crate::targets::kubernetes::annotations::annotated;

/// Head of `keep.yaml`.
const NAMESPACE: &str = "# The namespace of the release. Apply it once: `kubectl apply --filename keep.yaml`. It and the data
# remain when the release is uninstalled. Deleting the namespace deletes the database.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
";

/// Head of the chart's resources with data.
const KEPT: &str = "# Resources to keep: they remain when the release is uninstalled.
# Written by chroma-otel-deploy: change the spec and run `gen` again.
";

/// Returns the namespace of `keep.yaml`, which must exist before the release, and its other resources.
pub(super) fn split(text: &str) -> (Option<String>, Option<String>) {
    let is_namespace = |text: &&str| text.lines().any(|line| line == "kind: Namespace");
    let documents = without_head(text).trim_start_matches("---\n");
    let documents = documents.trim_end().split("\n---\n");
    let (namespace, kept): (Vec<&str>, Vec<&str>) = documents.partition(is_namespace);
    let kept: Vec<String> = kept.into_iter().map(with_policy).collect();
    let written = |head: &str, text: String| (!text.is_empty()).then(|| format!("{head}{text}\n"));
    (
        written(NAMESPACE, namespace.join("\n---\n")),
        written(KEPT, kept.join("\n---\n")),
    )
}

/// Returns a file without the comments before its first document.
pub(super) fn without_head(text: &str) -> &str {
    let head = text
        .split_inclusive('\n')
        .take_while(|line| line.starts_with('#'));
    &text[head.map(str::len).sum()..]
}

/// Returns a document with the annotation that keeps it when the release is uninstalled.
fn with_policy(document: &str) -> String {
    annotated(document, &["helm.sh/resource-policy: keep".to_owned()])
}
