"""Backups while Chroma runs, and their restoration, with the commands of the README."""

import json

import pytest
from conftest import NEWEST, client, eventually, get

from compose.deployment import CHROMA, of_spec

pytestmark = pytest.mark.docker

NAME = "docker-compose.override.yaml"
# Every minute, in place of the schedule; with the highest limit of open files here (conftest.py).
NOW = """services:
  chroma: {ulimits: {nofile: {soft: 20000, hard: 20000}}}
  backup: {environment: {SCHEDULE: '* * * * *'}}
"""


def archives(stack):
    listed = stack.compose("exec", "-T", "backup", "ls", "/backups").stdout.split()
    return sorted(name for name in listed if name.endswith(".tar.gz"))


@of_spec({"backup": "{keep: 2}"}, {"backup": "{keep: 2}", "image": "stock"})
class TestBackup:
    def test_readme_commands_back_up_and_restore(self, stack, tools):
        client(tools, NEWEST, CHROMA, "fill")
        back_up, restore, repair, tidy = stack.recipe("Back up and restore")
        started = stack.container("chroma")["State"]["StartedAt"]
        stack.shell(back_up)
        assert stack.container("chroma")["State"]["StartedAt"] == started, "Chroma keeps running"
        [archive] = (stack.folder / "my-backups").glob("chroma-*.tar.gz")
        assert archive.stat().st_size > 1000
        client(tools, NEWEST, CHROMA, "query", "delete")
        refused = stack.shell(restore.split("\n")[1], check=False)
        assert refused.returncode != 0 and "Chroma is running: stop it" in refused.stdout + refused.stderr
        stack.shell(restore)
        eventually(lambda: get(f"http://127.0.0.1:{CHROMA}/api/v2/healthcheck"), "Chroma")
        client(tools, NEWEST, CHROMA, "query", "fill")
        said = stack.shell(repair)
        assert "none is damaged" in said.stdout + said.stderr
        eventually(lambda: get(f"http://127.0.0.1:{CHROMA}/api/v2/healthcheck"), "Chroma")
        there = "ls /data | grep -c before-restore-"
        assert stack.compose("exec", "-T", "backup", "sh", "-c", there).stdout.strip() == "1"
        stack.shell(tidy)
        assert stack.compose("exec", "-T", "backup", "sh", "-c", there, check=False).stdout.strip() == "0"

    def test_schedule_backs_up_and_keeps_the_newest(self, stack):
        (stack.folder / NAME).write_text(NOW)
        before = archives(stack)
        stack.up()
        eventually(lambda: len(set(archives(stack)) - set(before)) >= 2, "two backups", 150)
        assert len(archives(stack)) == 2
        assert "verified" in stack.logs("backup")

    def test_failed_backup_makes_the_service_unhealthy(self, stack):
        def health():
            return stack.container("backup")["State"]["Health"]["Status"]

        assert health() == "healthy"
        move = "mv /data/{0} /data/{1}"
        user = ["exec", "-T", "--user", str(owner(stack)), "backup", "sh", "-c"]
        stack.compose(*user, move.format("chroma.sqlite3", "aside"))
        eventually(lambda: health() == "unhealthy", health, 150)
        stack.compose(*user, move.format("aside", "chroma.sqlite3"))
        eventually(lambda: health() == "healthy", health, 90)

    def test_container_is_confined(self, stack):
        container = stack.container("backup")
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and host["Memory"] > 0
        assert not host["PortBindings"], json.dumps(host["PortBindings"])


def owner(stack):
    return stack.compose("exec", "-T", "backup", "stat", "--format", "%u", "/data/chroma.sqlite3").stdout.strip()
