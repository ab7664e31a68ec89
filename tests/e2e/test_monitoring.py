"""Alert rules, dashboard and scrape configuration: Prometheus' rule tests, and a real Prometheus.

Invariant: each alert fires only if its condition holds, and ignores the series of other deployments.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import urllib.parse

import pytest
from conftest import NEWEST, VERSIONS, client, eventually, free_ports, get, missing, start_collector, start_sink
from test_collector import send, send_metrics

pytestmark = pytest.mark.collector

# Labels of the deployment's series and of another deployment's, by target.
OWN = {
    "docker": ('deployment="chroma", instance="a"', 'deployment="other", instance="a"'),
    "kubernetes": (
        'namespace="chroma", pod="chroma-otel-collector-x"',
        'namespace="chroma", pod="other-otel-collector-x"',
    ),
}
CALLS, TOOK = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds_bucket"


def rules_of(render, folder, target):
    """The rules that are rendered for a target."""
    import yaml

    spec = {
        "target": target,
        "metrics": {"monitoring": True, "to_backend": True},
        "tracing": {
            "backend": "otlp",
            "endpoint": "http://tempo.internal:4317",
            "sampling": {"ratio": 0.1, "errors": True},
        },
    }
    if target == "kubernetes":
        spec |= {"backup": {}, "collector": {"mode": "tiered"}}
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    rendered = render(out=target, target=target, spec="spec.yaml")
    if target != "kubernetes":
        return yaml.safe_load((rendered / "monitoring/alerts.yaml").read_text())
    trees = yaml.safe_load_all((rendered / "monitoring.yaml").read_text())
    return next(tree for tree in trees if tree["kind"] == "PrometheusRule")["spec"]


def promtool(*words):
    try:
        return subprocess.run(["promtool", *words], capture_output=True, text=True)
    except FileNotFoundError:
        return missing("`promtool` (Debian's package prometheus)")


@pytest.fixture
def fires(render, tmp_path):
    """fires(target, alert, at, series) -> whether the alert fires at that time; values of series are in the
    notation of Prometheus' rule tests."""

    def run(target, alert, at, series):
        (tmp_path / "rules.json").write_text(json.dumps(rules_of(render, tmp_path, target)))
        expected = {"eval_time": at, "alertname": alert, "exp_alerts": []}
        test = {
            "interval": "1m",
            "input_series": [{"series": s, "values": v} for s, v in series.items()],
            "alert_rule_test": [expected],
        }
        (tmp_path / "test.json").write_text(
            json.dumps({"rule_files": ["rules.json"], "evaluation_interval": "1m", "tests": [test]})
        )
        done = promtool("test", "rules", tmp_path / "test.json")
        assert done.returncode == 0 or f"alertname: {alert}" in done.stdout + done.stderr, done.stdout + done.stderr
        return done.returncode != 0

    return run


