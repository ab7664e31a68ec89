"""The rendered Collector configuration on a real Collector: processing of Chroma's spans and metrics."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
from conftest import NEWEST, VERSIONS, client, eventually, free_ports, get, start_sink

pytestmark = pytest.mark.collector

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"
PROBES = [
    f"/api/{api}{path}"
    for api in ("v1", "v2")
    for path in ("", "/heartbeat", "/healthcheck", "/version", "/pre-flight-checks")
]
# Variables that a configuration may refer to, set by the entrypoint or the operator.
ENVIRONMENT = {
    "CHROMA_OTEL_EXPORTER": "otlp_grpc",
    "CHROMA_OTEL_GRPC_ENDPOINT": "backend:4317",
    "CHROMA_OTEL_GRPC_INSECURE": "true",
    "CHROMA_OTEL_TRACES_URL": "http://backend:4318/v1/traces",
    "CHROMA_OTEL_COLLECTION_HEADERS": "{}",
    "HONEYCOMB_API_KEY": "key",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=key",
}
SDK = {
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
}  # the resource of spans that are not Chroma's
SECRET = "hunter2hunter2hunter2"
COMPLAINT = re.compile(r"^.*\t(?:warn|error)\t.*$", re.MULTILINE)


def ask(url, body=None):
    """The status of the response; a request with a body is a POST of JSON."""
    data = None if body is None else body.encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def attributes(values):
    def value(of):
        if isinstance(of, list):
            return {"arrayValue": {"values": [value(one) for one in of]}}
        return {"intValue": str(of)} if isinstance(of, int) else {"stringValue": of}

    return [{"key": key, "value": value(of)} for key, of in values.items()]


def send(collector, *spans, service="sender"):
    """Sends spans over OTLP/HTTP: dicts of `name`, `attributes`, `events`, `resource` and so on, all optional."""
    now = "1700000000000000000"
    defaults = {"kind": 1, "startTimeUnixNano": now, "endTimeUnixNano": now, "traceId": "ab" * 16}
    sent = [
        {
            **defaults,
            "spanId": f"{number:016x}",
            "name": "span",
            **span,
            "attributes": attributes(span.get("attributes", {})),
        }
        for number, span in enumerate(spans, 1)
    ]
    resources = [{"service.name": service, **span.pop("resource", {})} for span in sent]
    body = {
        "resourceSpans": [
            {"resource": {"attributes": attributes(resource)}, "scopeSpans": [{"spans": [span]}]}
            for resource, span in zip(resources, sent, strict=True)
        ]
    }
    assert ask(f"{collector.http}/v1/traces", json.dumps(body)) == 200


def send_metrics(collector, *metrics, **resource):
    """Sends application metrics over OTLP/HTTP: name, `sum`, `gauge` or `histogram`, and the attributes of each
    point with value 1. Returns the status of the response."""
    now = "1700000000000000000"

    def one(name, kind, points):
        value = {"count": "1", "sum": 1, "bucketCounts": ["1"]} if kind == "histogram" else {"asInt": "1"}
        more = {
            "sum": {"isMonotonic": True, "aggregationTemporality": 2},
            "histogram": {"aggregationTemporality": 2},
            "gauge": {},
        }[kind]
        times = {"startTimeUnixNano": now, "timeUnixNano": now}
        return {
            "name": name,
            kind: {**more, "dataPoints": [{"attributes": attributes(of), **times, **value} for of in points]},
        }

    of = {"attributes": attributes({"service.name": "app", **SDK, **resource})}
    body = {"resourceMetrics": [{"resource": of, "scopeMetrics": [{"metrics": [one(*metric) for metric in metrics]}]}]}
    return ask(f"{collector.http}/v1/metrics", json.dumps(body))


def request_of_1x(status, path="/api/v2/x"):
    """A request span as sent by Chroma 1.x."""
    return {
        "name": f"GET {path}",
        "resource": {"service.pod_name": "chroma"},
        "attributes": {
            "http.method": "GET",
            "http.uri": path,
            "http.host": "chroma:8000",
            "http.route": path,
            "http.status_code": str(status),
        },
    }


def orphans(spans):
    known = {span["span_id"] for span in spans}
    return [span["name"] for span in spans if span["parent_span_id"] and span["parent_span_id"] not in known]


def samples(page, name, **labels):
    """The values of a metric's series with these labels."""
    found = re.findall(rf"^{name}\{{(.*)\}} (\S+)$", page or "", re.MULTILINE)
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return [float(value) for series, value in found if all(label in series.split(",") for label in wanted)]


