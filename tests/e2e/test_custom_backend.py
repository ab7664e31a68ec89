"""Options of a custom backend file: metric temporality and maximum value length."""

import pytest
from conftest import NEWEST, client, eventually, get
from docker_spec import deploy, stand_in  # noqa: F401 (fixtures)
from test_collector import attributes, samples, send

pytestmark = pytest.mark.collector


@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_metrics_have_the_temporality_of_the_backend(deploy, otelcol, sink, chroma, tools, tmp_path, temporality):
    backend = stand_in(tmp_path, metrics={"delta": temporality == "delta"})
    rendered = deploy(backend, metrics={"to_backend": True})
    running = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    variables = {"CHROMA_OTEL_COLLECTION_ENDPOINT": running.grpc, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    server = chroma(NEWEST, variables, rendered)
    client(tools, NEWEST, server.port, "fill", "query")
    wanted = {"traces.span.metrics.calls", "traces.span.metrics.duration", "collection_query"}

    def arrived():
        return wanted <= {metric["name"] for metric in sink.read("metric")}

    eventually(arrived, lambda: sorted({metric["name"] for metric in sink.read("metric")}), seconds=60)
    of = {metric["temporality"] for metric in sink.read("metric") if metric["name"] in wanted}
    assert of == {temporality.upper()}
    assert {
        metric["resource"]["service.version"] for metric in sink.read("metric") if metric["name"] == "collection_query"
    } == {NEWEST}
    assert samples(get(running.prometheus), "collection_query_total")  # the Prometheus page is unchanged


def test_long_values_are_truncated_to_the_limit_of_the_backend(deploy, otelcol, sink, tmp_path):
    rendered = deploy(stand_in(tmp_path, longest_value=100))
    running = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    event = {"timeUnixNano": "1700000000000000000", "name": "e", "attributes": attributes({"text": "é" * 100})}
    send(running, {"attributes": {"text": "é" * 100}, "events": [event]})
    [span] = sink.wait_for(lambda spans: spans)
    for of in (span["attributes"], span["events"][0]["attributes"]):
        assert of["text"] == "é" * 50
