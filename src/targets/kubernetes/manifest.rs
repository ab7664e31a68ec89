//! Resources of rendered manifests, by their names.
//!
//! Invariant: what follows a syntax error is ignored, because the user may have edited the file.

use serde::Deserialize as _;
use serde_yaml::{Deserializer, Value};

/// A resource, by its name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Resource {
    /// `None` for a resource of the whole cluster.
    pub(super) namespace: Option<String>,
    /// In lower case.
    pub(super) kind: String,
    pub(super) name: String,
}

impl Resource {
    fn of(document: &Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let metadata = document.get("metadata")?;
        Some(Self {
            namespace: metadata.get("namespace").and_then(text),
            kind: text(document.get("kind")?)?.to_lowercase(),
            name: text(metadata.get("name")?)?,
        })
    }

    /// Returns the form for `kubectl`.
    pub(super) fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// Returns the resources of a manifest.
pub(super) fn resources(text: &str) -> Vec<Resource> {
    let documents = documents(text).into_iter();
    documents.map(|(resource, _)| resource).collect()
}

/// Returns the resources of a manifest with their documents.
pub(super) fn documents(text: &str) -> Vec<(Resource, Value)> {
    let documents = Deserializer::from_str(text).map(Value::deserialize);
    let documents = documents.map_while(Result::ok); // after an error, it never ends
    documents
        .filter_map(|document| Some((Resource::of(&document)?, document)))
        .collect()
}
