"""Rendered backups of real Chroma servers under write load, and their restoration.

The scripts run with the commands and variables of the rendered CronJob and Job; only folders and addresses are
changed.
"""

import os
import shutil
import subprocess
import tarfile
from datetime import UTC, datetime, timedelta

import pytest
from conftest import CACHE, HERE, NEWEST, VERSIONS, client, eventually, free_ports, get

pytestmark = pytest.mark.kubernetes

NOBODY = "http://127.0.0.1:9/"


@pytest.fixture
def jobs(render, tmp_path):
    """jobs(version, **backup) -> Jobs, of a deployment with these backup settings."""

    def make(version=NEWEST, out="kubernetes", **backup):
        import yaml

        spec = tmp_path / f"{out}.yaml"
        spec.write_text(
            yaml.safe_dump(
                {
                    "tracing": {"backend": "debug"},
                    "chroma": {"version": version},
                    "backup": {"keep": 2, **backup},
                }
            )
        )
        return Jobs(render(out=out, target="kubernetes", spec=spec), tmp_path)

    return make


class Jobs:
    """The steps of the rendered CronJob and Job, run on this machine."""

    def __init__(self, rendered, folder):
        import yaml

        documents = [
            *yaml.safe_load_all((rendered / "backup.yaml").read_text()),
            yaml.safe_load((rendered / "restore.yaml").read_text()),
        ]
        by_kind = {document["kind"]: document for document in documents}
        self.scripts = rendered / "scripts"
        self.scripts.mkdir()
        for name, text in by_kind["ConfigMap"]["data"].items():
            (self.scripts / name).write_text(text)
        self.back_up = steps(by_kind["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"])
        self.bring_back = steps(by_kind["Job"]["spec"]["template"]["spec"])
        self.backups = folder / f"backups-{rendered.name}"
        self.backups.mkdir()

    def run(self, step, data, **variables):
        """Runs a step and returns its exit code and output."""
        folders = {"DATA": str(data), "BACKUPS": str(self.backups), "CHROMA_URL": NOBODY}
        environment = {variable["name"]: variable.get("value", "") for variable in step["env"]}
        environment |= {name: value for name, value in folders.items() if name in environment}
        assert variables.keys() <= environment.keys() | {"PATH"}, "a variable that the step does not have"
        command = [word.replace("/scripts/", f"{self.scripts}/") for word in step["command"]]
        environment = {"PATH": os.environ["PATH"], "HOME": str(data), **environment, **variables}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def backup(self, data, **variables):
        code, said = self.run(self.back_up[0], data, **variables)
        assert code == 0, said
        assert "WARNING" not in said, said
        return self.archives()[-1], said

    def restore(self, data, **variables):
        return self.run(self.bring_back[-1], data, **variables)

    def archives(self):
        return sorted(self.backups.glob("chroma-*.tar.gz"))


