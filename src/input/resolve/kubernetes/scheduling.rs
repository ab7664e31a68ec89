//! Labels, annotations, and the nodes that pods run on.
//!
//! Invariant: a key that the deployment sets itself is rejected.

use std::collections::BTreeMap;

use crate::input::file::TolerationSection;
use crate::input::resolve::reading::{Reading, given};
use crate::spec::kubernetes::Toleration;
use crate::values::{LabelKey, is_label_value};

/// Prefixes of the labels and annotations that the deployment sets itself.
const OWN: [&str; 3] = [
    "app.kubernetes.io/",
    "pod-security.kubernetes.io/",
    "checksum/",
];

/// Problem of a toleration: its field, the message, the hint.
type Wrong = (&'static str, String, &'static str);

impl Reading {
    /// Checks the keys and values of labels.
    pub(super) fn labels(
        &mut self,
        key: &str,
        labels: Option<BTreeMap<String, String>>,
    ) -> BTreeMap<LabelKey, String> {
        let mut sound = self.annotations(key, labels);
        sound.retain(|name, value| {
            let is_one = is_label_value(value);
            if !is_one {
                self.wrong(
                    &format!("{key}.{}", name.as_str()),
                    format!("`{}` is not a label value", value.escape_debug()),
                    "letters, digits, `-`, `_` and `.`, at most 63",
                );
            }
            is_one
        });
        sound
    }

    /// Checks the keys of labels or annotations. The value of an annotation can be any text.
    pub(super) fn annotations(
        &mut self,
        key: &str,
        annotations: Option<BTreeMap<String, String>>,
    ) -> BTreeMap<LabelKey, String> {
        let everywhere = ["kubernetes.labels", "kubernetes.annotations"].contains(&key);
        let mut sound = BTreeMap::new();
        for (name, value) in annotations.unwrap_or_default() {
            let at = format!("{key}.{name}");
            match name.parse::<LabelKey>() {
                Ok(_) if everywhere && OWN.iter().any(|own| name.starts_with(own)) => {
                    self.wrong(&at, "is set by the deployment itself", "remove it");
                }
                Ok(name) => drop(sound.insert(name, value)),
                Err(rule) => {
                    let message = format!("`{}` cannot be a key", name.escape_debug());
                    self.wrong(key, message, format!("write {rule}"));
                }
            }
        }
        sound
    }

    pub(super) fn tolerations(&mut self, files: Option<Vec<TolerationSection>>) -> Vec<Toleration> {
        let mut tolerations = Vec::new();
        for (index, file) in files.unwrap_or_default().iter().enumerate() {
            match toleration(file) {
                Ok(toleration) => tolerations.push(toleration),
                Err((field, message, hint)) => {
                    let at = format!("kubernetes.tolerations.{index}.{field}");
                    self.wrong(&at, message, hint);
                }
            }
        }
        tolerations
    }
}

/// Checks the rules of Kubernetes (see the API reference of `Toleration`).
fn toleration(file: &TolerationSection) -> Result<Toleration, Wrong> {
    let (key, value, effect) = (given(&file.key), given(&file.value), given(&file.effect));
    let default = if value.is_some() { "Equal" } else { "Exists" };
    let operator = given(&file.operator).unwrap_or(default);
    let cannot = |text: &str| format!("`{}` cannot be used", text.escape_debug());
    match (operator, value) {
        ("Equal", Some(_)) if key.is_none() => {
            return Err((
                "key",
                "is required with a value".to_owned(),
                "the taint's key",
            ));
        }
        ("Equal", Some(_)) | ("Exists", None) => {}
        ("Equal", None) => {
            let hint = "give the taint's value, or take `Exists`";
            return Err((
                "value",
                "is required with the operator `Equal`".to_owned(),
                hint,
            ));
        }
        ("Exists", Some(_)) => {
            let hint = "remove it, or take `Equal`";
            return Err((
                "value",
                "has no effect with the operator `Exists`".to_owned(),
                hint,
            ));
        }
        (other, _) => return Err(("operator", cannot(other), "`Equal` or `Exists`")),
    }
    if let Some(key) = key.filter(|key| key.parse::<LabelKey>().is_err()) {
        let hint = "the taint's key, as `kubectl describe node` shows it";
        return Err(("key", cannot(key), hint));
    }
    if let Some(value) = value.filter(|value| !is_label_value(value)) {
        let hint = "letters, digits, `-`, `_` and `.`, at most 63";
        return Err(("value", cannot(value), hint));
    }
    if let Some(effect) = effect.filter(|effect| !Toleration::EFFECTS.contains(effect)) {
        let hint = "`NoSchedule`, `PreferNoSchedule` or `NoExecute`";
        return Err(("effect", cannot(effect), hint));
    }
    let fields = [
        ("key", key),
        ("operator", Some(operator)),
        ("value", value),
        ("effect", effect),
    ];
    let fields = fields.into_iter();
    let fields = fields.filter_map(|(name, value)| Some((name, value?.to_owned())));
    Ok(Toleration {
        fields: fields.collect(),
    })
}
