//! The resource of spans and metrics.
//!
//! Invariant: the program's own attributes override `OTEL_RESOURCE_ATTRIBUTES`, and the service
//! name of the settings, if set, overrides both.

use super::Options;
use crate::Settings;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// Returns the resource of a service: `OTEL_RESOURCE_ATTRIBUTES` and `telemetry.sdk.*` from the
/// SDK's detectors, overridden by the options' attributes. Without a name, the detectors use
/// `OTEL_SERVICE_NAME`, or `unknown_service:` and the program's name.
pub(super) fn of(settings: &Settings, options: &Options) -> Resource {
    let name = settings.service_name.clone();
    let name = name.map(|name| KeyValue::new("service.name", name));
    let attributes = options.resource.iter().cloned();
    let attributes = attributes.map(|(name, value)| KeyValue::new(name, value));
    Resource::builder()
        .with_attributes(attributes.chain(name))
        .build()
}
