//! Gauges that a small program measures itself. The SDK's metrics would add a fifth to the size of the
//! entrypoint.

use super::{Options, plain_http::Page, plain_http::metrics_url, resource};
use crate::{Settings, switched_off};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::InstrumentationScope,
    metrics::v1::{
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
    },
    resource::v1::Resource,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use std::time::{SystemTime, UNIX_EPOCH};

/// A measured value.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge {
    /// Name of the metric, such as `system.filesystem.utilization`.
    pub name: &'static str,
    /// Unit in the notation of UCUM.
    pub unit: &'static str,
    /// Description of the metric.
    pub description: &'static str,
    /// The value.
    pub value: f64,
}

/// A collector near the program that receives gauges, by OTLP over plain HTTP.
#[derive(Debug)]
pub struct Gauges {
    page: Page,
    resource: ResourceAttributesWithSchema,
    scope: &'static str,
}

impl Gauges {
    /// Returns the collector of the settings for the instrumentation scope of that name; `None` if
    /// tracing is off, or the endpoint needs TLS or accepts no metrics.
    pub fn over_plain_http(
        settings: &Settings,
        options: &Options,
        scope: &'static str,
    ) -> Option<Self> {
        let endpoint = settings.endpoint.as_ref();
        let endpoint = endpoint.filter(|endpoint| settings.enabled() && !endpoint.is_tls())?;
        if switched_off(|name| std::env::var(name).ok()).is_some() {
            return None;
        }
        Some(Self {
            page: Page::new(metrics_url(endpoint)?, settings.headers.clone()),
            resource: (&resource::of(settings, options)).into(),
            scope,
        })
    }

    /// Sends the values once: the next call has newer ones. Blocks for at most
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`.
    ///
    /// # Errors
    /// The collector does not accept them; returns its answer.
    pub fn send(&self, gauges: &[Gauge]) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let metrics = gauges.iter().map(|gauge| metric(gauge, now)).collect();
        let scope = InstrumentationScope {
            name: self.scope.to_owned(),
            ..InstrumentationScope::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(Resource {
                    attributes: self.resource.attributes.0.clone(),
                    ..Resource::default()
                }),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(scope),
                    metrics,
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        };
        let sent = self.page.deliver(&request, &[]);
        sent.map_err(|error| error.to_string())
    }
}

fn metric(gauge: &Gauge, time_unix_nano: u64) -> Metric {
    let point = NumberDataPoint {
        time_unix_nano,
        value: Some(number_data_point::Value::AsDouble(gauge.value)),
        ..NumberDataPoint::default()
    };
    Metric {
        name: gauge.name.to_owned(),
        description: gauge.description.to_owned(),
        unit: gauge.unit.to_owned(),
        data: Some(Data::Gauge(
            opentelemetry_proto::tonic::metrics::v1::Gauge {
                data_points: vec![point],
            },
        )),
        ..Metric::default()
    }
}
