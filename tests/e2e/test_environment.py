"""Real Chroma servers with the environment that the entrypoint translates, without a collector.

The sinks record the headers of each request, which shows a key sent to the wrong endpoint.
"""

import pytest
from conftest import NEWEST, VERSIONS, get, start_sink

COUNT = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"

pytestmark = pytest.mark.entrypoint
RUST = [version for version in VERSIONS if not version.startswith("0.")]
FOREIGN = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://vendor-a.example",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-key=vendorA-s3cret,x-vendor=a",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-key=vendorA-s3cret,x-vendor=a",
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-key=vendorA-s3cret,x-vendor=a",
}
EXPORTER = ("h2", "hyper", "hyper_util", "tonic", "tower")
# A short export interval, so that tests also see the headers of metrics.
SOON = {"OTEL_METRIC_EXPORT_INTERVAL": "200"}


@pytest.fixture
def served(chroma, tmp_path):
    """served(version, variables) -> the log of a Chroma that served a request and stopped."""

    def run(version, variables):
        (tmp_path / "config.yaml").write_text(f"persist_path: {tmp_path / 'data'}\n")
        server = chroma(version, {**SOON, **variables}, tmp_path)
        assert get(server.url + COUNT)
        server.stop()
        return server.log

    return run


def keys(records):
    return {record["headers"].get("x-key") for record in records}


@pytest.mark.parametrize("version", VERSIONS)
def test_headers_of_another_backend_never_reach_the_endpoint(served, sink, version):
    ours = {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "CHROMA_OTEL_COLLECTION_HEADERS": '{"X-Key": "ours"}'}
    log = served(version, {**ours, **FOREIGN})
    records = sink.read("span") + sink.read("metric")
    names = {span["name"] for span in sink.spans()}
    assert {"chroma.start", "chroma.stop"} < names, "spans of the entrypoint and of Chroma"
    assert keys(records) == {"ours"}
    assert not any("x-vendor" in record["headers"] for record in records)
    assert "vendorA-s3cret" not in log
    assert log.count("`OTEL_EXPORTER_OTLP_HEADERS`") == 1, log


@pytest.mark.parametrize("version", VERSIONS)
def test_service_name_of_another_backend_is_used_without_its_headers(served, sink, version):
    named = {"OTEL_SERVICE_NAME": "books", "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute"}
    served(version, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, **named, **FOREIGN})
    records = sink.read("span") + sink.read("metric")
    assert len(sink.spans()) > 2
    assert keys(records) == {None}
    assert {span["resource"]["service.name"] for span in sink.spans()} == {"books"}


@pytest.mark.parametrize("version", VERSIONS)
def test_documented_variables_accept_forms_that_chroma_cannot_parse(served, sink, version):
    served(
        version,
        {
            "CHROMA_OPEN_TELEMETRY__ENDPOINT": sink.grpc.removeprefix("http://"),
            "CHROMA_OPEN_TELEMETRY__SERVICE_NAME": "shop-search",
            "OTEL_EXPORTER_OTLP_HEADERS": '{"X-Key": "documented"}',
        },
    )
    assert len(sink.spans("shop-search")) > 2
    assert keys(sink.spans()) == {"documented"}
    assert {span["resource"]["service.name"] for span in sink.spans()} == {"shop-search"}


@pytest.mark.parametrize("version", RUST)
def test_metrics_endpoint_receives_no_trace_headers(served, sink, tools, start, tmp_path, version):
    elsewhere = start_sink(tools, start, tmp_path)
    served(
        version,
        {
            "CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc,
            "CHROMA_OTEL_COLLECTION_HEADERS": "x-key=ours",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": elsewhere.grpc,
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "x-key=metrics",
        },
    )
    assert len(sink.spans()) > 2 and keys(sink.spans()) == {"ours"}
    assert elsewhere.read("metric") and keys(elsewhere.read("metric")) == {"metrics"}


@pytest.mark.parametrize(
    "version, switch",
    [
        ("0.6.3", {"OTEL_TRACES_EXPORTER": "none"}),
        (NEWEST, {"OTEL_TRACES_EXPORTER": "none"}),
        (NEWEST, {"OTEL_SDK_DISABLED": "true"}),
    ],
)
def test_opentelemetry_variables_disable_tracing(served, sink, version, switch):
    log = served(version, {"CHROMA_OPEN_TELEMETRY__ENDPOINT": sink.grpc, "CHROMA_OTEL_GRANULARITY": "all", **switch})
    assert sink.read("span") == [] and sink.read("metric") == []
    [variable] = switch
    assert log.count(f"tracing is off: `{variable}`") == 1, log


@pytest.mark.parametrize("level", ["trace", "info,h2::codec=trace,chroma_tracing[{id}]=error"])
def test_verbose_log_level_keeps_request_spans_and_omits_exporter_spans(served, sink, level):
    served(NEWEST, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "RUST_LOG": level})
    targets = {str(span["attributes"].get("code.namespace", span["scope"])) for span in sink.spans()}
    assert not [target for target in targets if target.split("::")[0] in EXPORTER]
    assert any("collections_count" in span["name"] for span in sink.spans())
