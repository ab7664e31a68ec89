"""The collector as it runs in a cluster: the rendered configurations on real Collectors, with an API that
says no to all that the rendered Role does not allow."""

import http.server
import json
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest
from backends import PRESETS, Case
from conftest import HERE, client, eventually, free_ports, get, start_collector, start_sink
from test_collector import COLLECTIONS, ENVIRONMENT, ask, request_of_1x, samples, send

pytestmark = [pytest.mark.collector, pytest.mark.kubernetes]

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
MEMBERS = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
MEMBER = "chroma-otel-member"
NAME = f"{MEMBER}.chroma.svc"  # as routers look it up


def documents(rendered):
    """Every document of a deployment's files."""
    import yaml

    return [one for file in sorted(rendered.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text()) if one]


def document(rendered, kind, name):
    [found] = [one for one in documents(rendered) if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


@pytest.fixture
def cluster(tmp_path):
    """A Kubernetes API that lets pods of the allowed path be listed and watched; `.asked` is what it was
    asked for, `.config` a file for clients."""

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
    """run(rendered, workload, environment={}, more={}) -> Server: a Collector with the configuration and
    the command of the workload, and with its pod's name of the API."""

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
    """gateway(more={}, **flags) -> (a running gateway, what was rendered)."""

    def gateway(more=None, out="rendered", queue=None, endpoint=None, **flags):
        rendered = render(out=out, target="kubernetes", backend="otlp", endpoint="http://backend:4317", **flags)
        cluster.allowed.add("/api/v1/namespaces/chroma/pods")
        environment = {"CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint or sink.grpc}
        return run(rendered, "chroma-otel-collector", environment, more, queue), rendered

    return gateway


def check_configurations(tools, rendered, folder, keys):
    """The real Collector takes each one that is rendered; gives how many there are."""
    import yaml

    trees = documents(rendered)
    maps = [
        one for one in trees if one["kind"] == "ConfigMap" and re.search("-otel-.*-config$", one["metadata"]["name"])
    ]
    found = [one["data"]["config.yaml"] for one in maps]
    found += [yaml.safe_dump(one["spec"]["config"]) for one in trees if one["kind"] == "OpenTelemetryCollector"]
    for number, configuration in enumerate(found):
        file = folder / f"{number}.yaml"
        file.write_text(configuration)
        command = [tools.otelcol, "validate", "--config", file]
        done = subprocess.run(
            command,
            env={**ENVIRONMENT, "CHROMA_OTEL_METRICS_URL": "http://backend:4318/v1/metrics", **keys},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return len(found)


@pytest.mark.parametrize("way", ["gateway", "tiered", "operator", "stock"])
@pytest.mark.parametrize("backend", [name for name, preset in PRESETS.items() if "identity" not in preset])
def test_the_configurations_are_valid(render, tools, tmp_path, backend, way):
    """Of each backend that needs no cloud's identity; those that do: test_backend_aws.py, test_backend_google.py."""
    case = Case(backend)
    tracing = {"backend": backend, "settings": case.settings, **({"endpoint": case.given} if case.given else {})}
    spec = {
        "target": "kubernetes",
        "tracing": tracing,
        "metrics": {"to_backend": "metrics" in case.preset},
        "chroma": {"image": "stock" if way == "stock" else "wrapped"},
        "collector": {"gateway": {}, "tiered": {"mode": "tiered"}, "operator": {"operator": True}, "stock": {}}[way],
    }
    (tmp_path / "spec.yaml").write_text(json.dumps(spec))
    rendered = render(target="kubernetes", spec="spec.yaml")
    assert check_configurations(tools, rendered, tmp_path, case.keys) == (2 if way == "tiered" else 1)


@pytest.mark.parametrize("spec", ["kubernetes-several", "kubernetes-operator-several", "eks-several"])
def test_the_configurations_of_several_backends_are_valid(render, tools, tmp_path, spec):
    file = HERE.parent / f"specs/{spec}.yaml"
    rendered = render(target=re.search(r"^target: (\w+)", file.read_text(), re.M)[1], spec=file)
    read = set(re.findall(r"secretKeyRef: \{name: chroma-keys, key: (\w+)", (rendered / "collector.yaml").read_text()))
    of_cloud = {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}
    keys = {**of_cloud, **{name: "key" for name in read if name not in ENVIRONMENT}}
    assert check_configurations(tools, rendered, tmp_path, keys) > 0


def test_the_pod_is_named_and_nothing_else_is_asked_for(gateway, sink, cluster):
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
    assert "host.name" not in named  # the collector's
    assert cluster.asked == {"/api/v1/namespaces/chroma/pods"}
    assert collector.stop() == 0
    assert re.findall(r"^.*\t(?:warn|error)\t.*$", collector.log, re.MULTILINE) == []


def test_with_senders_elsewhere_all_pods_are_seen(run, render, sink, cluster, tmp_path):
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


# What Chroma 1.x logs of a batch that it drops: its HTTP/2 client cancels a request that it takes up after the
# collector's GOAWAY has arrived and before it is read, and its OpenTelemetry SDK does not retry.
DROPPED = re.compile(r"BatchSpanProcessor\.\w+\.ExportError.*operation was canceled")


def runs(numbers):
    """How many runs of consecutive numbers there are."""
    return sum(number - 1 not in numbers for number in numbers)


@pytest.mark.parametrize("version", ["0.6.3", "1.5.9"])
def test_a_connection_that_ends_costs_only_batches_that_chroma_drops(gateway, sink, chroma, tools, version):
    """The rendered five minutes, shortened to a fifth of a second, over requests that take several."""
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
    if version.startswith("0."):  # Python's exporter retries
        assert not lost


def test_a_stop_sends_what_has_arrived(gateway, sink):
    """As when a pod goes: SIGTERM while spans wait, and the folder of the queue goes with it."""
    collector, _ = gateway()
    names = set()
    for burst in range(20):
        # One batch holds them all; more, and a busy machine takes longer over it than a request may last.
        sent = [f"{burst}-{number}" for number in range(100)]
        send(collector, *({"name": name} for name in sent))
        names.update(sent)
    assert collector.stop() == 0
    assert {span["name"] for span in sink.spans()} == names


def test_what_waits_for_the_backend_survives_the_container_and_not_the_pod(gateway, tools, start, tmp_path, cluster):
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
    shutil.rmtree(queue)  # the pod's emptyDir
    fresh, _ = gateway(out="fresh", **away)
    backend = start_sink(tools, start, tmp_path, "--grpc", f"127.0.0.1:{port}")
    send(fresh, {"name": "new"})
    backend.wait_for(lambda spans: spans, seconds=60)
    assert {span["name"] for span in backend.spans()} == {"new"}
    assert fresh.stop() == 0
    gateway(out="once-more", endpoint=away["endpoint"], queue=kept)
    wanted = {f"{letter}{number}" for letter in "ab" for number in range(100)} | {"new"}
    backend.wait_for(lambda spans: {span["name"] for span in spans} == wanted, seconds=60)


@pytest.fixture
def tiers(run, render, sink, cluster, tmp_path):
    """tiers() -> (routers, members by address, hosts): the two tiers as rendered, members at addresses of
    their own, which the routers look up by the name of the headless Service; `hosts(*addresses)` says who
    is there."""
    rendered = render(target="kubernetes", backend="otlp", endpoint="http://backend:4317", collector_mode="tiered")
    file, (port,) = tmp_path / "hosts", free_ports(1)
    cluster.allowed.add("/api/v1/namespaces/chroma/pods")

    def hosts(*addresses):
        file.write_text("127.0.0.1 localhost\n" + "".join(f"{address} {NAME}\n" for address in addresses))

    def member(address):
        more = {"receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"{address}:{port}"}}}}}
        return run(
            rendered, MEMBER, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc}, more, tmp_path / f"queue-{address}"
        )

    def router():
        # In a mount namespace of its own the names are the test's.
        through = ["unshare", "--mount", "sh", "-ec", 'mount --bind "$1" /etc/hosts; shift; exec "$@"', "-", file]
        resolver = {"resolver": {"dns": {"port": str(port), "interval": "1s"}}}
        more = {"exporters": {"load_balancing": resolver, "load_balancing/metrics": resolver}}
        return run(rendered, "chroma-otel-router", more=more, through=through)

    hosts(*MEMBERS)
    members = {address: member(address) for address in MEMBERS}
    routers = [router() for _ in range(2)]
    return routers, members, hosts, member


def accepted(server):
    return sum(samples(get(server.telemetry), "otelcol_receiver_accepted_spans"))


def trace(number):
    """The sixteen spans of a trace, as several services would send them: one at a time."""
    return [
        {
            "name": f"{number}-{part}",
            "traceId": f"{number * 2654435761 % 2**128:032x}",
            "spanId": f"{number * 16 + part + 1:016x}",
        }
        for part in range(16)
    ]


def test_every_trace_is_at_one_member(tiers, sink):
    routers, members, _, _ = tiers
    traces = [trace(number) for number in range(1, 61)]
    for part in range(16):
        send(routers[part % 2], *(spans[part] for spans in traces))
    wanted = {span["name"] for spans in traces for span in spans}
    arrived = sink.wait_for(lambda spans: {span["name"] for span in spans} == wanted and spans, seconds=60)
    assert len(arrived) == len(wanted)  # none twice
    assert {span["resource"]["k8s.pod.name"] for span in arrived} == {"chroma-0"}
    # The sink does not know the member; each member says how many it had: whole traces, and every one some.
    counted = [accepted(server) for server in members.values()]
    assert sum(counted) == len(wanted) and all(count > 0 and count % 16 == 0 for count in counted), counted


def test_metrics_of_a_service_are_at_one_member(tiers, sink, chroma, tools, tmp_path):
    routers, members, _, _ = tiers
    for router in routers:
        send(router, request_of_1x(200, "/api/v2/tenants"))
    body = {
        "resourceMetrics": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "chromadb"}}]},
                "scopeMetrics": [
                    {
                        "metrics": [
                            {
                                "name": "collection_add",
                                "sum": {
                                    "aggregationTemporality": 2,
                                    "isMonotonic": True,
                                    "dataPoints": [
                                        {"asInt": "3", "startTimeUnixNano": "1", "timeUnixNano": "1700000000000000000"}
                                    ],
                                },
                            }
                        ]
                    }
                ],
            }
        ]
    }
    for router in routers:
        assert ask(f"{router.http}/v1/metrics", json.dumps(body)) == 200

    def seen():
        pages = [get(server.prometheus) for server in members.values()]
        return [samples(page, "collection_add_total") for page in pages]

    values = eventually(lambda: (found := [value for value in seen() if value]) and found, seen)
    assert values == [[3]]


