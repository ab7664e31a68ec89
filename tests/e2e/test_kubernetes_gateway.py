"""The collector in gateway mode: pod attributes, connections, and its queue."""

import re
import shutil
import signal
import time

import pytest
from conftest import NEWEST, eventually, free_ports, start_sink
from kubernetes_collector import cluster, document, documents, gateway, run  # noqa: F401 (fixtures)
from test_collector import COLLECTIONS, ask, send

pytestmark = [pytest.mark.collector, pytest.mark.kubernetes]


def test_gateway_adds_pod_attributes_and_requests_only_pods(gateway, sink, cluster):
    collector, rendered = gateway()
    role = document(rendered, "Role", "chroma-otel-collector")
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    eventually(lambda: cluster.asked, "the list of pods")

    def named():
        send(collector, {"name": "through", "resource": {"service.pod_name": "chroma-0"}})
        return [span for span in sink.spans() if "k8s.pod.name" in span["resource"]]

    named = eventually(named, lambda: collector.log)[0]["resource"]
    assert {name: named[name] for name in named if name.startswith("k8s.")} == {
        "k8s.pod.name": "chroma-0",
        "k8s.pod.uid": "0123",
        "k8s.namespace.name": "chroma",
        "k8s.node.name": "node-a",
        "k8s.statefulset.name": "chroma",
        "k8s.pod.start_time": "2026-01-01T00:00:00Z",
    }
    assert named["service.instance.id"] == "chroma-0"
    assert "host.name" not in named  # it would be the collector's host
    assert cluster.asked == {"/api/v1/namespaces/chroma/pods"}
    assert collector.stop() == 0
    assert re.findall(r"^.*\t(?:warn|error)\t.*$", collector.log, re.MULTILINE) == []


def test_gateway_watches_all_pods_when_other_namespaces_are_allowed(run, render, sink, cluster, tmp_path):
    (tmp_path / "spec.yaml").write_text(
        "target: kubernetes\ntracing: {backend: otlp, endpoint: http://backend:4317}\n"
        "kubernetes: {allow_namespaces: [web]}\n"
    )
    rendered = render(target="kubernetes", spec="spec.yaml")
    [role] = [one for one in documents(rendered) if one["kind"] == "ClusterRole"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    cluster.allowed.add("/api/v1/pods")
    run(rendered, "chroma-otel-collector", {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    eventually(lambda: cluster.asked == {"/api/v1/pods"}, lambda: cluster.asked)


# Chroma 1.x drops a batch if the collector's GOAWAY arrives as it starts the request: its HTTP/2 client
# cancels the request, and its SDK does not retry. It logs this line for each.
DROPPED = re.compile(r"BatchSpanProcessor\.\w+\.ExportError.*operation was canceled")


def runs(numbers):
    """The number of runs of consecutive numbers."""
    return sum(number - 1 not in numbers for number in numbers)


@pytest.mark.parametrize("version", ["0.6.3", NEWEST])
def test_closed_connection_loses_only_batches_that_chroma_drops(gateway, sink, chroma, tools, version):
    """The rendered maximum connection age of five minutes is shortened to 200 ms."""
    short = {"max_connection_age": "200ms"}
    more = {"receivers": {"otlp": {"protocols": {"grpc": {"keepalive": {"server_parameters": short}}}}}}
    collector, rendered = gateway(more, chroma_version=version)
    config = rendered / "config.yaml"
    if not version.startswith("0."):
        config.write_text(document(rendered, "ConfigMap", "chroma-config")["data"]["config.yaml"])
    environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    server = chroma(version, environment, rendered)
    asked = []
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        asked.append(str(len(asked)))
        assert ask(f"{server.url}{COLLECTIONS}?offset={asked[-1]}") == 200
        time.sleep(0.01)
    server.stop()
    collector.stop()
    arrived = {span["attributes"].get("url.query", "") for span in sink.spans()}
    lost = {int(number) for number in asked if f"offset={number}" not in arrived}
    dropped = len(DROPPED.findall(server.log))
    assert server.log.count("ExportError") == dropped, server.log
    assert len(asked) > 100 and runs(lost) <= dropped, (sorted(lost), server.log)
    if version.startswith("0."):  # the Python exporter retries
        assert not lost


def test_stop_exports_all_received_spans(gateway, sink):
    """Simulates the deletion of a pod: SIGTERM while spans are queued."""
    collector, _ = gateway()
    names = set()
    for burst in range(20):
        # The spans fit into one batch; larger requests can time out on a busy machine.
        sent = [f"{burst}-{number}" for number in range(100)]
        send(collector, *({"name": name} for name in sent))
        names.update(sent)
    assert collector.stop() == 0
    assert {span["name"] for span in sink.spans()} == names


def test_queued_spans_survive_the_container_but_not_the_pod(gateway, tools, start, tmp_path, cluster):
    (port,) = free_ports(1)
    queue = tmp_path / "queue"
    away = {"endpoint": f"http://127.0.0.1:{port}", "queue": queue}
    killed, _ = gateway(**away)
    send(killed, *({"name": f"a{number}"} for number in range(100)))
    assert killed.stop(signal.SIGKILL) == -signal.SIGKILL
    stopped, _ = gateway(out="again", **away)
    send(stopped, *({"name": f"b{number}"} for number in range(100)))
    assert stopped.stop() == 0
    kept = tmp_path / "kept"
    shutil.copytree(queue, kept)
    shutil.rmtree(queue)  # the queue is on the pod's emptyDir
    fresh, _ = gateway(out="fresh", **away)
    backend = start_sink(tools, start, tmp_path, "--grpc", f"127.0.0.1:{port}")
    send(fresh, {"name": "new"})
    backend.wait_for(lambda spans: spans, seconds=60)
    assert {span["name"] for span in backend.spans()} == {"new"}
    assert fresh.stop() == 0
    gateway(out="once-more", endpoint=away["endpoint"], queue=kept)
    wanted = {f"{letter}{number}" for letter in "ab" for number in range(100)} | {"new"}
    backend.wait_for(lambda spans: {span["name"] for span in spans} == wanted, seconds=60)
