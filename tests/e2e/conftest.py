"""Fixtures of the end-to-end tests: real Chroma servers, a real Collector, a real Docker engine.

`.ci/run NAME` builds the parts that one group of tests needs and runs them; CONTRIBUTING.md explains how to run a
single test.

Invariant: no test sleeps for a fixed time; `eventually` polls until a deadline.
"""

import contextlib
import functools
import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import backend_table
import file_times
import pytest
from backend_table import checked  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chroma-otel-deploy"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PINNED = dict(re.findall(r'^(\w+)="?([^"\n]*)', (ROOT / "versions.env").read_text(), re.MULTILINE))
VERSIONS = PINNED["CHROMA_VERSIONS"].split()
NEWEST = VERSIONS[-1]


# The slowest files start first, so that no worker is left alone with one ("files" at the end of a run shows times).
# Tests that share a machine or a cluster run in this order.
FIRST = [
    "machine_aws/test_lifecycle",
    "machine_aws/test_backup",
    "machine_aws/test_boot_failures",
    "machine_aws/test_data_disk",
    "machine_aws/test_published_images",
    "machine_aws/test_access",
    "machine_aws/test_delivered_files",
    "machine_gcp_azure/test_lifecycle",
    "machine_gcp_azure/test_boot_failures",
    "machine_gcp_azure/test_registries",
    "machine_gcp_azure/test_delivered_files",
    "kubernetes_cluster/test_lifecycle",
    "kubernetes_cluster/test_helm_release",
    "kubernetes_cluster/test_tiered_collector",
    "kubernetes_cluster/test_without_collector",
    "kubernetes_cluster/test_restricted",
    "kubernetes_cluster/test_leftovers",
    "kubernetes_cluster/test_snapshots",
    "kubernetes_cluster/test_api_server",
    "compose/test_default",
    "compose/test_images",
    "compose/test_access",
    "compose/test_backup",
    "test_cloudformation_template",
    "test_cloudformation_stacks",
]
# Files whose tests share no fixture: any worker runs any of them.
SPREAD = {
    "test_backend_aws",
    "test_backend_azure",
    "test_backend_google",
    "test_backends",
    "test_backends_keys",
    "test_backends_several",
    "test_backup",
    "test_backup_identity",
    "test_backup_schedule",
    "test_chroma",
    "test_collector",
    "test_custom_backend",
    "test_downgrade",
    "test_environment",
    "test_exposure",
    "test_helm_chart",
    "test_kubernetes_alerts",
    "test_kubernetes_clouds",
    "test_kubernetes_collector_configuration",
    "test_kubernetes_collector_metrics",
    "test_kubernetes_gateway",
    "test_kubernetes_tiered_collector",
    "test_monitoring",
    "test_private_authority",
    "test_redaction",
    "test_repair",
    "test_sampling",
    "test_terraform_clouds_registries",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """One worker runs a file, or a folder whose tests share fixtures; a second one would set them up again. It also
    runs all machines, one after the other. (The groups of pytest-xdist 3.8.0 have no effect with pytest 9.2.0.)"""
    from xdist.scheduler import LoadFileScheduling

    class BySharedFixtures(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = Path(super()._split_scope(nodeid))
            if file.parent.name == HERE.name and file.stem in SPREAD:
                return nodeid
            if file.parent.name.startswith("machine"):
                return "machine"
            return str(file if file.parent.name == HERE.name else file.parent)

    config.option.loadscopereorder = False  # in the order of collection
    return BySharedFixtures(config, log)


def position(file):
    """The index of a test file in FIRST; files that are not listed come last."""
    name = file.relative_to(HERE).with_suffix("").as_posix() if file.is_relative_to(HERE) else file.stem
    return FIRST.index(name) if name in FIRST else len(FIRST)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Every test has a marker of `.ci/run`, from its file or from its parameter `cloud`."""
    parts = {line.partition(":")[0] for line in config.getini("markers")}
    of_ours = [item for item in items if item.path.is_relative_to(HERE)]
    for item in of_ours:
        cloud = getattr(item, "callspec", None) and item.callspec.params.get("cloud")
        if hasattr(cloud, "providers") and not any(mark.name in parts for mark in item.iter_markers()):
            item.add_marker(cloud.name)
    if unmarked := [
        item.nodeid for item in of_ours if not parts.intersection(mark.name for mark in item.iter_markers())
    ]:
        raise pytest.UsageError("tests without a marker of pyproject.toml: " + ", ".join(unmarked))
    items.sort(key=lambda item: position(item.path))


def pytest_terminal_summary(terminalreporter):
    backend_table.show(terminalreporter)
    file_times.show(terminalreporter)


def missing(what, optional=False):
    """Ends the test: skipped on a developer's machine, failed in CI unless the part is optional."""
    if os.environ.get("CI") == "true" and not optional:
        pytest.fail(f"{what} is missing", pytrace=False)
    pytest.skip(f"{what} is missing")


class Tools:
    """The paths of the real programs; asking for a missing one ends the test."""

    def part(self, path, optional=False):
        found = CACHE / "now" / path
        return found if found.exists() else missing(f"`{found}` (see .ci/parts)", optional)

    def chroma(self, version):
        return self.part(f"chroma-{version}/bin")

    @property
    def otelcol(self):
        return self.part("otelcol/otelcol-contrib")

    def checker(self, name):
        return self.part(f"python/bin/{name}")

    def program(self, name):
        found = TARGET / "debug" / name
        return found if found.exists() else missing(f"`{found}` (see `cargo build --workspace --bins --examples`)")


@pytest.fixture(scope="session")
def tools():
    return Tools()


def eventually(check, what, seconds=30):
    """Polls until `check` returns a true value and returns it; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        if result := check():
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def get(url, seconds=5):
    """The body of a 2xx response, else None."""
    with (
        contextlib.suppress(OSError, urllib.error.URLError),
        urllib.request.urlopen(url, timeout=seconds) as answer,
    ):
        return answer.read().decode() or " "
    return None


@functools.cache
def own_ports():
    """Ports that only this worker gives out, below those that Linux gives to outgoing connections: one of those could
    be taken between the check and the start of a server."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return itertools.cycle(range(20000 + number, 32768, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))


def is_free(port):
    with socket.socket() as one, contextlib.suppress(OSError):
        one.bind(("127.0.0.1", port))
        return True
    return False


def free_ports(count):
    """Distinct free ports on loopback."""
    return list(itertools.islice(filter(is_free, own_ports()), count))


def otlp_addresses():
    """`HOST:4317` and `HOST:4318` on a separate loopback address: the entrypoint recognizes a collector by its
    gRPC port and sends its own spans to the HTTP port next to it."""
    while True:
        host = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        with socket.socket() as grpc, socket.socket() as http, contextlib.suppress(OSError):
            grpc.bind((host, 4317))
            http.bind((host, 4318))
            return f"{host}:4317", f"{host}:4318"


class Server:
    """A running program with its log."""

    def __init__(self, command, environment, log, cwd):
        self.log_file = log
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environment},
            stdin=subprocess.DEVNULL,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
            cwd=cwd,
        )

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def until(self, check, what, seconds=60):
        """Like `eventually`, but fails at once, with the log, if the program has exited."""

        def running():
            result = check()
            assert result or self.is_running(), f"ended with {self.process.poll()}:\n{self.log}"
            return result

        return eventually(running, lambda: f"{what}:\n{self.log}", seconds)

    def stop(self, sent=signal.SIGTERM, seconds=60):
        """Sends the signal and returns the exit code."""
        if self.is_running():
            self.process.send_signal(sent)
        return self.process.wait(seconds)

    def children(self):
        """Process ids of the direct children."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]


@pytest.fixture
def start(tmp_path):
    """start(name, command, environment={}) -> Server; all servers are stopped at the end."""
    with starting(tmp_path) as start:
        yield start


@contextlib.contextmanager
def starting(folder):
    """Like the fixture `start`, for the duration of the context."""
    servers = []

    def run(name, command, environment=None):
        log = folder / f"{name}-{len(servers)}.log"
        servers.append(Server(command, environment or {}, log, folder))
        return servers[-1]

    try:
        yield run
    finally:
        for server in reversed(servers):
            server.stop(signal.SIGTERM if server.is_running() else signal.SIGKILL)


@pytest.fixture
def render(tools, tmp_path):
    return renderer(tools, tmp_path)


def renderer(tools, folder):
    """render(out="rendered", **flags) -> the folder; `chroma_version="1.0.20"` is `--chroma-version 1.0.20`, a list
    repeats the flag, True is a flag without a value."""

    def render(out="rendered", **flags):
        flags = {"target": "docker", **flags}
        pairs = [
            (name, one) for name, value in flags.items() for one in (value if isinstance(value, list) else [value])
        ]
        words = [
            word
            for name, value in pairs
            for word in (f"--{name.replace('_', '-')}", *([] if value is True else [str(value)]))
        ]
        command = [tools.program("chroma-otel-deploy"), "gen", "--out", folder / out, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
        assert done.returncode == 0, done.stderr
        return folder / out

    return render


class Sink:
    """The OTLP receiver at the end of the pipeline; reads the records received so far."""

    def __init__(self, server, records):
        self.server, self.records = server, records
        server.until(lambda: server.log.startswith("{") and "\n" in server.log, "the sink's addresses")
        self.addresses = json.loads(server.log.splitlines()[0])
        self.grpc = f"http://{self.addresses['grpc']}"
        self.http = f"http://{self.addresses['http']}"

    def read(self, kind):
        lines = self.records.read_text().splitlines(keepends=True) if self.records.exists() else []
        records = [json.loads(line) for line in lines if line.endswith("\n")]
        return [record for record in records if record["type"] == kind]

    def spans(self, service=None):
        return [span for span in self.read("span") if service in (None, span["resource"].get("service.name"))]

    def wait_for(self, check, what="spans", seconds=30):
        """Waits until `check(spans)` returns a true value and returns it."""

        def seen():
            return f"{what}; there are: {sorted({span['name'] for span in self.spans()})}"

        return eventually(lambda: check(self.spans()), seen, seconds)


@pytest.fixture
def sink(tools, start, tmp_path):
    return start_sink(tools, start, tmp_path)


def start_sink(tools, start, folder, *arguments):
    """An `otlp-sink` with additional arguments, such as `--mode`, `--tls-dir`."""
    records = folder / f"sink-{len(list(folder.iterdir()))}.jsonl"
    grpc, http = otlp_addresses()
    given = any(str(argument).startswith(("--grpc", "--tls")) for argument in arguments)
    addresses = [] if given else ["--grpc", grpc, "--http", http]
    return Sink(start("sink", [tools.program("otlp-sink"), "--out", records, *addresses, *arguments]), records)


@pytest.fixture
def otelcol(tools, start, tmp_path):
    return otelcol_starter(tools, start, tmp_path)


def otelcol_starter(tools, start, folder):
    """otelcol(rendered, environment) -> Server: a Collector with the rendered configuration and command. Only the
    listen addresses, the queue folder and the metrics interval are changed; `.grpc`, `.http`, `.health`,
    `.prometheus` and `.telemetry` are its addresses."""

    def run(rendered, environment, queue=folder / "queue", ready=True):
        import yaml  # only in the test venv; collecting the tests does not need it

        compose = yaml.safe_load((rendered / "docker-compose.yaml").read_text())
        command = compose["services"]["otel-collector"].get("command")
        configuration = rendered / "otel-collector.yaml"
        return start_collector(tools, start, folder, configuration, command, environment, queue, ready)

    return run


def start_collector(
    tools, start, folder, configuration, command, environment, queue, ready=True, otelcol=None, more=None, through=()
):
    """A Collector as returned by the fixture `otelcol`, from the program `otelcol` with the configuration merged
    with `more`. `command` is the rendered command, empty for the published image; `through` is a command
    prefix."""
    import yaml

    ports = free_ports(3)
    (grpc, http), (health, prometheus, telemetry) = otlp_addresses(), (f"127.0.0.1:{port}" for port in ports)
    overlay = {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": grpc}, "http": {"endpoint": http}}}},
        "exporters": {"prometheus": {"endpoint": prometheus}},
        "extensions": {
            "health_check": {"endpoint": health},
            "file_storage": {"directory": str(queue), "compaction": {"directory": str(queue)}},
        },
        "service": {
            "telemetry": {
                "metrics": {
                    "readers": [{"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": ports[2]}}}}]
                }
            }
        },
    }
    if "metrics_flush_interval: 15s" in configuration.read_text():
        overlay["connectors"] = {"span_metrics": {"metrics_flush_interval": "1s"}}
    inside = "/etc/otelcol-contrib/config.yaml"
    command = command or ["--", "/otelcol-contrib", "--config", inside]
    at = command.index("--")
    options, (_, *arguments) = command[:at], command[at + 1 :]
    assert inside in arguments
    arguments = [configuration if word == inside else word for word in arguments]
    for number, tree in enumerate((overlay, more or {})):
        file = folder / f"overlay-{number}.yaml"
        file.write_text(yaml.safe_dump(tree))
        arguments += ["--config", file]
    entrypoint = [tools.program("chroma-otel-entrypoint"), *options, "--queue", queue, "--"] if options else []
    server = start("otelcol", [*through, *entrypoint, otelcol or tools.otelcol, *arguments], environment)
    server.grpc, server.http = f"http://{grpc}", f"http://{http}"
    server.health, server.prometheus = f"http://{health}/", f"http://{prometheus}/metrics"
    server.telemetry = f"http://{telemetry}/metrics"
    if ready:
        server.until(lambda: get(server.health), "a healthy collector")
    return server


@pytest.fixture
def chroma(tools, start, tmp_path):
    return chroma_starter(tools, start, tmp_path)


def chroma_starter(tools, start, folder):
    """chroma(version, environment, rendered) -> Server: a healthy Chroma server under the entrypoint, with the
    rendered configuration (1.x) and the entrypoint's `options`; `.url` is its address. With `ready=False` it is not
    awaited."""

    def run(version, environment, rendered=None, data=None, options=(), ready=True):
        binaries, (port,) = tools.chroma(version), free_ports(1)
        data = str(data or folder / f"data-{version}")
        variables = {"CHROMA_VERSION": version, "ANONYMIZED_TELEMETRY": "False", **environment}
        if version.startswith("0."):
            command = [binaries / "uvicorn", "chromadb.app:app", "--host", "127.0.0.1", "--port", port]
            variables |= {"IS_PERSISTENT": "1", "PERSIST_DIRECTORY": data}
            health = "/api/v2/heartbeat"
        else:
            command = [binaries / "chroma", "run", rendered / "config.yaml"]
            variables |= {
                "CHROMA_PORT": str(port),
                "CHROMA_LISTEN_ADDRESS": "127.0.0.1",
                "CHROMA_PERSIST_PATH": data,
            }
            health = "/api/v2/healthcheck"
        server = start(
            f"chroma-{version}", [tools.program("chroma-otel-entrypoint"), *options, "--", *command], variables
        )
        server.port, server.url = port, f"http://127.0.0.1:{port}"
        if ready:
            server.until(lambda: get(server.url + health), "a healthy Chroma")
        return server

    return run


def client(tools, version, port, *steps, program="client.py", token=None):
    """Runs steps of client.py, or of another program, with the real Python client of that version."""
    command = [str(word) for word in (tools.chroma(version) / "python", HERE / program, port, *steps)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(CACHE), "ANONYMIZED_TELEMETRY": "False"}
    if token:
        environment["CHROMA_CLIENT_AUTH_PROVIDER"] = "chromadb.auth.token_authn.TokenAuthClientProvider"
        environment["CHROMA_CLIENT_AUTH_CREDENTIALS"] = token
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