@pytest.mark.parametrize(
    "alert, at, series, called",
    [
        (
            "ChromaErrors",
            "30m",
            {
                f'{CALLS}{{http_response_status_code="500", OWN}}': "0+1x60",
                f'{CALLS}{{http_response_status_code="200", OWN}}': "0+9x60",
            },
            True,
        ),
        (
            "ChromaErrors",
            "30m",
            {
                f'{CALLS}{{http_response_status_code="500", OWN}}': "0+1x60",
                f'{CALLS}{{http_response_status_code="200", OWN}}': "0+99x60",
            },
            False,
        ),
        ("ChromaErrors", "5m", {f'{CALLS}{{http_response_status_code="500", OWN}}': "0+1x60"}, False),
        ("ChromaErrors", "30m", {f'{CALLS}{{http_response_status_code="404", OWN}}': "0+9x60"}, False),
        (
            "ChromaSlow",
            "30m",
            {
                f'{TOOK}{{http_response_status_code="200", le="{le}", OWN}}': f"0+{n}x60"
                for le, n in (("2.5", 90), ("5", 100), ("+Inf", 100))
            },
            True,
        ),
        (
            "ChromaSlow",
            "30m",
            {
                f'{TOOK}{{http_response_status_code="200", le="{le}", OWN}}': f"0+{n}x60"
                for le, n in (("2.5", 96), ("5", 100), ("+Inf", 100))
            },
            False,
        ),
        ("IndexDamaged", "20m", {"chroma_index_damaged{OWN}": "0 0 1x60"}, True),
        ("IndexDamaged", "20m", {"chroma_index_damaged{OWN}": "0x60"}, False),
        ("DataDiskFills", "20m", {"system_filesystem_utilization_ratio{OWN}": "0.9x60"}, True),
        ("DataDiskFills", "20m", {"system_filesystem_utilization_ratio{OWN}": "0.8x60"}, False),
        (
            "SpansWait",
            "20m",
            {
                'otelcol_exporter_queue_size{data_type="traces", OWN}': "30x60",
                'otelcol_exporter_queue_capacity{data_type="traces", OWN}': "100x60",
            },
            True,
        ),
        (
            "SpansWait",
            "20m",
            {
                'otelcol_exporter_queue_size{data_type="traces", OWN}': "20x60",
                'otelcol_exporter_queue_capacity{data_type="traces", OWN}': "100x60",
            },
            False,
        ),
        # One unavailable backend of two is enough.
        (
            "SpansWait",
            "20m",
            {
                f'otelcol_exporter_queue_{what}{{data_type="traces", exporter="{name}", OWN}}': f"{n}x60"
                for name, of in (("a", (0, 100)), ("b", (30, 100)))
                for what, n in zip(("size", "capacity"), of, strict=True)
            },
            True,
        ),
        (
            "SpansWait",
            "20m",
            {
                'otelcol_exporter_queue_size{data_type="metrics", OWN}': "30x60",
                'otelcol_exporter_queue_capacity{data_type="metrics", OWN}': "100x60",
            },
            False,
        ),
        (
            "MetricsWait",
            "20m",
            {
                'otelcol_exporter_queue_size{data_type="metrics", OWN}': "30x60",
                'otelcol_exporter_queue_capacity{data_type="metrics", OWN}': "100x60",
            },
            True,
        ),
        (
            "MetricsWait",
            "20m",
            {
                'otelcol_exporter_queue_size{data_type="traces", OWN}': "30x60",
                'otelcol_exporter_queue_capacity{data_type="traces", OWN}': "100x60",
            },
            False,
        ),
        ("MetricsLost", "20m", {"otelcol_exporter_send_failed_metric_points{OWN}": "0+1x60"}, True),
        ("MetricsLost", "20m", {"otelcol_exporter_enqueue_failed_metric_points{OWN}": "0+1x60"}, True),
        ("MetricsLost", "20m", {"otelcol_exporter_send_failed_metric_points{OWN}": "7x60"}, False),
        (
            "TracesUndecided",
            "20m",
            {"otelcol_processor_tail_sampling_sampling_trace_dropped_too_early{OWN}": "0+1x60"},
            True,
        ),
        (
            "TracesUndecided",
            "20m",
            {"otelcol_processor_tail_sampling_sampling_trace_dropped_too_early{OWN}": "7x60"},
            False,
        ),
        ("SpansLost", "20m", {"otelcol_exporter_send_failed_spans{OWN}": "0+1x60"}, True),
        ("SpansLost", "20m", {"otelcol_exporter_enqueue_failed_spans{OWN}": "0+1x60"}, True),
        ("SpansLost", "20m", {"otelcol_exporter_send_failed_spans{OWN}": "7x60"}, False),
        ("SpansRefused", "20m", {"otelcol_processor_memory_limiter_refused_spans{OWN}": "0+1x60"}, True),
        ("SpansRefused", "20m", {"otelcol_processor_memory_limiter_refused_spans{OWN}": "7x60"}, False),
        ("CollectorRestarts", "30m", {"otelcol_process_uptime{OWN}": "9 1 9 1 9 1 9x60"}, True),
        ("CollectorRestarts", "30m", {"otelcol_process_uptime{OWN}": "0+60x60"}, False),
        ("CollectorMissing", "20m", {"otelcol_process_uptime{OWN}": "_x60"}, True),
        ("CollectorMissing", "20m", {"otelcol_process_uptime{OWN}": "0+60x60"}, False),
    ],
)
@pytest.mark.parametrize("target", OWN)
def test_alerts_fire_only_when_their_condition_holds(fires, target, alert, at, series, called):
    own, other = OWN[target]
    assert fires(target, alert, at, {name.replace("OWN", own): values for name, values in series.items()}) == called
    # Series of another deployment do not fire the alert; only `CollectorMissing` fires without series.
    others = {name.replace("OWN", other): values for name, values in series.items()}
    assert fires(target, alert, at, others) == (alert == "CollectorMissing")


PROBES = 'otelcol_processor_filter_spans_filtered{filter="filter/probes", OWN}'


