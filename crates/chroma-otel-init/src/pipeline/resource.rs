//! The resource of the spans.
//!
//! Invariant: the program's own attributes override `OTEL_RESOURCE_ATTRIBUTES`, and the service
//! name of the settings, if set, overrides both.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// Returns the resource of a service: `OTEL_RESOURCE_ATTRIBUTES` and `telemetry.sdk.*` from the
/// SDK's detectors, overridden by `attributes`. Without a name, the detectors use
/// `OTEL_SERVICE_NAME`, or `unknown_service:` and the program's name.
pub(super) fn resource(service_name: Option<&str>, attributes: &[(String, String)]) -> Resource {
    let name = service_name.map(|name| KeyValue::new("service.name", name.to_owned()));
    let attributes = attributes
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder()
        .with_attributes(attributes.chain(name))
        .build()
}