def test_a_member_that_goes_and_comes_back_costs_no_span(tiers, sink):
    routers, members, hosts, member = tiers
    gone = MEMBERS[0]
    first = [span for number in range(1, 41) for span in trace(number)]
    send(routers[0], *first)
    sink.wait_for(lambda spans: len({span["name"] for span in spans}) == len(first), seconds=60)
    members[gone].stop(signal.SIGKILL)
    second = [span for number in range(101, 141) for span in trace(number)]
    send(routers[0], *second)
    hosts(*MEMBERS[1:])  # the cluster has noticed
    wanted = {span["name"] for span in first + second}
    sink.wait_for(lambda spans: {span["name"] for span in spans} == wanted, seconds=120)
    member(gone)
    hosts(*MEMBERS)
    third = [span for number in range(201, 241) for span in trace(number)]
    send(routers[0], *third)
    wanted |= {span["name"] for span in third}
    sink.wait_for(lambda spans: {span["name"] for span in spans} == wanted, seconds=120)


FROM_PROMETHEUS = {"namespace", "pod"}  # labels of what is scraped


def selectors(expression):
    """The series that an expression reads: a name and the labels that it asks for."""
    for name, matchers in re.findall(r"\b((?:otelcol|traces)_\w+)(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', matchers)) - FROM_PROMETHEUS


def test_alerts_and_dashboard_read_what_there_is(gateway, render, sink, chroma, tools, start, tmp_path):
    """Every series with its labels is in a real scrape: of requests that went well, of a backend that refuses,
    of a full queue, of memory that is used up."""
    (tmp_path / "spec.yaml").write_text("target: kubernetes\nmetrics: {monitoring: true}\n")
    monitoring = render(out="monitoring", target="kubernetes", spec="spec.yaml")
    rules = document(monitoring, "PrometheusRule", "chroma-otel-collector")["spec"]
    dashboard = json.loads(document(monitoring, "ConfigMap", "chroma-dashboard")["data"]["chroma.json"])
    expressions = [
        rule["expr"] for group in rules["groups"] if group["name"] == "chroma-otel" for rule in group["rules"]
    ]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [variable["query"].replace("label_values(", "") for variable in dashboard["templating"]["list"][1:]]
    wanted = {
        (name, label) for expression in expressions for name, labels in selectors(expression) for label in labels | {""}
    }
    assert len({name for name, _ in wanted}) >= 11, wanted

    collector, rendered = gateway()
    (rendered / "config.yaml").write_text(document(rendered, "ConfigMap", "chroma-config")["data"]["config.yaml"])
    server = chroma("1.5.9", {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered)
    client(tools, "1.5.9", server.port, "fill", "query")

    def pages(*servers):
        return "".join((get(server.telemetry) or "") + (get(server.prometheus) or "") for server in servers)

    failing = gateway(out="failing", endpoint=start_sink(tools, start, tmp_path, "--mode", "reject").grpc)[0]
    (nobody,) = free_ports(1)
    small = {"exporters": {"otlp_grpc": {"sending_queue": {"queue_size": 600000, "num_consumers": 1}}}}
    full = gateway(small, out="full", endpoint=f"http://127.0.0.1:{nobody}")[0]
    used_up = gateway({"processors": {"memory_limiter": {"limit_mib": 1, "spike_limit_mib": 0}}}, out="used-up")[0]
    send(failing, {"name": "refused"})
    body = json.dumps(
        {
            "resourceSpans": [
                {"scopeSpans": [{"spans": [{"name": "x" * 100000, "traceId": "ab" * 16, "spanId": "cd" * 8}]}]}
            ]
        }
    )
    eventually(lambda: ask(f"{full.http}/v1/traces", body) == 503, "a full queue")
    eventually(lambda: ask(f"{used_up.http}/v1/traces", body) == 503, "no memory")

    def missing():
        found = set()
        for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", pages(collector, failing, full, used_up), re.MULTILINE):
            found.update((name, label) for label in ["", *re.findall(r'(\w+)="', labels)])
        return wanted - found

    eventually(lambda: not missing(), missing, seconds=40)
