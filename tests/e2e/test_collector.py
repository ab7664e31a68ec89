"""The rendered Collector configuration on a real Collector: what becomes of what Chroma sends."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import ROOT, VERSIONS, client, eventually, free_ports, get, start_sink

# Those that need a cloud's identity: test_backends.py, test_backend_google.py.
FILES = sorted((ROOT / "templates/backends").iterdir())
BACKENDS = [file.stem for file in FILES if "\nidentity:" not in file.read_text()]
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"
PROBES = [
    f"/api/{api}{path}"
    for api in ("v1", "v2")
    for path in ("", "/heartbeat", "/healthcheck", "/version", "/pre-flight-checks")
]
# What a configuration may ask for, of the entrypoint and of the operator.
ENVIRONMENT = {
    "CHROMA_OTEL_EXPORTER": "otlp_grpc", "CHROMA_OTEL_GRPC_ENDPOINT": "backend:4317", "CHROMA_OTEL_GRPC_INSECURE": "true",
    "CHROMA_OTEL_TRACES_URL": "http://backend:4318/v1/traces", "CHROMA_OTEL_COLLECTION_HEADERS": "{}",
    "HONEYCOMB_API_KEY": "key", "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=key",
}
SECRET = "hunter2hunter2hunter2"
COMPLAINT = re.compile(r"^.*\t(?:warn|error)\t.*$", re.MULTILINE)


def ask(url, body=None):
    """The status of an answer, whatever it is; with a body it is a POST of JSON."""
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
    """Sends spans over OTLP/HTTP: dicts of `name`, `attributes`, `events` and so on, all optional."""
    now = "1700000000000000000"
    defaults = {"kind": 1, "startTimeUnixNano": now, "endTimeUnixNano": now, "traceId": "ab" * 16}
    sent = [
        {**defaults, "spanId": f"{number:016x}", "name": "span", **span, "attributes": attributes(span.get("attributes", {}))}
        for number, span in enumerate(spans, 1)
    ]
    resource = {"attributes": attributes({"service.name": service})}
    body = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": sent}]}]}
    assert ask(f"{collector.http}/v1/traces", json.dumps(body)) == 200


def request_of_1x(status, path="/api/v2/x"):
    """A request span as Chroma 1.x sends it."""
    return {"name": f"GET {path}", "attributes": {
        "http.method": "GET", "http.uri": path, "http.host": "chroma:8000", "http.route": path, "http.status_code": str(status),
    }}


def orphans(spans):
    known = {span["span_id"] for span in spans}
    return [span["name"] for span in spans if span["parent_span_id"] and span["parent_span_id"] not in known]


def samples(page, name, **labels):
    """The values of a metric's series that have these labels."""
    found = re.findall(rf"^{name}\{{(.*)\}} (\S+)$", page or "", re.MULTILINE)
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return [float(value) for series, value in found if all(label in series.split(",") for label in wanted)]


@pytest.fixture
def collector(render, otelcol, sink):
    return otelcol(render(backend="otlp"), {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})


