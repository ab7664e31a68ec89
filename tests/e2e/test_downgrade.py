"""An older Chroma under the entrypoint on data that a newer one has opened."""

import re
import subprocess

import pytest
from conftest import NEWEST, client

pytestmark = pytest.mark.entrypoint

OLD = "1.0.20"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def use(chroma, render, tools, data):
    """use(version, STEP…) runs Chroma on the data and steps of the client, and returns the recorded release."""
    rendered = {version: render(out=version, chroma_version=version) for version in (OLD, NEWEST)}

    def run(version, *steps):
        server = chroma(version, {}, rendered.get(version), data)
        recorded = (data / "chroma-version").read_text()
        client(tools, version, server.port, *steps)
        assert server.stop() in (0, 143), server.log
        return recorded

    def refused(version):
        server = chroma(version, {}, rendered.get(version), data, ready=False)
        assert server.process.wait(30) == 65, server.log
        return server.log

    run.refused, run.readme = refused, (rendered[OLD] / "README.md").read_text()
    return run


def state(folder):
    """Names, contents and metadata of all files."""
    every = sorted([folder, *folder.rglob("*")])
    return [(path, path.lstat()[:6], path.lstat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in every]


def tar_commands(readme):
    """The commands inside of the containers that back up and restore: they have the data at /data."""
    section = readme.split("## Back up and restore\n")[1]
    return re.findall(r"^  -c '(test -e .*?|tar -tzf .*?)'", section, re.M | re.S)


def test_upgrade_is_recorded_and_the_older_release_is_refused_before_the_data_changes(use, data):
    assert use(OLD, "fill") == f"{OLD}\n"
    assert use(NEWEST, "query") == f"{NEWEST}\n"
    before = state(data)
    log = use.refused(OLD)
    assert state(data) == before
    [error] = [line for line in log.splitlines() if "error: " in line]
    assert NEWEST in error and OLD in error and f"{data}/chroma-version" in error, error
    assert use(NEWEST, "query") == f"{NEWEST}\n"


def test_release_1_is_recorded_on_data_of_0_6_3_which_is_then_refused(use, data):
    assert use("0.6.3", "fill") == "0.6.3\n"
    assert use(NEWEST, "query") == f"{NEWEST}\n"
    before = state(data)
    assert "0.6.3" in use.refused("0.6.3")
    assert state(data) == before


def test_older_release_starts_on_a_restored_backup(use, data, tmp_path):
    """By the commands of the README of a Docker deployment, without its containers."""
    back_up, restore = (
        command.replace("/data", str(data)).replace("/backup/", f"{tmp_path}/") for command in tar_commands(use.readme)
    )
    use(OLD, "fill")
    with open(tmp_path / "BACKUP.tgz", "wb") as archive:
        subprocess.run(["sh", "-c", back_up], stdout=archive, check=True)
    use(NEWEST, "query")
    use.refused(OLD)
    subprocess.run(["sh", "-c", restore], check=True)
    assert use(OLD, "query") == f"{OLD}\n"
