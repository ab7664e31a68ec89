"""A release of Helm from its installation to its removal, with a trace at each step."""

import pytest
from conftest import NEWEST

from kubernetes_cluster.test_tiered_collector import trace_in_sink

pytestmark = pytest.mark.kubernetes

KINDS = "ingresses,cronjobs,deployments,statefulsets,horizontalpodautoscalers"


class TestHelmRelease:
    """A gateway with a route from outside and backups, then two tiers without them."""

    spec = {
        "name": "charted",
        "format": "helm",
        "chroma": {"image": "stock"},
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": "otlp"},
        "collector": {"mode": "gateway", "max_replicas": 3},
        "backup": {},
        "kubernetes": {"expose": {"host": "chroma.example.com", "tls_secret": "tls"}},
    }
    keys = {"CHROMA_TOKEN": "a-token-0123456789"}
    first = {
        "ingress/charted",
        "cronjob/charted-backup",
        "deployment/charted-otel-collector",
        "deployment/charted-proxy",
        "horizontalpodautoscaler/charted-otel-collector",
        "statefulset/charted",
    }
    second = {"deployment/charted-otel-router", "statefulset/charted", "statefulset/charted-otel-member"}

    def there(self, cluster):
        """The objects that a release adds or removes."""
        items = cluster.get(KINDS, "--namespace", "charted")["items"]
        return {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in items}

    def works(self, deployed, sink):
        """Runs `helm test`, and finds the trace of another request in the backend."""
        said = deployed.follow("Chart", "helm test")
        assert "Phase:          Succeeded" in said and "spans: " in said, said
        first, _ = trace_in_sink(sink, deployed)
        assert first["resource"]["k8s.pod.name"] == "charted-0"

    def test_installation_is_traced(self, cluster, deployed, sink, tools):
        assert self.there(cluster) == self.first
        deployed.client(tools, NEWEST, "fill", "query")
        self.works(deployed, sink)

    def test_backup_is_restored_by_the_chart(self, cluster, deployed, tools):
        deployed.follow("Back up and restore", "create job")
        deployed.client(tools, NEWEST, "delete")
        deployed.follow("Restore", "--replicas 0")
        deployed.follow("Restore", "--replicas 1")
        deployed.client(tools, NEWEST, "query")

    def test_upgrade_removes_what_left_the_spec(self, cluster, deployed, sink, tools):
        deployed.spec["kubernetes"] = {}
        del deployed.spec["backup"]
        deployed.gen({"collector": {"mode": "tiered", "max_replicas": 2}}, prune=True)
        deployed.follow("Change a variable")
        deployed.settle()
        assert self.there(cluster) == self.second
        deployed.client(tools, NEWEST, "query")
        self.works(deployed, sink)

    def test_rollback_brings_it_back(self, cluster, deployed, sink, tools):
        deployed.follow("Chart", "helm rollback")
        deployed.settle()
        assert self.there(cluster) == self.first
        deployed.client(tools, NEWEST, "query")
        self.works(deployed, sink)

    def test_uninstall_keeps_the_data(self, cluster, deployed, sink, tools):
        uninstall, *_ = deployed.recipe("Uninstall", "helm uninstall")
        cluster.run("bash", "-euc", uninstall, cwd=deployed.folder)
        claims = {claim["metadata"]["name"] for claim in cluster.get("pvc", "--namespace", "charted")["items"]}
        assert claims >= {"data-charted-0", "charted-backup"}
        assert self.there(cluster) == set()
        deployed.install()
        deployed.client(tools, NEWEST, "query")
        self.works(deployed, sink)

    def test_release_takes_over_manifests(self, cluster, deployed, sink, tools):
        """The same objects, applied without Helm."""
        cluster.run("helm", "uninstall", "charted", "--namespace", "charted")
        manifests = deployed.copy("manifests", {"format": "manifests"})
        cluster.kubectl("apply", "--kustomize", manifests)
        taken = deployed.recipe("Install", "helm upgrade")[0].splitlines()[0]
        refused = cluster.run("bash", "-euc", taken, cwd=deployed.folder, check=False)
        assert refused.returncode != 0 and "invalid ownership metadata" in refused.stderr, refused.stderr
        cluster.run("bash", "-euc", f"{taken} --take-ownership --force-conflicts", cwd=deployed.folder)
        deployed.settle()
        deployed.client(tools, NEWEST, "query")
        self.works(deployed, sink)
