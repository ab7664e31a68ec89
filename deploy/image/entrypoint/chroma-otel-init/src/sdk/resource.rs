//! Who sends the spans.
//!
//! Invariant: the program's own attributes win over `OTEL_RESOURCE_ATTRIBUTES`, and the service
//! name of the settings wins over both.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// The resource of a service: `OTEL_RESOURCE_ATTRIBUTES` and `telemetry.sdk.*` from the SDK's own
/// detectors, `attributes` on top.
pub(super) fn resource(service_name: &str, attributes: &[(String, String)]) -> Resource {
    Resource::builder()
        .with_attributes(
            attributes
                .iter()
                .map(|(name, value)| KeyValue::new(name.clone(), value.clone())),
        )
        .with_service_name(service_name.to_owned())
        .build()
}
