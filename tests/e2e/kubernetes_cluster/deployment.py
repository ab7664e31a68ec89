"""A deployment in the cluster, installed and changed by the blocks of its rendered README."""

import json
import re
import time
import urllib.error
import urllib.request

from conftest import ROOT, client, renderer

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections_count"


class Deployment:
    """A spec, what is rendered of it, and the blocks of its README."""

    def __init__(self, cluster, tools, home, spec):
        self.cluster, self.home, self.folder = cluster, home, home / "rendered"
        self.render, self.spec = renderer(tools, home), {}
        self.gen(spec)
        self.name = self.namespace = spec["name"]

    def gen(self, changes):
        """Changes the spec, by section, and renders it again."""
        for section, values in changes.items():
            self.spec[section] = {**self.spec.get(section, {}), **values} if isinstance(values, dict) else values
        (self.home / "spec.yaml").write_text(json.dumps(self.spec))
        self.render(out=self.folder.name, spec=self.home / "spec.yaml", target="kubernetes")

    def recipe(self, heading, containing=""):
        """The shell blocks under a heading of the rendered README, up to the next, that have this in them."""
        text = (self.folder / "README.md").read_text()
        section = re.split(r"^##+ ", re.split(rf"^##+ {re.escape(heading)}\n", text, flags=re.M)[1], flags=re.M)[0]
        found = [block for block in re.findall(r"```sh\n(.*?)```", section, re.S) if containing in block]
        assert found, f"no block with `{containing}` under `{heading}`"
        return found

    def follow(self, heading, containing="", check=True):
        """Runs these blocks, each by itself, in the folder; a warning is a failure. Gives all that they print."""
        said = ""
        for block in self.recipe(heading, containing):
            done = self.cluster.run("bash", "-euc", block, cwd=self.folder, check=check)
            assert not check or "warning" not in done.stderr.lower(), f"{block}: {done.stderr}"
            said += done.stdout + done.stderr
        return said

    def build(self):
        """The images, by the README where there is something to build; and then they are on the node."""
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
        """Writes the keys to `.env`, each in the place of its line."""
        file = self.folder / ".env"
        text = file.read_text()
        for variable, value in self.keys.items():
            text, count = re.subn(rf"^#? ?{variable}=.*$", lambda _: f"{variable}={value}", text, flags=re.M)
            assert count == 1, text
        file.write_text(text)

    def settle(self):
        """Waits until every pod is as it was applied last."""
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
        """Asks Chroma something that nobody asked before; gives what to look for."""
        query = f"offset={time.monotonic_ns() // 1_000_000}"  # of other words the collector shows nothing
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
