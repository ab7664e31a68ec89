"""Backups as VolumeSnapshots: the CronJob's program with its own account, and the README's restore.

Not tested: a CSI driver. A stand-in for its controller copies the folder of the volume and sets the status.
"""

import json
import shutil
import threading

import pytest
from conftest import CACHE, NEWEST

pytestmark = pytest.mark.kubernetes

NAME, CLAIM = "snapped", "data-snapped-0"
VOLUMES = CACHE / "cluster/state/lib/volumes"
READY = {"readyToUse": True, "boundVolumeSnapshotContentName": "content", "restoreSize": "1Gi"}
ERROR = {"readyToUse": False, "error": {"message": "the quota of snapshots is exceeded"}}


class Controller(threading.Thread):
    """Sets the status of new snapshots to `status`; for those that are ready, copies the volume first."""

    def __init__(self, cluster, copies):
        super().__init__(daemon=True)
        self.cluster, self.copies, self.status, self.ended = cluster, copies, READY, threading.Event()

    def run(self):
        while not self.ended.wait(0.3):
            for one in snapshots(self.cluster):
                if self.status and not one.get("status"):
                    self.answer(one["metadata"]["name"], one["spec"]["source"]["persistentVolumeClaimName"])

    def answer(self, name, claim):
        if self.status is READY:
            shutil.copytree(VOLUMES / volume(self.cluster, claim), self.copies / name)
        words = ["patch", "volumesnapshot", name, "--namespace", NAME, "--subresource", "status", "--type", "merge"]
        self.cluster.kubectl(*words, "--patch", json.dumps({"status": self.status}), check=False)


def snapshots(cluster):
    return cluster.get("volumesnapshots", "--namespace", NAME, "--sort-by", ".metadata.creationTimestamp")["items"]


def names(cluster):
    return [one["metadata"]["name"] for one in snapshots(cluster)]


def volume(cluster, claim):
    return cluster.get("pvc", claim, "--namespace", NAME)["spec"]["volumeName"]


@pytest.fixture(scope="class")
def controller(cluster, deployed, tmp_path_factory):
    controller = Controller(cluster, tmp_path_factory.mktemp("snapshots"))
    controller.start()
    yield controller
    controller.ended.set()
    controller.join()