def steps(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def filled(chroma, render, jobs, tools, tmp_path):
    """The data of a stopped Chroma, and its jobs."""
    server = chroma(NEWEST, {}, render(chroma_version=NEWEST), tmp_path / "filled")
    client(tools, NEWEST, server.port, "fill")
    server.stop()
    return tmp_path / "filled", jobs()


def busy(tools, start, version, port, log):
    command = [tools.chroma(version) / "python", HERE / "writer.py", port, "write", log]
    return start(f"writer-{version}", command, {"HOME": str(CACHE), "ANONYMIZED_TELEMETRY": "False"})


def confirmed(log):
    return log.read_text().count("\n") if log.exists() else 0


@pytest.mark.parametrize("version", VERSIONS)
def test_backup_of_a_busy_chroma_contains_all_confirmed_writes(version, chroma, render, jobs, tools, start, tmp_path):
    rendered, made, log = render(chroma_version=version), jobs(version), tmp_path / "confirmed"
    data = tmp_path / "data"
    server = chroma(version, {}, rendered, data)
    writer = busy(tools, start, version, server.port, log)
    taken = []
    for number in range(3):
        enough = 150 * (number + 1)
        writer.until(lambda enough=enough: confirmed(log) >= enough, "a busy Chroma", 120)
        began = confirmed(log)
        archive, said = made.backup(data)
        ended = confirmed(log)
        assert "additions waited" in said
        kept = tmp_path / f"kept-{number}"
        shutil.copytree(made.backups, kept, ignore=lambda _, names, name=archive.name: set(names) - {name})
        taken.append((kept, began, ended))
    last = confirmed(log)
    writer.until(lambda: confirmed(log) > last + 8, "additions after the backup", 60)
    assert writer.stop() == 0, writer.log
    server.stop()
    assert len(made.archives()) == 2, "no more are kept"
    for number, (kept, began, ended) in enumerate(taken):
        fresh = tmp_path / f"restored-{number}"
        fresh.mkdir()
        made.backups = kept
        code, said = made.restore(fresh)
        assert code == 0, said
        assert "WARNING" not in said, said
        restored = chroma(version, {}, rendered, fresh)
        client(tools, version, restored.port, "check", log, began, ended, program="writer.py")
        restored.stop()


def test_backup_of_0_6_3_restores_in_the_newest_release_but_not_the_reverse(chroma, render, jobs, tools, tmp_path):
    old, new = jobs("0.6.3", out="old"), jobs(NEWEST, out="new")
    server = chroma("0.6.3", {}, None, tmp_path / "data")
    client(tools, "0.6.3", server.port, "fill")
    old.backup(tmp_path / "data")
    server.stop()
    fresh, new.backups = tmp_path / "fresh", old.backups
    fresh.mkdir()
    assert new.restore(fresh)[0] == 0
    assert (fresh / "chroma-version").read_text() == "0.6.3\n"
    server = chroma(NEWEST, {}, render(chroma_version=NEWEST), fresh)
    client(tools, NEWEST, server.port, "query")
    server.stop()
    new.backup(fresh)
    before = contents(fresh)
    code, said = old.restore(fresh)
    assert (code, f"set chroma.version to {NEWEST}" in said) == (1, True), said
    assert contents(fresh) == before


def test_older_release_starts_on_its_restored_backup_and_not_on_newer_data(chroma, render, jobs, tools, tmp_path):
    old, data = jobs("1.0.20", out="old"), tmp_path / "data"
    data.mkdir()
    rendered = {version: render(out=version, chroma_version=version) for version in ("1.0.20", NEWEST)}
    server = chroma("1.0.20", {}, rendered["1.0.20"], data)
    client(tools, "1.0.20", server.port, "fill")
    server.stop()
    archive, _ = old.backup(data)
    chroma(NEWEST, {}, rendered[NEWEST], data).stop()
    # A backup of the older deployment names the release that opened the data, and is then rejected.
    newer = eventually(lambda: (made := old.backup(data)[0]) != archive and made, "a second backup")
    code, said = old.restore(data)
    assert (code, f"{newer.name}" in said, f"is of Chroma {NEWEST}" in said) == (1, True, True), said
    assert chroma("1.0.20", {}, rendered["1.0.20"], data, ready=False).process.wait(30) == 65
    assert old.restore(data, ARCHIVE=archive.name)[0] == 0
    server = chroma("1.0.20", {}, rendered["1.0.20"], data)
    client(tools, "1.0.20", server.port, "query")


def test_restore_of_a_damaged_archive_changes_nothing(filled):
    data, made = filled
    archive, _ = made.backup(data)
    whole, before = archive.read_bytes(), contents(data)
    middle = len(whole) // 2
    # A single bit could be one that the format ignores.
    flipped = whole[:middle] + bytes(byte ^ 1 for byte in whole[middle : middle + 64]) + whole[middle + 64 :]
    for damaged in (whole[: len(whole) // 2], whole[:-40], flipped, b"", b"no archive"):
        archive.write_bytes(damaged)
        code, said = made.restore(data)
        assert code == 1, said
        assert "use another one" in said, said
        assert "Traceback" not in said, said
        assert contents(data) == before
    archive.write_bytes(whole)
    assert made.restore(data)[0] == 0


def test_restore_rejects_archives_with_unexpected_file_names(filled, tmp_path):
    data, made = filled
    archive, _ = made.backup(data)
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    manifest = tmp_path / "unpacked/manifest.json"
    manifest.write_text(manifest.read_text().replace("chroma.sqlite3", "../outside"))
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(manifest, "manifest.json")
        tar.add(tmp_path / "unpacked/chroma.sqlite3", "../outside")
    before = contents(data)
    code, said = made.restore(data)
    assert (code, "is not a backup" in said) == (1, True), said
    assert contents(data) == before
    assert not (data.parent / "outside").exists()


def test_restore_keeps_the_old_data_and_uses_the_named_archive(filled, chroma, render, tools):
    data, made = filled
    first, _ = made.backup(data)
    server = chroma(NEWEST, {}, render(), data)
    client(tools, NEWEST, server.port, "delete")
    second = eventually(lambda: (made.backup(data)[0] != first) and made.archives()[-1], "a second backup")
    server.stop()
    later = contents(data)
    code, said = made.restore(data, ARCHIVE="chroma-none.tar.gz")
    assert (code, first.name in said, second.name in said) == (1, True, True), said
    code, said = made.restore(data, ARCHIVE=first.name)
    assert code == 0, said
    (aside,) = data.glob("before-restore-*")
    assert contents(aside) == later
    server = chroma(NEWEST, {}, render(), data)
    client(tools, NEWEST, server.port, "query")


def test_restore_fails_while_chroma_runs(filled, chroma, render):
    import sqlite3

    data, made = filled
    made.backup(data)
    server = chroma(NEWEST, {}, render(), data)
    before = contents(data)
    code, said = made.restore(data, CHROMA_URL=server.url + "/")
    assert (code, "stop it and retry" in said) == (1, True), said
    server.stop()
    with sqlite3.connect(data / "chroma.sqlite3", isolation_level=None) as database:
        database.execute("BEGIN IMMEDIATE")
        code, said = made.restore(data)
        database.execute("ROLLBACK")
    assert (code, "stop Chroma and retry" in said) == (1, True), said
    assert contents(data) == before


def test_backups_are_kept_by_number_and_age(filled, jobs):
    data, made = filled[0], jobs(out="aged", keep=3, keep_days=30)
    ago = lambda days: f"chroma-{datetime.now(UTC) - timedelta(days=days):%Y%m%dT%H%M%SZ}.tar.gz"
    old = [ago(days) for days in (31, 29, 2, 1)]
    for name in old:
        (made.backups / name).touch()
    newest, said = made.backup(data)
    assert [path.name for path in made.archives()] == [*old[2:], newest.name], "the newest 3"
    assert f"{old[0]}: deleted, keeping 3 of the last 30 days" in said
    for name in old[2:]:
        (made.backups / name).unlink()
    newest.unlink()
    (made.backups / old[0]).touch()
    newest, _ = made.backup(data)
    assert made.archives() == [newest], "none is older than 30 days"


def test_damaged_database_is_not_backed_up_and_the_last_good_backup_restores(filled, chroma, render, tools):
    data, made = filled
    good, _ = made.backup(data)
    database = data / "chroma.sqlite3"
    whole = database.read_bytes()
    database.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    for _ in range(3):
        code, said = made.run(made.back_up[0], data)
        assert code != 0, said
    assert made.archives() == [good]
    assert [path.name for path in made.backups.iterdir() if path.name != ".lock"] == [good.name], "nothing is left over"
    assert made.restore(data)[0] == 0
    server = chroma(NEWEST, {}, render(), data)
    client(tools, NEWEST, server.port, "query")


def test_backup_fails_when_an_index_is_missing(chroma, render, jobs, tools, start, tmp_path):
    made, log, data = jobs(), tmp_path / "confirmed", tmp_path / "data"
    server = chroma(NEWEST, {}, render(), data)
    writer = busy(tools, start, NEWEST, server.port, log)
    writer.until(lambda: confirmed(log) > 40, "an index on the disk", 60)
    assert writer.stop() == 0, writer.log
    server.stop()
    made.backup(data)
    next(data.glob("*/index_metadata.pickle")).unlink()
    code, said = made.run(made.back_up[0], data)
    assert (code, "has no index_metadata.pickle" in said) == (1, True), said
    assert len(made.archives()) == 1


def test_full_volume_is_reported_without_data_loss(filled, tmp_path):
    data, made = filled
    good, _ = made.backup(data)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", small], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small volume can be made here: {mounted.stderr.strip()}")
    try:
        kept = made.backups
        shutil.copy(good, small)
        made.backups = small
        code, said = made.run(made.back_up[0], data)
        assert (code, "no space left" in said) == (1, True), said
        assert [path.name for path in made.archives()] == [good.name]
        made.backups = kept
        (small / good.name).unlink()
        (small / "mine").write_text("1")
        code, said = made.restore(small)
        assert (code, "are needed in addition to the existing data" in said) == (1, True), said
        assert (small / "mine").read_text() == "1"
    finally:
        subprocess.run(["umount", small], check=True)


def test_backup_restores_from_a_bucket(filled, jobs, chroma, render, tools, start):
    import boto3

    data, _ = filled
    (port,) = free_ports(1)
    store = start("store", [tools.part("aws/bin/moto_server"), "-H", "127.0.0.1", "-p", port])
    store.until(lambda: get(f"http://127.0.0.1:{port}/moto-api/"), "a store")
    made = jobs(out="bucket", bucket="kept", endpoint=f"http://127.0.0.1:{port}", prefix="search/chroma")
    keys = {"aws_access_key_id": "id", "aws_secret_access_key": "S3CR3T", "region_name": "us-east-1"}
    s3 = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="search/chroma/mine.txt", Body=b"mine")
    variables = {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "S3CR3T",
        "PATH": f"{tools.part('rclone/rclone').parent}:{os.environ['PATH']}",
    }

    def stored():
        return sorted(
            item["Key"].rsplit("/", 1)[1]
            for item in s3.list_objects_v2(Bucket="kept", Prefix="search/chroma/")["Contents"]
        )

    sent = []
    while len(sent) < 3:
        archive = eventually(
            lambda: (name := made.backup(data)[0].name) not in sent and name, "a backup with another name"
        )
        assert len(made.archives()) == 1, "one is kept here; the bucket has the rest"
        code, said = made.run(made.back_up[1], data, **variables)
        assert code == 0, said
        assert "S3CR3T" not in said
        sent.append(archive)
        assert stored() == [*sent[-2:], "mine.txt"]
    code, said = made.run(made.back_up[1], data, **{**variables, "STORE": ":s3:nowhere/chroma"})
    assert code != 0, said
    assert stored() == [*sent[-2:], "mine.txt"]
    for name, wanted in (("newest", sent[-1]), (sent[-2], sent[-2])):
        for left in made.archives():
            left.unlink()
        code, said = made.run(made.bring_back[0], data, ARCHIVE=name, **variables)
        assert code == 0, said
        assert [path.name for path in made.archives()] == [wanted]
    assert made.restore(data)[0] == 0
    code, said = made.run(made.bring_back[0], data, ARCHIVE="chroma-none.tar.gz", **variables)
    assert (code, "no backup chroma-none.tar.gz" in said) == (1, True), said
    server = chroma(NEWEST, {}, render(), data)
    client(tools, NEWEST, server.port, "query")
