"""The backend `google-cloud-trace`: a real Collector with the configuration of a machine in GCP, against stand-ins
for the metadata server and Google's OTLP endpoint.

Not tested: a real Google Cloud project. Requests are signed by Google's module, in an earlier release than the one in
the contrib distribution (googleclientauth/).
"""

import gzip
import json
import re
import shlex
import subprocess
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from backends import OF_PROTOCOL, WIRE
from conftest import NEWEST, eventually, start_collector, start_sink
from terraform.module import module_in
from test_collector import COMPLAINT, send

pytestmark = pytest.mark.gcp

PROJECT, ZONE, TOKEN = "team-search-1", "europe-west1-b", "ya29.stand-in"
METADATA = {
    "project/project-id": PROJECT,
    "project/numeric-project-id": "123456789012",
    "instance/id": "4520031799277581759",
    "instance/name": "chroma",
    "instance/hostname": f"chroma.{ZONE}.c.{PROJECT}.internal",
    "instance/zone": f"projects/123456789012/zones/{ZONE}",
    "instance/machine-type": "projects/123456789012/machineTypes/e2-medium",
    "instance/service-accounts/default/email": f"chroma@{PROJECT}.iam.gserviceaccount.com",
}


class Google:
    """Serves the metadata server, which requires its header, and records every POST to the OTLP endpoint: path,
    headers, body."""

    def __init__(self):
        self.taken, self.scopes = [], set()
        google = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.headers["Metadata-Flavor"] == "Google" and "X-Forwarded-For" not in self.headers
                page = google.page(self.path) if known else None
                self.answer(403 if not known else 200 if page else 404, page or "")

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                google.taken.append((self.path, self.headers, body))
                self.answer(200, "{}")

            def answer(self, status, text):
                self.send_response(status)
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, path):
        path, _, query = path.removeprefix("/computeMetadata/v1/").partition("?")
        if path == "instance/service-accounts/default/token":
            self.scopes |= set(urllib.parse.unquote(query).removeprefix("scopes=").split(","))
            return json.dumps({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})
        return METADATA.get(path)


@pytest.fixture
def google():
    google = Google()
    yield google
    google.server.shutdown()


class Machine:
    """The collector's files on a machine in GCP, extracted from the startup script."""

    def __init__(self, rendered, folder):
        module = module_in(rendered)
        script = (module / "startup-script.sh.tftpl").read_text().replace("$${", "${").replace("%%{", "%{")
        [text] = re.findall(
            r"^(# Written by [^\n]*\n#\n# The OpenTelemetry Collector .*?)^END_OF_FILE$", script, re.M | re.S
        )
        self.configuration = folder / "otel-collector.yaml"
        self.configuration.write_text(text)
        [words] = re.findall(r"^ *\$\{COLLECTOR_IMAGE\}(.*)$", script, re.M)
        self.command = shlex.split(words)
        files = "".join(file.read_text() for file in module.glob("*.tf"))
        # On a real machine, the module sets these values.
        assert '"GOOGLE_CLOUD_PROJECT=${var.project_id}"' in files


@pytest.fixture
def collector(render, tools, start, tmp_path, google):
    """collector(endpoint, trust=None, image="wrapped") -> Server: the machine's Collector, running."""

    def run(endpoint, trust=None, image="wrapped"):
        machine = Machine(render(target="gcp", image=image), tmp_path)
        environment = {
            "GCE_METADATA_HOST": google.address,
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "CHROMA_VERSION": NEWEST,
            "CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint,
        }
        environment |= {"SSL_CERT_FILE": str(trust)} if trust else {}
        return start_collector(
            tools, start, tmp_path, machine.configuration, machine.command, environment, tmp_path / "queue"
        )

    return run


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_collector_accepts_the_configuration(render, tools, tmp_path, google, checked, image):
    checked("google-cloud-trace", "validate")
    configuration = Machine(render(target="gcp", image=image), tmp_path).configuration
    environment = {
        "GCE_METADATA_HOST": google.address,
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "CHROMA_VERSION": NEWEST,
        "CHROMA_OTEL_COLLECTION_ENDPOINT": "https://telemetry.googleapis.com/v1/traces",
        "CHROMA_OTEL_TRACES_URL": "https://telemetry.googleapis.com/v1/traces",
        "CHROMA_OTEL_COLLECTION_HEADERS": "{}",
    }
    command = [tools.otelcol, "validate", "--config", configuration]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("image", ["wrapped", "stock"])
def test_google_receives_otlp_over_https_with_the_machine_token(
    collector, tools, start, tmp_path, google, checked, image
):
    checked("google-cloud-trace", image, "headers", "second source")
    sink = start_sink(tools, start, tmp_path, "--tls-dir", tmp_path / "tls")
    address = f"{sink.http.replace('http:', 'https:')}/v1/traces"
    running = collector(address, trust=tmp_path / "tls/ca.pem", image=image)
    send(running, {"name": "through"})
    [span] = sink.wait_for(lambda spans: spans)
    headers = span["headers"]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert (headers["x-goog-project-id"], headers["x-goog-user-project"]) == (PROJECT, PROJECT)
    wire = WIRE["google-cloud-trace"]
    assert set(headers) - OF_PROTOCOL == {*wire["headers"], "x-goog-project-id"}
    assert span["target"]["path"] == wire["path"] and wire["resource"].keys() <= span["resource"].keys()
    assert (headers["content-encoding"], headers["content-type"]) == ("gzip", "application/x-protobuf")
    assert "https://www.googleapis.com/auth/cloud-platform" in google.scopes
    resource = span["resource"]
    assert (resource["gcp.project_id"], resource["cloud.platform"]) == (PROJECT, "gcp_compute_engine")
    assert (resource["host.id"], resource["cloud.availability_zone"]) == (METADATA["instance/id"], ZONE)
    assert running.stop() == 0
    assert COMPLAINT.findall(running.log) == []
    assert TOKEN not in running.log


def sent(google):
    """The spans in each request, and the requests' sizes."""
    bodies = [gzip.decompress(body) for _, _, body in google.taken]
    return [len(re.findall(rb"span \d+", body)) for body in bodies], [len(body) for body in bodies]


def test_requests_to_google_stay_below_the_attribute_limit(collector, google):
    running = collector(f"http://{google.address}/v1/traces")
    # As many attributes as a resource may have in a request, in the spans of one.
    attributes = {f"key {number}": number for number in range(100)}
    send(running, *({"name": f"span {number}", "attributes": attributes} for number in range(200)))
    eventually(lambda: sum(sent(google)[0]) == 200, lambda: f"all spans; there are: {sent(google)}")
    assert max(sent(google)[0]) * len(attributes) <= 8192, sent(google)


def test_requests_to_google_stay_below_the_size_limit(collector, google):
    running = collector(f"http://{google.address}/v1/traces")
    prompts = {f"prompt {number}": "x" * 100_000 for number in range(4)}
    for batch in range(8):
        send(running, *({"name": f"span {batch}{number:02}", "attributes": prompts} for number in range(25)))
    eventually(lambda: sum(sent(google)[0]) == 200, lambda: f"all spans; there are: {sent(google)}")
    assert 1024**2 < max(sent(google)[1]) < 16 * 1024**2, sent(google)
