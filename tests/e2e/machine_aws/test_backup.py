"""Backups in S3 by the machine's identity, with the commands of the README."""

import re

import pytest
from booted_machine import client, generate, started, until_active, until_healthy, watch

from machine_aws.aws_services import BUCKET
from machine_aws.machine_files import SPEC

pytestmark = pytest.mark.aws

SETTINGS = "/etc/chroma-otel/backup.env"


@pytest.fixture(scope="class")
def recipe(tools, folder):
    """The shell blocks of the README's section."""
    text = (generate(tools, folder, SPEC) / "README.md").read_text()
    section = text.split("## Back up and restore\n")[1].split("\n### Snapshots")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def follow(machine, block, check=True):
    done = machine.run("bash", "-e", "-c", block.replace("sudo ", ""), check=False)
    assert done.returncode == 0 or not check, done.stderr + machine.journal("--lines=30")
    return done.stdout


def stored(cloud):
    found = cloud.service("s3").list_objects_v2(Bucket=BUCKET)
    return [one["Key"] for one in found.get("Contents", [])]


def left(machine, folder):
    return machine.run("sh", "-c", f"ls {folder}").stdout.split()


class TestBackup:
    def test_unit_stores_a_verified_backup_while_chroma_runs(self, machine, cloud, tools, recipe):
        _, back_up, *_ = recipe
        assert machine.run("systemctl", "is-active", "chroma-otel-backup.timer").stdout == "active\n"
        client(tools, machine, "fill")
        before = started(machine)
        said = follow(machine, back_up)
        assert "20 records" in said and "verified" in said and f"sent to :s3:{BUCKET}/search" in said, said
        [name] = stored(cloud)
        assert re.fullmatch(r"search/chroma-\d{8}T\d{6}Z\.tar\.gz", name)
        assert started(machine) == before
        assert "chroma-" not in " ".join(left(machine, "/var/lib/chroma-otel/backups")), "no archive stays on the disk"

    def test_newest_backup_restores_with_one_command(self, machine, tools, recipe):
        _, _, restore, _, repair, tidy = recipe
        client(tools, machine, "query", "delete")
        said = follow(machine, restore)
        assert "restored 20 records" in said, said
        until_active(machine, "chroma.service")
        until_healthy(machine)
        assert machine.run("systemctl", "is-active", "chroma-otel-backup.timer").stdout == "active\n"
        client(tools, machine, "query")
        assert "none is damaged" in follow(machine, repair)
        until_healthy(machine)
        client(tools, machine, "query")
        data = "/var/lib/chroma-otel/data"
        assert [name for name in left(machine, data) if name.startswith("before-restore-")]
        follow(machine, tidy)
        assert not [name for name in left(machine, data) if name.startswith("before-restore-")]

    def test_backup_of_a_newer_chroma_is_refused_and_chroma_runs_on(self, machine, tools, recipe):
        settings = machine.read(SETTINGS)
        machine.write(SETTINGS, re.sub("CHROMA_VERSION=.*", "CHROMA_VERSION=1.0.0", settings), 0o600)
        restore, log = recipe[2].strip().split("\n")
        follow(machine, restore, check=False)
        machine.write(SETTINGS, settings, 0o600)
        assert "whose data 1.0.0 cannot read" in follow(machine, log)
        until_active(machine, "chroma.service")
        until_healthy(machine)
        client(tools, machine, "query")

    def test_failed_backup_is_a_failed_unit_a_metric_and_a_log(self, machine, cloud):
        settings, unit = machine.read(SETTINGS), "chroma-otel-backup.service"
        machine.write(SETTINGS, settings.replace(BUCKET, "nowhere"), 0o600)
        kept = stored(cloud)
        assert machine.run("systemctl", "start", unit, check=False).returncode != 0
        machine.write(SETTINGS, settings, 0o600)
        assert machine.run("systemctl", "is-failed", unit).stdout == "failed\n"
        here = machine.run("uname", "--nodename").stdout.strip()
        assert any("NoSuchBucket" in line for line in cloud.log(f"chroma-otel-backup/{here}"))
        assert (failed(machine, cloud), stored(cloud)) == (1, kept)
        machine.run("systemctl", "start", unit)
        assert failed(machine, cloud) == 0

    def test_bucket_keeps_the_newest_backups(self, machine, cloud):
        for _ in range(2):
            machine.run("systemctl", "start", "chroma-otel-backup.service")
        assert len(stored(cloud)) == 2


def failed(machine, cloud):
    """The newest value of the metric."""
    watch(machine)
    calls = [call for call in machine.calls if "put-metric-data" in call]
    return int(re.search(r'"BackupFailed".*?"Value": (\d)', calls[-1])[1])
