"""A cluster with restrictions: a namespace that exists, pods whose users the cluster chooses, IPv6.

Not tested: OpenShift. The users that its SCC `restricted-v2` would set are written into the files instead.
"""

import json

import pytest
from conftest import NEWEST, eventually

pytestmark = pytest.mark.kubernetes

CHOSEN = "runAsUser: 1000680000, runAsGroup: 0, fsGroup: 1000680000"


class TestRestrictedCluster:
    spec = {
        "name": "narrow",
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": "debug"},
        "kubernetes": {"create_namespace": False, "openshift": True, "ipv6": True},
        "backup": {},
    }
    keys = {}

    @staticmethod
    def prepare(deployment):
        """Creates the namespace, and chooses the users of the pods."""
        deployment.cluster.namespace(deployment.namespace)
        start, count = "securityContext: {runAsNonRoot: true, ", 0
        for file in deployment.folder.glob("*.yaml"):
            text = file.read_text()
            count += text.count(start)
            file.write_text(text.replace(start, f"{start}{CHOSEN}, "))
        assert count == 4, "Chroma, the collector, the backup, the restore"

    def test_trace_arrives_from_pods_of_any_user(self, cluster, deployed):
        query = deployed.ask()
        logged = lambda: (
            cluster.kubectl(
                "logs", "--namespace", "narrow", "--selector", "app.kubernetes.io/component=collector", "--tail", "-1"
            ).stdout
        )
        eventually(lambda: query in logged(), deployed.logs, 60)

    def test_chroma_listens_on_ipv6_and_ipv4(self, cluster, deployed):
        script = 'for at in ::1 127.0.0.1; do bash -c "</dev/tcp/$at/8000" && echo $at; done'
        done = cluster.kubectl("exec", "narrow-0", "--namespace", "narrow", "--", "bash", "-c", script)
        assert done.stdout.split() == ["::1", "127.0.0.1"]

    def test_backup_restores_the_data_of_any_user(self, cluster, deployed, tools):
        deployed.client(tools, NEWEST, "fill")
        words = ["create", "job", "made", "--namespace", "narrow", "--from", "cronjob/narrow-backup"]
        cluster.kubectl(*words)
        cluster.kubectl("wait", "job/made", "--namespace", "narrow", "--for", "condition=Complete", "--timeout", "5m")
        shown = deployed.follow("Check the backups")
        assert "Complete" in shown and "chroma-2" in shown, shown
        [success] = [line.split()[0] for line in shown.splitlines() if line.startswith("20")]
        assert success.endswith("Z")
        deployed.client(tools, NEWEST, "delete")
        stop, go = deployed.recipe("Restore", "--replicas 0") + deployed.recipe("Restore", "--replicas 1")
        assert "restored" in cluster.run("bash", "-euc", stop, cwd=deployed.folder).stdout
        cluster.run("bash", "-euc", go, cwd=deployed.folder)
        deployed.client(tools, NEWEST, "query")

    def test_failed_backup_is_shown_without_monitoring(self, cluster, deployed):
        words = ["create", "job", "failing", "--namespace", "narrow", "--from", "cronjob/narrow-backup"]
        job = json.loads(cluster.kubectl(*words, "--dry-run=client", "--output", "json").stdout)
        [container] = job["spec"]["template"]["spec"]["containers"]
        next(one for one in container["env"] if one["name"] == "DATA")["value"] = "/tmp"
        cluster.apply(job)
        wait = ["wait", "job/failing", "--namespace", "narrow", "--for", "condition=Failed", "--timeout", "5m"]
        cluster.kubectl(*wait)
        shown = deployed.follow("Check the backups")
        line = next(line for line in shown.splitlines() if line.startswith("failing"))
        assert "Failed" in line and "BackoffLimitExceeded" in line, shown
        assert "/tmp has no chroma.sqlite3" in shown, shown
