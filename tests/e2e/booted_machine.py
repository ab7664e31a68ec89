"""Fixtures, steps and checks for booted stand-in machines (stand_in_machine.py) of all clouds."""

import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import CACHE, HERE, NEWEST, PINNED, Server, eventually, missing, renderer, start_sink
from stand_in_machine import ADDRESS, HOST, SOCKET, Disk, Machine, host

CHROMA = f"http://{ADDRESS}:8000"
COLLECTIONS = f"{CHROMA}/api/v2/tenants/default_tenant/databases/default_database/collections"
# Characters that a shell, systemd, Docker or the collector could interpret.
HOSTILE = """ '"`id`" $HOME ${HOME} $$ $(id) \\n \\ %h %% * ! ; & | # = ü 🎈 """
KEY = """s3cret'"`id`$HOME${HOME}$$\\%h;#="""


# Images of the programs that back up.
PROGRAM_IMAGES = [PINNED["PYTHON_IMAGE"], f"rclone/rclone:{PINNED['RCLONE_VERSION']}"]


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
def off_machine(tools, folder, disks, cloud_machine):
    """A machine of the package's kind with its network, switched off; it is removed before its disks."""
    if not os.path.exists(SOCKET):
        missing("the Docker engine (see .ci/engine)")
    machine = Machine(tools, folder, cloud_machine)
    machine.connect()
    try:
        yield machine
    finally:
        machine.remove()


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


def send_request():
    """Sends a unique request to Chroma and returns its query string."""
    query = new_query()
    with urllib.request.urlopen(f"{COLLECTIONS}?{query}", timeout=10) as answer:
        assert answer.status == 200
    return query


def trace_arrives(sink):
    """Sends a unique request to Chroma and returns its span."""
    query = send_request()
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


def signal_chroma(machine, name):
    """Sends a signal to the server in Chroma's container, not to the entrypoint."""
    entrypoint = machine.container("chroma")["State"]["Pid"]
    server = machine.read(f"/proc/{entrypoint}/task/{entrypoint}/children").strip()
    machine.run("bash", "-c", f"kill -{name} {server}")


def until_active(machine, unit):
    def active():
        return machine.run("systemctl", "is-active", unit, check=False).stdout.strip() == "active"

    eventually(active, lambda: machine.journal("--boot", "--lines=60"), 90)


def until_healthy(machine):
    eventually(lambda: machine.boot("healthy", check=False).returncode == 0, "both healthy", 30)


def until_collector_answers(machine):
    eventually(lambda: get_inside(machine, "http://127.0.0.1:13133/"), "the collector")


def leaked(machine, pattern="s3cret"):
    """Files and arguments that contain a secret. The containerd folder is excluded: it has the environment of
    existing containers, readable only by root."""
    command = ["grep", "-rlaE", "--exclude-dir=containerd", pattern, machine.state / "upper"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode in (0, 1), found.stderr
    said = machine.journal().splitlines() + machine.calls
    return found.stdout.split() + [line for line in said if re.search(pattern, line)]


def check_values(machine):
    """Asserts that the containers receive the values unchanged."""

    def environment(name):
        return dict(entry.split("=", 1) for entry in machine.container(name)["Config"]["Env"])

    assert environment("chroma")["CHROMA_OTEL_SERVICE_NAME"] == HOSTILE
    assert environment("chroma")["SECRET"] == "s3cret" + HOSTILE
    assert json.loads(environment("otel-collector")["CHROMA_OTEL_COLLECTION_HEADERS"]) == {"x-api-key": KEY}


def check_secret_files(machine):
    """Asserts that only root can read the files with secrets, which are in memory."""
    names = ["chroma.env", "collector.env"]
    assert [machine.path(f"/run/chroma-otel/{name}").stat().st_mode & 0o777 for name in names] == [0o600] * 2
    assert machine.path("/run/chroma-otel").stat().st_mode & 0o777 == 0o700


def check_delivered_files(machine):
    """Asserts that the scripts and units on the machine pass their linters."""
    folder = machine.path("/etc/chroma-otel")
    host("shellcheck", "--shell=bash", folder / "boot", folder / "watch", folder / "cloud")
    units = ("chroma-otel.service", "chroma.service", "otel-collector.service", "chroma-otel-watch.timer")
    backups = ("backup.service", "backup.timer", "restore@.service", "repair.service")
    units += tuple(f"chroma-otel-{name}" for name in backups if (folder / "backup").exists())
    done = machine.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{unit}" for unit in units))
    assert done.stdout + done.stderr == ""


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
