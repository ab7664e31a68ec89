"""The cluster, the backend, and the deployments of the test classes.

Invariant: the tests of a class share a deployment, run in order, and leave it running.
"""

import json
import os

import pytest
from conftest import CACHE, ROOT, Server, Sink, free_ports, missing

from kubernetes_cluster.cluster import ENGINE, MACHINE, Cluster
from kubernetes_cluster.deployment import Deployment


@pytest.fixture(scope="package")
def cluster(tools):
    """The cluster; started and stopped unless it already runs."""
    for part in ("kubernetes", "crds", "helm", "python"):
        tools.part(part)
    if not os.path.exists(ENGINE.removeprefix("unix://")):
        missing("the Docker engine (see .ci/engine)")
    cluster, script = Cluster(), ROOT / ".ci/cluster"
    ran = (CACHE / "cluster/kubeconfig").exists()
    cluster.run(script, "start")
    try:
        cluster.run(script, "images")
        yield cluster
    finally:
        if not ran:
            cluster.run(script, "stop")


@pytest.fixture(scope="package")
def sink(cluster, tools, tmp_path_factory):
    """A backend outside of the cluster, reachable from its pods."""
    home, (port,) = tmp_path_factory.mktemp("sink"), free_ports(1)
    records = home / "sink.jsonl"
    command = [tools.program("otlp-sink"), "--grpc", f"{MACHINE}:{port}", "--out", records]
    server = Server(command, {}, home / "sink.log", home)
    try:
        yield Sink(server, records)
    finally:
        server.stop()


@pytest.fixture(scope="class")
def deployed(request, cluster, tools, tmp_path_factory):
    """The deployment of the class's `spec` and `keys`, installed with its README and removed at the end. The sink
    is the backend `otlp`."""
    spec = json.loads(json.dumps(request.cls.spec))
    if "otlp" in spec.get("tracing", {}).get("backend", []):
        spec["tracing"]["endpoint"] = request.getfixturevalue("sink").grpc
    deployment = Deployment(cluster, tools, tmp_path_factory.mktemp(spec["name"]), {"target": "kubernetes", **spec})
    deployment.keys = dict(request.cls.keys)
    prepare = getattr(request.cls, "prepare", None)
    try:
        if prepare:
            prepare(deployment)
        deployment.install()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture(scope="class")
def neighbours(cluster, deployed):
    """Visitor pods in the deployment's namespace, in an allowed namespace, and in another one."""
    for namespace in ("friends", "strangers"):
        cluster.namespace(namespace)
    for namespace in (deployed.namespace, "friends", "strangers"):
        cluster.visitor(namespace)
    yield
    cluster.leave("friends", "strangers")
