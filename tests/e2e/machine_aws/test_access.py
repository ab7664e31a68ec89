"""A machine in AWS with a proxy that requires a token."""

import json
import urllib.error
import urllib.request

import pytest
from booted_machine import COLLECTIONS, get_inside, leaked, new_query, watch
from conftest import NEWEST, PINNED, eventually
from stand_in_machine import ADDRESS

from machine_aws.machine_files import rendered_files
from machine_aws.machine_steps import replace_disk

pytestmark = pytest.mark.aws

SPEC = f"""
target: aws
chroma: {{version: {NEWEST}, image: stock, access: {{token: true}}}}
tracing: {{backend: jaeger}}
"""
TOKEN, NEXT, READER = "8d2f9a40c1e65b7d33aa00f1", "2c77b1de90f4a3586e11bb02", "91d0c5e7a82f4463bb27ee03"


def status(url, token=None, **request):
    """The status of the response to a request from the network."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, **request), timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


@pytest.fixture(scope="class")
def guarded(machine, cloud, tools, folder):
    """The machine with the files of a deployment that requires a token."""
    replace_disk(machine, cloud, machine.disk)
    reader = cloud.secret("read", READER)
    spec = SPEC + f"machine: {{secrets: {{CHROMA_READ_TOKEN: '{reader}'}}}}\n"
    names = {"ChromaTokenSecretArn": cloud.secret("token", TOKEN), "ChromaReadTokenSecretArn": reader}
    for path, (mode, text) in rendered_files(tools, folder, cloud, spec, names).items():
        if path != "/etc/docker/daemon.json":
            # The highest limit that a container can have here.
            machine.write(path, text.replace("nofile=65536:65536", "nofile=20000:20000"), mode)
    machine.load(
        f"caddy:{PINNED['CADDY_VERSION']}",
        f"chromadb/chroma:{NEWEST}",
        f"otel/opentelemetry-collector-contrib:{PINNED['COLLECTOR_VERSION']}",
        f"jaegertracing/jaeger:{PINNED['JAEGER_VERSION']}",
    )
    machine.boot()
    yield machine
    machine.run("systemctl", "stop", "proxy.service")


class TestAccess:
    def test_only_tokens_open_from_the_network(self, guarded):
        assert status(COLLECTIONS) == status(COLLECTIONS, TOKEN + "0") == 401
        assert status(COLLECTIONS, TOKEN) == status(COLLECTIONS, READER) == 200
        create = {"data": json.dumps({"name": "made"}).encode(), "method": "POST"}
        assert status(COLLECTIONS, READER, **create) == 403
        with pytest.raises(OSError, match="refused"):
            urllib.request.urlopen(f"http://{ADDRESS}:18000/api/v2/heartbeat", timeout=5)

    def test_load_balancer_sees_the_health_of_chroma_without_a_token(self, guarded):
        health = f"http://{ADDRESS}:8000/api/v2/healthcheck"
        assert status(health) == 200
        guarded.run("systemctl", "stop", "chroma.service")
        assert status(health) >= 500
        guarded.run("systemctl", "start", "chroma.service")
        eventually(lambda: status(health) == 200, "Chroma behind the proxy", 30)

    def test_requests_are_traced(self, guarded):
        query = new_query()
        assert status(f"{COLLECTIONS}?{query}", TOKEN) == 200
        found = "http://127.0.0.1:16686/api/traces?service=chromadb&limit=1000&lookback=1h"
        eventually(lambda: query in get_inside(guarded, found), f"{query} in Jaeger", 30)

    def test_token_is_in_memory_only_and_rotates_within_ten_minutes(self, guarded, cloud):
        assert leaked(guarded, TOKEN) == []
        assert guarded.path("/run/chroma-otel/proxy.env").stat().st_mode & 0o777 == 0o600
        cloud.store("token", NEXT)
        watch(guarded)
        eventually(lambda: status(COLLECTIONS, NEXT) == 200, "the new token", 30)
        assert status(COLLECTIONS, TOKEN) == 401

    def test_unit_is_valid_and_the_container_is_confined(self, guarded):
        done = guarded.run("systemd-analyze", "verify", "/etc/systemd/system/proxy.service")
        assert done.stdout + done.stderr == ""
        host = guarded.container("proxy")["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and host["Memory"] > 0
