//! Tests of the collector's configuration for each kind of backend and each source of headers.

use chroma_otel_init::variable;
use serde_yaml::Value as Yaml;

use super::*;
use crate::collector::surroundings::{Listen, Surroundings};
use crate::deployment::{Deployment, sound};
use crate::render::{render, values_of};
use crate::targets::shared::SharedTemplate;

/// Input of the collector's template.
#[derive(Serialize)]
struct Template<'a> {
    #[serde(flatten)]
    surroundings: Surroundings,
    #[serde(flatten)]
    shared: SharedTemplate<'a>,
}

/// Returns the collector's configuration.
fn written(deployment: &Deployment) -> String {
    let listen = Listen {
        receivers: "198.18.0.1",
        local: "127.0.0.1",
    };
    let detectors = vec!["env", "ec2", "system"];
    let template = Template {
        surroundings: Surroundings::of_machine("1.5.9".into(), listen, detectors),
        shared: SharedTemplate::new(deployment),
    };
    let context = values_of(template);
    render("collector/otel-collector.yaml.j2", &context).expect("the template renders")
}

/// Returns the parts of the collector's configuration that depend on the backend.
fn configuration(target: &str, image: &str, backend: &str, endpoint: &str) -> String {
    let deployment = sound(&[
        ("target", target.into()),
        ("chroma.image", image.into()),
        ("tracing.backend", backend.into()),
        ("tracing.endpoint", endpoint.into()),
    ]);
    let mut tree: Yaml = serde_yaml::from_str(&written(&deployment)).expect("YAML");
    let own = |section: &mut Yaml, others: &[&str]| {
        let map = section.as_mapping_mut().expect("a mapping");
        others.iter().for_each(|name| drop(map.remove(*name)));
        section.clone()
    };
    let exporters = own(&mut tree["exporters"], &["prometheus"]);
    let extensions = own(&mut tree["extensions"], &EXTENSIONS);
    let mut shown = serde_yaml::Mapping::new();
    shown.insert("exporters".into(), exporters);
    shown.insert("extensions".into(), extensions);
    shown.insert("used".into(), tree["service"]["extensions"].clone());
    let pipeline = tree["service"]["pipelines"]["traces"]["exporters"].clone();
    shown.insert("pipeline".into(), pipeline);
    let wanted: Vec<Yaml> = tree["processors"]["resource"]["attributes"]
        .as_sequence()
        .expect("a list")
        .iter()
        .filter(|attribute| attribute["action"] == "upsert")
        .cloned()
        .collect();
    if !wanted.is_empty() {
        shown.insert("resource".into(), wanted.into());
    }
    serde_yaml::to_string(&shown).expect("YAML")
}