@pytest.mark.parametrize("image", ["wrapped", "stock"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_configuration_is_valid(render, tools, backend, image):
    endpoint = {"endpoint": "https://collector.example.com:443"} if backend == "otlp" else {}
    configuration = render(backend=backend, image=image, **endpoint) / "otel-collector.yaml"
    done = subprocess.run([tools.otelcol, "validate", "--config", configuration], env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_it_starts_and_exports_without_a_complaint(render, otelcol, sink, protocol):
    endpoint = {"grpc": sink.grpc, "http": f"{sink.http}/v1/traces"}[protocol]
    environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint, "OTEL_RESOURCE_ATTRIBUTES": "team=search"}
    running = otelcol(render(backend="otlp"), environment)
    send(running, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    assert (span["name"], span["resource"]["team"]) == ("through", "search")
    assert running.stop() == 0
    assert COMPLAINT.findall(running.log) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_what_chroma_sends_arrives_repaired(render, otelcol, sink, chroma, tools, version):
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
        assert (named["url.scheme"], named["server.address"], named["server.port"]) == ("http", "127.0.0.1", server.port)
        assert named["url.path"] not in PROBES
        assert span["status"] == "UNSET", span
    assert refused <= {span["attributes"]["http.response.status_code"] for span in requests}
    assert "limit=7" in [span["attributes"]["url.query"].split("&")[0] for span in requests if "url.query" in span["attributes"]]
    for span in spans:
        assert span["resource"]["service.version"] == version
        assert {"host.name", "service.namespace", "deployment.environment.name"} <= span["resource"].keys()
    # 1.x leaves a few of its own: a `read` whose parent it does not send.
    assert set(orphans(spans)) <= ({"read"} if not version.startswith("0.") else set())


def test_only_a_5xx_is_an_error(collector, sink):
    error = {"code": 2, "message": "failed"}
    send(collector, *({**request_of_1x(status), "status": error} for status in (404, 499, 500, 503)))
    spans = sink.wait_for(lambda spans: len(spans) == 4 and spans)
    seen = {span["attributes"]["http.response.status_code"]: (span["status"], span["attributes"].get("error.type")) for span in spans}
    assert seen == {404: ("UNSET", None), 499: ("UNSET", None), 500: ("ERROR", "500"), 503: ("ERROR", "503")}


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_of_the_server_stays_one(render, otelcol, sink, chroma, version, tmp_path):
    rendered = render(chroma_version=version, backend="otlp")
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    server = chroma(version, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered, data=tmp_path / "data")
    for file in (tmp_path / "data").glob("chroma.sqlite3*"):
        file.write_bytes(b"not a database" * 4096)
    assert ask(server.url + COLLECTIONS) == 500
    [failed] = sink.wait_for(lambda spans: [span for span in spans if span["attributes"].get("url.path") == COLLECTIONS])
    assert (failed["status"], failed["attributes"]["error.type"]) == ("ERROR", "500")


def test_spans_of_other_programs_stay_as_they_are(collector, sink):
    calling = {"http.method": "GET", "http.url": "http://elsewhere/api/v2/heartbeat", "http.status_code": 404}
    send(collector, {"name": "GET", "kind": 3, "attributes": calling, "status": {"code": 2}}, {"name": "work"})
    call, work = sink.wait_for(lambda spans: len(spans) == 2 and sorted(spans, key=lambda span: span["name"]))
    assert (call["kind"], call["status"], call["attributes"]) == ("CLIENT", "ERROR", calling)
    assert (work["kind"], work["attributes"]) == ("INTERNAL", {})


@pytest.mark.parametrize("text", [
    f"?limit=2&token={SECRET}", f"Authorization: Bearer {SECRET}", f'{{"x-chroma-token": "{SECRET}"}}', f"bearer {SECRET}",
    f"http://user:{SECRET}@chroma:8000", f"Incorrect API key provided: sk-{SECRET}", f"api_key='{SECRET}'", f"PASSWORD={SECRET}",
])
def test_no_secret_gets_through(collector, sink, text):
    event = {"timeUnixNano": "1700000000000000000", "name": text, "attributes": attributes({"exception.message": text})}
    by_name = {"authorization": SECRET, "http.request.header.x-chroma-token": [SECRET], "OPENAI_API_KEY": SECRET}
    harmless = {"input_tokens": 7, "collection": "secret-recipes", "note": "the tokenizer: fast"}
    send(collector, {
        "attributes": {**by_name, **harmless, "http.uri": text, "list": [text]},
        "status": {"code": 2, "message": text}, "events": [event],
    })
    [span] = sink.wait_for(lambda spans: spans)
    assert SECRET not in json.dumps(span)
    assert {name: span["attributes"][name] for name in harmless} == harmless


@pytest.mark.parametrize("version", ["1.0.20", "1.5.9"])
def test_prometheus_reads_requests_and_chromas_own_metrics(render, otelcol, sink, chroma, tools, version):
    rendered = render(chroma_version=version, backend="otlp")
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, "OTEL_METRIC_EXPORT_INTERVAL": "1000"}
    server = chroma(version, environment, rendered)
    client(tools, version, server.port, "fill", "delete", "fill")  # two collections, one after the other

    def page():
        read = get(collector.prometheus)
        counted = samples(read, "traces_span_metrics_calls_total", http_request_method="POST", http_response_status_code="201")
        return read if sum(counted) == 2 and samples(read, "collection_add_total") == [2] else None

    # The first flush of a new series is 0, so that its rate is right; the flushes are 15 s apart.
    read = eventually(page, lambda: get(collector.prometheus), seconds=60)
    assert "heartbeat" not in "".join(re.findall(r"^traces_.*$", read, re.MULTILINE))
    assert samples(read, "traces_span_metrics_duration_seconds_count", http_request_method="POST")
    assert set(re.findall(r'span_kind="(\w+)"', read)) == {"SPAN_KIND_SERVER"}
    assert samples(read, "target_info", service_version=version) == [1]
    assert not re.search(r'[{,](?:collection_id|tenant|collector_instance_id)="', read)
    for text in (read, get(collector.telemetry)):
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        assert lint.returncode in (0, 3), lint.stderr  # 3: parsed, but Chroma's names are not to its taste
    assert samples(get(collector.telemetry), "otelcol_exporter_sent_spans")
    server.stop()
    assert "PeriodicReader" not in server.log and "ExportFailed" not in server.log, server.log


def test_spans_outlive_a_killed_collector_while_the_backend_is_away(render, otelcol, tools, start, tmp_path):
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
