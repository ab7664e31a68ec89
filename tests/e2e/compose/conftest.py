"""Fixtures of the tests with a Docker engine. Each class starts a deployment of its spec; the tests of a class share
it and leave it running."""

import os

import pytest
from conftest import missing

from compose.deployment import SOCKET, build_for_all, rendered

# The highest limit here, because the tests' engine itself runs in a container.
FILES = "services: {chroma: {ulimits: {nofile: {soft: 20000, hard: 20000}}}}\n"


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


@pytest.fixture
def env_file(stack):
    """env_file(NAME=value…) writes `.env`; at the end, the file and the deployment are restored."""
    yield stack.set
    stack.set()
    stack.up()