@pytest.mark.parametrize(
    "series, called",
    [
        ({PROBES: "0+6x60"}, False),
        ({PROBES: "0+6x5 30x60"}, True),
        ({}, True),  # Chroma has not answered since the collector's start
        ({'otelcol_processor_filter_spans_filtered{filter="filter/other", OWN}': "0+6x60"}, True),
    ],
)
def test_alert_on_chroma_fires_without_answered_health_checks(fires, series, called):
    own, other = OWN["docker"]
    series = {name.replace("OWN", own): values for name, values in series.items()}
    assert not fires("docker", "ChromaDown", "15m", series)  # without a collector, `CollectorMissing` fires
    uptime = {f"otelcol_process_uptime{{{of}}}": "0+60x60" for of in (own, other)}
    assert fires("docker", "ChromaDown", "15m", series | uptime) == called


def test_alert_descriptions_contain_the_exporter_and_the_remedy(render, tmp_path):
    for target, replicas in (("docker", False), ("kubernetes", True)):
        rules = {
            rule["alert"]: rule for group in rules_of(render, tmp_path, target)["groups"] for rule in group["rules"]
        }
        told = {name: rule["annotations"]["description"] for name, rule in rules.items()}
        assert all(
            "{{ $labels.exporter }}" in told[name] for name in ("SpansWait", "SpansLost", "MetricsWait", "MetricsLost")
        )
        assert ("replicas" in told["SpansRefused"], "replicas" in told["TracesUndecided"]) == (replicas, replicas)


def test_collector_exposes_the_metrics_of_the_alert_rules(render, tools, start, tmp_path):
    """Scrapes cover a backend that rejects metrics, a full queue, and more undecided traces than the limit."""
    import yaml

    rules = {
        rule["alert"]: rule["expr"]
        for group in rules_of(render, tmp_path, "docker")["groups"]
        for rule in group["rules"]
    }
    rendered = tmp_path / "docker"
    command = yaml.safe_load((rendered / "docker-compose.yaml").read_text())["services"]["otel-collector"].get(
        "command"
    )

    def collector(name, endpoint, more):
        configuration, variables = rendered / "otel-collector.yaml", {"CHROMA_OTEL_COLLECTION_ENDPOINT": endpoint}
        return start_collector(tools, start, tmp_path, configuration, command, variables, tmp_path / name, more=more)

    little = {
        "processors": {
            "tail_sampling": {"num_traces": 4, "decision_wait": "2s", "decision_wait_after_root_received": "1s"}
        }
    }
    failing = collector("failing", start_sink(tools, start, tmp_path, "--mode", "reject").grpc, little)
    send(failing, *({"name": "one of many", "traceId": f"{number:032x}"} for number in range(1, 101)))
    assert send_metrics(failing, ("app.calls", "sum", [{}])) == 200
    (nobody,) = free_ports(1)
    small = {"exporters": {"otlp_grpc": {"sending_queue": {"queue_size": 600000, "num_consumers": 1}}}}
    full = collector("full", f"http://127.0.0.1:{nobody}", small)
    eventually(lambda: send_metrics(full, ("app.calls", "sum", [{"text": "x" * 100000}])) == 503, "a full queue")

    def missing():
        page = get(failing.telemetry) + get(full.telemetry)
        names = re.findall(r"otelcol_exporter_\w+", rules["MetricsWait"] + rules["MetricsLost"])
        return [
            name
            for name in names
            if not re.search(rf'^{name}\{{(?:data_type="metrics",)?exporter="otlp_grpc"', page, re.MULTILINE)
        ]

    eventually(lambda: not missing(), missing)
    [dropped] = re.findall(r"otelcol_\w+", rules["TracesUndecided"])
    eventually(lambda: re.search(rf"^{dropped} [1-9]", get(failing.telemetry), re.MULTILINE), dropped)


@pytest.fixture
def prometheus(start, tmp_path):
    """prometheus(folder, here) -> query(expression): a real Prometheus with the rendered files, whose targets are
    replaced by `here`."""

    def run(folder, here):
        program = shutil.which("prometheus") or missing("`prometheus` (Debian's package)")
        text = (
            (folder / "prometheus.yaml")
            .read_text()
            .replace("scrape_interval: 30s, evaluation_interval: 30s", "scrape_interval: 1s, evaluation_interval: 1s")
        )
        for rendered, real in zip(("127.0.0.1:8888", "127.0.0.1:8889"), here, strict=True):
            assert rendered in text
            text = text.replace(rendered, real)
        (folder / "quick.yaml").write_text(text)
        (port,) = free_ports(1)
        address = f"127.0.0.1:{port}"
        server = start(
            "prometheus",
            [
                program,
                f"--config.file={folder / 'quick.yaml'}",
                f"--storage.tsdb.path={tmp_path / 'series'}",
                f"--web.listen-address={address}",
            ],
        )
        server.until(lambda: get(f"http://{address}/-/ready"), "a ready Prometheus")

        def ask(path, **values):
            return json.loads(
                get(f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(values)}") or '{"data": {"result": []}}'
            )["data"]

        return ask

    return run


