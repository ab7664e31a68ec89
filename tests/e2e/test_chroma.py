"""Chroma in the releases of `versions.env` under the entrypoint, sending through a real Collector to a sink.

Each test checks the spans in the sink, with the configuration that the generator renders.
"""

import itertools
import os
import re
import signal
import socket
import urllib.request

import pytest
from conftest import NEWEST, VERSIONS, client, get

pytestmark = pytest.mark.entrypoint

GRANULARITIES = ["none", "operation", "operation_and_segment", "all"]
COUNT = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"
EXPORT_ERRORS = re.compile(r"ExportFailed|ExportError|[Ff]ailed to export|Exception while exporting|UNAVAILABLE")
HOSTILE_NAMES = ["0123", "true", "null", "[a]", '{a="b"}', """it's "a\\b" $HOME #x: y, naïve 🦑"""]


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def pipeline(render, otelcol, sink, chroma, version):
    """pipeline(**variables) -> a Chroma whose traces reach the sink; `.collector` is the Collector between them."""
    rendered = render(chroma_version=version, backend="otlp")
    headers = '{"X-Api-Key": "it\'s $ecret"}'
    collector = otelcol(
        rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc, "CHROMA_OTEL_COLLECTION_HEADERS": headers}
    )

    def run(**variables):
        environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, **variables}
        return chroma(version, environment, rendered)

    run.collector = collector
    return run


def of_requests(spans):
    return [span for span in spans if span["kind"] == "SERVER"]


def named(name, spans):
    return [span for span in spans if span["name"] == name]


def paths(spans):
    return [span["attributes"].get("url.path") for span in spans]


def test_finer_granularity_adds_spans(pipeline, sink, tools, version):
    for granularity in GRANULARITIES:
        service = f"chroma-{granularity}"
        server = pipeline(CHROMA_OTEL_SERVICE_NAME=service, CHROMA_OTEL_GRANULARITY=granularity)
        client(tools, version, server.port, "fill", "query", "delete")
        server.stop()
        assert not EXPORT_ERRORS.search(server.log), server.log
    assert pipeline.collector.stop() == 0, pipeline.collector.log
    counts = [len(sink.spans(f"chroma-{granularity}")) for granularity in GRANULARITIES]
    assert counts[0] == 0, counts
    assert counts == sorted(set(counts)), f"{dict(zip(GRANULARITIES, counts, strict=True))} do not rise"
    names = [{span["name"] for span in sink.spans(f"chroma-{granularity}")} for granularity in GRANULARITIES]
    for smaller, larger in itertools.pairwise(names):
        assert smaller <= larger, f"lost: {smaller - larger}"


def test_requests_arrive_normalized_with_service_name_and_headers(pipeline, sink, tools, version):
    server = pipeline(CHROMA_OTEL_SERVICE_NAME="shop-search")
    for _ in range(5):
        assert get(f"{server.url}/api/v2/heartbeat")
    client(tools, version, server.port, "fill", "query")
    server.stop()
    pipeline.collector.stop()
    spans = sink.spans()
    assert {span["resource"]["service.name"] for span in spans} == {"shop-search"}
    assert {span["headers"].get("x-api-key") for span in spans} == {"it's $ecret"}
    requests = of_requests(spans)
    added = [span for span in requests if span["attributes"].get("url.path", "").endswith("/add")]
    assert len(added) == 1, paths(requests)
    assert added[0]["attributes"]["http.request.method"] == "POST"
    assert added[0]["attributes"]["http.response.status_code"] in (200, 201)
    assert added[0]["status"] != "ERROR"
    probes = [path for path in paths(spans) if path and re.search("heartbeat|healthcheck", path)]
    assert probes == []


def test_stop_loses_no_request(pipeline, sink):
    server = pipeline()
    for _ in range(20):
        with urllib.request.urlopen(server.url + COUNT, timeout=10) as answer:
            assert answer.status == 200
    server.stop(signal.SIGTERM)
    pipeline.collector.stop()
    assert paths(of_requests(sink.spans())).count(COUNT) == 20


def test_rejected_request_is_not_a_server_error(pipeline, sink):
    server = pipeline()
    assert get(f"{server.url}/api/v2/tenants/nobody") is None
    [refused] = sink.wait_for(
        lambda spans: [span for span in of_requests(spans) if "nobody" in str(span["attributes"])]
    )
    assert 400 <= refused["attributes"]["http.response.status_code"] < 500
    assert refused["status"] != "ERROR"


def test_service_names_with_digits_and_special_characters_arrive_unchanged(pipeline, sink):
    for name in HOSTILE_NAMES:
        server = pipeline(CHROMA_OTEL_SERVICE_NAME=name)
        assert get(server.url + COUNT)
        server.stop()
    pipeline.collector.stop()
    assert {span["resource"]["service.name"] for span in of_requests(sink.spans())} == set(HOSTILE_NAMES)


def test_start_and_stop_are_traced(pipeline, sink, version):
    pipeline().stop()
    pipeline.collector.stop()
    [started] = named("chroma.start", sink.spans())
    [stopped] = named("chroma.stop", sink.spans())
    assert started["status"] != "ERROR" and stopped["status"] != "ERROR"
    assert started["resource"]["service.version"] == version
    assert started["end_time_unix_nano"] > started["start_time_unix_nano"]
    assert stopped["attributes"]["chroma.stop.signal"] == "SIGTERM"


UNFINISHED_REQUEST = b"""\
POST /api/v2/tenants/default_tenant/databases/default_database/collections HTTP/1.1\r
Host: chroma\r
Content-Type: application/json\r
Content-Length: 100\r
Expect: 100-continue\r
\r
"""


def test_unfinished_request_does_not_lose_the_stop_span(render, chroma, sink):
    version, environment = VERSIONS[-1], {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc}
    rendered = render(chroma_version=version)
    server = chroma(version, environment, rendered, options=["--stop-timeout", "4"])
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(UNFINISHED_REQUEST)
        # Chroma requests the body, so it has started to handle the request.
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        assert server.stop() == 128 + signal.SIGKILL
    assert "did not end within 4 s of SIGTERM" in server.log
    [stopped] = named("chroma.stop", sink.spans())
    assert stopped["status"] == "ERROR"
    assert stopped["attributes"]["chroma.stop.signal"] == "SIGTERM"
    assert stopped["attributes"]["process.exit.signal"] == "SIGKILL"


def test_crash_is_traced_as_an_error(pipeline, sink):
    server = pipeline()
    [child] = server.children()
    os.kill(child, signal.SIGKILL)
    assert server.process.wait(30) == 128 + signal.SIGKILL
    [crash] = sink.wait_for(lambda spans: named("chroma.stop", spans))
    assert crash["status"] == "ERROR"
    assert crash["attributes"]["process.exit.signal"] == "SIGKILL"


@pytest.mark.parametrize("version", ["1.0.20", NEWEST], indirect=True)  # 0.x ignores RUST_LOG
@pytest.mark.parametrize("level", ["error", "info", "off"])
def test_log_level_does_not_remove_spans(pipeline, sink, level):
    server = pipeline(RUST_LOG=level)
    assert get(server.url + COUNT)
    sink.wait_for(lambda spans: COUNT in paths(of_requests(spans)))
