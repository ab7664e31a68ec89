//! Settings: what of a backend is not secret and differs between its users, such as a region.
//!
//! Invariant: a backend that is settled has no `{setting}` left in any text.

use serde_json::Value;

use super::definition::{Backend, Exporter};
use super::rules;

/// A setting that has no value and is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// What it is and where to find it.
    pub what: String,
}

impl Backend {
    /// Whether a key stands in settings of components, and not in headers alone.
    pub fn in_settings(&self, variable: &str) -> bool {
        let placeholder = format!("{{{variable}}}");
        rules::settings(self).any(|text| text.contains(&placeholder))
    }

    /// The backend with `given` in the places of its settings; `addressed` where the operator gives its
    /// endpoint. What is given and wrong was told before, and counts as missing.
    ///
    /// # Errors
    /// The settings that are needed and have no value.
    pub fn settled(
        mut self,
        given: &dyn Fn(&str) -> Option<String>,
        addressed: bool,
    ) -> Result<Self, Vec<Missing>> {
        if addressed {
            self.endpoint = None;
            if let Some(metrics) = &mut self.metrics {
                metrics.endpoint = None;
            }
        }
        let mut missing = Vec::new();
        for (name, setting) in std::mem::take(&mut self.settings) {
            let written = given(&name).or(setting.default.clone());
            let text = written.and_then(|written| setting.text(&written).ok());
            let placeholder = format!("{{{name}}}");
            if text.is_none() && self.sent().any(|text| text.contains(&placeholder)) {
                let what = setting.what.clone();
                missing.push(Missing {
                    name: name.clone(),
                    what,
                });
            }
            // Only the address to look at is left then, and a person reads it.
            let text = text.unwrap_or_else(|| name.to_uppercase());
            self.replace(&placeholder, &text);
        }
        if missing.is_empty() {
            Ok(self)
        } else {
            Err(missing)
        }
    }

    /// Whether the operator has to say what this setting is.
    pub fn requires(&self, name: &str) -> bool {
        let placeholder = format!("{{{name}}}");
        let setting = self.settings.get(name);
        setting.is_some_and(|setting| setting.default.is_none())
            && self.sent().any(|text| text.contains(&placeholder))
    }

    /// Every text that decides what is sent where.
    fn sent(&self) -> impl Iterator<Item = &str> {
        let metrics = self
            .metrics
            .iter()
            .filter_map(|metrics| metrics.endpoint.as_deref());
        self.endpoint
            .as_deref()
            .into_iter()
            .chain(metrics)
            .chain(self.headers.values().map(String::as_str))
            .chain(self.resource.values().map(String::as_str))
            .chain(rules::settings(self))
    }

    fn replace(&mut self, placeholder: &str, text: &str) {
        let put = |place: &mut String| *place = place.replace(placeholder, text);
        put(&mut self.traces);
        self.endpoint.iter_mut().for_each(put);
        self.headers.values_mut().for_each(put);
        self.resource.values_mut().for_each(put);
        if let Some(metrics) = &mut self.metrics {
            metrics.endpoint.iter_mut().for_each(put);
        }
        if let Exporter::Component(component) = &mut self.exporter {
            component
                .settings
                .values_mut()
                .for_each(|value| texts(value, &put));
        }
        if let Some(extension) = &mut self.extension {
            extension
                .settings
                .values_mut()
                .for_each(|value| texts(value, &put));
        }
    }
}

fn texts(value: &mut Value, put: &dyn Fn(&mut String)) {
    match value {
        Value::String(text) => put(text),
        Value::Array(list) => list.iter_mut().for_each(|value| texts(value, put)),
        Value::Object(map) => map.values_mut().for_each(|value| texts(value, put)),
        _ => {}
    }
}
