"""A real Chroma that opens more files than container engines allow by default.

Chroma 1.5.9 keeps four files open for each persisted collection: with a soft limit of 1024 it fails at about the
250th collection, while its health check still succeeds.
"""

import resource

import pytest
from conftest import VERSIONS, client

SOFT = 1024

pytestmark = pytest.mark.entrypoint
COLLECTIONS = 300


@pytest.fixture
def few_open_files():
    """Sets the soft limit of a container for the processes that this test starts."""
    before = soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4 * COLLECTIONS + SOFT:
        pytest.fail(f"the hard limit of open files is {hard}: nothing could be raised")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(SOFT, soft), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_hundreds_of_collections_work_under_a_soft_limit_of_1024(tools, render, chroma, few_open_files):
    server = chroma(VERSIONS[-1], {}, render(chroma_version=VERSIONS[-1]))
    client(tools, VERSIONS[-1], server.port, COLLECTIONS, program="many_collections.py")
    assert "Failed to apply logs" not in server.log, server.log
    [process] = server.children()
    with open(f"/proc/{process}/limits") as limits:
        [line] = [line for line in limits if line.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard, line