@pytest.fixture
def collector(render, otelcol, sink):
    return otelcol(render(backend="otlp"), {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_collector_starts_and_exports_without_warnings(render, otelcol, sink, protocol):
    endpoint = {"grpc": sink.grpc, "http": f"{sink.http}/v1/traces"}[protocol]
    environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint, "OTEL_RESOURCE_ATTRIBUTES": "team=search"}
    running = otelcol(render(backend="otlp"), environment)
    send(running, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    assert (span["name"], span["resource"]["team"]) == ("through", "search")
    assert running.stop() == 0
    assert COMPLAINT.findall(running.log) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_chroma_spans_arrive_normalized(render, otelcol, sink, chroma, tools, version):
    rendered = render(chroma_version=version, backend="otlp")
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, "CHROMA_OTEL_GRANULARITY": "all"}
    server = chroma(version, environment, rendered)
    client(tools, version, server.port, "fill", "query")
    for probe in PROBES:
        ask(server.url + probe)
    refused = {ask(f"{server.url}{COLLECTIONS}/nobody"), ask(server.url + COLLECTIONS, "{bad")}
    assert all(400 <= status < 500 for status in refused), refused
    assert ask(f"{server.url}{COLLECTIONS}?limit=7&token={SECRET}") == 200
    server.stop()
    collector.stop()

    spans = sink.spans("chromadb")
    assert SECRET not in json.dumps(spans)
    requests = [span for span in spans if "http.method" in span["attributes"]]
    assert len(requests) >= 8
    for span in requests:
        named = span["attributes"]
        assert span["kind"] == "SERVER", span
        assert named["http.request.method"] == named["http.method"]
        assert named["http.response.status_code"] == int(named["http.status_code"])
        assert named["user_agent.original"] == named["http.user_agent"]
        assert (named["url.scheme"], named["server.address"], named["server.port"]) == (
            "http",
            "127.0.0.1",
            server.port,
        )
        assert named["url.path"] not in PROBES
        assert span["status"] == "UNSET", span
    assert refused <= {span["attributes"]["http.response.status_code"] for span in requests}
    assert "limit=7" in [
        span["attributes"]["url.query"].split("&")[0] for span in requests if "url.query" in span["attributes"]
    ]
    for span in spans:
        assert span["resource"]["service.version"] == version
        assert {"host.name", "service.namespace", "deployment.environment.name"} <= span["resource"].keys()
    # Chroma 1.x does not send the parent of some `read` spans.
    assert set(orphans(spans)) <= ({"read"} if not version.startswith("0.") else set())


def test_only_5xx_responses_are_errors(collector, sink):
    error = {"code": 2, "message": "failed"}
    send(collector, *({**request_of_1x(status), "status": error} for status in (404, 499, 500, 503)))
    spans = sink.wait_for(lambda spans: len(spans) == 4 and spans)
    seen = {
        span["attributes"]["http.response.status_code"]: (span["status"], span["attributes"].get("error.type"))
        for span in spans
    }
    assert seen == {404: ("UNSET", None), 499: ("UNSET", None), 500: ("ERROR", "500"), 503: ("ERROR", "503")}


@pytest.mark.parametrize("version", VERSIONS)
def test_server_errors_remain_errors(render, otelcol, sink, chroma, version, tmp_path):
    rendered = render(chroma_version=version, backend="otlp")
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    server = chroma(version, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered, data=tmp_path / "data")
    for file in (tmp_path / "data").glob("chroma.sqlite3*"):
        file.write_bytes(b"not a database" * 4096)
    assert ask(server.url + COLLECTIONS) == 500
    [failed] = sink.wait_for(
        lambda spans: [span for span in spans if span["attributes"].get("url.path") == COLLECTIONS]
    )
    assert (failed["status"], failed["attributes"]["error.type"]) == ("ERROR", "500")


def test_spans_of_other_programs_are_unchanged(collector, sink):
    calling = {"http.method": "GET", "http.url": "http://elsewhere/api/v2/heartbeat", "http.status_code": 404}
    send(collector, {"name": "GET", "kind": 3, "attributes": calling, "status": {"code": 2}}, {"name": "work"})
    call, work = sink.wait_for(lambda spans: len(spans) == 2 and sorted(spans, key=lambda span: span["name"]))
    assert (call["kind"], call["status"], call["attributes"]) == ("CLIENT", "ERROR", calling)
    assert (work["kind"], work["attributes"]) == ("INTERNAL", {})


# Spans of OpenTelemetry's FastAPI instrumentation, with current and old attribute names.
OF_OTHERS = [
    {
        "name": "today",
        "kind": 2,
        "status": {"code": 2},
        "attributes": {"http.request.method": "GET", "url.path": "/api/v1/version", "http.response.status_code": 500},
    },
    {
        "name": "old",
        "kind": 2,
        "status": {"code": 2},
        "attributes": {
            "http.method": "GET",
            "http.target": "/api/v2/heartbeat?q=x",
            "http.server_name": "app",
            "http.status_code": 404,
            "http.host": "app:80",
        },
    },
    {"name": "inside", "attributes": {"http.method": "GET", "http.uri": "/x", "http.server_name": "app"}},
    {"name": "message", "attributes": {"asgi.event.type": "http.response.body"}},
    {"name": "SqlEmbeddingsQueue.max_batch_size"},
]


@pytest.mark.parametrize("version", VERSIONS)
def test_application_requests_are_not_counted_as_chroma_requests(render, otelcol, sink, version):
    collector = otelcol(render(chroma_version=version, backend="otlp"), {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    send(collector, *({**span, "resource": SDK} for span in OF_OTHERS))
    of_0x = {"name": "GET", "attributes": {**OF_OTHERS[1]["attributes"], "http.target": "/api/v2/x"}}
    send(collector, of_0x if version.startswith("0.") else request_of_1x(200), service="chroma")
    spans = sink.wait_for(lambda spans: len(spans) == len(OF_OTHERS) + 1 and {span["name"]: span for span in spans})
    for sent in OF_OTHERS:
        seen = spans[sent["name"]]
        kind = {1: "INTERNAL", 2: "SERVER"}[sent.get("kind", 1)]
        assert (seen["kind"], seen["status"], seen["attributes"]) == (
            kind,
            "ERROR" if "status" in sent else "UNSET",
            sent.get("attributes", {}),
        )
        assert "service.version" not in seen["resource"]

    def counted():
        return samples(get(collector.prometheus), "traces_span_metrics_calls_total", service_name="chroma") == [1]

    # The first value of a new series is 0, so that its rate is correct.
    eventually(counted, lambda: get(collector.prometheus), seconds=60)
    assert samples(get(collector.prometheus), "traces_span_metrics_calls_total", service_name="sender") == []


@pytest.mark.parametrize(
    "text",
    [
        f"?limit=2&token={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f'{{"x-chroma-token": "{SECRET}"}}',
        f"bearer {SECRET}",
        f"http://user:{SECRET}@chroma:8000",
        f"Incorrect API key provided: sk-{SECRET}",
        f"api_key='{SECRET}'",
        f"PASSWORD={SECRET}",
    ],
)
def test_secrets_are_masked(collector, sink, text):
    event = {"timeUnixNano": "1700000000000000000", "name": text, "attributes": attributes({"exception.message": text})}
    by_name = {"authorization": SECRET, "http.request.header.x-chroma-token": [SECRET], "OPENAI_API_KEY": SECRET}
    harmless = {"input_tokens": 7, "collection": "secret-recipes", "note": "the tokenizer: fast"}
    send(
        collector,
        {
            "attributes": {**by_name, **harmless, "http.uri": text, "list": [text]},
            "status": {"code": 2, "message": text},
            "events": [event],
        },
    )
    [span] = sink.wait_for(lambda spans: spans)
    assert SECRET not in json.dumps(span)
    assert {name: span["attributes"][name] for name in harmless} == harmless


@pytest.mark.parametrize("version", ["1.0.20", NEWEST])
def test_prometheus_page_has_request_and_chroma_metrics(render, otelcol, sink, chroma, tools, version):
    rendered = render(chroma_version=version, backend="otlp")
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    server = chroma(version, environment, rendered)
    client(tools, version, server.port, "fill", "delete", "fill")  # two collections, in sequence

    def page():
        read = get(collector.prometheus)
        counted = samples(
            read, "traces_span_metrics_calls_total", http_request_method="POST", http_response_status_code="201"
        )
        return read if sum(counted) == 2 and samples(read, "collection_add_total") == [2] else None

    # The first value of a new series is 0, so that its rate is correct.
    read = eventually(page, lambda: get(collector.prometheus), seconds=60)
    assert "heartbeat" not in "".join(re.findall(r"^traces_.*$", read, re.MULTILINE))
    assert samples(read, "traces_span_metrics_duration_seconds_count", http_request_method="POST")
    assert set(re.findall(r'span_kind="(\w+)"', read)) == {"SPAN_KIND_SERVER"}
    assert samples(read, "target_info", service_version=version) == [1]
    assert not re.search(r'[{,](?:collection_id|tenant|collector_instance_id)="', read)
    for text in (read, get(collector.telemetry)):
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert lint.returncode in (0, 3), lint.stderr  # 3: valid, with warnings about Chroma's metric names
    assert samples(get(collector.telemetry), "otelcol_exporter_sent_spans")
    server.stop()
    assert "PeriodicReader" not in server.log and "ExportFailed" not in server.log, server.log


def test_queued_spans_survive_a_killed_collector(render, otelcol, tools, start, tmp_path):
    (port,) = free_ports(1)
    rendered, environment = render(backend="otlp"), {"CHROMA_OTEL_COLLECTION_ENDPOINT": f"http://127.0.0.1:{port}"}
    collector = otelcol(rendered, environment)
    names = {f"request {number}" for number in range(100)}
    for name in sorted(names):
        send(collector, {"name": name})
    assert collector.stop(signal.SIGKILL) == -signal.SIGKILL
    otelcol(rendered, environment)
    backend = start_sink(tools, start, tmp_path, "--grpc", f"127.0.0.1:{port}")
    backend.wait_for(lambda spans: {span["name"] for span in spans} == names, seconds=60)
