"""A deployment from its installation to its removal."""

import json
import re
import urllib.error
import urllib.request

import pytest
from conftest import NEWEST, PINNED, eventually, free_ports, get
from test_exposure import CLIENT

from kubernetes_cluster.cluster import MACHINE, OPEN, REFUSED
from kubernetes_cluster.deployment import COLLECTIONS

pytestmark = pytest.mark.kubernetes

# As in the README, "Repair an index".
REPAIR = r"sed 's/restore\.py/repair.py/' restore.yaml | kubectl apply --filename -"


def values(tags):
    return {tag["key"]: tag["value"] for tag in tags}


def traces_in_jaeger(deployment, ui, service="chromadb"):
    """All traces as [(attributes of the span, attributes of its resource)]."""
    answer = json.loads(get(f"http://127.0.0.1:{ui}/api/traces?service={service}&limit=1000&lookback=1h") or "{}")
    return [
        [(values(span["tags"]), values(trace["processes"][span["processID"]]["tags"])) for span in trace["spans"]]
        for trace in answer.get("data") or []
    ]


def trace_arrives(deployment, service="chromadb"):
    """The trace of a new request in Jaeger: the attributes of its first span and of its resource."""
    query = deployment.ask()
    with deployment.cluster.forward(deployment.namespace, f"service/{deployment.name}-jaeger", 16686) as ui:
        find = lambda: [
            one for trace in traces_in_jaeger(deployment, ui, service) for one in trace if query in json.dumps(one[0])
        ]
        return eventually(find, lambda: f"no trace of {query}: {deployment.logs()}", 60)[0]


