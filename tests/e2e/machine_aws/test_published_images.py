"""A machine in AWS with the published images and Jaeger as its backend."""

import json
import os
import subprocess
import time

import pytest
from booted_machine import HOSTILE, client, get_inside, send_request
from conftest import NEWEST, PINNED, eventually, get
from stand_in_machine import ADDRESS

from machine_aws.machine_files import STOCK, rendered_files
from machine_aws.machine_steps import COLLECTOR_PORTS, replace_disk

pytestmark = pytest.mark.aws

# Sends an application span over gRPC; arguments: ENDPOINT SERVICE.
SEND_SPAN = """
import sys
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
endpoint, service = sys.argv[1:]
provider = TracerProvider(resource=Resource.create({"service.name": service}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint, insecure=True)))
provider.get_tracer("client").start_span("question").end()
"""


def span(service):
    """An application span in OTLP/JSON."""
    now = time.time_ns()
    one = {
        "traceId": os.urandom(16).hex(),
        "spanId": os.urandom(8).hex(),
        "name": "question",
        "kind": 3,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1),
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [one]}]}]})


@pytest.fixture(scope="class")
def stock(machine, cloud, tools, folder):
    """The machine with the files for the published images and a backend on the machine."""
    replace_disk(machine, cloud, machine.disk)
    for path, (mode, text) in rendered_files(
        tools, folder, cloud, STOCK, {"ChromaOtelNamesKeySecretArn": cloud.names}
    ).items():
        if path != "/etc/docker/daemon.json":
            # The highest limit that a container can have here.
            machine.write(path, text.replace("nofile=65536:65536", "nofile=20000:20000"), mode)
    known = machine.read("/etc/chroma-otel/secrets")
    assert f"collector CHROMA_OTEL_NAMES_KEY {cloud.names}" in known
    machine.write("/etc/chroma-otel/secrets", f"{known}collector UNUSED {cloud.extra}\n")
    machine.load(
        f"chromadb/chroma:{NEWEST}",
        f"otel/opentelemetry-collector-contrib:{PINNED['COLLECTOR_VERSION']}",
        f"jaegertracing/jaeger:{PINNED['JAEGER_VERSION']}",
    )
    machine.boot()
    return machine


class TestPublishedImages:
    def test_traces_reach_the_backend_and_data_is_kept(self, stock, tools):
        client(tools, stock, "query")
        query = send_request()
        found = "http://127.0.0.1:16686/api/traces?service=chromadb&limit=1000&lookback=1h"
        eventually(lambda: query in get_inside(stock, found), f"{query} in Jaeger", 30)

    def test_stop_exports_the_last_spans(self, stock):
        query = send_request()
        stock.run("systemctl", "stop", "chroma.service")
        found = "http://127.0.0.1:16686/api/traces?service=chromadb&limit=1000&lookback=1h"
        eventually(lambda: query in get_inside(stock, found), f"{query} in Jaeger", 30)
        stock.boot()

    @pytest.mark.parametrize("address", [ADDRESS, "127.0.0.1"], ids=["network", "forwarded"])
    def test_client_spans_reach_the_backend(self, stock, tools, address):
        """Sent from the network, and to a forwarded port on the machine, where the backend uses the same port
        number."""
        names = [f"client-{time.monotonic_ns()}-{way}" for way in ("grpc", "http")]
        send = [str(tools.chroma(NEWEST) / "python"), "-c", SEND_SPAN, f"http://{address}:4317", names[0]]
        post = [
            "curl",
            "--fail",
            "--silent",
            "--show-error",
            "--json",
            span(names[1]),
            f"http://{address}:4318/v1/traces",
        ]
        for command in (send, post):
            command = command if address == ADDRESS else stock.near(*command)
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        known = "http://127.0.0.1:16686/api/services"
        eventually(
            lambda: {*names} <= set(json.loads(get_inside(stock, known) or "{}").get("data") or []), str(names), 30
        )

    def test_prometheus_scrapes_both_pages_from_the_network(self, stock):
        for port, name in ((8888, "otelcol_exporter_sent_spans"), (8889, "traces_span_metrics_calls_total")):
            eventually(
                lambda: name in get(f"http://{ADDRESS}:{port}/metrics"),
                lambda: get(f"http://{ADDRESS}:{port}/metrics"),
                30,
            )

    def test_chroma_reaches_only_the_otlp_ports_of_the_collector(self, stock):
        def reached(address):
            probe = "for port in %s; do (exec 3<>/dev/tcp/%s/$port) 2>/dev/null && echo $port; done; true"
            ports = " ".join(map(str, (*COLLECTOR_PORTS, 13133)))
            return stock.run("docker", "exec", "chroma", "bash", "-c", probe % (ports, address)).stdout.split()

        assert reached("otel-collector") == ["4317", "4318"]
        assert reached(ADDRESS) == []

    def test_collector_does_not_expand_dollar_signs_in_secrets(self, stock):
        doubled = ("s3cret" + HOSTILE).replace("$", "$$")
        assert stock.read("/run/chroma-otel/collector.env") == f"CHROMA_OTEL_NAMES_KEY=s3cret-word\nUNUSED={doubled}\n"

    def test_boot_rejects_an_older_chroma_than_the_data(self, stock, tools):
        file = stock.path("/var/lib/chroma-otel/data/chroma-version")
        assert file.read_text() == f"{NEWEST}\n"
        file.write_text("99.0.0\n")
        done = stock.boot(check=False)
        assert done.returncode == 1 and "version failed: " in done.stderr, done.stderr
        assert "Chroma 99.0.0 has opened this data" in done.stderr
        file.unlink()
        stock.boot()
        assert file.read_text() == f"{NEWEST}\n"
        client(tools, stock, "query")

    def test_boot_rejects_a_names_key_with_quotes_and_names_it(self, stock, cloud):
        cloud.store("names", 's3cret") or ("')
        done = stock.boot("secrets", check=False)
        cloud.store("names", "s3cret-word")
        assert done.returncode == 65 and "`CHROMA_OTEL_NAMES_KEY`" in done.stderr, done.stderr
        assert "s3cret" not in done.stdout + done.stderr
