//! Annotations that are added to a rendered object.

use serde_yaml::Value;

/// Returns true if an object has an annotation.
pub(super) fn has(object: &Value, key: &str) -> bool {
    let annotations = object
        .get("metadata")
        .and_then(|one| one.get("annotations"));
    annotations.and_then(|all| all.get(key)).is_some()
}

/// Returns a document with more annotations, given as lines of YAML, which it does not have yet.
pub(super) fn annotated(document: &str, annotations: &[String]) -> String {
    let lines = annotations.iter().map(|line| format!("    {line}\n"));
    let lines: String = lines.collect();
    let (labels, head) = ("\n  labels:\n", "\n  annotations:\n");
    if document.contains(head) {
        document.replacen(head, &format!("{head}{lines}"), 1)
    } else {
        document.replacen(labels, &format!("{head}{lines}  labels:\n"), 1)
    }
}
