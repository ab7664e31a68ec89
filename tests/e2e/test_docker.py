"""The rendered Compose deployment in a real Docker engine, with stand-in images under the published names.

Each class starts a deployment of its spec; the tests of a class share it and leave it running.
"""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import CACHE, NEWEST, PINNED, VERSIONS, client, eventually, get, missing, renderer

pytestmark = pytest.mark.docker

CHROMA = 8000
TOKEN = "8d2f9a40c1e65b7d33aa00f1"
REGISTRY = "registry.example.com/search"
# As rendered, with a shorter limit.
IMPATIENT = "services: {chroma: {healthcheck: {test: [CMD, /chroma-otel-entrypoint, healthcheck, --end-after, '5']}}}\n"
# The highest limit here, because the tests' engine itself runs in a container.
FILES = "services: {chroma: {ulimits: {nofile: {soft: 20000, hard: 20000}}}}\n"
JAEGER = "http://127.0.0.1:16686"
SOCKET = "/run/chroma-otel-docker.sock"
COUNT = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"


class Deployment:
    """A rendered folder and its Compose project."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DOCKER_HOST": f"unix://{SOCKET}",
            "DOCKER_CONFIG": str(CACHE / "now/plugins"),
        }

    def docker(self, *words, check=True, seconds=900):
        done = subprocess.run(
            ["docker", *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == 0 or not check, (
            f"docker {' '.join(words)}: {done.stdout}{done.stderr}{self.logs() if words[1:2] == ('up',) else ''}"
        )
        return done

    def compose(self, *words, **options):
        return self.docker("compose", *words, **options)

    def up(self):
        self.compose("up", "--detach", "--wait", "--wait-timeout", "120")

    def shell(self, script, check=True):
        """Runs a block of the rendered README in the deployment's folder."""
        done = subprocess.run(
            ["sh", "-euc", script], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0 or not check, f"{script}: {done.stdout}{done.stderr}"
        return done

    def recipe(self, heading):
        """The shell blocks under a heading of the rendered README."""
        section = (self.folder / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
        return re.findall(r"```sh\n(.*?)```", section, re.S)

    def logs(self, *services):
        return self.compose("logs", "--no-color", *services, check=False).stdout

    def container(self, service):
        """The engine's description of the service's container."""
        name = self.compose("ps", "--all", "--quiet", service).stdout.strip()
        assert name, f"{service} has no container"
        return json.loads(self.docker("inspect", name).stdout)[0]

    def set(self, **variables):
        """Writes `.env`."""
        (self.folder / ".env").write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))

    def crash(self, service):
        """Kills the main process without the engine and waits for a new one."""
        before = self.container(service)["State"]
        assert before["Running"] and before["Pid"] > 1, before
        os.kill(before["Pid"], signal.SIGKILL)
        self.comes_back(service, before)

    def comes_back(self, service, before):
        """Waits until the container runs and is healthy again after `before`, a former state."""

        def back():
            state = self.container(service)["State"]
            healthy = state.get("Health", {"Status": "healthy"})["Status"] == "healthy"
            return state["Running"] and healthy and state["StartedAt"] != before["StartedAt"]

        eventually(back, lambda: f"{service} did not come back: {self.logs(service)}", 90)


def of_spec(*specs):
    """Runs a class once per spec, given as flags of the generator."""
    return pytest.mark.parametrize("spec", specs, scope="class", ids=lambda spec: "-".join(spec.values()) or "default")


def rendered(spec, tools, folder):
    """The deployment of these flags; with `access`, the section of that name, with the token in `.env`."""
    flags = dict(spec)
    access = flags.pop("access", None)
    if access:
        flags["spec"] = folder / "spec.yaml"
        flags["spec"].write_text(f"target: docker\nchroma: {{access: {access}}}\n")
    deployment = Deployment(renderer(tools, folder)(**flags))
    if access:
        deployment.set(CHROMA_TOKEN=TOKEN)
        file = deployment.folder / "Caddyfile"  # without the internet, certificates are Caddy's own
        file.write_text(file.read_text().replace("persist_config off", "persist_config off\n\tlocal_certs"))
    return deployment


