"""The collector's metrics that alert rules and the dashboard query."""

import json
import re

import pytest
from conftest import NEWEST, client, eventually, free_ports, get, start_sink
from kubernetes_collector import cluster, document, gateway, run  # noqa: F401 (fixtures)
from test_collector import ask, send

pytestmark = [pytest.mark.collector, pytest.mark.kubernetes]

FROM_PROMETHEUS = {"namespace", "pod"}  # labels that Prometheus adds to a scrape


def selectors(expression):
    """The series that an expression queries: name and labels."""
    for name, matchers in re.findall(r"\b((?:otelcol|traces)_\w+)(?:\{([^}]*)\})?", expression):
        yield name, set(re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"', matchers)) - FROM_PROMETHEUS


def test_alerts_and_dashboard_query_existing_series(gateway, render, sink, chroma, tools, start, tmp_path):
    """Scrapes cover successful requests, a backend that rejects spans, a full queue, and exhausted memory."""
    (tmp_path / "spec.yaml").write_text("target: kubernetes\nmetrics: {monitoring: true}\n")
    monitoring = render(out="monitoring", target="kubernetes", spec="spec.yaml")
    rules = document(monitoring, "PrometheusRule", "chroma-otel-collector")["spec"]
    dashboard = json.loads(document(monitoring, "ConfigMap", "chroma-dashboard")["data"]["chroma.json"])
    expressions = [
        rule["expr"] for group in rules["groups"] if group["name"] == "chroma-otel" for rule in group["rules"]
    ]
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [variable["query"].replace("label_values(", "") for variable in dashboard["templating"]["list"][1:]]
    wanted = {
        (name, label) for expression in expressions for name, labels in selectors(expression) for label in labels | {""}
    }
    assert len({name for name, _ in wanted}) >= 11, wanted

    collector, rendered = gateway()
    (rendered / "config.yaml").write_text(document(rendered, "ConfigMap", "chroma-config")["data"]["config.yaml"])
    server = chroma(NEWEST, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered)
    client(tools, NEWEST, server.port, "fill", "query")

    def pages(*servers):
        return "".join((get(server.telemetry) or "") + (get(server.prometheus) or "") for server in servers)

    failing = gateway(out="failing", endpoint=start_sink(tools, start, tmp_path, "--mode", "reject").grpc)[0]
    (nobody,) = free_ports(1)
    small = {"exporters": {"otlp_grpc": {"sending_queue": {"queue_size": 600000, "num_consumers": 1}}}}
    full = gateway(small, out="full", endpoint=f"http://127.0.0.1:{nobody}")[0]
    used_up = gateway({"processors": {"memory_limiter": {"limit_mib": 1, "spike_limit_mib": 0}}}, out="used-up")[0]
    send(failing, {"name": "refused"})
    body = json.dumps(
        {
            "resourceSpans": [
                {"scopeSpans": [{"spans": [{"name": "x" * 100000, "traceId": "ab" * 16, "spanId": "cd" * 8}]}]}
            ]
        }
    )
    eventually(lambda: ask(f"{full.http}/v1/traces", body) == 503, "a full queue")
    eventually(lambda: ask(f"{used_up.http}/v1/traces", body) == 503, "no memory")

    def missing():
        found = set()
        for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", pages(collector, failing, full, used_up), re.MULTILINE):
            found.update((name, label) for label in ["", *re.findall(r'(\w+)="', labels)])
        return wanted - found

    eventually(lambda: not missing(), missing, seconds=40)
