"""Collectors configured by the Kubernetes manifests, with a stub of the Kubernetes API."""

import http.server
import json
import threading

import pytest
from conftest import start_collector

POD = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {
        "name": "chroma-0",
        "namespace": "chroma",
        "uid": "0123",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "resourceVersion": "1",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "chroma", "uid": "4567", "controller": True}
        ],
    },
    "spec": {"nodeName": "node-a", "containers": [{"name": "chroma", "image": "chroma"}]},
    "status": {"podIP": "127.0.0.1", "phase": "Running", "startTime": "2026-01-01T00:00:00Z"},
}
END = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "1", "annotations": {"k8s.io/initial-events-end": "true"}},
}


def documents(rendered):
    """Every document of a deployment's files."""
    import yaml

    files = [file for file in sorted(rendered.glob("*.yaml")) if file.name != "chroma-otel.yaml"]
    return [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]


def document(rendered, kind, name):
    [found] = [one for one in documents(rendered) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


@pytest.fixture
def cluster(tmp_path):
    """A stub of the Kubernetes API that allows to list and watch pods at the paths in `.allowed`. `.asked` has the
    requested paths, `.config` is a kubeconfig."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            path, _, query = self.path.partition("?")
            server.asked.add(path)
            allowed = path in server.allowed
            self.send_response(200 if allowed else 403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if not allowed:
                self.chunk({"kind": "Status", "code": 403, "reason": "Forbidden"})
            elif "watch=" not in query:
                self.chunk(
                    {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [POD]}
                )
            else:
                if "sendInitialEvents=" in query:
                    self.chunk({"type": "ADDED", "object": POD}, {"type": "BOOKMARK", "object": END})
                closing.wait()
            self.wfile.write(b"0\r\n\r\n")

        def chunk(self, *answers):
            body = b"".join(json.dumps(answer).encode() for answer in answers)
            self.wfile.write(f"{len(body):x}\r\n".encode() + body + b"\r\n")
            self.wfile.flush()

        def log_message(self, *_):
            pass

    closing = threading.Event()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.asked, server.allowed = set(), set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.config = tmp_path / "kubeconfig"
    server.config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "users": [{"name": "test", "user": {}}],
            }
        )
    )
    yield server
    closing.set()
    server.shutdown()


@pytest.fixture
def run(tools, start, tmp_path, cluster):
    """run(rendered, workload, environment={}, more={}) -> Server: a Collector with the configuration and command
    of the workload, connected to the stub of the API."""

    def run(rendered, workload, environment=None, more=None, queue=None, through=()):
        kind = "StatefulSet" if workload.endswith("member") else "Deployment"
        [container] = document(rendered, kind, workload)["spec"]["template"]["spec"]["containers"]
        folder = tmp_path / f"{workload}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        configuration = folder / "config.yaml"
        configuration.write_text(document(rendered, "ConfigMap", f"{workload}-config")["data"]["config.yaml"])
        more = {**(more or {})}
        if "k8s_attributes" in configuration.read_text():
            more["processors"] = {"k8s_attributes": {"auth_type": "kubeConfig"}, **more.get("processors", {})}
        variables = {"KUBECONFIG": str(cluster.config), **(environment or {})}
        command = container.get("args", [])
        return start_collector(
            tools,
            start,
            folder,
            configuration,
            command,
            variables,
            queue or folder / "queue",
            more=more,
            through=through,
        )

    return run


@pytest.fixture
def gateway(run, render, sink, cluster):
    """gateway(more={}, **flags) -> (a running gateway, the rendered folder)."""

    def gateway(more=None, out="rendered", queue=None, endpoint=None, **flags):
        rendered = render(out=out, target="kubernetes", backend="otlp", endpoint="http://backend:4317", **flags)
        cluster.allowed.add("/api/v1/namespaces/chroma/pods")
        environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint or sink.grpc}
        return run(rendered, "chroma-otel-collector", environment, more, queue), rendered

    return gateway
