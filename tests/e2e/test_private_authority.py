"""Backends whose certificate a private authority has signed, reached through a proxy.

Invariant: the collector trusts the authorities in `tracing.ca_file` for every protocol, and no others.
"""

import contextlib
import json
import socket
import threading

import pytest
from conftest import eventually, free_ports, start_sink
from test_collector import send

pytestmark = pytest.mark.collector

HOST = "traces.example.com"
# Backend, image, and the port and path of the sink.
PROTOCOLS = {
    "grpc": ("tempo", "wrapped", "grpc", ""),
    "grpc-stock": ("signoz", "stock", "grpc", ""),
    "http": ("langfuse", "wrapped", "http", "/v1/traces"),
    "http-stock": ("otlp", "stock", "http", "/v1/traces"),
    "zipkin": ("zipkin", "wrapped", "any", "/api/v2/spans"),
}
KEYS = {"LANGFUSE_PUBLIC_KEY": "public", "LANGFUSE_SECRET_KEY": "secret"}


def forward(source, destination):
    """Copies bytes until the end, or until the collector is stopped."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            destination.sendall(data)
        destination.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy():
    """An HTTP proxy that connects every name to this machine: its URL, and the requests."""
    requests = []

    def serve(client):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        requests.append(head.split(b"\r\n")[0].decode())
        port = int(requests[-1].split()[1].rpartition(":")[2])
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=forward, args=(server, client), daemon=True)
            back.start()
            forward(client, server)
            back.join(5)

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    listener.close()


@pytest.fixture
def secure(tools, start, tmp_path):
    """A sink with TLS; its authority is in `tls/ca.pem`."""
    (port,) = free_ports(1)
    addresses = (f"--any=127.0.0.1:{port}", "--grpc=127.0.0.1:0", "--tls-name", HOST)
    sink = start_sink(tools, start, tmp_path, "--tls-dir", tmp_path / "tls", *addresses)
    sink.addresses["any"] = f"127.0.0.1:{port}"
    return sink


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_collector_trusts_a_private_authority(render, otelcol, secure, proxy, tmp_path, protocol):
    backend, image, port, path = PROTOCOLS[protocol]
    place = f"{HOST}:{secure.addresses[port].rpartition(':')[2]}"
    tracing = {"backend": backend, "endpoint": f"https://{place}{path}", "ca_file": "tls/ca.pem"}
    (tmp_path / "spec.json").write_text(
        json.dumps({"target": "docker", "chroma": {"image": image}, "tracing": tracing})
    )
    url, requests = proxy
    environment = {"HTTPS_PROXY": url, "CHROMA_OTEL_COLLECTION_ENDPOINT": tracing["endpoint"], **KEYS}
    collector = otelcol(render(spec="spec.json"), environment)
    send(collector, {"name": "trusted"})
    secure.wait_for(lambda spans: [span for span in spans if span["name"] == "trusted" and span["target"]["tls"]])
    assert set(requests) == {f"CONNECT {place} HTTP/1.1"}


def test_collector_rejects_other_authorities(render, otelcol, secure, proxy):
    endpoint = f"https://{HOST}:{secure.addresses['grpc'].rpartition(':')[2]}"
    environment = {"HTTPS_PROXY": proxy[0], "CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint}
    collector = otelcol(render(backend="tempo", endpoint=endpoint), environment)
    send(collector, {"name": "unsent"})
    eventually(lambda: "certificate signed by unknown authority" in collector.log, lambda: collector.log)
    assert not secure.spans()