class TestSnapshots:
    """Chroma with snapshots of its volume."""

    spec = {
        "name": NAME,
        "chroma": {"image": "stock"},
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": "debug"},
        "collector": {"replicas": 1, "max_replicas": 1},
        "backup": {"snapshot_class": "folders", "keep": 2},
        "kubernetes": {"labels": {"team": "search"}},
    }
    keys = {}

    def failed(self, cluster, **variables):
        """Runs the CronJob's pod once with these variables, and returns its log."""
        words = ["create", "job", "failing", "--namespace", NAME, "--from", f"cronjob/{NAME}-backup"]
        job = json.loads(cluster.kubectl(*words, "--dry-run=client", "--output", "json").stdout)
        job["spec"]["backoffLimit"] = 0
        [container] = job["spec"]["template"]["spec"]["containers"]
        for one in container["env"]:
            one["value"] = variables.get(one["name"], one["value"])
        cluster.apply(job)
        cluster.kubectl("wait", "job/failing", "--namespace", NAME, "--for", "condition=Failed", "--timeout", "3m")
        said = cluster.kubectl("logs", "job/failing", "--namespace", NAME).stdout
        cluster.kubectl("delete", "job", "failing", "--namespace", NAME)
        return said

    def test_job_creates_a_snapshot_and_reports_that_it_is_ready(self, cluster, deployed, controller, tools):
        deployed.client(tools, NEWEST, "fill")
        said = deployed.follow("Back up and restore", "by-hand")
        [one] = snapshots(cluster)
        assert f"{one['metadata']['name']}: ready to use" in said, said
        source = {"persistentVolumeClaimName": CLAIM}
        assert one["spec"] == {"volumeSnapshotClassName": "folders", "source": source}
        labels = one["metadata"]["labels"]
        assert labels["team"] == "search" and labels["app.kubernetes.io/version"] == NEWEST
        assert "app.kubernetes.io/instance" not in labels, "Argo CD would delete it"
        shown = deployed.follow("Check the backups", "volumesnapshots")
        assert one["metadata"]["name"] in shown and NEWEST in shown

    def test_job_keeps_the_newest_snapshots_of_this_volume_only(self, cluster, deployed, controller):
        [first] = names(cluster)
        other = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}
        other |= {"metadata": {"name": "other", "namespace": NAME, "labels": {"team": "search"}}}
        cluster.apply({**other, "spec": {"source": {"persistentVolumeClaimName": CLAIM}}})
        for _ in range(2):
            said = deployed.follow("Back up and restore", "by-hand")
        assert f"{first}: deleted, keeping 2" in said, said
        left = names(cluster)
        assert first not in left and "other" in left and len(left) == 3
        cluster.kubectl("delete", "volumesnapshot", "other", "--namespace", NAME)

    @pytest.mark.parametrize(
        "status, variables, reason",
        [
            (ERROR, {"ERROR_SECONDS": "1"}, "the quota of snapshots is exceeded"),
            (ERROR, {"READY_SECONDS": "1"}, "not ready to use after 1 s: the quota of snapshots is exceeded"),
            (None, {"READY_SECONDS": "1"}, "not ready to use after 1 s: no status: no controller has processed it"),
            ({"readyToUse": False}, {"READY_SECONDS": "1"}, "after 1 s: the storage has not completed it"),
        ],
    )
    def test_job_fails_with_the_reason_and_deletes_no_other_snapshot(
        self, cluster, controller, status, variables, reason
    ):
        before, controller.status = names(cluster), status
        try:
            said = self.failed(cluster, **variables)
        finally:
            controller.status = READY
        assert reason in said and "deleted" not in said, said
        assert names(cluster) == before and len(before) == 2

    def test_account_has_permissions_on_snapshots_only(self, cluster, deployed):
        account = f"system:serviceaccount:{NAME}:{NAME}-backup"
        words = ["auth", "can-i", "--list", "--no-headers", "--namespace", NAME, "--as", account]
        granted = [line for line in cluster.kubectl(*words).stdout.splitlines() if not line.startswith("selfsubject")]
        [granted] = [line.split("[]") for line in granted if line.strip() and "[/" not in line]
        assert granted[0].strip() == "volumesnapshots.snapshot.storage.k8s.io"
        assert granted[-1].strip() == "[create get list delete]"

    def test_restore_replaces_the_volume_and_keeps_the_old_one(self, cluster, deployed, controller, tools):
        old, newest = volume(cluster, CLAIM), names(cluster)[-1]
        deployed.client(tools, NEWEST, "delete")
        select, replace, start, delete = deployed.recipe("Restore")
        done = cluster.run(
            "bash", "-euo", "pipefail", "-c", f"{select}{replace}echo OLD=$OLD_VOLUME", cwd=deployed.folder
        )
        assert newest in done.stdout and f"OLD={old}" in done.stdout, done.stdout
        claim = cluster.get("pvc", CLAIM, "--namespace", NAME)
        assert claim["spec"]["dataSource"] == {
            "apiGroup": "snapshot.storage.k8s.io",
            "kind": "VolumeSnapshot",
            "name": newest,
        }
        self.provide(cluster, claim, controller.copies / newest)
        cluster.run("bash", "-euc", start, cwd=deployed.folder)
        deployed.client(tools, NEWEST, "query")
        assert volume(cluster, CLAIM) == "restored"
        tree = cluster.get("pv", old)
        assert tree["status"]["phase"] == "Released" and (VOLUMES / old).is_dir()
        cluster.run("bash", "-euc", f"OLD_VOLUME={old}\n{delete}")
        cluster.kubectl("wait", f"pv/{old}", "--for", "delete", "--timeout", "1m")
        assert not (VOLUMES / old).exists()

    def provide(self, cluster, claim, copy):
        """Binds the claim to a volume with this content, as a CSI driver does."""
        shutil.copytree(copy, VOLUMES / "restored")
        (tree,) = [one for one in cluster.get("pv")["items"] if one["spec"]["claimRef"]["name"] == CLAIM]
        spec = {**tree["spec"], "local": {"path": "/var/lib/volumes/restored"}}
        spec["claimRef"] = {"namespace": NAME, "name": CLAIM, "uid": claim["metadata"]["uid"]}
        metadata = {"name": "restored"}
        cluster.apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec})

    def test_restore_without_a_snapshot_deletes_nothing(self, cluster, deployed):
        _, replace, start, _ = deployed.recipe("Restore")
        before = volume(cluster, CLAIM)
        done = cluster.run("bash", "-c", f"SNAPSHOT=\n{replace}", cwd=deployed.folder, check=False)
        assert done.returncode != 0 and "no snapshot" in done.stderr
        assert volume(cluster, CLAIM) == before
        cluster.run("bash", "-euc", start, cwd=deployed.folder)

    def test_snapshots_outlive_the_key_and_the_deployment(self, cluster, deployed):
        before = names(cluster)
        commands = deployed.change({key: value for key, value in deployed.spec.items() if key != "backup"})
        assert any(f"cronjob/{NAME}-backup" in line for line in commands), commands
        cluster.run("bash", "-euc", deployed.recipe("Uninstall")[0], cwd=deployed.folder)
        assert names(cluster) == before != []
