"""The default Compose deployment, with stand-in images under the published names."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import NEWEST, VERSIONS, client, eventually, get, renderer

from compose.deployment import CHROMA, JAEGER, REGISTRY, Deployment, jaeger_spans, of_spec, tags, trace_arrives

pytestmark = pytest.mark.docker

# As rendered, with a shorter limit.
IMPATIENT = "services: {chroma: {healthcheck: {test: [CMD, /chroma-otel-entrypoint, healthcheck, --end-after, '5']}}}\n"

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

    def test_readme_command_vacuums_while_chroma_runs(self, stack, tools):
        client(tools, NEWEST, CHROMA, "fill", "query", "delete")
        [vacuum] = stack.recipe("Disk space")
        done = stack.shell(vacuum)
        assert "Vacuum complete" in done.stdout + done.stderr
        client(tools, NEWEST, CHROMA, "fill", "query")

    def test_files_of_the_operator_change_containers_and_the_collector(self, stack):
        section = (stack.folder / "README.md").read_text().split("## Other settings\n")[1].split("\n## ")[0]
        blocks = re.findall(r"```yaml\n# (\S+)\n(.*?)```", section, re.S)
        files = [stack.folder / name for name, _ in blocks]
        assert [file.name for file in files] == ["docker-compose.override.yaml", "otel-collector.override.yaml"]
        for file, (_, text) in zip(files, blocks, strict=True):
            file.write_text(text.replace("journald", "none"))  # there is no journal
        stack.up()
        assert stack.container("chroma")["HostConfig"]["LogConfig"] == {"Type": "none", "Config": {}}
        assert "HTTPS_PROXY=http://proxy.example.com:3128" in stack.container("otel-collector")["Config"]["Env"]
        trace_arrives()
        assert "\tinfo\t" not in stack.logs("otel-collector")
        for file in files:
            file.unlink()
        stack.up()

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
