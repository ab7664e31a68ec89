"""The data disk of a machine in AWS: foreign, missing, grown and full disks."""

import json
import urllib.error
import urllib.request

import pytest
from booted_machine import COLLECTIONS, FOREIGN, client, digest, started, watch

from machine_aws.machine_steps import replace_disk

pytestmark = pytest.mark.aws


def may_grow():
    with open("/proc/self/status") as status:
        return bool(int(status.read().split("CapEff:")[1].split()[0], 16) >> 24 & 1)


def size(machine):
    return int(machine.run("df", "--output=size", "/var/lib/chroma-otel").stdout.split()[-1])


class TestDataDisk:
    @pytest.mark.parametrize("kind", FOREIGN)
    def test_foreign_disk_is_left_unchanged(self, machine, cloud, disks, kind):
        disk = disks(16)
        FOREIGN[kind](disk.device)
        before = digest(disk)
        replace_disk(machine, cloud, disk)
        done = machine.boot("disk", check=False)
        assert done.returncode == 65 and kind in done.stderr and "left alone" in done.stderr, done.stderr
        assert digest(disk) == before

    def test_chroma_does_not_start_without_its_disk(self, machine, cloud, disks):
        replace_disk(machine, cloud, disks(16))
        done = machine.run("systemctl", "start", "chroma.service", check=False)
        assert done.returncode != 0
        assert machine.container("chroma") is None

    def test_disk_of_a_replaced_machine_keeps_its_data(self, machine, cloud, tools):
        """The disk that the first tests filled."""
        replace_disk(machine, cloud, machine.disk)
        machine.forget_calls()
        machine.boot()
        client(tools, machine, "query")
        assert not [call for call in machine.calls if call.startswith("mkfs")]

    @pytest.mark.skipif(
        not may_grow(), reason="this kernel does not let us grow a mounted file system (CAP_SYS_RESOURCE)"
    )
    def test_watch_extends_the_file_system_of_a_grown_disk(self, machine, tools):
        before, since = size(machine), started(machine)
        machine.disk.grow(512)
        watch(machine)
        assert size(machine) > 1.8 * before
        assert started(machine) == since
        client(tools, machine, "query")

    def test_failed_resize_is_a_warning_and_the_disk_stays_in_use(self, machine, cloud):
        machine.forget_calls()
        machine.let_fail("resize2fs", says="no")
        watch(machine)
        machine.let_work()
        calls = {call for call in machine.calls if call.startswith("resize2fs")}  # the timer may have run it as well
        assert calls == {f"resize2fs {machine.disk.device}"}
        said = machine.journal("--unit=chroma-otel-watch").splitlines()
        assert "warning: the file system could not be made as large as its disk: no" in said

    def test_full_disk_is_reported_without_data_loss(self, machine, cloud, tools):
        machine.run("sh", "-c", "cat /dev/zero >/var/lib/chroma-otel/data/filler", check=False)
        assert "the data disk is 100 % full" in machine.boot(check=False, limit=30).stderr
        body = json.dumps({"name": "no-room"}).encode()
        request = urllib.request.Request(COLLECTIONS, body, {"Content-Type": "application/json"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert "full" in refused.value.read().decode()
        machine.path("/var/lib/chroma-otel/data/filler").unlink()
        machine.run("systemctl", "restart", "chroma.service")
        machine.boot()
        client(tools, machine, "query", "fill")