@pytest.mark.parametrize("version", VERSIONS)
def test_a_dead_or_hung_chroma_alerts(render, otelcol, sink, chroma, prometheus, tmp_path, version):
    rendered = render(chroma_version=version, backend="otlp", endpoint="http://tempo.internal:4317", monitoring=True)
    rules = rendered / "monitoring/alerts.yaml"
    text = rules.read_text()
    assert text.count("[2m]") == text.count("for: 3m") == 1
    rules.write_text(text.replace("[2m]", "[6s]").replace("for: 3m", "for: 1s"))
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    server = chroma(version, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered)
    ask = prometheus(
        rules.parent, [urllib.parse.urlsplit(url).netloc for url in (collector.telemetry, collector.prometheus)]
    )
    page = f"http://127.0.0.1:{server.port}{'/api/v2/healthcheck' if version[0] == '1' else '/api/v2/heartbeat'}"

    def state():
        get(page, seconds=0.2)  # as the container's health check does
        [alert] = [rule for group in ask("rules")["groups"] for rule in group["rules"] if rule["name"] == "ChromaDown"]
        return alert["state"]

    for sent in (signal.SIGCONT, signal.SIGSTOP, signal.SIGCONT):
        expected = "firing" if sent == signal.SIGSTOP else "inactive"
        for process in (server.process.pid, *server.children()):
            os.kill(process, sent)
        eventually(lambda expected=expected: state() == expected, expected, seconds=60)


def test_prometheus_has_every_series_of_the_dashboard(render, otelcol, sink, chroma, tools, prometheus, tmp_path):
    (tmp_path / "spec.yaml").write_text("target: docker\ntracing: {backend: otlp}\nmetrics: {monitoring: true}\n")
    rendered = render(spec="spec.yaml")
    checked = promtool("check", "config", rendered / "monitoring/prometheus.yaml")
    assert (checked.returncode, "10 rules found" in checked.stdout) == (0, True), checked.stdout + checked.stderr
    collector = otelcol(rendered, {"CHROMA_OTEL_COLLECTION_ENDPOINT": sink.grpc})
    server = chroma(NEWEST, {"CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc}, rendered)
    ask = prometheus(
        rendered / "monitoring",
        [urllib.parse.urlsplit(url).netloc for url in (collector.telemetry, collector.prometheus)],
    )
    dashboard = json.loads((rendered / "monitoring/dashboard.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    # These series exist only after failures; test_kubernetes_collector_metrics.py covers them.
    shown = [expression for expression in shown if "failed" not in expression and "refused" not in expression]
    assert len(shown) >= 11
    # A rate needs two samples with a change between them.
    for step in ("fill", "query"):
        client(tools, NEWEST, server.port, step)
        name = f'traces_span_metrics_calls_total{{http_route=~".*{"query" if step == "query" else "add"}"}}'
        eventually(lambda: ask("query", query=name)["result"], name, seconds=60)

    def empty():
        ways = {"$deployment": "chroma", "$service": "chromadb", "$__rate_interval": "1m"}
        found = []
        for expression in shown:
            for variable, value in ways.items():
                expression = expression.replace(variable, value)
            if not ask("query", query=expression)["result"]:
                found.append(expression)
        return found

    eventually(lambda: not empty(), empty, seconds=60)
    variables = [variable["query"] for variable in dashboard["templating"]["list"][1:]]
    assert variables == [
        "label_values(otelcol_process_uptime, deployment)",
        'label_values(traces_span_metrics_calls_total{deployment=~"$deployment"}, service_name)',
    ]
    groups = ask("rules")["groups"]
    assert [rule["health"] for group in groups for rule in group["rules"]] == ["ok"] * 10
    # Nothing checks Chroma's health here.
    alerts = [rule["name"] for group in groups for rule in group["rules"] if rule["state"] != "inactive"]
    assert set(alerts) <= {"ChromaDown"}
    by_instance = ask("query", query='count by (instance) ({deployment="chroma", service_name="chromadb"})')["result"]
    assert len(by_instance) == 1, by_instance
