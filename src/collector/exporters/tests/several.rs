//! The collector's configuration for several backends.

use super::*;

/// Returns the exporters and pipelines of three backends, one of each kind, with metrics.
fn several(target: &str, platform: &str, image: &str) -> String {
    let backends = serde_json::json!(["honeycomb", "grafana-cloud", "zipkin"]);
    let settings = serde_json::json!({
        "honeycomb.region": "eu1", "grafana-cloud.region": "prod-us-east-0", "instance_id": "123456",
        "zipkin.endpoint": "http://zipkin.example.com:9411",
    });
    let deployment = sound(&[
        ("target", target.into()),
        ("platform", platform.into()),
        ("chroma.image", image.into()),
        ("tracing.backend", backends),
        ("tracing.settings", settings),
        ("metrics.to_backend", true.into()),
    ]);
    let text = written(&deployment);
    let (_, text) = text.split_once("\nexporters:\n").expect("exporters");
    let (text, pipelines) = text.split_once("\nservice:\n").expect("a service");
    let decided = text.lines().filter(|line| {
        let detail = line.starts_with("      ") || line.trim_start().starts_with('#');
        !detail && !line.contains("retry_on_failure") && !line.is_empty()
    });
    let exporters = pipelines
        .lines()
        .filter(|line| line.contains(" exporters: ") || line.contains(" extensions: "));
    decided
        .chain(exporters)
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn several_backends_have_separate_components() {
    let wrapped = several("docker", "", "wrapped");
    assert_eq!(wrapped, several("aws", "", "wrapped"));
    assert_eq!(wrapped, several("kubernetes", "", "wrapped"));
    insta::assert_snapshot!(wrapped, @r##"
      prometheus: {endpoint: 127.0.0.1:8889, without_scope_info: true}
      otlp_grpc:
        endpoint: ${env:CHROMA_OTEL_GRPC_ENDPOINT}
        headers: ${env:CHROMA_OTEL_COLLECTION_HEADERS}
        tls: {insecure: "${env:CHROMA_OTEL_GRPC_INSECURE}"}
        sending_queue: &queue
      otlp_http:
        headers: ${env:CHROMA_OTEL_COLLECTION_HEADERS}
        metrics_endpoint: ${env:CHROMA_OTEL_METRICS_URL}
        traces_endpoint: ${env:CHROMA_OTEL_TRACES_URL}
        sending_queue: *queue
      otlp_http/grafana-cloud:
        auth: {authenticator: basicauth/grafana-cloud}
        headers: {}
        metrics_endpoint: https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/metrics
        traces_endpoint: https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/traces
        sending_queue: *queue
      zipkin/zipkin:
        endpoint: http://zipkin.example.com:9411/api/v2/spans
        headers: {}
        sending_queue: *queue
    extensions:
      basicauth/grafana-cloud:
        client_auth: {password: "${env:GRAFANA_CLOUD_API_KEY}", username: "123456"}
      health_check: {endpoint: 127.0.0.1:13133}
      file_storage:
        directory: /var/lib/otelcol
        create_directory: true
        recreate: true # moves some damaged queue files aside, and chroma-otel-entrypoint the others
        compaction: {directory: /var/lib/otelcol, on_start: true, on_rebound: true, cleanup_on_start: true}
      extensions: [health_check, file_storage, basicauth/grafana-cloud]
          exporters: [forward, "${env:CHROMA_OTEL_EXPORTER}", otlp_http/grafana-cloud, zipkin/zipkin]
          exporters: [span_metrics]
          exporters: [prometheus, "${env:CHROMA_OTEL_EXPORTER}", otlp_http/grafana-cloud]
    "##);
    let stock = several("docker", "", "stock");
    assert_eq!(stock, several("kubernetes", "", "stock"));
    insta::assert_snapshot!(stock, @r##"
      prometheus: {endpoint: 127.0.0.1:8889, without_scope_info: true}
      otlp_grpc:
        endpoint: api.eu1.honeycomb.io:443
        headers: {"x-honeycomb-team": "${env:HONEYCOMB_API_KEY}"}
        tls: {insecure: false}
        sending_queue: &queue
      otlp_http/grafana-cloud:
        auth: {authenticator: basicauth/grafana-cloud}
        headers: {}
        metrics_endpoint: https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/metrics
        traces_endpoint: https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/traces
        sending_queue: *queue
      zipkin/zipkin:
        endpoint: http://zipkin.example.com:9411/api/v2/spans
        headers: {}
        sending_queue: *queue
    extensions:
      basicauth/grafana-cloud:
        client_auth: {password: "${env:GRAFANA_CLOUD_API_KEY}", username: "123456"}
      health_check: {endpoint: 127.0.0.1:13133}
      file_storage:
        directory: /var/lib/otelcol
        create_directory: true
        recreate: true # moves some damaged queue files aside, and chroma-otel-entrypoint the others
        compaction: {directory: /var/lib/otelcol, on_start: true, on_rebound: true, cleanup_on_start: true}
      extensions: [health_check, file_storage, basicauth/grafana-cloud]
          exporters: [forward, otlp_grpc, otlp_http/grafana-cloud, zipkin/zipkin]
          exporters: [span_metrics]
          exporters: [prometheus, otlp_grpc, otlp_http/grafana-cloud]
    "##);
    // On a machine the operator can change the first backend's endpoint; the others are fixed.
    let machine = several("aws", "", "stock");
    assert_eq!(machine, several("gcp", "", "stock"));
    insta::assert_snapshot!(machine, @r##"
      prometheus: {endpoint: 127.0.0.1:8889, without_scope_info: true}
      otlp_grpc:
        endpoint: ${env:CHROMA_OTEL_COLLECTION_ENDPOINT}
        headers: {"x-honeycomb-team": "${env:HONEYCOMB_API_KEY}"}
        tls: {insecure: true}
        sending_queue: &queue
      otlp_http/grafana-cloud:
        auth: {authenticator: basicauth/grafana-cloud}
        headers: {}
        metrics_endpoint: https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/metrics
        traces_endpoint: https://otlp-gateway-prod-us-east-0.grafana.net/otlp/v1/traces
        sending_queue: *queue
      zipkin/zipkin:
        endpoint: http://zipkin.example.com:9411/api/v2/spans
        headers: {}
        sending_queue: *queue
    extensions:
      basicauth/grafana-cloud:
        client_auth: {password: "${env:GRAFANA_CLOUD_API_KEY}", username: "123456"}
      health_check: {endpoint: 127.0.0.1:13133}
      file_storage:
        directory: /var/lib/otelcol
        create_directory: true
        recreate: true # moves some damaged queue files aside, and chroma-otel-entrypoint the others
        compaction: {directory: /var/lib/otelcol, on_start: true, on_rebound: true, cleanup_on_start: true}
      extensions: [health_check, file_storage, basicauth/grafana-cloud]
          exporters: [forward, otlp_grpc, otlp_http/grafana-cloud, zipkin/zipkin]
          exporters: [span_metrics]
          exporters: [prometheus, otlp_grpc, otlp_http/grafana-cloud]
    "##);
}

#[test]
fn delta_backends_have_a_separate_pipeline() {
    let of = |backends: &[&str]| {
        let deployment = sound(&[
            ("target", "docker".into()),
            ("chroma.image", "stock".into()),
            ("tracing.backend", serde_json::json!(backends)),
            (
                "tracing.settings",
                serde_json::json!({"datadog.region": "eu1"}),
            ),
            ("metrics.to_backend", true.into()),
        ]);
        let context = values_of(&deployment.collector.template);
        [
            "trace_exporters",
            "metrics_exporters",
            "delta_exporters",
            "queue_mib",
        ]
        .map(|name| {
            let value = context.get_attr(name).expect("the field exists");
            value.to_string().replace('\'', "")
        })
    };
    let all = |texts: [&str; 4]| texts.map(str::to_owned);
    assert_eq!(
        of(&["datadog"]),
        all(["[otlp_http]", "[]", "[otlp_http]", "128"])
    );
    assert_eq!(
        of(&["honeycomb", "datadog", "jaeger"]),
        all([
            "[otlp_grpc, otlp_http/datadog, otlp_grpc/jaeger]",
            "[otlp_grpc]",
            "[otlp_http/datadog]",
            "51",
        ])
    );
}

#[test]
fn comments_name_the_backend_if_there_are_several() {
    let comments = |backends: &[&str], metrics: bool| {
        let deployment = sound(&[
            ("target", "gcp".into()),
            ("tracing.backend", serde_json::json!(backends)),
            ("metrics.to_backend", metrics.into()),
        ]);
        let text = written(&deployment);
        let words = ["required by", "Longer values", "unavailable"];
        let lines = text
            .lines()
            .filter_map(|line| Some(line.split_once('#')?.1));
        let lines = lines.filter(|line| words.iter().any(|word| line.contains(word)));
        lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        comments(&["new-relic"], false),
        [
            "Longer values are rejected or dropped by the backend.",
            "While the backend is unavailable, spans are queued on disk, up to 256 MiB.",
        ]
    );
    assert_eq!(
        comments(&["google-cloud-trace"], false)[0],
        "required by the backend"
    );
    let waiting = "While a backend is unavailable, its spans and metrics are queued on disk, up to 85 MiB of each.";
    assert_eq!(
        comments(&["google-cloud-trace", "new-relic"], true),
        [
            "required by google-cloud-trace",
            "Longer values are rejected or dropped by google-cloud-trace, new-relic, so they are truncated for all.",
            waiting,
            waiting,
        ]
    );
}