#[test]
fn signs_requests_to_x_ray_over_http() {
    insta::assert_snapshot!(configuration("aws", "wrapped", "aws-xray", ""), @r#"
    exporters:
      otlp_http:
        auth:
          authenticator: sigv4auth
        headers: ${env:CHROMA_OTEL_COLLECTION_HEADERS}
        traces_endpoint: ${env:CHROMA_OTEL_TRACES_URL}
        sending_queue:
          storage: file_storage
          sizer: bytes
          queue_size: 268435456
          batch:
            sizer: items
            flush_timeout: 1s
            min_size: 1000
            max_size: 1000
        retry_on_failure:
          max_elapsed_time: 0
    extensions:
      sigv4auth:
        region: ${env:AWS_REGION}
        service: xray
    used:
    - health_check
    - file_storage
    - sigv4auth
    pipeline:
    - forward
    - otlp_http
    "#);
}

#[test]
fn published_collector_reads_the_variables_itself() {
    let xray = configuration("aws", "stock", "aws-xray", "");
    let http = configuration("aws", "wrapped", "aws-xray", "")
        .replace("CHROMA_OTEL_TRACES_URL", variable::ENDPOINT)
        .replace(
            "headers: ${env:CHROMA_OTEL_COLLECTION_HEADERS}",
            "headers: {}",
        );
    assert_eq!(xray, http);
    insta::assert_snapshot!(configuration("aws", "stock", "honeycomb", ""), @r#"
    exporters:
      otlp_grpc:
        endpoint: ${env:CHROMA_OTEL_COLLECTION_ENDPOINT}
        headers:
          x-honeycomb-team: ${env:HONEYCOMB_API_KEY}
        tls:
          insecure: true
        sending_queue:
          storage: file_storage
          sizer: bytes
          queue_size: 268435456
          batch:
            flush_timeout: 1s
            min_size: 524288
            max_size: 2097152
        retry_on_failure:
          max_elapsed_time: 0
    extensions: {}
    used:
    - health_check
    - file_storage
    pipeline:
    - forward
    - otlp_grpc
    "#);
    let http = configuration("aws", "stock", "otlp", "https://h.example/otlp");
    assert!(
        http.contains("traces_endpoint: ${env:CHROMA_OTEL_COLLECTION_ENDPOINT}"),
        "{http}"
    );
    assert!(!http.contains("otlp_grpc"), "{http}");
}

#[test]
fn renders_settings_of_other_exporters() {
    insta::assert_snapshot!(configuration("aws", "wrapped", "aws-xray-classic", ""), @r#"
    exporters:
      awsxray:
        indexed_attributes:
        - http.route
        - http.request.method
        - error.type
        region: ${env:AWS_REGION}
    extensions: {}
    used:
    - health_check
    - file_storage
    pipeline:
    - forward
    - awsxray
    "#);
}

#[test]
fn reads_the_google_project_from_the_environment() {
    insta::assert_snapshot!(configuration("gcp", "wrapped", "google-cloud-trace", ""), @r#"
    exporters:
      otlp_http:
        auth:
          authenticator: googleclientauth
        headers: ${env:CHROMA_OTEL_COLLECTION_HEADERS}
        traces_endpoint: ${env:CHROMA_OTEL_TRACES_URL}
        sending_queue:
          storage: file_storage
          sizer: bytes
          queue_size: 268435456
          batch:
            sizer: items
            flush_timeout: 1s
            min_size: 60
            max_size: 60
        retry_on_failure:
          max_elapsed_time: 0
    extensions:
      googleclientauth:
        project: ${env:GOOGLE_CLOUD_PROJECT}
        quota_project: ${env:GOOGLE_CLOUD_PROJECT}
    used:
    - health_check
    - file_storage
    - googleclientauth
    pipeline:
    - forward
    - otlp_http
    resource:
    - key: gcp.project_id
      value: ${env:GOOGLE_CLOUD_PROJECT}
      action: upsert
    "#);
}

#[test]
fn self_retrying_exporter_has_a_queue_without_retries() {
    let azure = configuration("docker", "wrapped", "azure-monitor", "");
    assert_eq!(azure, configuration("docker", "stock", "azure-monitor", ""));
    insta::assert_snapshot!(azure, @r#"
    exporters:
      azuremonitor:
        connection_string: ${env:APPLICATIONINSIGHTS_CONNECTION_STRING}
        spaneventsenabled: true
        sending_queue:
          storage: file_storage
          sizer: bytes
          queue_size: 268435456
    extensions: {}
    used:
    - health_check
    - file_storage
    pipeline:
    - forward
    - azuremonitor
    "#);
}

#[test]
fn authenticates_to_azure_monitor_by_the_identity_of_the_machine() {
    let azure = configuration("azure", "wrapped", "azure-monitor", "");
    assert_eq!(azure, configuration("azure", "stock", "azure-monitor", ""));
    insta::assert_snapshot!(azure, @r#"
    exporters:
      azuremonitor:
        auth:
          authenticator: azure_auth
        connection_string: ${env:APPLICATIONINSIGHTS_CONNECTION_STRING}
        spaneventsenabled: true
        sending_queue:
          storage: file_storage
          sizer: bytes
          queue_size: 268435456
    extensions:
      azure_auth:
        managed_identity:
          client_id: ${env:AZURE_CLIENT_ID}
        scopes:
        - https://monitor.azure.com/.default
    used:
    - health_check
    - file_storage
    - azure_auth
    pipeline:
    - forward
    - azuremonitor
    "#);
}

#[test]
fn settings_refer_to_environment_variables() {
    let backend: Backend = serde_yaml::from_str(
        "{summary: s, documentation: d, traces: t, keys: [{variable: KEY, what: w}], exporter: {name: a, queue: true,
          settings: {dsn: 'x;{KEY}', on: true, most: 7, deep: {list: [a b, 'p$q', '{region}']}}},
          identity: {cloud: aws, permissions: [a]}}",
    )
    .expect("a backend");
    let Exporter::Component(component) = &backend.exporter else {
        panic!("{backend:?}");
    };
    let written: Vec<String> = settings(&backend, &component.settings)
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(
        written,
        [
            r#"deep: {list: ["a b", "p$$q", "${env:AWS_REGION}"]}"#,
            r#"dsn: "x;${env:KEY}""#,
            "most: 7",
            "on: true",
        ]
    );
}

#[test]
fn normalizes_endpoints_for_the_collector() {
    for (backend, endpoint, exact) in [
        ("otlp", "api.example.com", "https://api.example.com:443"),
        (
            "otlp",
            "http://10.0.0.1:4318/",
            "http://10.0.0.1:4318/v1/traces",
        ),
        (
            "aws-xray",
            "https://vpce-1.xray.example",
            "https://vpce-1.xray.example/v1/traces",
        ),
        (
            "aws-xray",
            "",
            "https://xray.{region}.amazonaws.com/v1/traces",
        ),
    ] {
        let deployment = sound(&[
            ("target", "aws".into()),
            ("tracing.backend", backend.into()),
            ("tracing.endpoint", endpoint.into()),
        ]);
        assert_eq!(
            exact_endpoint(&deployment.spec.tracing).as_deref(),
            Some(exact)
        );
    }
}

mod several;
