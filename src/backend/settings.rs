//! Settings: values of a backend that are not secret and differ between its users, such as a
//! region.
//!
//! Invariant: a settled backend contains no `{setting}` in any text.

use serde_json::Value;

use super::definition::{Address, Backend, Exporter};
use super::rules;
use crate::values::{Cloud, in_place};

/// A required setting without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Description, and where to find it.
    pub what: String,
}

impl Backend {
    /// Returns true if a key is part of settings of components, and not only of headers.
    pub fn in_settings(&self, variable: &str) -> bool {
        let placeholder = format!("{{{variable}}}");
        rules::settings(self).any(|text| text.contains(&placeholder))
    }

    /// Returns the backend with its settings replaced by `given`; `addressed` if the operator sets
    /// its endpoint. Invalid values were already reported, and count as missing.
    ///
    /// # Errors
    /// Returns the required settings without a value.
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
            // Only the address of the traces is left, which is read by a person.
            let text = text.unwrap_or_else(|| name.to_uppercase());
            self.replace(&placeholder, &text);
        }
        if missing.is_empty() {
            Ok(self)
        } else {
            Err(missing)
        }
    }

    /// Returns the backend as it authenticates: by an identity, on a machine or in a cluster, or by
    /// its keys.
    #[must_use]
    pub fn authenticated(mut self, by_identity: bool, in_cluster: bool) -> Self {
        if self.accepts_keys_elsewhere() {
            if by_identity {
                let keys = std::mem::take(&mut self.keys).into_iter();
                self.addresses = keys.map(|key| Address { key, value: None }).collect();
            } else {
                self.identity = None;
                self.extension = None;
            }
        }
        if let Some(extension) = &mut self.extension {
            let more = if in_cluster {
                &mut extension.in_cluster
            } else {
                &mut extension.on_machine
            };
            extension.settings.append(more);
        }
        self
    }

    /// Returns the backend in this region of AWS, whatever the region of the machine: requests are
    /// signed for the region of the endpoint.
    #[must_use]
    pub fn in_region(mut self, region: &str) -> Self {
        if self.cloud() == Some(Cloud::Aws) {
            self.traces = in_place(&self.traces, region);
            if let Some(prepare) = &mut self.prepare {
                prepare.commands = in_place(&prepare.commands, region);
            }
            self.replace("{region}", region);
        }
        self
    }

    /// Returns the backend for a description: a setting is replaced by its default, or by its name in
    /// capital letters, as is the location of the machine.
    #[must_use]
    pub fn described(mut self) -> Self {
        for (name, setting) in self.settings.clone() {
            let default = setting.default.as_ref();
            let text = default.and_then(|default| setting.text(default).ok());
            self.replace(&format!("{{{name}}}"), &text.unwrap_or(name.to_uppercase()));
        }
        if let Some(place) = self.cloud().and_then(Cloud::place) {
            let name = place.placeholder.trim_matches(['{', '}']);
            self.replace(place.placeholder, &name.to_uppercase());
        }
        self
    }

    /// Returns true if the operator must set this setting.
    pub fn requires(&self, name: &str) -> bool {
        let placeholder = format!("{{{name}}}");
        let setting = self.settings.get(name);
        setting.is_some_and(|setting| setting.default.is_none())
            && self.sent().any(|text| text.contains(&placeholder))
    }

    /// Returns every text that determines the content and the destination of requests.
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
