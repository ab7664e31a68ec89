"""Commands in the cluster, connections between its pods, and port forwarding.

Invariant: our program cluster/programs/policies.go enforces network policies, so each test of a rejected connection
also makes the same connection from an allowed pod.
"""

import contextlib
import json
import os
import subprocess

from conftest import CACHE, PINNED, free_ports

ENGINE = "unix:///run/chroma-otel-docker.sock"
MACHINE = "198.18.0.1"  # this machine's address in the cluster's network
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
OPEN, REFUSED = "open", "refused"
# Prints the result of a connection to each HOST:PORT.
CONNECT = """
import json, socket, sys
def knock(at):
    host, port = at.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        return "open"
    except OSError as error:
        refused = isinstance(error, (ConnectionRefusedError, TimeoutError)) or error.errno in (101, 113)
        return "refused" if refused else repr(error)
print(json.dumps({at: knock(at) for at in sys.argv[1:]}))
"""


class Cluster:
    """Runs commands as administrator of the cluster and of the engine that builds its images."""

    def __init__(self):
        self.environment = {
            "PATH": f"{CACHE / 'now/kubernetes'}:{CACHE / 'now/helm'}:{os.environ['PATH']}",
            "HOME": os.environ.get("HOME", "/root"),
            "KUBECONFIG": str(CACHE / "cluster/kubeconfig"),
            "DOCKER_HOST": ENGINE,
            "DOCKER_CONFIG": str(CACHE / "now/plugins"),
        }
        if "XDG_CACHE_HOME" in os.environ:
            self.environment["XDG_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"]

    def run(self, *command, check=True, seconds=900, **options):
        done = subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            **options,
        )
        assert done.returncode == 0 or not check, (
            f"{command}: {done.stdout}{done.stderr}{self.events() if check else ''}"
        )
        return done

    def kubectl(self, *words, **options):
        return self.run("kubectl", *words, **options)

    def get(self, *words):
        return json.loads(self.kubectl("get", *words, "--output", "json").stdout)

    def apply(self, *trees):
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": trees})
        return self.kubectl("apply", "--filename", "-", input=text)

    def events(self):
        """The state of all pods, and the latest events."""
        pods = self.kubectl("get", "pods,pvc", "--all-namespaces", "--output", "wide", check=False).stdout
        events = self.kubectl("get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp", check=False).stdout
        return f"\n{pods}\n" + "\n".join(events.splitlines()[-30:])

    def leave(self, *namespaces):
        """Deletes the namespaces without waiting; see `gone`."""
        self.kubectl("delete", "namespace", *namespaces, "--ignore-not-found", "--wait=false", check=False)

    def namespace(self, name):
        """Creates an empty namespace, after an earlier one of that name is deleted."""
        self.gone(name)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}})

    def gone(self, namespace):
        """Waits until a namespace that is being deleted is gone."""
        there = self.kubectl(
            "get", "namespace", namespace, "--ignore-not-found", "--output", "jsonpath={.metadata.deletionTimestamp}"
        ).stdout
        if there:
            self.kubectl("wait", "--for", "delete", f"namespace/{namespace}", "--timeout", "5m")

    def visitor(self, namespace):
        """Creates an idle pod for `connections`."""
        container = {
            "name": "visitor",
            "image": PINNED["PYTHON_IMAGE"],
            "command": ["sleep", "infinity"],
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
        spec = {"containers": [container], "securityContext": security, "terminationGracePeriodSeconds": 0}
        self.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "visitor", "namespace": namespace}, "spec": spec}
        )
        self.kubectl("wait", "pod/visitor", "--namespace", namespace, "--for", "condition=Ready", "--timeout", "2m")

    def connections(self, namespace, *addresses):
        """The results of connections from the visitor to these addresses."""
        command = ["exec", "visitor", "--namespace", namespace, "--", "python3", "-c", CONNECT, *addresses]
        return json.loads(self.kubectl(*command).stdout)

    @contextlib.contextmanager
    def forward(self, namespace, resource, port, command=None):
        """Forwards a local port to the resource and yields it."""
        (local,) = free_ports(1)
        words = command or ["kubectl", "port-forward", "--namespace", namespace, resource, str(port)]
        assert words[-1] == str(port)
        process = subprocess.Popen(
            [*words[:-1], f"{local}:{port}"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert "Forwarding" in (said := process.stdout.readline()), said + process.communicate()[0]
            yield local
        finally:
            process.kill()
            process.communicate()
