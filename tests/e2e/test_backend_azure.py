"""The backend `azure-monitor`: a real Collector against a stand-in for the ingestion endpoint of Application Insights;
with the connection string as key, as Compose starts it, and by identity, as on a machine in Azure and in AKS.

Not tested: a real Application Insights resource. The exporter is an earlier release, and the authenticator is
Microsoft's module without contrib's extension around it (otelcol.yaml).
"""

import gzip
import json
import re
import shlex
import subprocess
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from backends import own_address
from conftest import NEWEST, eventually, get, start_collector
from entra import CLIENT, TENANT, TOKEN, Entra, certificate_of, with_hosts
from kubernetes_collector import cluster, document, run  # noqa: F401 (fixtures)
from terraform.clouds import AZURE, delivered
from test_collector import COMPLAINT, request_of_1x, send

pytestmark = pytest.mark.azure

KEY = "00000000-0000-4000-8000-00000000000a"
VARIABLE = "APPLICATIONINSIGHTS_CONNECTION_STRING"


class Ingestion:
    """Accepts envelopes like the service (`/v2.1/track`: gzip, one JSON object per line, each with the key),
    unless it is `away`."""

    def __init__(self):
        self.requests, self.refused, self.away, self.authorizations = [], [], False, set()
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
        self.authorizations.add(headers["Authorization"])
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
        data = [envelope["data"]["baseData"] for envelope in self.envelopes]
        return Counter(one.get("name") or one["message"] for one in data)

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
    assert ingestion.authorizations == {None}


def test_events_of_spans_arrive(collector, ingestion):
    events = [{"name": "cache miss", "timeUnixNano": "1700000000000000000"}]
    send(collector(), {"name": "query", "events": events})
    ingestion.wait_for({"query", "cache miss"})


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


def check_export(running, ingestion, entra):
    send(running, {"name": "by identity"})
    eventually(
        lambda: "by identity" in ingestion.names(),
        lambda: f"{ingestion.names()} {ingestion.refused} {entra.refused} {running.log}",
        30,
    )
    assert ingestion.authorizations == {f"Bearer {TOKEN}"}
    assert running.stop() == 0
    assert COMPLAINT.findall(running.log) == []
    assert TOKEN not in running.log and KEY not in running.log


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_machine_authenticates_by_its_managed_identity(render, tools, start, tmp_path, ingestion, checked, image):
    checked("azure-monitor", image, "headers")
    files = delivered(AZURE, render(target="azure", image=image))
    configuration = tmp_path / "otel-collector.yaml"
    configuration.write_text(files["/etc/chroma-otel/otel-collector.yaml"][1])
    unit = files["/etc/systemd/system/otel-collector.service"][1].replace("\\\n", " ")
    command = shlex.split(re.search(r"\$\{COLLECTOR_IMAGE\}(.*)$", unit, re.M)[1])
    entra = Entra(("127.0.0.1", 0))
    environment = {
        VARIABLE: ingestion.connection_string,
        "AZURE_CLIENT_ID": CLIENT,
        "CHROMA_VERSION": NEWEST,
        "HTTP_PROXY": entra.url,  # receives the requests to 169.254.169.254; loopback addresses are exempt
    }
    queue = tmp_path / "queue"
    check_export(start_collector(tools, start, tmp_path, configuration, command, environment, queue), ingestion, entra)


def test_pod_in_aks_authenticates_by_its_workload_identity(render, run, cluster, tmp_path, ingestion):
    (tmp_path / "spec.yaml").write_text(
        json.dumps({"target": "azure", "platform": "kubernetes", "kubernetes": {"identity": CLIENT}})
    )
    rendered = render(spec="spec.yaml", target="azure", setting=f"connection_string={ingestion.connection_string}")
    pod = document(rendered, "Deployment", "chroma-otel-collector")["spec"]["template"]
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    account = document(rendered, "ServiceAccount", pod["spec"]["serviceAccountName"])["metadata"]["annotations"]
    [container] = pod["spec"]["containers"]
    [source] = container["envFrom"]
    environment = document(rendered, "ConfigMap", source["configMapRef"]["name"])["data"]

    name, token = "login.microsoftonline.com", tmp_path / "token"
    address, certificate = own_address(), certificate_of(tmp_path, name)
    token.write_text("token of the account")
    # As Workload Identity's webhook sets them.
    environment |= {
        "AZURE_CLIENT_ID": account["azure.workload.identity/client-id"],
        "AZURE_TENANT_ID": TENANT,
        "AZURE_FEDERATED_TOKEN_FILE": str(token),
        "AZURE_AUTHORITY_HOST": f"https://{name}/",
        "SSL_CERT_FILE": str(tmp_path / "ca"),
    }
    entra = Entra((address, 443), certificate)
    cluster.allowed.add("/api/v1/namespaces/chroma/pods")
    through = with_hosts(tmp_path, {name: address})
    check_export(run(rendered, "chroma-otel-collector", environment, through=through), ingestion, entra)
