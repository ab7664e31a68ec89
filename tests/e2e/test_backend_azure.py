"""The backend `azure-monitor`: a real Collector, started as Compose starts it, against a stand-in for the
ingestion endpoint of Application Insights.

Not tested: a real Application Insights resource. The exporter is an earlier release (otelcol.yaml).
"""

import gzip
import json
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from conftest import eventually, get
from test_collector import COMPLAINT, request_of_1x, send

pytestmark = pytest.mark.azure

KEY = "00000000-0000-4000-8000-00000000000a"
VARIABLE = "APPLICATIONINSIGHTS_CONNECTION_STRING"


class Ingestion:
    """Accepts envelopes like the service (`/v2.1/track`: gzip, one JSON object per line, each with the key),
    unless it is `away`."""

    def __init__(self):
        self.requests, self.refused, self.away = [], [], False
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 503 if service.away else service.take(self.path, self.headers, body)
                text = json.dumps({"itemsReceived": 0, "itemsAccepted": 0, "errors": []}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_port}/"
        # The format that Azure displays, with all parts.
        self.connection_string = (
            f"InstrumentationKey={KEY};IngestionEndpoint={url};LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;"
            "ApplicationId=00000000-0000-4000-8000-00000000000b"
        )
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        form = (path, headers["Content-Encoding"], headers["Content-Type"])
        lines = gzip.decompress(body).decode().splitlines() if form[1] == "gzip" else []
        envelopes = [json.loads(line) for line in lines]
        keys = {envelope["iKey"] for envelope in envelopes}
        if form != ("/v2.1/track", "gzip", "application/x-json-stream") or keys != {KEY}:
            self.refused.append((form, keys))
            return 400
        self.requests.append(envelopes)
        return 200

    @property
    def envelopes(self):
        return [envelope for request in self.requests for envelope in request]

    def names(self):
        """How often each span has arrived."""
        return Counter(envelope["data"]["baseData"]["name"] for envelope in self.envelopes)

    def wait_for(self, names, seconds=30):
        eventually(
            lambda: names <= self.names().keys(), lambda: f"{names}; there are: {self.names()}, {self.refused}", seconds
        )


@pytest.fixture
def ingestion():
    ingestion = Ingestion()
    yield ingestion
    ingestion.server.shutdown()


@pytest.fixture
def collector(render, otelcol, ingestion):
    """collector(image="wrapped") -> Server: the rendered collector with the connection string."""

    def run(image="wrapped"):
        rendered = render(backend="azure-monitor", image=image)
        return otelcol(rendered, {VARIABLE: ingestion.connection_string})

    return run


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_env_file_delivers_the_connection_string_unchanged(render, tools, ingestion, image):
    rendered = render(backend="azure-monitor", image=image)
    (rendered / ".env").write_text(f"{VARIABLE}={ingestion.connection_string}\n")
    compose = tools.part("plugins/cli-plugins/docker-compose")
    done = subprocess.run([compose, "config", "--format", "json"], cwd=rendered, env={}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert services["otel-collector"]["environment"][VARIABLE] == ingestion.connection_string
    assert VARIABLE not in services["chroma"]["environment"]


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_server_spans_become_requests_and_child_spans_dependencies(collector, ingestion, checked, image):
    checked("azure-monitor", image, "headers")  # the stand-in checks the key in each envelope
    running = collector(image)
    request = {**request_of_1x(503, "/api/v2/x"), "status": {"code": 2, "message": "away"}}
    send(running, request, {"name": "below", "parentSpanId": f"{1:016x}"}, service="search")
    ingestion.wait_for({"below", "GET /api/v2/x"})
    by_name = {envelope["data"]["baseData"]["name"]: envelope for envelope in ingestion.envelopes}
    request, below = by_name["GET /api/v2/x"], by_name["below"]
    assert (request["data"]["baseType"], below["data"]["baseType"]) == ("RequestData", "RemoteDependencyData")
    assert request["tags"]["ai.operation.name"] == "GET /api/v2/x"
    assert {envelope["tags"]["ai.operation.id"] for envelope in (request, below)} == {"ab" * 16}
    assert below["tags"]["ai.operation.parentId"] == request["data"]["baseData"]["id"] == f"{1:016x}"
    assert (request["data"]["baseData"]["responseCode"], request["data"]["baseData"]["success"]) == ("503", False)
    assert request["tags"]["ai.cloud.role"].endswith("search")
    assert ingestion.refused == []
    assert running.stop() == 0
    assert COMPLAINT.findall(running.log) == []
    assert KEY not in running.log


def test_requests_to_azure_stay_below_the_batch_limit(collector, ingestion):
    names = {f"span {number}" for number in range(2500)}
    send(collector(), *({"name": name} for name in names))
    ingestion.wait_for(names)
    sizes = [len(request) for request in ingestion.requests]
    assert max(sizes) <= 1024, sizes


def test_short_outage_of_azure_loses_no_spans(collector, ingestion):
    running = collector()
    ingestion.away = True
    send(running, {"name": "while away"})
    page = lambda: get(running.telemetry) or ""
    eventually(lambda: "otelcol_exporter_sent_spans" in page(), "the exporter to have it")
    ingestion.away = False
    send(running, {"name": "afterwards"})
    ingestion.wait_for({"while away", "afterwards"}, seconds=45)
