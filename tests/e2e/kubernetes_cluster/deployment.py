"""A deployment in the cluster, installed and changed with the commands of its rendered README."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.request

from conftest import ROOT, client, renderer

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"


class Deployment:
    """A spec, its rendered folder, and the commands of its README."""

    def __init__(self, cluster, tools, home, spec):
        self.cluster, self.home, self.folder = cluster, home, home / "rendered"
        self.render, self.spec, self.tools = renderer(tools, home), {}, tools
        self.gen(spec)
        self.name = self.namespace = spec["name"]

    def gen(self, changes, prune=False):
        """Merges the changes into the spec and renders it again. With `prune`, the folder loses files of features that
        are no longer in the spec."""
        for section, values in changes.items():
            self.spec[section] = {**self.spec.get(section, {}), **values} if isinstance(values, dict) else values
        (self.home / "spec.yaml").write_text(json.dumps(self.spec))
        flags = {"prune": True} if prune else {}
        self.render(out=self.folder.name, spec=self.home / "spec.yaml", target="kubernetes", **flags)

    def copy(self, name, changes):
        """Renders the spec with changed keys to another folder, and returns it."""
        spec = self.home / f"{name}.yaml"
        spec.write_text(json.dumps({**self.spec, **changes}))
        return self.render(out=name, spec=spec, target="kubernetes")

    def change(self, spec, *flags):
        """Renders another spec, runs the `kubectl` commands that `gen` prints, and returns them."""
        self.spec = spec
        (self.home / "spec.yaml").write_text(json.dumps(spec))
        program = self.tools.program("chroma-otel-deploy")
        command = [program, "gen", "--out", self.folder, "--spec", self.home / "spec.yaml", "--prune", *flags]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.home)
        assert done.returncode == 0, done.stderr
        lines = [line.strip() for line in done.stderr.split("next:\n")[1].splitlines()]
        commands = [line for line in lines if line.startswith("kubectl ")]
        for line in commands:
            self.cluster.run("bash", "-euo", "pipefail", "-c", line, cwd=self.folder)
        return commands

    def recipe(self, heading, containing=""):
        """The shell blocks of a README section that contain this text."""
        text = (self.folder / "README.md").read_text()
        section = re.split(r"^##+ ", re.split(rf"^##+ {re.escape(heading)}\n", text, flags=re.M)[1], flags=re.M)[0]
        found = [block for block in re.findall(r"```sh\n(.*?)```", section, re.S) if containing in block]
        assert found, f"no block with `{containing}` under `{heading}`"
        return found

    def follow(self, heading, containing="", check=True):
        """Runs each of these blocks in the folder and returns their output; a warning is a failure."""
        said = ""
        for block in self.recipe(heading, containing):
            done = self.cluster.run("bash", "-euc", block, cwd=self.folder, check=check)
            assert not check or "warning" not in done.stderr.lower(), f"{block}: {done.stderr}"
            said += done.stdout + done.stderr
        return said

    def build(self):
        """Builds the images with the README's commands, if there are any, and loads them onto the node."""
        if not (self.folder / "image/Dockerfile").exists():
            return
        self.follow("Build")
        self.cluster.run(ROOT / ".ci/cluster", "load", *re.findall(r"--tag (\S+)", self.recipe("Build")[0]))

    def install(self):
        self.cluster.gone(self.namespace)
        self.build()
        for block in self.recipe("Apply" if (self.folder / "image/Dockerfile").exists() else "Install"):
            done = self.cluster.run("bash", "-euc", block, cwd=self.folder)
            assert "warning" not in done.stderr.lower(), f"{block}: {done.stderr}"
            if "cp -n .env.example .env" in block:
                self.set_keys()

    def set_keys(self):
        """Sets the keys in `.env`."""
        file = self.folder / ".env"
        text = file.read_text()
        for variable, value in self.keys.items():
            text, count = re.subn(rf"^#? ?{variable}=.*$", lambda _: f"{variable}={value}", text, flags=re.M)
            assert count == 1, text
        file.write_text(text)

    def settle(self):
        """Waits until all rollouts are complete."""
        workloads = self.cluster.kubectl(
            "get", "statefulsets,deployments", "--namespace", self.namespace, "--output", "name"
        ).stdout.split()
        for workload in workloads:
            self.cluster.kubectl("rollout", "status", "--namespace", self.namespace, "--timeout", "5m", workload)

    def chroma(self):
        return self.cluster.forward(self.namespace, f"service/{self.name}-api", 8000)

    def client(self, tools, version, *steps):
        with self.chroma() as port:
            return client(tools, version, port, *steps)

    def ask(self):
        """Sends a unique request to Chroma and returns its query string."""
        query = f"offset={time.monotonic_ns() // 1_000_000}"  # redaction keeps this parameter
        with (
            self.chroma() as port,
            urllib.request.urlopen(f"http://127.0.0.1:{port}{COLLECTIONS}?{query}", timeout=30) as answer,
        ):
            assert answer.status == 200
        return query

    def pod(self, name):
        return self.cluster.get("pod", name, "--namespace", self.namespace)

    def logs(self):
        words = [
            "logs",
            "--namespace",
            self.namespace,
            "--selector",
            f"app.kubernetes.io/instance={self.name}",
            "--prefix",
            "--tail",
            "40",
        ]
        return self.cluster.kubectl(*words, check=False).stdout + self.cluster.events()

    def remove(self):
        self.cluster.kubectl("delete", "--kustomize", self.folder, "--ignore-not-found", "--wait=false", check=False)
        self.cluster.leave(self.namespace)
