"""A deployment with a tiered collector and two backends."""

import json
import re

import pytest
from conftest import eventually, get

pytestmark = pytest.mark.kubernetes


def trace_in_sink(sink, deployed):
    """Waits for the trace of a new request: (its first span, all its spans)."""
    query = deployed.ask()

    def whole(spans):
        for first in spans:
            if query in json.dumps(first["attributes"]) and first["kind"] == "SERVER":
                return first, [span for span in spans if span["trace_id"] == first["trace_id"]]
        return None

    return sink.wait_for(whole, f"{query}: {deployed.logs()}", 90)


class TestTieredCollector:
    """Published images, routers, members with volume claims for their queue, and a key for one of two backends."""

    spec = {
        "name": "tiers",
        "chroma": {"image": "stock"},
        "machine": {"disk": "1GiB"},
        "tracing": {"backend": ["otlp", "jaeger"], "headers": ["x-api-key"], "granularity": "all"},
        "collector": {"mode": "tiered"},
    }
    keys = {"CHROMA_OTEL_HEADER_X_API_KEY": "first-key"}

    def test_trace_arrives_with_pod_attributes_and_key(self, sink, deployed):
        first, spans = trace_in_sink(sink, deployed)
        assert first["resource"]["k8s.pod.name"] == first["resource"]["service.instance.id"] == "tiers-0"
        assert first["resource"]["k8s.statefulset.name"] == "tiers"
        assert first["headers"]["x-api-key"] == "first-key"
        ids = {span["span_id"] for span in spans}
        assert all(span["parent_span_id"] in ids for span in spans if span is not first), spans

    def test_trace_arrives_in_every_backend(self, sink, deployed):
        """Finds the other backend by the README and compares all spans."""
        _, spans = trace_in_sink(sink, deployed)
        [(service, port)] = re.findall(
            r"The same in `jaeger`: forward `(\S+) (\d+)`", (deployed.folder / "README.md").read_text()
        )
        with deployed.cluster.forward(deployed.namespace, service, int(port)) as ui:
            url = f"http://127.0.0.1:{ui}/api/traces/{spans[0]['trace_id']}"

            def found():
                traces = json.loads(get(url) or "{}").get("data") or []
                return {span["spanID"] for trace in traces for span in trace["spans"]}

            def sent():
                return {span["span_id"] for span in sink.spans() if span["trace_id"] == spans[0]["trace_id"]}

            eventually(lambda: found() == sent(), lambda: f"{found()}, not {sent()}: {deployed.logs()}", 60)

    def test_members_have_volume_claims(self, cluster, deployed):
        members = cluster.get("pods", "--namespace", "tiers", "--selector", "app.kubernetes.io/component=member")[
            "items"
        ]
        claimed = {
            volume["persistentVolumeClaim"]["claimName"]
            for pod in members
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        }
        bound = {
            claim["metadata"]["name"]
            for claim in cluster.get("pvc", "--namespace", "tiers")["items"]
            if claim["status"]["phase"] == "Bound"
        }
        assert len(members) == len(claimed) == 2 and claimed <= bound

    def test_rotated_key_reaches_the_backend(self, sink, deployed):
        deployed.keys = {"CHROMA_OTEL_HEADER_X_API_KEY": "second-key"}
        deployed.set_keys()
        deployed.follow("Rotate a key")
        deployed.settle()
        first, _ = trace_in_sink(sink, deployed)
        assert first["headers"]["x-api-key"] == "second-key"
