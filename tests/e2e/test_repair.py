"""The repair of damaged indexes of real Chroma servers.

An index is damaged as by a kill while Chroma writes it: the files that Chroma writes first are newer than its metadata.
"""

import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from conftest import CACHE, ROOT, VERSIONS, eventually, get

pytestmark = pytest.mark.docker

SCRIPTS = ROOT / "templates/backup"
NOBODY = "http://127.0.0.1:9/"
# Adds, changes and deletes; arguments: PORT LOG FIRST LAST. Every change is a line of LOG.
WRITE = """
import json, random, sys
import chromadb
port, log, first, last = sys.argv[1:]
settings = {"hnsw:sync_threshold": 50, "hnsw:batch_size": 10}
client = chromadb.HttpClient(host="127.0.0.1", port=int(port))
collection = client.get_or_create_collection("killed", metadata=settings)
def vector(name):
    numbers = random.Random(name)
    return [numbers.uniform(-1, 1) for _ in range(16)]
def write(kind, names, of):
    print(json.dumps([kind, names, of]), file=open(log, "a"))
for turn in range(int(first), int(last)):
    names = [f"{turn}-{n}" for n in range(10)]
    collection.add(ids=names, embeddings=[vector(name) for name in names], documents=names)
    write("set", names, names)
    if turn % 3 == 2:
        changed = [f"{name}-changed" for name in names[:3]]
        collection.update(ids=names[:3], embeddings=[vector(name) for name in changed], documents=changed)
        write("set", names[:3], changed)
        collection.update(ids=names[3:4], metadatas=[{"seen": True}])
        collection.delete(ids=names[5:7])
        write("gone", names[5:7], [])
assert collection.query(query_embeddings=[vector("0-9")], n_results=1)["ids"] == [["0-9"]]
"""
# Compares every record with LOG; arguments: PORT LOG.
CHECK = """
import json, random, sys
import chromadb
collection = chromadb.HttpClient(host="127.0.0.1", port=int(sys.argv[1])).get_collection("killed")
def vector(name):
    numbers = random.Random(name)
    return [numbers.uniform(-1, 1) for _ in range(16)]
expected = {}
for line in open(sys.argv[2]):
    kind, names, of = json.loads(line)
    if kind == "set":
        expected.update(zip(names, of))
    else:
        for name in names:
            expected.pop(name)
there = collection.get(include=["embeddings", "documents"])
assert dict(zip(there["ids"], there["documents"])) == expected
for document, embedding in zip(there["documents"], there["embeddings"]):
    assert all(abs(a - b) < 1e-6 for a, b in zip(embedding, vector(document), strict=True)), f"{document}: other vector"
sample = random.sample(sorted(expected), 100)
near = collection.query(query_embeddings=[vector(expected[name]) for name in sample], n_results=10)["ids"]
own = sum(name in ids for name, ids in zip(sample, near))
assert own >= 95, own
"""
NEWER = ["header.bin", "data_level0.bin", "length.bin", "link_lists.bin"]


@pytest.fixture
def damaged(chroma, render, tools, tmp_path):
    """damaged(version) -> data with a damaged index, the log of its changes, and functions that start Chroma on a
    folder and run a program as its client."""

    def run(version):
        rendered = render(chroma_version=version)
        data, log = tmp_path / "data", tmp_path / "log"

        def start(folder):
            return chroma(version, {}, rendered, folder)

        def call(program, *arguments):
            command = [tools.chroma(version) / "python", "-c", program, *map(str, arguments)]
            environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "ANONYMIZED_TELEMETRY": "False"}
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

        def write(folder, log, first, last):
            server = start(folder)
            done = call(WRITE, server.port, log, first, last)
            assert done.returncode == 0, done.stderr
            server.stop()

        write(data, log, 0, 40)
        later = tmp_path / "later"
        shutil.copytree(data, later)
        write(later, tmp_path / "other", 40, 60)
        [index] = [folder.name for folder in data.iterdir() if (folder / "header.bin").is_file()]
        for name in NEWER:
            shutil.copy(later / index / name, data / index / name)
        return data, log, start, call

    return run


def repair(data, tmp_path, **variables):
    backups = tmp_path / "backups"
    backups.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "DATA": str(data), "BACKUPS": str(backups), "CHROMA_URL": NOBODY}
    command = [sys.executable, "-B", SCRIPTS / "repair.py"]
    done = subprocess.run(command, env=environment | variables, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("version", [version for version in VERSIONS if not version.startswith("0.")])
def test_repair_brings_every_record_back(version, damaged, tmp_path):
    data, log, start, call = damaged(version)
    unrepaired = tmp_path / "unrepaired"
    shutil.copytree(data, unrepaired)
    server = start(unrepaired)
    assert call(CHECK, server.port, log).returncode != 0, "Chroma itself does not repair it"
    server.stop()

    code, said = repair(data, tmp_path, CHROMA_VERSION=version)
    assert code == 0 and "the files of the index differ" in said and "builds the index of" in said, said
    assert any(data.glob("before-restore-*/*/header.bin")), "the damaged index is kept"
    server = start(data)
    done = call(CHECK, server.port, log)
    assert done.returncode == 0, done.stderr + said
    server.stop()
    assert "none is damaged" in repair(data, tmp_path, CHROMA_VERSION=version)[1]


def test_index_without_the_names_of_its_records_is_left_alone(damaged, tmp_path):
    data, *_ = damaged(VERSIONS[-1])
    [metadata] = data.glob("*/index_metadata.pickle")
    metadata.write_bytes(metadata.read_bytes()[:100])
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    code, said = repair(data, tmp_path, CHROMA_VERSION=VERSIONS[-1])
    assert code == 1 and "the names in index_metadata.pickle are lost; restore a backup" in said, said
    assert before == {path: path.read_bytes() for path in before}


def test_repair_is_refused_while_chroma_runs_and_for_0_x(chroma, render, tmp_path):
    server = chroma(VERSIONS[-1], {}, render(chroma_version=VERSIONS[-1]), tmp_path / "data")
    url = f"http://127.0.0.1:{server.port}/"
    code, said = repair(tmp_path / "data", tmp_path, CHROMA_URL=url, CHROMA_VERSION=VERSIONS[-1])
    assert (code, "Chroma is running: stop it" in said) == (1, True), said
    code, said = repair(tmp_path / "data", tmp_path, CHROMA_VERSION="0.6.3")
    assert (code, "only indexes of Chroma 1.x" in said) == (1, True), said


def test_damaged_index_is_an_alert_of_the_collector_within_a_minute(damaged, chroma, render, otelcol, sink, tmp_path):
    data, *_ = damaged(VERSIONS[-1])
    rendered = render(out="traced", target="docker", backend="otlp", chroma_version=VERSIONS[-1])
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    started = time.monotonic()
    server = chroma(VERSIONS[-1], {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered, data)

    def value(name):
        found = re.search(rf"^{name}{{.*}} (.*)$", get(collector.prometheus) or "", re.MULTILINE)
        return found and float(found[1])

    eventually(lambda: value("chroma_index_damaged") == 1, lambda: get(collector.prometheus), seconds=90)
    assert time.monotonic() - started < 75, "the files may have been written at the start"
    assert "is damaged: its files differ: header.bin has" in server.log
    used = shutil.disk_usage(data)
    assert abs(value("system_filesystem_utilization_ratio") - used.used / (used.used + used.free)) < 0.1
