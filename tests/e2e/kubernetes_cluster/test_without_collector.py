"""A deployment without a collector."""

import json

import pytest

pytestmark = pytest.mark.kubernetes


class TestWithoutCollector:
    """Chroma exports directly to the backend."""

    spec = {
        "name": "alone",
        "chroma": {"image": "stock"},
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": "otlp"},
        "collector": {"mode": "none"},
    }
    keys = {}

    def test_request_is_traced(self, cluster, sink, deployed):
        query = deployed.ask()
        sink.wait_for(
            lambda spans: query in json.dumps([span["attributes"] for span in spans]), f"{query}: {deployed.logs()}", 60
        )
        assert [one["kind"] for one in cluster.get("deployments,daemonsets", "--namespace", "alone")["items"]] == []
