"""Fixtures, steps and checks for booted stand-in machines (stand_in_machine.py) of all clouds."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import CACHE, HERE, NEWEST, Server, eventually, renderer, start_sink
from stand_in_machine import ADDRESS, HOST, SOCKET, Disk, host

CHROMA = f"http://{ADDRESS}:8000"
COLLECTIONS = f"{CHROMA}/api/v2/tenants/default_tenant/databases/default_database/collections"
# Characters that a shell, systemd, Docker or the collector could interpret.
HOSTILE = """ '"`id`" $HOME ${HOME} $$ $(id) \\n \\ %h %% * ! ; & | # = ü 🎈 """
KEY = """s3cret'"`id`$HOME${HOME}$$\\%h;#="""


@pytest.fixture(scope="package")
def start(folder):
    """start(name, command, environment) -> Server, shared by the tests of the package."""
    servers = []

    def run(name, command, environment=None):
        servers.append(Server(command, environment or {}, folder / f"{name}-{len(servers)}.log", folder))
        return servers[-1]

    yield run
    for server in reversed(servers):
        server.stop()


@pytest.fixture(scope="package")
def disks(folder):
    """disks(megabytes) -> Disk, blank; all are removed at the end."""
    made = []

    def make(megabytes=256):
        made.append(Disk(folder / f"disk-{len(made)}", megabytes))
        return made[-1]

    yield make
    for disk in made:
        disk.remove()


@pytest.fixture(scope="package")
def sink(off_machine, tools, start, folder):
    """The backend, on the host's side of the machine's network."""
    return start_sink(tools, start, folder, "--grpc", f"{HOST}:0", "--http", f"{HOST}:0")


def generate(tools, folder, spec, *flags):
    """The folder rendered from this spec."""
    out = folder / f"rendered-{len(list(folder.iterdir()))}"
    out.mkdir()
    (out / "spec.yaml").write_text(spec)
    command = [tools.program("chroma-otel-deploy"), "gen", "--spec", out / "spec.yaml", "--out", out, *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    return out


def wrapped_images(tools, folder):
    """The wrapped images of Chroma and the collector, built in the tests' engine with the Compose files, which
    build the same images."""
    rendered = renderer(tools, folder)(out="compose")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "DOCKER_HOST": f"unix://{SOCKET}"}
    options = {"cwd": rendered, "env": environment | {"DOCKER_CONFIG": str(CACHE / "now/plugins")}}
    host("docker", "compose", "build", "--quiet", **options)
    return sorted(host("docker", "compose", "config", "--images", "chroma", "otel-collector", **options).split())


def client(tools, machine, *steps):
    """Runs the real Python client on the machine."""
    command = machine.near(str(tools.chroma(NEWEST) / "python"), str(HERE / "client.py"), "8000", *steps)
    environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "ANONYMIZED_TELEMETRY": "False"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def get_inside(machine, url):
    return machine.run("curl", "--fail", "--silent", url, check=False).stdout


def new_query():
    """A query string that is unique and that redaction keeps."""
    return f"offset={time.monotonic_ns() // 1000 % 2**31}"


def trace_arrives(sink):
    """Sends a unique request to Chroma and returns its span."""
    query = new_query()
    with urllib.request.urlopen(f"{COLLECTIONS}?{query}", timeout=10) as answer:
        assert answer.status == 200
    return sink.wait_for(lambda spans: [span for span in spans if query in json.dumps(span)], query)[0]


def started(machine):
    """The start times of both containers."""
    return [machine.container(name)["State"]["StartedAt"] for name in ("chroma", "otel-collector")]


def watch(machine):
    """Runs the ten-minute timer's unit. A run already in progress may have read the secrets earlier, so it is
    awaited first."""
    unit = ("is-active", "chroma-otel-watch.service")
    eventually(lambda: machine.run("systemctl", *unit, check=False).stdout != "activating\n", "the timer's own run")
    machine.run("systemctl", "reset-failed", "chroma-otel-watch.service", check=False)  # lifts the start limit
    machine.run("systemctl", "start", "chroma-otel-watch.service")


def until_active(machine, unit):
    def active():
        return machine.run("systemctl", "is-active", unit, check=False).stdout.strip() == "active"

    eventually(active, lambda: machine.journal("--boot", "--lines=60"), 90)


def digest(disk):
    return host("sha256sum", disk.file).split()[0]


def a_partition_table(device):
    entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
    with open(device, "r+b") as file:
        file.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")


def data_without_a_signature(device):
    with open(device, "r+b") as file:
        file.write(b"precious")


FOREIGN = {
    "swap": lambda device: host("mkswap", device),
    "ext2": lambda device: host("mkfs.ext2", "-q", device),
    "PTTYPE=dos": a_partition_table,
    "known signature": data_without_a_signature,
}
