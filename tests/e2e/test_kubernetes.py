"""The rendered manifests on a real Kubernetes, by the blocks of the rendered README, on stand-in images under the
published names. Within a class the tests share a deployment, follow one another, and leave it running.

Invariant: the network's rules are enforced by a program of ours (cluster/programs/policies.go), so every refusal
that is tested has beside it the same connection from a pod that may.
"""

import contextlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import CACHE, ROOT, Server, Sink, client, eventually, free_ports, get, missing, renderer
from test_exposure import CLIENT
from test_kubernetes_schemas import SPECS

pytestmark = pytest.mark.kubernetes

ENGINE = "unix:///run/chroma-otel-docker.sock"
MACHINE = "198.18.0.1"  # this machine, as the cluster sees it
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
OPEN, REFUSED = "open", "refused"
# Prints what becomes of a connection to each HOST:PORT.
CONNECT = """
import json, socket, sys
def knock(at):
    host, port = at.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        return "open"
    except OSError as error:
        refused = isinstance(error, (ConnectionRefusedError, TimeoutError)) or error.errno in (101, 113)
        return "refused" if refused else repr(error)
print(json.dumps({at: knock(at) for at in sys.argv[1:]}))
"""


class Cluster:
    """The commands of a shell that may do everything in the cluster, and in the engine that builds its images."""

    def __init__(self):
        self.environment = {
            "PATH": f"{CACHE / 'now/kubernetes'}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/root"),
            "KUBECONFIG": str(CACHE / "cluster/kubeconfig"),
            "DOCKER_HOST": ENGINE,
            "DOCKER_CONFIG": str(CACHE / "now/plugins"),
        }
        if "XDG_CACHE_HOME" in os.environ:
            self.environment["XDG_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"]

    def run(self, *command, check=True, seconds=900, **options):
        done = subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            **options,
        )
        assert done.returncode == 0 or not check, (
            f"{command}: {done.stdout}{done.stderr}{self.events() if check else ''}"
        )
        return done

    def kubectl(self, *words, **options):
        return self.run("kubectl", *words, **options)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "--output", "json").stdout)

    def apply(self, *trees):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": trees})
        return self.kubectl("apply", "--filename", "-", input=text)

    def events(self):
        """What does not run, and why."""
        pods = self.kubectl("get", "pods,pvc", "--all-namespaces", "--output", "wide", check=False).stdout
        events = self.kubectl("get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp", check=False).stdout
        return f"\n{pods}\n" + "\n".join(events.splitlines()[-30:])

    def leave(self, *namespaces):
        """Deletes them, in a while: `gone` waits."""
        self.kubectl("delete", "namespace", *namespaces, "--ignore-not-found", "--wait=false", check=False)

    def namespace(self, name):
        """Makes it, with nothing in it of an earlier one of that name that was left."""
        self.gone(name)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})

    def gone(self, namespace):
        """Waits for a namespace that is being deleted."""
        there = self.kubectl(
            "get", "namespace", namespace, "--ignore-not-found", "--output", "jsonpath={.metadata.deletionTimestamp}"
        ).stdout
        if there:
            self.kubectl("wait", "--for", "delete", f"namespace/{namespace}", "--timeout", "5m")

    def visitor(self, namespace):
        """A pod that does nothing, for `connections`."""
        container = {
            "name": "visitor",
            "image": "python:3.13.9-slim-bookworm",
            "command": ["sleep", "infinity"],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 0}
        self.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "visitor", "namespace": namespace}, "spec": spec}
        )
        self.kubectl("wait", "pod/visitor", "--namespace", namespace, "--for", "condition=Ready", "--timeout", "2m")

    def connections(self, namespace, *addresses):
        """What becomes of connections from the visitor to these."""
        command = ["exec", "visitor", "--namespace", namespace, "--", "python3", "-c", CONNECT, *addresses]
        return json.loads(self.kubectl(*command).stdout)

    @contextlib.contextmanager
    def forward(self, namespace, resource, port, command=None):
        """A port of this machine that leads there."""
        (local,) = free_ports(1)
        words = command or ["kubectl", "port-forward", "--namespace", namespace, resource, str(port)]
        assert words[-1] == str(port)
        process = subprocess.Popen(
            [*words[:-1], f"{local}:{port}"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert "Forwarding" in (said := process.stdout.readline()), said + process.communicate()[0]
            yield local
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def cluster(tools):
    """The cluster, started if it does not run; then it is stopped again."""
    for part in ("kubernetes", "crds", "python"):
        tools.part(part)
    if not os.path.exists(ENGINE.removeprefix("unix://")):
        missing("the Docker engine (see .ci/engine)")
    cluster, script = Cluster(), ROOT / ".ci/cluster"
    ran = (CACHE / "cluster/kubeconfig").exists()
    cluster.run(script, "start")
    try:
        cluster.run(script, "images")
        yield cluster
    finally:
        if not ran:
            cluster.run(script, "stop")


class Deployment:
    """A spec, what is rendered of it, and the blocks of its README."""

    def __init__(self, cluster, tools, home, spec):
        self.cluster, self.home, self.folder = cluster, home, home / "rendered"
        self.render, self.spec = renderer(tools, home), {}
        self.gen(spec)
        self.name = self.namespace = spec["name"]

    def gen(self, changes):
        """Changes the spec, by section, and renders it again."""
        for section, values in changes.items():
            self.spec[section] = {**self.spec.get(section, {}), **values} if isinstance(values, dict) else values
        (self.home / "spec.yaml").write_text(json.dumps(self.spec))
        self.render(out=self.folder.name, spec=self.home / "spec.yaml", target="kubernetes")

    def recipe(self, heading, containing=""):
        """The shell blocks under a heading of the rendered README, up to the next, that have this in them."""
        text = (self.folder / "README.md").read_text()
        section = re.split(r"^##+ ", re.split(rf"^##+ {re.escape(heading)}\n", text, flags=re.M)[1], flags=re.M)[0]
        found = [block for block in re.findall(r"```sh\n(.*?)```", section, re.S) if containing in block]
        assert found, f"no block with `{containing}` under `{heading}`"
        return found

    def follow(self, heading, containing="", check=True):
        """Runs these blocks, each by itself, in the folder; a warning is a failure. Gives all that they print."""
        said = ""
        for block in self.recipe(heading, containing):
            done = self.cluster.run("bash", "-euc", block, cwd=self.folder, check=check)
            assert not check or "warning" not in done.stderr.lower(), f"{block}: {done.stderr}"
            said += done.stdout + done.stderr
        return said

    def build(self):
        """The images, by the README where there is something to build; and then they are on the node."""
        if not (self.folder / "image/Dockerfile").exists():
            return
        self.follow("Build")
        self.cluster.run(ROOT / ".ci/cluster", "load", *re.findall(r"--tag (\S+)", self.recipe("Build")[0]))

    def install(self):
        self.cluster.gone(self.namespace)
        self.build()
        for block in self.recipe("Apply" if (self.folder / "image/Dockerfile").exists() else "Install"):
            done = self.cluster.run("bash", "-euc", block, cwd=self.folder)
            assert "warning" not in done.stderr.lower(), f"{block}: {done.stderr}"
            if "cp -n .env.example .env" in block:
                self.set_keys()

    def set_keys(self):
        """Writes the keys to `.env`, each in the place of its line."""
        file = self.folder / ".env"
        text = file.read_text()
        for variable, value in self.keys.items():
            text, count = re.subn(rf"^#? ?{variable}=.*$", lambda _: f"{variable}={value}", text, flags=re.M)
            assert count == 1, text
        file.write_text(text)

    def settle(self):
        """Waits until every pod is as it was applied last."""
        workloads = self.cluster.kubectl(
            "get", "statefulsets,deployments", "--namespace", self.namespace, "--output", "name"
        ).stdout.split()
        for workload in workloads:
            self.cluster.kubectl("rollout", "status", "--namespace", self.namespace, "--timeout", "5m", workload)

    def chroma(self):
        return self.cluster.forward(self.namespace, f"service/{self.name}-api", 8000)

    def client(self, tools, version, *steps):
        with self.chroma() as port:
            return client(tools, version, port, *steps)

    def ask(self):
        """Asks Chroma something that nobody asked before; gives what to look for."""
        query = f"offset={time.monotonic_ns() // 1_000_000}"  # of other words the collector shows nothing
        with (
            self.chroma() as port,
            urllib.request.urlopen(f"http://127.0.0.1:{port}{COLLECTIONS}?{query}", timeout=30) as answer,
        ):
            assert answer.status == 200
        return query

    def pod(self, name):
        return self.cluster.get("pod", name, "--namespace", self.namespace)

    def logs(self):
        words = [
            "logs",
            "--namespace",
            self.namespace,
            "--selector",
            f"app.kubernetes.io/instance={self.name}",
            "--prefix",
            "--tail",
            "40",
        ]
        return self.cluster.kubectl(*words, check=False).stdout + self.cluster.events()

    def remove(self):
        self.cluster.kubectl("delete", "--kustomize", self.folder, "--ignore-not-found", "--wait=false", check=False)
        self.cluster.leave(self.namespace)


def values(tags):
    return {tag["key"]: tag["value"] for tag in tags}


def traces_in_jaeger(deployment, ui, service="chromadb"):
    """Every trace as [(span's attributes, its resource's)]."""
    answer = json.loads(get(f"http://127.0.0.1:{ui}/api/traces?service={service}&limit=1000&lookback=1h") or "{}")
    return [
        [(values(span["tags"]), values(trace["processes"][span["processID"]]["tags"])) for span in trace["spans"]]
        for trace in answer.get("data") or []
    ]


def trace_arrives(deployment, service="chromadb"):
    """That of a request of now, in Jaeger: the attributes of its first span and of its resource."""
    query = deployment.ask()
    with deployment.cluster.forward(deployment.namespace, f"service/{deployment.name}-jaeger", 16686) as ui:
        find = lambda: [
            one for trace in traces_in_jaeger(deployment, ui, service) for one in trace if query in json.dumps(one[0])
        ]
        return eventually(find, lambda: f"no trace of {query}: {deployment.logs()}", 60)[0]


@pytest.fixture(scope="module")
def sink(cluster, tools, tmp_path_factory):
    """A backend outside of the cluster, on this machine: at an address that it has for the cluster."""
    home, (port,) = tmp_path_factory.mktemp("sink"), free_ports(1)
    records = home / "sink.jsonl"
    command = [tools.program("otlp-sink"), "--grpc", f"{MACHINE}:{port}", "--out", records]
    server = Server(command, {}, home / "sink.log", home)
    try:
        yield Sink(server, records)
    finally:
        server.stop()


@pytest.fixture(scope="class")
def deployed(request, cluster, tools, tmp_path_factory):
    """The deployment of the class's `spec`, with its `keys`, installed by its README; gone at the end. The backend
    `otlp`, if it is one of them, is the sink."""
    spec = json.loads(json.dumps(request.cls.spec))
    if "otlp" in spec.get("tracing", {}).get("backend", []):
        spec["tracing"]["endpoint"] = request.getfixturevalue("sink").grpc
    deployment = Deployment(cluster, tools, tmp_path_factory.mktemp(spec["name"]), {"target": "kubernetes", **spec})
    deployment.keys = dict(request.cls.keys)
    try:
        deployment.install()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(scope="class")
def neighbours(cluster, deployed):
    """Pods in the deployment's own namespace, in one that may connect, and in one that may not."""
    for namespace in ("friends", "strangers"):
        cluster.namespace(namespace)
    for namespace in (deployed.namespace, "friends", "strangers"):
        cluster.visitor(namespace)
    yield
    cluster.leave("friends", "strangers")


@pytest.mark.usefixtures("neighbours")
class TestLife:
    """A deployment from its first day, of an older Chroma, to its last: built images, Jaeger, backups, a proxy."""

    spec = {
        "name": "life",
        "chroma": {"version": "1.0.20"},
        "machine": {"disk": "1GiB"},
        "kubernetes": {"backup": {}, "expose": {"host": "chroma.example.com"}, "allow_namespaces": ["friends"]},
    }
    keys = {"CHROMA_TOKEN": "an-old-token-0123456789"}

    def test_pods_meet_the_strictest_standard(self, cluster, deployed):
        labels = cluster.get("namespace", deployed.namespace)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        # That it is enforced: a pod that asks for nothing is refused.
        done = cluster.kubectl(
            "run", "careless", "--namespace", deployed.namespace, "--image", "python:3.13.9-slim-bookworm", check=False
        )
        assert done.returncode != 0 and "restricted" in done.stderr

        def all_ready():
            pods = cluster.get("pods", "--namespace", deployed.namespace)["items"]
            states = [state for pod in pods for state in pod["status"].get("containerStatuses", [])]
            return len(states) >= 7 and all(state["ready"] for state in states) and states

        # Chroma, two collectors (the autoscaler's minimum), Jaeger, two proxies, the visitor.
        assert all(state["restartCount"] == 0 for state in eventually(all_ready, cluster.events, 120)), cluster.events()

    def test_a_newer_chroma_keeps_the_data(self, deployed, tools):
        deployed.client(tools, "1.0.20", "fill", "query")
        trace_arrives(deployed)
        deployed.gen({"chroma": {"version": "1.5.9"}})
        deployed.build()
        deployed.follow("Upgrade")
        assert deployed.pod("life-0")["spec"]["containers"][0]["image"].startswith("life-chroma:1.5.9-")
        deployed.client(tools, "1.5.9", "query")

    def test_a_request_is_a_trace_of_the_pod_that_answered(self, cluster, deployed):
        """By the README's own two commands; only the port on this machine is another."""
        [forward], [curl] = deployed.recipe("See a trace", "port-forward"), deployed.recipe("See a trace", "curl")
        with cluster.forward(None, None, 8000, forward.split()) as port:
            cluster.run("bash", "-euc", curl.replace("8000", str(port)))
        span, resource = trace_arrives(deployed)
        pod = deployed.pod("life-0")
        assert span["span.kind"] == "server"
        assert span["url.path"] == COLLECTIONS and span["http.response.status_code"] == 200
        assert resource["k8s.pod.name"] == resource["service.instance.id"] == "life-0"
        assert resource["k8s.pod.uid"] == pod["metadata"]["uid"]
        assert resource["k8s.statefulset.name"] == "life"
        assert resource["k8s.namespace.name"] == "life"
        assert resource["k8s.node.name"] == "node"
        assert resource["service.version"] == "1.5.9"

    def test_probes_are_no_traces(self, cluster, deployed):
        trace_arrives(deployed)
        with cluster.forward("life", "service/life-jaeger", 16686) as ui:
            paths = {span.get("url.path") for trace in traces_in_jaeger(deployed, ui) for span, _ in trace}
        assert COLLECTIONS in paths
        assert not [path for path in paths if path and ("heartbeat" in path or "healthcheck" in path)], paths

    def test_only_who_may_connects(self, cluster, deployed):
        chroma, collector, jaeger = "life-api.life:8000", "life-otel-collector.life:4317", "life-jaeger.life:16686"
        doors = [chroma, collector, jaeger]
        assert cluster.connections("life", *doors) == {chroma: OPEN, collector: OPEN, jaeger: REFUSED}
        assert cluster.connections("friends", *doors) == {chroma: OPEN, collector: OPEN, jaeger: REFUSED}
        assert cluster.connections("strangers", *doors) == dict.fromkeys(doors, REFUSED)
        pod = deployed.pod("life-0")["status"]["podIP"]
        assert cluster.connections("strangers", f"{pod}:8000") == {
            f"{pod}:8000": REFUSED
        }  # not by its own address either
        with cluster.forward("life", "service/life-jaeger", 16686) as ui:
            assert get(f"http://127.0.0.1:{ui}/"), "Jaeger is there"

    def test_chroma_reaches_names_and_the_collector_and_nothing_else(self, cluster, deployed, start, tmp_path):
        (port,) = free_ports(1)
        outside = start(
            "outside", ["python3", "-m", "http.server", "--bind", MACHINE, "--directory", tmp_path, str(port)]
        )
        outside.until(lambda: get(f"http://{MACHINE}:{port}/"), "a server outside of the cluster")
        beyond = {
            "outside": f"{MACHINE}:{port}",
            "api": "kubernetes.default.svc:443",
            "jaeger": f"{deployed.name}-jaeger:4317",
        }

        def knock(address):
            host, port = address.rsplit(":", 1)
            script = f"timeout 10 bash -c '</dev/tcp/{host}/{port}'"
            done = cluster.kubectl("exec", "life-0", "--namespace", "life", "--", "bash", "-c", script, check=False)
            refused = re.search("Connection refused|No route to host|exit code 124", done.stderr)
            assert (done.returncode == 0) != bool(refused), done.stderr
            return done.returncode == 0

        assert knock("life-otel-collector:4317")  # and the name was found
        assert [name for name, address in beyond.items() if knock(address)] == []
        # All of these are there, for who may.
        assert set(cluster.connections("strangers", beyond["outside"], beyond["api"]).values()) == {OPEN}

    def test_a_backup_brings_the_data_back(self, cluster, deployed, tools):
        assert "chroma-2" in deployed.follow("Back up and restore", "create job")
        deployed.client(tools, "1.5.9", "delete")
        stop, go = deployed.recipe("Restore", "--replicas 0") + deployed.recipe("Restore", "--replicas 1")
        assert "restored" in cluster.run("bash", "-euc", stop, cwd=deployed.folder).stdout
        cluster.run("bash", "-euc", go, cwd=deployed.folder)
        deployed.client(tools, "1.5.9", "query")
        aside = ["exec", "life-0", "--namespace", "life", "--", "sh", "-c", "ls -d /data/before-restore-*"]
        assert "before-restore" in cluster.kubectl(*aside).stdout
        deployed.follow("Restore", "before-restore")
        assert cluster.kubectl(*aside, check=False).returncode != 0

    def test_the_proxy_asks_for_the_token_and_takes_a_new_one(self, cluster, deployed, tools):
        old, new = self.keys["CHROMA_TOKEN"], "a-new-token-9876543210"

        def status(token):
            with cluster.forward("life", "service/life-proxy", 8080) as port:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{port}{COLLECTIONS}",
                    headers={"Authorization": f"Bearer {token}"} if token else {},
                )
                try:
                    return urllib.request.urlopen(request, timeout=30).status
                except urllib.error.HTTPError as error:
                    return error.code

        assert [status(None), status(new), status(old)] == [401, 401, 200]
        with cluster.forward("life", "service/life-proxy", 8080) as port:
            command = [tools.chroma("1.5.9") / "python", "-c", CLIENT, port, old, "1000"]
            cluster.run(*command)
        deployed.keys["CHROMA_TOKEN"] = new
        deployed.set_keys()
        deployed.follow("Rotate a key")
        deployed.follow("From outside", "rollout status")
        assert [status(None), status(old), status(new)] == [401, 401, 200]

    def test_a_changed_variable_is_a_new_pod_with_the_same_data(self, deployed, tools):
        before = deployed.pod("life-0")["metadata"]["uid"]
        deployed.gen({"tracing": {"service_name": "renamed"}})
        deployed.follow("Change a variable")
        deployed.settle()
        assert deployed.pod("life-0")["metadata"]["uid"] != before
        deployed.client(tools, "1.5.9", "query")
        _, resource = trace_arrives(deployed, "renamed")
        assert resource["k8s.pod.name"] == "life-0"
        # And nothing changed is no new pod.
        before = deployed.pod("life-0")["metadata"]["uid"]
        deployed.follow("Change a variable")
        deployed.settle()
        assert deployed.pod("life-0")["metadata"]["uid"] == before

    def test_uninstalled_and_installed_again_the_data_is_there(self, cluster, deployed, tools):
        remove, *_ = deployed.recipe("Uninstall", "delete --kustomize .")
        cluster.run("bash", "-euc", remove, cwd=deployed.folder)
        left = cluster.get(
            "pods,services,statefulsets,deployments",
            "--namespace",
            "life",
            "--selector",
            "app.kubernetes.io/instance=life",
        )["items"]
        gone = lambda: (
            not cluster.get("pods", "--namespace", "life", "--selector", "app.kubernetes.io/name=chroma")["items"]
        )
        assert {one["kind"] for one in left} <= {"Pod"}
        eventually(gone, cluster.events, 90)
        claims = {claim["metadata"]["name"] for claim in cluster.get("pvc", "--namespace", "life")["items"]}
        assert claims == {"data-life-0", "life-backup"}
        deployed.install()
        deployed.client(tools, "1.5.9", "query")


def trace_in_sink(sink, deployed):
    """The trace of a request of now, when its first span is there: that, and all of them."""
    query = deployed.ask()

    def whole(spans):
        for first in spans:
            if query in json.dumps(first["attributes"]) and first["kind"] == "SERVER":
                return first, [span for span in spans if span["trace_id"] == first["trace_id"]]
        return None

    return sink.wait_for(whole, f"{query}: {deployed.logs()}", 90)


class TestTiers:
    """The published images, routers before members that keep their queue on claims, two backends, and a key for one."""

    spec = {
        "name": "tiers",
        "chroma": {"image": "stock"},
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": ["otlp", "jaeger"], "headers": ["x-api-key"], "granularity": "all"},
        "collector": {"mode": "tiered"},
    }
    keys = {"CHROMA_OTEL_HEADER_X_API_KEY": "first-key"}

    def test_a_trace_arrives_with_its_pod_and_the_key(self, sink, deployed):
        first, spans = trace_in_sink(sink, deployed)
        assert first["resource"]["k8s.pod.name"] == first["resource"]["service.instance.id"] == "tiers-0"
        assert first["resource"]["k8s.statefulset.name"] == "tiers"
        assert first["headers"]["x-api-key"] == "first-key"
        ids = {span["span_id"] for span in spans}
        assert all(span["parent_span_id"] in ids for span in spans if span is not first), spans

    def test_it_is_in_every_backend(self, sink, deployed):
        """By the README's own words for the one in the stack, and with every span."""
        _, spans = trace_in_sink(sink, deployed)
        [(service, port)] = re.findall(
            r"The same in `jaeger`: forward `(\S+) (\d+)`", (deployed.folder / "README.md").read_text()
        )
        with deployed.cluster.forward(deployed.namespace, service, int(port)) as ui:
            url = f"http://127.0.0.1:{ui}/api/traces/{spans[0]['trace_id']}"

            def found():
                traces = json.loads(get(url) or "{}").get("data") or []
                return {span["spanID"] for trace in traces for span in trace["spans"]}

            def sent():
                return {span["span_id"] for span in sink.spans() if span["trace_id"] == spans[0]["trace_id"]}

            eventually(lambda: found() == sent(), lambda: f"{found()}, not {sent()}: {deployed.logs()}", 60)

    def test_members_have_claims(self, cluster, deployed):
        members = cluster.get("pods", "--namespace", "tiers", "--selector", "app.kubernetes.io/component=member")[
            "items"
        ]
        claimed = {
            volume["persistentVolumeClaim"]["claimName"]
            for pod in members
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        }
        bound = {
            claim["metadata"]["name"]
            for claim in cluster.get("pvc", "--namespace", "tiers")["items"]
            if claim["status"]["phase"] == "Bound"
        }
        assert len(members) == len(claimed) == 2 and claimed <= bound

    def test_a_rotated_key_reaches_the_backend(self, sink, deployed):
        deployed.keys = {"CHROMA_OTEL_HEADER_X_API_KEY": "second-key"}
        deployed.set_keys()
        deployed.follow("Rotate a key")
        deployed.settle()
        first, _ = trace_in_sink(sink, deployed)
        assert first["headers"]["x-api-key"] == "second-key"


class TestWithoutCollector:
    """Chroma sends to a backend by itself."""

    spec = {
        "name": "alone",
        "chroma": {"image": "stock"},
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": "otlp"},
        "collector": {"mode": "none"},
    }
    keys = {}

    def test_a_request_is_a_trace(self, cluster, sink, deployed):
        query = deployed.ask()
        sink.wait_for(
            lambda spans: query in json.dumps([span["attributes"] for span in spans]), f"{query}: {deployed.logs()}", 60
        )
        assert [one["kind"] for one in cluster.get("deployments,daemonsets", "--namespace", "alone")["items"]] == []


class TestTheApiServer:
    """What it says to every spec, without doing it."""

    def take(self, cluster, folder):
        import yaml

        keep = [*yaml.safe_load_all((folder / "keep.yaml").read_text())]
        [namespace] = [one for one in keep if one["kind"] == "Namespace"]
        # There for what is in it; and it warns of pods that it would not let in.
        cluster.namespace(namespace["metadata"]["name"])
        by_hand = [
            word
            for name in ("keep.yaml", "restore.yaml")
            if (folder / name).exists()
            for word in ("--filename", folder / name)
        ]
        said = []
        for words in (by_hand, ["--kustomize", folder]):
            said.append(cluster.kubectl("apply", "--dry-run=server", "--validate=strict", *words, check=False))
        return said

    @pytest.mark.parametrize("spec", SPECS)
    def test_it_takes_every_object_without_a_warning(self, cluster, tools, tmp_path, spec):
        (tmp_path / "spec.yaml").write_text(SPECS[spec])
        target = re.search(r"^target: (\w+)", SPECS[spec], re.M)[1]
        folder = renderer(tools, tmp_path)(spec=tmp_path / "spec.yaml", target=target)
        for done in self.take(cluster, folder):
            assert done.returncode == 0 and done.stderr == "", done.stderr
            assert "(server dry run)" in done.stdout

    @pytest.mark.parametrize(
        "old, new",
        [
            ("replicas: 1", "replica: 1"),  # no such field
            ("runAsNonRoot: true", "runAsNonRoot: false"),  # a warning
            ("port: 8000, targetPort", "port: 80000, targetPort"),  # not in range
        ],
    )
    def test_it_finds_a_mistake(self, cluster, tools, tmp_path, old, new):
        folder = renderer(tools, tmp_path)(target="kubernetes")
        text = (folder / "chroma.yaml").read_text()
        assert old in text
        (folder / "chroma.yaml").write_text(text.replace(old, new))
        _, done = self.take(cluster, folder)
        assert done.returncode != 0 or "Warning" in done.stderr
