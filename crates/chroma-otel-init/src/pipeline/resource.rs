//! Who sends the spans.
//!
//! Invariant: the program's own attributes win over `OTEL_RESOURCE_ATTRIBUTES`, and the service
//! name of the settings, if they have one, wins over both.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// The resource of a service: `OTEL_RESOURCE_ATTRIBUTES` and `telemetry.sdk.*` from the SDK's own
/// detectors, `attributes` on top. Without a name the detectors have one: `OTEL_SERVICE_NAME`, else
/// `unknown_service:` and the program's name.
pub(super) fn resource(service_name: Option<&str>, attributes: &[(String, String)]) -> Resource {
    let name = service_name.map(|name| KeyValue::new("service.name", name.to_owned()));
    let attributes = attributes
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder()
        .with_attributes(attributes.chain(name))
        .build()
}
