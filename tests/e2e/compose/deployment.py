"""A rendered Compose deployment in the tests' Docker engine."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.request

import pytest
from conftest import CACHE, eventually, get, renderer

CHROMA = 8000
TOKEN = "8d2f9a40c1e65b7d33aa00f1"
REGISTRY = "registry.example.com/search"
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
    """The deployment of these flags, with the sections `access` and `backup`, and with the token in `.env`."""
    flags = dict(spec)
    access, backup = flags.pop("access", None), flags.pop("backup", None)
    if access or backup:
        flags["spec"] = folder / "spec.yaml"
        sections = f"chroma: {{access: {access or '{}'}}}\n" + (f"backup: {backup}\n" if backup else "")
        flags["spec"].write_text(f"target: docker\n{sections}")
    deployment = Deployment(renderer(tools, folder)(**flags))
    if access:
        deployment.set(CHROMA_TOKEN=TOKEN)
        file = deployment.folder / "Caddyfile"  # without the internet, certificates are Caddy's own
        file.write_text(file.read_text().replace("persist_config off", "persist_config off\n\tlocal_certs"))
    if "certificate" in (access or ""):
        make_certificate(deployment.folder / "tls", "chroma.example.com")
    return deployment


def make_certificate(folder, host):
    """Writes `tls.crt` and `tls.key` for the host."""
    folder.mkdir()
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
    name = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    done = subprocess.run(["openssl", "req", "-x509", *key, *name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


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