@pytest.mark.usefixtures("neighbours")
class TestLifecycle:
    """A deployment that starts with an older Chroma: built images, Jaeger, backups, a proxy."""

    spec = {
        "name": "life",
        "chroma": {"version": "1.0.20"},
        "machine": {"disk": "1GiB"},
        "backup": {},
        "kubernetes": {"expose": {"host": "chroma.example.com"}, "allow_namespaces": ["friends"]},
    }
    keys = {"CHROMA_TOKEN": "an-old-token-0123456789"}

    def test_pods_meet_the_restricted_pod_security_standard(self, cluster, deployed):
        labels = cluster.get("namespace", deployed.namespace)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        # The standard is enforced: a pod without a security context is rejected.
        done = cluster.kubectl(
            "run", "careless", "--namespace", deployed.namespace, "--image", PINNED["PYTHON_IMAGE"], check=False
        )
        assert done.returncode != 0 and "restricted" in done.stderr

        def all_ready():
            pods = cluster.get("pods", "--namespace", deployed.namespace)["items"]
            states = [state for pod in pods for state in pod["status"].get("containerStatuses", [])]
            return len(states) >= 7 and all(state["ready"] for state in states) and states

        # Chroma, two collectors (the autoscaler's minimum), Jaeger, two proxies, the visitor.
        assert all(state["restartCount"] == 0 for state in eventually(all_ready, cluster.events, 120)), cluster.events()

    def test_upgrade_keeps_the_data(self, deployed, tools):
        deployed.client(tools, "1.0.20", "fill", "query")
        trace_arrives(deployed)
        deployed.gen({"chroma": {"version": NEWEST}})
        deployed.build()
        deployed.follow("Upgrade")
        assert deployed.pod("life-0")["spec"]["containers"][0]["image"].startswith(f"life-chroma:{NEWEST}-")
        deployed.client(tools, NEWEST, "query")

    def test_trace_contains_the_pod_of_the_request(self, cluster, deployed):
        """Uses the two commands of the README, with another local port."""
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
        assert resource["service.version"] == NEWEST

    def test_probes_are_not_traced(self, cluster, deployed):
        trace_arrives(deployed)
        with cluster.forward("life", "service/life-jaeger", 16686) as ui:
            paths = {span.get("url.path") for trace in traces_in_jaeger(deployed, ui) for span, _ in trace}
        assert COLLECTIONS in paths
        assert not [path for path in paths if path and ("heartbeat" in path or "healthcheck" in path)], paths

    def test_network_policies_reject_other_namespaces(self, cluster, deployed):
        chroma, collector, jaeger = "life-api.life:8000", "life-otel-collector.life:4317", "life-jaeger.life:16686"
        doors = [chroma, collector, jaeger]
        assert cluster.connections("life", *doors) == {chroma: OPEN, collector: OPEN, jaeger: REFUSED}
        assert cluster.connections("friends", *doors) == {chroma: OPEN, collector: OPEN, jaeger: REFUSED}
        assert cluster.connections("strangers", *doors) == dict.fromkeys(doors, REFUSED)
        pod = deployed.pod("life-0")["status"]["podIP"]
        assert cluster.connections("strangers", f"{pod}:8000") == {f"{pod}:8000": REFUSED}  # also not by its IP address
        with cluster.forward("life", "service/life-jaeger", 16686) as ui:
            assert get(f"http://127.0.0.1:{ui}/"), "Jaeger is there"

    def test_chroma_reaches_only_dns_and_the_collector(self, cluster, deployed, start, tmp_path):
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

        assert knock("life-otel-collector:4317")  # also resolves the name
        assert [name for name, address in beyond.items() if knock(address)] == []
        # All of them accept connections from other pods.
        assert set(cluster.connections("strangers", beyond["outside"], beyond["api"]).values()) == {OPEN}

    def test_backup_restores_the_data(self, cluster, deployed, tools):
        assert "chroma-2" in deployed.follow("Back up and restore", "create job")
        deployed.client(tools, NEWEST, "delete")
        stop, go = deployed.recipe("Restore", "--replicas 0") + deployed.recipe("Restore", "--replicas 1")
        assert "restored" in cluster.run("bash", "-euc", stop, cwd=deployed.folder).stdout
        cluster.run("bash", "-euc", go, cwd=deployed.folder)
        deployed.client(tools, NEWEST, "query")
        aside = ["exec", "life-0", "--namespace", "life", "--", "sh", "-c", "ls -d /data/before-restore-*"]
        assert "before-restore" in cluster.kubectl(*aside).stdout
        repair = stop.replace("kubectl apply --filename restore.yaml", REPAIR)
        assert "none is damaged" in cluster.run("bash", "-euc", repair, cwd=deployed.folder).stdout
        cluster.run("bash", "-euc", go, cwd=deployed.folder)
        deployed.follow("Delete the old data", "before-restore")
        assert cluster.kubectl(*aside, check=False).returncode != 0

    def test_proxy_requires_the_token_and_accepts_a_rotated_one(self, cluster, deployed, tools):
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
            command = [tools.chroma(NEWEST) / "python", "-c", CLIENT, port, old, "1000"]
            cluster.run(*command)
        deployed.keys["CHROMA_TOKEN"] = new
        deployed.set_keys()
        deployed.follow("Rotate a key")
        deployed.follow("From outside", "rollout status")
        assert [status(None), status(old), status(new)] == [401, 401, 200]

    def test_changed_variable_replaces_the_pod_and_keeps_the_data(self, deployed, tools):
        before = deployed.pod("life-0")["metadata"]["uid"]
        deployed.gen({"tracing": {"service_name": "renamed"}})
        deployed.follow("Change a variable")
        deployed.settle()
        assert deployed.pod("life-0")["metadata"]["uid"] != before
        deployed.client(tools, NEWEST, "query")
        _, resource = trace_arrives(deployed, "renamed")
        assert resource["k8s.pod.name"] == "life-0"
        # Without a change, the pod is not replaced.
        before = deployed.pod("life-0")["metadata"]["uid"]
        deployed.follow("Change a variable")
        deployed.settle()
        assert deployed.pod("life-0")["metadata"]["uid"] == before

    def test_data_survives_uninstall_and_reinstall(self, cluster, deployed, tools):
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
        deployed.client(tools, NEWEST, "query")
