"""Upgrades, and every kind of image."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import NEWEST, PINNED, client, eventually, get, renderer

from compose.deployment import CHROMA, COUNT, REGISTRY, of_spec, trace_arrives

pytestmark = pytest.mark.docker


@of_spec({"chroma_version": "1.0.20"}, {"chroma_version": "0.6.3"})
class TestUpgrade:
    def test_upgrade_keeps_the_data(self, stack, spec, tools):
        client(tools, spec["chroma_version"], CHROMA, "fill", "query")
        trace_arrives()
        back_up, _ = stack.recipe("Back up and restore")
        stack.shell(back_up)
        renderer(tools, stack.folder.parent)(out=stack.folder.name, chroma_version=NEWEST)
        stack.up()
        client(tools, NEWEST, CHROMA, "query")
        trace_arrives()

    def test_readme_commands_go_back_and_without_them_the_older_release_is_refused(self, stack, spec, tools):
        """Follows "Upgrade"; the spec is changed first, as an operator would who has not read it."""
        old = spec["chroma_version"]
        _, restore = stack.recipe("Back up and restore")
        command = [tools.program("chroma-otel-deploy"), "gen", "--chroma-version", old, "--allow-downgrade"]
        done = subprocess.run(command, cwd=stack.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        stack.compose("up", "--detach")
        said = f"Chroma {NEWEST} has opened this data, and {old} could damage it"
        eventually(lambda: stack.logs("chroma").count(said) > 1, lambda: stack.logs("chroma"), 60)
        [archive] = stack.folder.glob("chroma-*.tgz")
        commands, last = restore.replace("BACKUP.tgz", archive.name).rsplit("docker compose start chroma", 1)
        assert not last.strip()
        stack.shell(commands)
        stack.up()
        client(tools, old, CHROMA, "query")
        trace_arrives()


@of_spec(
    {"chroma_version": "0.6.3", "image": "wrapped"},
    {"chroma_version": "0.6.3", "image": "stock"},
    {"chroma_version": "1.0.20", "image": "stock"},
    {"chroma_version": NEWEST, "image": "stock"},
)
class TestOtherImages:
    """The Python server, and the published images."""

    def test_request_is_traced_and_data_survives_a_restart(self, stack, spec, tools):
        client(tools, spec["chroma_version"], CHROMA, "fill")
        trace_arrives()
        stack.compose("down")
        stack.up()
        client(tools, spec["chroma_version"], CHROMA, "query")


def files_of(container):
    """The soft limit of open files of a container's first process."""
    limits = Path(f"/proc/{container['State']['Pid']}/limits").read_text()
    return int(re.search(r"^Max open files\s+(\d+)", limits, re.M)[1])


@of_spec({"image": "published", "registry": REGISTRY})
class TestPublished:
    """Prebuilt images, shared by all deployments."""

    def test_request_is_traced(self, stack):
        assert not (stack.folder / "image").exists()
        trace_arrives()
        collector = f"otel-collector:{PINNED['COLLECTOR_VERSION']}-"
        for service, name in (("chroma", f"chroma:{NEWEST}-"), ("otel-collector", collector)):
            assert stack.container(service)["Config"]["Image"].startswith(f"{REGISTRY}/{name}")


@of_spec({"chroma_version": NEWEST, "image": "stock"}, {"chroma_version": "0.6.3", "image": "stock"})
class TestStock:
    """Settings that work without the entrypoint."""

    def test_open_file_limit_and_sqlite_tmpdir_are_set(self, stack):
        container = stack.container("chroma")
        assert files_of(container) == 20000
        rendered = (stack.folder / "docker-compose.yaml").read_text()
        assert "ulimits: {nofile: {soft: 65536, hard: 65536}}" in rendered
        variables = dict(one.split("=", 1) for one in container["Config"]["Env"])
        mounts = {mount["Destination"] for mount in container["Mounts"] if mount["Type"] == "volume"}
        assert variables["SQLITE_TMPDIR"] in mounts
        assert variables["OTEL_BSP_SCHEDULE_DELAY"] == "1000"

    def test_pre_stop_hook_of_the_readme_is_valid_compose(self, stack, tools, tmp_path):
        readme = (stack.folder / "README.md").read_text()
        [override] = [block for block in re.findall(r"```yaml\n(.*?)```", readme, re.S) if "pre_stop" in block]
        (tmp_path / "override.yaml").write_text(override)
        check = [tools.checker("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "override.yaml"]
        done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@of_spec({"backend": "zipkin"})
class TestZipkin:
    def test_request_is_traced(self, stack):
        assert get(f"http://127.0.0.1:{CHROMA}{COUNT}")
        found = "http://127.0.0.1:9411/api/v2/traces?serviceName=chromadb&limit=1000"
        eventually(lambda: "collections_count" in (get(found) or ""), lambda: get(found) or "no answer")