@pytest.fixture(scope="class")
def stack(spec, tools, tmp_path_factory):
    """The running deployment of the class's spec; removed with its volumes at the end."""
    if not os.path.exists(SOCKET):
        missing("the Docker engine (see .ci/engine)")
    if spec.get("backend") == "zipkin":
        tools.part("zipkin", optional=True)
    deployment = rendered(spec, tools, tmp_path_factory.mktemp("deployment"))
    if spec.get("image") == "stock":
        (deployment.folder / "docker-compose.override.yaml").write_text(FILES)
    try:
        if spec.get("image") == "published":
            build_for_all(deployment, tools)
        deployment.up()
        yield deployment
    finally:
        deployment.compose("down", "--volumes", "--timeout", "20", check=False)


def build_for_all(deployment, tools):
    """Builds the `published` images; the engine keeps them by name, because there is no registry."""
    command = [tools.program("chroma-otel-deploy"), "image", "--registry", REGISTRY]
    done = subprocess.run(command, cwd=deployment.folder.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  docker buildx bake --builder chroma-otel --push$", done.stderr, re.M)
    # The stand-ins have one platform, and only the engine's own builder has them.
    build = "docker buildx bake --load --set '*.platform=linux/amd64'"
    script = f"cd {deployment.folder.parent}/image && {build}"
    deployment.shell(script)


@pytest.fixture
def env_file(stack):
    """env_file(NAME=value…) writes `.env`; at the end, the file and the deployment are restored."""
    yield stack.set
    stack.set()
    stack.up()


def jaeger_spans(service="chromadb"):
    answer = json.loads(get(f"{JAEGER}/api/traces?service={service}&limit=1000&lookback=1h") or "{}")
    return [span for trace in answer.get("data") or [] for span in trace["spans"]]


def tags(span):
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def trace_arrives(service="chromadb"):
    """Sends a unique request to Chroma and waits for its trace in Jaeger."""
    query = f"offset={time.monotonic_ns() // 1_000_000}"
    with urllib.request.urlopen(f"http://127.0.0.1:{CHROMA}{COUNT}?{query}", timeout=10) as answer:
        assert answer.status == 200

    def found():
        return [span for span in jaeger_spans(service) if query in json.dumps(span["tags"])]

    return eventually(found, lambda: f"no trace of {query}; there are {len(jaeger_spans(service))} spans", 30)[0]


SPECS = [
    {"chroma_version": version, "image": image, "backend": backend}
    for version in VERSIONS
    for image in ("wrapped", "stock")
    for backend in ("jaeger", "zipkin", "debug")
] + [{"image": "published", "registry": REGISTRY}]


@of_spec(*SPECS)
def test_rendered_files_pass_their_linters(tools, tmp_path, spec):
    deployment = Deployment(renderer(tools, tmp_path)(**spec))
    rendered = deployment.folder
    deployment.compose("config", "--quiet")
    checks = [
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yaml"],
        ["yamllint", "--strict", "-d", "{extends: relaxed, rules: {line-length: disable}}", "."],
    ]
    if (rendered / "image").exists():
        checks.append(["hadolint", "--failure-threshold", "style", "image/Dockerfile"])
    for name, *arguments in checks:
        done = subprocess.run([tools.checker(name), *arguments], cwd=rendered, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@of_spec({})
class TestDefault:
    """`gen` without flags: the newest Chroma, wrapped image, traces to Jaeger."""

    def test_client_request_is_traced(self, stack, tools):
        client(tools, NEWEST, CHROMA, "fill", "query")
        span = trace_arrives()
        assert tags(span)["span.kind"] == "server"
        added = [span for span in jaeger_spans() if tags(span).get("url.path", "").endswith("/add")]
        assert added and all(tags(span)["http.request.method"] == "POST" for span in added)

    def test_containers_are_confined_and_listen_only_on_loopback(self, stack):
        for service in stack.compose("config", "--services").stdout.split():
            container = stack.container(service)
            host = container["HostConfig"]
            bindings = [binding["HostIp"] for ports in host["PortBindings"].values() for binding in ports]
            assert set(bindings) <= {"127.0.0.1"}, service
            assert host["Memory"] > 0, service
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"] and not host["CapAdd"], service
            assert "no-new-privileges:true" in host["SecurityOpt"], service
            assert host["RestartPolicy"]["Name"] == "unless-stopped", service
            assert host["LogConfig"]["Config"]["max-size"], service
            assert container["State"]["Health"]["Status"] == "healthy", service
            user = re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{container['State']['Pid']}/status").read_text(), re.M)
            assert user.group(1) == "10001", service
        assert stack.container("chroma")["HostConfig"]["Memory"] >= 2 << 30

    def test_spans_contain_the_host_name(self, stack):
        trace_arrives()
        answer = json.loads(get(f"{JAEGER}/api/traces?service=chromadb&limit=1"))
        [process, *_] = answer["data"][0]["processes"].values()
        assert tags(process)["host.name"] == os.uname().nodename

    def test_prometheus_pages_are_served(self, stack):
        trace_arrives()
        assert "otelcol_" in get("http://127.0.0.1:8888/metrics")
        eventually(lambda: "duration" in (get("http://127.0.0.1:8889/metrics") or ""), "request durations", 60)

    def test_data_survives_down_and_up(self, stack, tools):
        client(tools, NEWEST, CHROMA, "fill")
        stack.compose("down")
        stack.up()
        client(tools, NEWEST, CHROMA, "query")
        trace_arrives()

    def test_readme_commands_back_up_and_restore(self, stack, tools):
        client(tools, NEWEST, CHROMA, "fill")
        back_up, restore = stack.recipe("Back up and restore")
        stack.shell(back_up)
        [archive] = stack.folder.glob("chroma-*.tgz")
        assert archive.stat().st_mode & 0o777 == 0o600
        # A truncated archive is rejected before data is deleted.
        (stack.folder / "cut.tgz").write_bytes(archive.read_bytes()[:-100])
        assert stack.shell(restore.replace("BACKUP.tgz", "cut.tgz"), check=False).returncode != 0
        stack.compose("start", "chroma")
        eventually(lambda: get(f"http://127.0.0.1:{CHROMA}/api/v2/healthcheck"), "Chroma")
        client(tools, NEWEST, CHROMA, "query", "delete")
        stack.shell(restore.replace("BACKUP.tgz", archive.name))
        eventually(lambda: get(f"http://127.0.0.1:{CHROMA}/api/v2/healthcheck"), "Chroma")
        client(tools, NEWEST, CHROMA, "query")

    @pytest.mark.parametrize("service", ["chroma", "otel-collector"])
    def test_crashed_container_restarts(self, stack, tools, service):
        client(tools, NEWEST, CHROMA, "fill")
        stack.crash(service)
        client(tools, NEWEST, CHROMA, "query")
        trace_arrives()

    def test_hanging_chroma_restarts(self, stack, tools):
        import yaml  # only in the test venv

        compose = yaml.safe_load((stack.folder / "docker-compose.yaml").read_text())
        rendered = yaml.safe_load(IMPATIENT)["services"]["chroma"]["healthcheck"]["test"]
        assert compose["services"]["chroma"]["healthcheck"]["test"] == [*rendered[:-1], "120"]
        client(tools, NEWEST, CHROMA, "fill")
        override = stack.folder / "docker-compose.override.yaml"
        override.write_text(IMPATIENT)
        stack.up()
        before = stack.container("chroma")["State"]
        [server] = Path(f"/proc/{before['Pid']}/task/{before['Pid']}/children").read_text().split()
        os.kill(int(server), signal.SIGSTOP)
        stack.comes_back("chroma", before)
        client(tools, NEWEST, CHROMA, "query")
        override.unlink()
        stack.up()

    def test_changed_variable_keeps_the_data(self, stack, tools, env_file):
        client(tools, NEWEST, CHROMA, "fill")
        env_file(CHROMA_OTEL_SERVICE_NAME="renamed", CHROMA_OTEL_GRANULARITY="ALL")
        stack.up()
        client(tools, NEWEST, CHROMA, "query")
        trace_arrives("renamed")

    def test_env_file_accepts_every_form_of_endpoint_and_headers(self, stack, env_file):
        for endpoint in ("jaeger", "http://jaeger:4318/v1/traces"):
            env_file(CHROMA_OTEL_COLLECTION_ENDPOINT=endpoint, CHROMA_OTEL_COLLECTION_HEADERS="x-key=s3cret,x-b=b")
            stack.up()
            trace_arrives()
            assert "s3cret" not in stack.logs()

    def test_env_file_accepts_the_variable_names_of_the_chroma_documentation(self, stack, env_file):
        env_file(
            CHROMA_OPEN_TELEMETRY__ENDPOINT="http://jaeger:4318/v1/traces",
            CHROMA_OPEN_TELEMETRY__SERVICE_NAME="documented",
            OTEL_EXPORTER_OTLP_HEADERS="x-key=s3cret",
        )
        stack.up()
        assert "CHROMA_OTEL_COLLECTION_ENDPOINT: http://jaeger:4318/v1/traces" in stack.compose("config").stdout
        trace_arrives("documented")
        assert "s3cret" not in stack.logs()

    def test_invalid_value_is_reported_while_chroma_keeps_serving(self, stack, tools, env_file):
        for name, value in (
            ("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://"),
            ("CHROMA_OTEL_COLLECTION_ENDPOINT", "http://jaeger:99999"),
            ("CHROMA_OTEL_COLLECTION_HEADERS", "s3cret"),
        ):
            env_file(**{name: value})
            stack.compose("up", "--detach")
            eventually(lambda: f"error: `{name}`" in stack.logs("otel-collector"), lambda: stack.logs("otel-collector"))
            assert "s3cret" not in stack.logs()
            eventually(lambda: get(f"http://127.0.0.1:{CHROMA}/api/v2/heartbeat"), "Chroma")
            client(tools, NEWEST, CHROMA, "fill", "query")


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


@of_spec({"access": "{token: true}"}, {"access": "{host: chroma.example.com}"})
class TestAccess:
    """The proxy that requires a token, without and with TLS."""

    def ask(self, spec, *words):
        """The status of the response to `curl`, on this machine in place of the host."""
        has_tls = "host" in spec["access"]
        url = "https://chroma.example.com" if has_tls else f"http://127.0.0.1:{CHROMA}"
        here = ["--insecure", "--resolve", "chroma.example.com:443:127.0.0.1"]
        command = [
            "curl",
            "--silent",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            *here,
            *words,
            url + COUNT,
        ]
        return int(subprocess.run(command, capture_output=True, text=True).stdout)

    def test_only_the_token_opens_and_requests_are_traced(self, stack, spec):
        eventually(lambda: self.ask(spec) == 401, "a proxy that refuses strangers", 30)
        assert self.ask(spec, "--header", f"Authorization: Bearer {TOKEN}0") == 401
        before = len(jaeger_spans())
        assert self.ask(spec, "--header", f"Authorization: Bearer {TOKEN}") == 200
        eventually(lambda: len(jaeger_spans()) > before, "the trace of the request", 30)

    def test_recipe_and_client_send_the_token(self, stack, spec, tools):
        [curl] = stack.recipe("See a trace")
        if "host" in spec["access"]:
            assert " https://chroma.example.com/api/" in curl and "CHROMA_TOKEN" in curl
            return
        assert json.loads(stack.shell(curl).stdout) == []
        client(tools, NEWEST, CHROMA, "fill", "query", "delete", token=TOKEN)

    def test_only_the_proxy_is_published_and_has_the_token(self, stack):
        assert not stack.container("chroma")["HostConfig"]["PortBindings"]
        for service in ("chroma", "otel-collector", "jaeger"):
            assert TOKEN not in json.dumps(stack.container(service))
        assert TOKEN not in stack.logs()
        proxy = stack.container("proxy")["HostConfig"]
        assert proxy["ReadonlyRootfs"] and proxy["CapDrop"] == ["ALL"]
        assert all(one["HostIp"] == "127.0.0.1" for ports in proxy["PortBindings"].values() for one in ports)
